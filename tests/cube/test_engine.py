"""Solving a cube from its file to its output, on one worker in this process."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from cube_helpers import DEPTHS, small_cube, solve

from lw_rl.cube.column import OUTCOMES, Workshop
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.errors import CubeInputError, CubeSettingsError

INVALID = OUTCOMES.index("invalid_atmosphere")


def test_every_column_is_the_single_column_solution(cube, expected, policy):
    columns = Source(cube).read(Window(0, 0, 4, 0, 3))
    shop = Workshop(CubeSettings(start="policy", popsTol=1e-6))
    assert np.all(expected.outcome == 1)
    for k in range(12):
        alone = shop.solve(columns.column(k), policy)
        x, y = divmod(k, 3)
        error = np.abs(expected.departure.values[0, x, y] / alone.kept - 1.0).max()
        assert error < expected.error_estimate.values[0, x, y] + 2e-6 < 1.1e-3
    assert expected.sizes == {
        "t": 1, "x": 4, "y": 3, "mu": 1, "wavelength": 49, "level": 2, "depth": DEPTHS
    }  # fmt: skip


def test_a_second_run_does_nothing_and_needs_no_cluster(cube, client, tmp_path, monkeypatch):
    solve(cube, tmp_path / "out.zarr", client=client)
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.zarr").rglob("*") if p.is_file()}

    def refused(*args, **kwargs):
        raise AssertionError("a finished output needs no cluster")

    monkeypatch.setattr("lw_rl.cube.engine.connect", refused)
    seen = []
    ds = solve(cube, tmp_path / "out.zarr", listener=seen.append)
    assert isinstance(ds, xr.Dataset) and seen[-1].columns == seen[-1].already == 12
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.zarr").rglob("*") if p.is_file()}
    assert after == stamps


def test_failed_columns_have_a_reason_and_the_cube_goes_on(cube, client, tmp_path):
    broken = cube.copy(deep=True)
    broken.temperature[0, 1, 1, 5] = np.nan
    broken.electron_density[0, 3, 2, 7] = -1.0
    ds = solve(broken, tmp_path / "out.zarr", client=client, start="policy")
    outcome = ds.outcome.values[0]
    assert outcome[1, 1] == outcome[3, 2] == INVALID
    assert np.sum(outcome == 1) == 10
    assert "temperature [K] must be positive and finite" in str(ds.reason.values[0, 1, 1])
    assert "electron density" in str(ds.reason.values[0, 3, 2])
    assert np.isnan(ds.intensity.values[0, 1, 1]).all()
    alone = solve(cube, tmp_path / "alone.zarr", client=client, start="policy")
    np.testing.assert_array_equal(
        ds.intensity.values[0][outcome == 1], alone.intensity.values[0][outcome == 1]
    )


def test_a_scheme_without_a_policy(cube, client, tmp_path, expected):
    ds = solve(cube, tmp_path / "out.zarr", client=client, scheme="anderson")
    assert np.all(ds.outcome == 1)
    np.testing.assert_allclose(ds.departure, expected.departure, rtol=2e-3)


def test_what_is_optional_and_both_snapshots(client, tmp_path):
    cube = small_cube(2, 2, nt=2)
    ds = solve(
        cube, tmp_path / "out.zarr", client=client, mus=[1.0, 0.4], tau_one=True, keep="none"
    )
    assert ds.intensity.shape == (2, 2, 2, 2, 49) and "departure" not in ds
    # Towards the limb the line forms higher up and is darker in its wings.
    assert np.all(ds.tau_one[..., 1, 0] > ds.tau_one[..., 0, 0])
    assert np.all(ds.intensity[..., 1, 0] < ds.intensity[..., 0, 0])
    assert not np.array_equal(ds.intensity[0], ds.intensity[1])


def test_bad_input_comes_before_the_cluster(cube, tmp_path, monkeypatch):
    monkeypatch.setattr("lw_rl.cube.engine.connect", None)
    with pytest.raises(CubeInputError, match="lacks temperature"):
        solve(cube.drop_vars("temperature"), tmp_path / "a.zarr")
    with pytest.raises(CubeSettingsError, match="popsTol"):
        solve(cube, tmp_path / "b.zarr", popsTol=2.0)
    with pytest.raises(CubeSettingsError, match="a block is two numbers of columns.*got 2"):
        solve(cube, tmp_path / "c.zarr", block=2)
    with pytest.raises(CubeSettingsError, match=r"got \(0, 2\)"):
        solve(cube, tmp_path / "d.zarr", block=(0, 2))
    assert list(tmp_path.iterdir()) == []
