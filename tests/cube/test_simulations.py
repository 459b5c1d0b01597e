"""Snapshots of simulations: FAL-C written as Bifrost and MURaM write it, and read again."""

from __future__ import annotations

import dask.array as da
import lightweaver as lw
import numpy as np
import pytest
from astropy.io import fits
from cube_helpers import solve

from lw_rl import atmospheres
from lw_rl.cube.simulations import is_snapshot, open_snapshot, simulation_cube
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.errors import CubeInputError

NX, NY = 3, 2
ALL = Window(0, 0, NX, 0, NY)
#: Grams for each hydrogen nucleus.
GRAMS = lw.Amu * lw.DefaultAtomicAbundance.massPerH * 1e3


@pytest.fixture(scope="module")
def model():
    """T [K], density [g cm-3] and upward velocity [cm s-1] of a few columns, top first; z [m]."""
    falc = atmospheres.load("FALC", 40)
    z = np.array(falc.z)
    shape = (NX, NY, z.size)
    number = np.arange(NX * NY).reshape(NX, NY, 1)
    T = np.broadcast_to(np.asarray(falc.temperature), shape) * (1.0 + 0.01 * number)
    rho = np.broadcast_to(np.asarray(falc.nHTot) * 1e-6 * GRAMS, shape).copy()
    # Linear in height, so that interpolation between faces and centres is exact.
    v = 1e5 * (1.0 + number) * np.ones(shape)
    return z, T, rho, v


def write_arrays(path, *arrays):
    path.write_bytes(b"".join(np.asarray(a, "<f4").ravel(order="F").tobytes() for a in arrays))


@pytest.fixture
def muram(tmp_path, model):
    """The vertical is the second axis of the files, from below upwards."""
    z, T, rho, v = model
    dz = (z[0] - z[-1]) / (z.size - 1) * 1e2
    header = [NX, z.size, NY, 1e7, dz, 1e7, 0.0, 0.0, 0.0, 0.0, 0, 2, 1]
    (tmp_path / "Header.000007").write_text(" ".join(map(str, header)))
    for name, values in (
        ("eosT", T), ("result_prim_0", rho), ("result_prim_2", v), ("result_prim_1", 9 * v),
        ("result_prim_3", 7 * v),
    ):  # fmt: skip
        write_arrays(tmp_path / f"{name}.000007", values[..., ::-1].transpose(0, 2, 1))
    return tmp_path / "Header.000007"


@pytest.fixture
def bifrost(tmp_path, model):
    z, T, rho, v = model
    units = {"u_l": 1e8, "u_t": 1e2, "u_r": 1e-7}
    lines = [
        f"mx = {NX}",
        f"my = {NY}",
        f"mz = {z.size}",
        "isnap = 42  ; the number",
        "boundarychk = 0",
    ]
    lines += [f"{name} = {value:e}" for name, value in units.items()]
    lines += ['meshfile = "the_mesh.dat "', 'aux = " p tg qxy"']
    path = tmp_path / "cb_042.idl"
    path.write_text("\n".join(lines))
    rows = []
    for axis in (np.arange(NX) * 0.1, np.arange(NY) * 0.1, -z / 1e6):
        rows += [str(axis.size), *[" ".join(map(repr, map(float, axis)))] * 4]
    (tmp_path / "the_mesh.dat").write_text("\n".join(rows))
    r = rho / units["u_r"]
    faces = np.concatenate((r[..., :1], 0.5 * (r[..., 1:] + r[..., :-1])), axis=-1)
    momentum = -v / (units["u_l"] / units["u_t"]) * faces
    write_arrays(tmp_path / "cb_042.snap", r, 0 * r, 0 * r, momentum, r, r, r, r)
    write_arrays(tmp_path / "cb_042.aux", 0 * T, T)
    return path


@pytest.fixture
def published(tmp_path, model):
    """As the public snapshots of Bifrost are: one variable for each file, z upwards."""
    z, T, rho, v = model
    for name, values in (
        ("lgtg", np.log10(T)), ("lgr", np.log10(rho * 1e3)), ("uz", v * 1e-2),
        ("lgne", np.log10(rho * 1e22)),
    ):  # fmt: skip
        primary = fits.PrimaryHDU(values[..., ::-1].T.astype(">f4"))
        heights = fits.ImageHDU(z[::-1] * 1e-6)
        fits.HDUList([primary, heights]).writeto(tmp_path / f"BIFROST_cb_{name}_042.fits")
    return tmp_path / "BIFROST_cb_lgtg_042.fits"


def test_a_published_snapshot(published, model):
    assert is_snapshot(published) and not is_snapshot(published.with_name("other.fits"))
    source = Source(published)
    z, T, rho, v = model
    columns = source.read(Window(0, 1, 3, 0, NY))
    flat = (2 * NY, z.size)
    np.testing.assert_allclose(columns.z[0], z, rtol=1e-6)
    np.testing.assert_allclose(columns.temperature, T[1:].reshape(flat), rtol=1e-5)
    np.testing.assert_allclose(columns.nHTot, rho[1:].reshape(flat) / GRAMS * 1e6, rtol=1e-5)
    np.testing.assert_allclose(columns.vz, v[1:].reshape(flat) * 1e-2, rtol=1e-5)
    np.testing.assert_allclose(columns.ne, rho[1:].reshape(flat) * 1e22, rtol=1e-5)
    other = published.with_name("BIFROST_cb_uz_042.fits")
    other.write_bytes(b"none")
    with pytest.raises(CubeInputError, match="BIFROST_cb_uz_042.fits cannot be read as FITS"):
        Source(published)
    other.unlink()
    with pytest.raises(CubeInputError, match="uz_042.fits cannot be read"):
        Source(published)


@pytest.mark.parametrize("which", ["muram", "bifrost"])
def test_a_snapshot_is_read_in_the_formats_units_and_order(which, request, model):
    path = request.getfixturevalue(which)
    assert is_snapshot(path)
    source = Source(path)
    z, T, rho, v = model
    assert source.shape == (1, NX, NY) and source.Nspace == z.size
    columns = source.read(ALL)
    flat = (NX * NY, z.size)
    np.testing.assert_allclose(columns.temperature, T.reshape(flat), rtol=1e-6)
    np.testing.assert_allclose(columns.nHTot, rho.reshape(flat) / GRAMS * 1e6, rtol=1e-5)
    np.testing.assert_allclose(columns.vz, v.reshape(flat) * 1e-2, rtol=1e-5)
    assert columns.ne is None
    if which == "bifrost":
        np.testing.assert_allclose(columns.z[3], z, rtol=1e-6)
    else:
        np.testing.assert_allclose(columns.z[3], np.linspace(z[0] - z[-1], 0.0, z.size), atol=1.0)
    assert source.coordinate("x").values.tolist() == pytest.approx([0.0, 1e5, 2e5])
    # Read by windows.
    part = source.read(Window(0, 1, 2, 1, 2))
    np.testing.assert_array_equal(part.temperature[0], columns.temperature[3])
    np.testing.assert_array_equal(part.vz[0], columns.vz[3])


def test_a_snapshot_is_solved(bifrost, client, tmp_path):
    found = solve(bifrost, tmp_path / "out.zarr", client=client, popsTol=0.1, scheme="mali")
    assert np.all(found.outcome == 1)
    assert found.attrs["title"].startswith("CaII_K: 1.5D non-LTE synthesis of")


def test_electrons_of_bifrosts_own_ionisation(bifrost, model):
    ne = model[2] * 1e20
    write_arrays(bifrost.with_name("cb_.hion42.snap"), ne, ne)
    columns = Source(bifrost).read(ALL)
    np.testing.assert_allclose(columns.ne, ne.reshape(columns.ne.shape) * 1e6, rtol=1e-5)


def test_arrays_of_any_simulation(model):
    z, T, rho, v = model
    down = Source(simulation_cube(z, T, rho * 1e3, v * 1e-2)).read(ALL)
    up = (a[..., ::-1] for a in (T, rho * 1e3, v * 1e-2))
    lazy = simulation_cube(z[::-1], *(da.from_array(a) for a in up))
    for name, values in Source(lazy).read(ALL).column(4).items():
        np.testing.assert_allclose(values, down.column(4)[name], rtol=1e-12)
    with pytest.raises(CubeInputError, match=r"velocity_z of mine has shape .* expected is \(nx"):
        simulation_cube(z, T, rho, v[..., 1:], description="mine")
    with pytest.raises(CubeInputError, match="z must have one dimension"):
        simulation_cube(T, T, rho)


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "name", "change", "message"),
    [
        ("muram", "eosT.000007", None, "eosT.000007 is not there"),
        ("muram", "result_prim_2.000007", b"short", "has 5 bytes; 960 are expected"),
        ("muram", "Header.000007", b"3 40 2", "holds 3 numbers"),
        ("muram", "Header.000007", b"3 40 2 1 1 1 0 0 0 0 0 2 2", r"order \[0, 2, 2\]"),
        ("muram", "Header.000007", b"three", "something else than numbers"),
        ("bifrost", "cb_042.snap", None, "cb_042.snap is not there"),
        ("bifrost", "cb_042.aux", b"short", "960 are expected|1920 are expected"),
        ("bifrost", "the_mesh.dat", None, "the mesh .*the_mesh.dat"),
        ("bifrost", "the_mesh.dat", b"4 1 2", "is not the mesh of"),
        ("bifrost", "cb_042.idl", b"mx = 3\nmy = 2", "is no parameter file of Bifrost: .*mz"),
    ],
)
def test_a_snapshot_that_is_not_whole_is_named(which, name, change, message, request):
    path = request.getfixturevalue(which)
    file = path.with_name(name)
    file.unlink() if change is None else file.write_bytes(change)
    with pytest.raises(CubeInputError, match=message):
        Source(path)


@pytest.mark.parametrize(
    ("line", "by", "message"),
    [
        ("boundarychk = 0", "boundarychk = 1", "cells beyond the boundaries"),
        ('aux = " p tg qxy"', "aux = p", "the temperature, tg, has to be"),
    ],
)
def test_a_run_of_bifrost_that_is_not_read(bifrost, line, by, message):
    bifrost.write_text(bifrost.read_text().replace(line, by))
    with pytest.raises(CubeInputError, match=message):
        open_snapshot(bifrost)


def test_a_snapshot_that_is_not_there(tmp_path):
    with pytest.raises(CubeInputError, match="cb_001.idl is not there"):
        Source(tmp_path / "cb_001.idl")
