"""The picture of a cube."""

from __future__ import annotations

import pytest
from cube_helpers import small_cube, solve
from matplotlib.figure import Figure

import lw_rl.cube
from lw_rl.cube.figure import cube_figure


def test_the_figure_shows_what_is_there_and_what_is_not(client, tmp_path):
    cube = small_cube(3, 2)
    cube.temperature[0, 1, 1, 3] = -1.0

    def stop(progress):
        if progress.columns >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(cube, tmp_path / "out.zarr", client=client, block=(1, 1), listener=stop)
    ds = lw_rl.cube.open_output(tmp_path / "out.zarr")
    figure = cube_figure(ds)
    centre, wing, cost, failed = figure.axes[:4]
    assert centre.get_title(loc="left").startswith("line centre, +0.000 nm")
    assert wing.get_title(loc="left").startswith("wing, +0.0")
    assert "mean" in cost.get_title(loc="left")
    assert failed.get_title(loc="left") == "failed: 1 of 6"
    shown = failed.images[0].get_array()
    assert shown[1, 1] == 2 and (shown == 1).sum() == 2
    assert centre.get_xlabel() == "x [Mm]"


def test_nothing_solved_yet_can_be_drawn_too(client, tmp_path):
    cube = small_cube(2, 2).assign_coords(x=("x", [0, 1], {"units": "m"}))
    cube.temperature[:] = -1.0
    ds = solve(cube, tmp_path / "out.zarr", client=client)
    figure = cube_figure(ds)
    assert figure.axes[2].get_title(loc="left") == "cost, mean none"
    # Coordinates that number the columns are no lengths.
    assert figure.axes[0].get_xlabel() == "x"


def test_snapshot_and_angle_are_named(expected):
    figure = Figure()
    assert cube_figure(expected, figure=figure) is figure
    assert figure.get_suptitle().endswith("$\\mu$ = 1")
