"""The picture of a cube."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
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
    centre, wing, spectrum, cost, error, failed = figure.axes[:6]
    assert centre.get_title(loc="left").startswith("centre, +0.000 nm")
    assert wing.get_title(loc="left").startswith("wing, +0.0")
    assert "mean" in cost.get_title(loc="left")
    assert failed.get_title(loc="left") == "failed: 1 of 6"
    shown = failed.images[0].get_array()
    assert shown[1, 1] == 2 and (shown == 1).sum() == 2
    assert centre.get_xlabel() == "x [Mm]"
    assert error.get_title(loc="left").startswith("estimated error, at most ")
    assert spectrum.lines[0].get_ydata().min() < 0.5 * spectrum.lines[0].get_ydata().max()


def test_nothing_solved_yet_can_be_drawn_too(client, tmp_path):
    cube = small_cube(2, 2).assign_coords(x=("x", [0, 1], {"units": "m"}))
    cube.temperature[:] = -1.0
    ds = solve(cube, tmp_path / "out.zarr", client=client)
    figure = cube_figure(ds)
    assert figure.axes[3].get_title(loc="left") == "cost"
    figure.draw_without_rendering()
    # Coordinates that number the columns are no lengths.
    assert figure.axes[0].get_xlabel() == "x"


def test_snapshot_and_angle_are_named(expected):
    figure = Figure()
    assert cube_figure(expected, figure=figure) is figure
    assert figure.get_suptitle().endswith("$\\mu$ = 1")


@pytest.mark.parametrize(("high", "colours"), [(5, 4), (11, 10), (40, 10), (500, 10)])
def test_counts_next_to_one_another_have_colours_apart(expected, high, colours):
    counts = np.resize(np.arange(2, high + 1), expected.formal_solutions.shape)
    figure = cube_figure(expected.assign(formal_solutions=(("t", "x", "y"), counts)))
    image = figure.axes[3].images[0]
    few = np.arange(2, min(high, 11) + 1)
    drawn = {tuple(np.round(image.to_rgba(float(n)), 3)) for n in few}
    assert image.norm.N - 1 <= colours + 1
    if high <= 11:
        assert len(drawn) == few.size
    figure.draw_without_rendering()


def test_one_of_several_lines_is_drawn(expected):
    wavelength = np.concatenate((expected.wavelength, expected.wavelength + 400.0))
    two = xr.concat([expected.intensity, 0.5 * expected.intensity], "wavelength")
    ends = {n: ("line", [float(expected[n][0]), float(expected[n][0]) + 400.0]) for n in
            ("line_centre", "line_blue", "line_red")}  # fmt: skip
    both = expected.drop_vars([*ends, "intensity", "wavelength", "line"])
    both = both.assign(
        intensity=(expected.intensity.dims, two.transpose(*expected.intensity.dims).values)
    )
    both = both.assign_coords(wavelength=wavelength, line=["CaII_K", "other"]).assign(ends)
    figure = cube_figure(both, line="other")
    assert figure.get_suptitle().startswith("other of dataset") and len(figure.axes) == 11
    every = cube_figure(both)
    titles = [ax.get_title(loc="left") for ax in every.axes]
    assert sum(t.startswith("CaII_K: ") for t in titles) == 2
    assert sum(t.startswith("other: ") for t in titles) == 2
    every.draw_without_rendering()
    # Wavelengths of one's own need not lie in every line.
    cube_figure(both.isel(wavelength=slice(0, 49))).draw_without_rendering()
    assert f"{ends['line_centre'][1][1]:.3f}" in figure.axes[2].get_xlabel()
