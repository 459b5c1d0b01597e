"""Solving a cube from its file to its output, on one worker in this process."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from cube_helpers import DEPTHS, small_cube, solve
from lightweaver.rh_atoms import CaII_atom

import lw_rl.cube
from lw_rl import atoms
from lw_rl.cube.column import OUTCOMES, Workshop
from lw_rl.cube.lines import select_line
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
        "t": 1, "x": 4, "y": 3, "mu": 1, "wavelength": 49, "level": 2, "depth": DEPTHS,
        "line": 1,
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


# ---- atoms with many levels, several lines, wavelengths of one's own -----------------------------


@pytest.fixture(scope="module")
def many(client, tmp_path_factory):
    """Two columns of Ca II with its six levels, one of them no atmosphere."""
    cube = small_cube(2, 1)
    cube.velocity_z[0, 1, 0, 0] = 4e8
    out = tmp_path_factory.mktemp("many") / "out.zarr"
    arguments = {"atoms": "caii", "lines": ["CaII 8542", "CaII_K"], "client": client}
    return cube, solve(cube, out, **arguments).load()


def test_several_lines_of_an_atom_in_one_pass(many, policy):
    cube, found = many
    assert found.outcome.values.ravel().tolist() == [1, OUTCOMES.index("invalid_atmosphere")]
    assert found.line.values.tolist() == ["CaII_K", "CaII 8542"]
    assert found.sizes["level"] == 6 and str(found.level.values[5]) == "CA III 3P6 1SE"
    # The emergent light is that of the host at the departure coefficients.
    column = Source(cube).read(Window(0, 0, 2, 0, 1)).column(0)
    ctx = Workshop(CubeSettings(atoms=("CaII",))).context(column)
    atom = ctx.activeAtoms[0]
    atom.n[:] = np.asarray(atom.nStar) * found.departure.values[0, 0, 0]
    ctx.formal_sol_gamma_matrices()
    for name, trans in (("CaII_K", (0, 4)), ("CaII 8542", (2, 4))):
        part = select_line(found, name)
        line = next(t for t in atom.trans if (t.i, t.j) == trans)
        assert part.attrs["line_centre_nm"] == pytest.approx(line.lambda0)
        inside = np.isin(part.wavelength.values, np.asarray(line.wavelength))
        expected = ctx.compute_rays(wavelengths=part.wavelength.values[inside], mus=1.0)
        np.testing.assert_allclose(part.intensity.values[0, 0, 0, 0, inside], expected, rtol=5e-3)
    assert np.isnan(found.intensity.values[0, 1]).all()


def test_a_model_and_wavelengths_of_ones_own(cube, client, tmp_path):
    grid = [854.6, 854.44379, 854.5] * u.nm
    one = cube.isel(x=[0], y=[0])
    model = atoms.two_level_atom(CaII_atom(), 2, 4)
    found = solve(
        one, tmp_path / "a.zarr", atoms=[model], wavelengths=grid.to(u.AA), client=client,
        tau_one=True,
    )  # fmt: skip
    plain = solve(one, tmp_path / "b.zarr", line="CaII 8542", client=client)
    np.testing.assert_allclose(found.wavelength, [854.44379, 854.5, 854.6])
    # The core is dark and forms high; the line's own grid has its centre too.
    assert found.tau_one[0, 0, 0, 0, 0] > found.tau_one[0, 0, 0, 0, 2] + 1e5
    centre = plain.intensity.sel(wavelength=854.44379, method="nearest")
    np.testing.assert_allclose(found.intensity[0, 0, 0, 0, 0], centre.values.ravel()[0], rtol=2e-3)
    other = atoms.two_level_atom(CaII_atom(), 2, 4, collision_scale=2.0)
    with pytest.raises(CubeSettingsError, match="atoms was .*, is"):
        solve(one, tmp_path / "a.zarr", atoms=[other], wavelengths=grid, client=client)


def test_wavelengths_that_are_none(cube, tmp_path):
    with pytest.raises(CubeSettingsError, match="wavelengths must be convertible to nm"):
        solve(cube, tmp_path / "a.zarr", wavelengths=[1.0] * u.K)
    with pytest.raises(CubeSettingsError, match="wavelengths must be positive"):
        solve(cube, tmp_path / "a.zarr", wavelengths=[-1.0, 393.0])
    assert not (tmp_path / "a.zarr").exists()


def test_the_files_of_a_small_cube_are_few(client, tmp_path):
    solve(small_cube(8, 8).isel(depth=slice(None, None, 2)), tmp_path / "out.zarr", client=client,
          scheme="mali", popsTol=0.5, block=None, keep="none")  # fmt: skip
    files = [p for p in (tmp_path / "out.zarr").rglob("*") if p.is_file()]
    assert len(files) <= 60, "661 where every array had a file for each block"


def test_stokes_profiles_in_the_field_of_the_cube(cube, client, tmp_path):
    one = cube.isel(x=[0], y=[0])
    one["velocity_z"] = one.velocity_z * 0.0
    arguments = {"line": "CaII 8542", "stokes": True, "client": client}
    with pytest.raises(CubeInputError, match="lacks B_x, B_y, B_z: Stokes profiles need"):
        solve(one, tmp_path / "out.zarr", **arguments)
    assert not (tmp_path / "out.zarr").exists()
    G = {"units": "G"}
    for name, strength in (("B_x", 0.0), ("B_y", 0.0), ("B_z", 500.0)):
        one[name] = one.temperature.copy(data=np.full(one.temperature.shape, strength))
        one[name].attrs = G
    found = solve(one, tmp_path / "out.zarr", **arguments)
    V, Q, light = (found[n].values[0, 0, 0, 0] for n in ("stokes_V", "stokes_Q", "intensity"))
    # Along the field: circular, antisymmetric about line centre; the sign turns with the field.
    assert 0.01 < np.abs(V / light).max() < 0.5 and np.abs(Q / light).max() < 1e-3
    np.testing.assert_allclose(V, -V[::-1], atol=0.02 * np.abs(V).max())
    one["B_z"] = -one.B_z
    one["B_z"].attrs = G
    turned = solve(one, tmp_path / "turned.zarr", **arguments)
    np.testing.assert_allclose(turned.stokes_V.values[0, 0, 0, 0], -V, atol=1e-3 * np.abs(V).max())
    # Across it: linear.
    one["B_x"], one["B_z"] = -one.B_z, 0.0 * one.B_z
    for name in ("B_x", "B_z"):
        one[name].attrs = G
    across = solve(one, tmp_path / "across.zarr", **arguments)
    assert np.abs(across.stokes_Q.values).max() > 3.0 * np.abs(across.stokes_V.values).max()
    plain = solve(one, tmp_path / "plain.zarr", line="CaII 8542", client=client)
    assert "stokes_V" not in plain


def test_without_a_place_the_output_is_in_memory(cube, client, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"line": "CaII_K", "frozen": True, "block": (2, 2), "start": "measured"}
    found = lw_rl.cube.solve(cube, client=client, **given)
    np.testing.assert_array_equal(found.intensity, expected.intensity)
    assert list(tmp_path.iterdir()) == []
