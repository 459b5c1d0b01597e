"""Cubes to read: the format, its units and dimensions, what is refused, and what is not read."""

from __future__ import annotations

import json

import dask.array
import numpy as np
import pytest
import xarray as xr
from cube_helpers import DEPTHS, falc_like_rh, small_cube

from lw_rl import atmospheres
from lw_rl.cube.rh_format import VARIABLES
from lw_rl.cube.source import Source, write
from lw_rl.cube.window import Window
from lw_rl.errors import CubeInputError

ALL = Window(0, 0, 4, 0, 3)


@pytest.fixture
def cube():
    return small_cube()


def same(a, b):
    for name, values in vars(a).items():
        np.testing.assert_array_equal(values, vars(b)[name])


def test_a_file_in_the_layout_of_rh(tmp_path):
    source = Source(falc_like_rh(tmp_path / "FALC_82_5x5.hdf5"))
    assert source.shape == (1, 5, 5) and source.Nspace == 82
    columns = source.read(Window(0, 1, 3, 0, 5))
    falc = atmospheres.load("FALC")
    column = columns.column(7)
    for name, values in (
        ("height", falc.z), ("temperature", falc.temperature), ("ne", falc.ne),
        ("nHTot", falc.nHTot), ("vturb", falc.vturb), ("vlos", falc.vz),
    ):  # fmt: skip
        assert column[name].dtype == np.float64
        np.testing.assert_allclose(column[name], values, rtol=2e-7)


@pytest.mark.parametrize("suffix", [".hdf5", ".nc", ".zarr"])
def test_what_is_written_is_what_is_read(tmp_path, cube, suffix):
    path = tmp_path / f"cube{suffix}"
    if suffix == ".zarr":
        cube.to_zarr(path, consolidated=False)
    else:
        write(cube, path)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
    same(Source(path).read(ALL), Source(cube).read(ALL))
    assert Source(path).fingerprint() == Source(cube).fingerprint()


def test_columns_are_in_the_order_of_the_window(cube):
    columns = Source(cube).read(Window(0, 1, 3, 0, 2))
    expected = [cube.temperature.values[0, x, y] for x in (1, 2) for y in (0, 1)]
    np.testing.assert_array_equal(columns.temperature, expected)
    assert len(columns) == 4
    one = columns.only(2)
    assert len(one) == 1
    np.testing.assert_array_equal(one.temperature[0], expected[2])


def test_dimensions_by_name_in_any_order_and_units_by_attribute(cube):
    other = cube.transpose("depth", "nhydr", "y", "x", "snapshot_number")
    other = other.rename(snapshot_number="time")
    other["z"] = other.z * 1e-6
    other["z"].attrs["units"] = "Mm"
    other["velocity_z"] = other.velocity_z * 1e-3
    other["velocity_z"].attrs["units"] = "km/s"
    other["electron_density"] = other.electron_density * 1e-6
    other["electron_density"].attrs["units"] = b"cm^-3"
    a, b = Source(other).read(ALL), Source(cube).read(ALL)
    for name, values in a.column(0).items():
        np.testing.assert_allclose(values, b.column(0)[name], rtol=1e-6)


def test_snapshots_and_heights_of_every_column():
    cube = small_cube(nt=3)
    cube["z"] = cube.z + 1e3 * cube.snapshot_number + xr.DataArray(np.arange(4), dims="x")
    source = Source(cube)
    assert source.shape == (3, 4, 3)
    z = source.read(Window(2, 1, 2, 0, 3)).z
    np.testing.assert_array_equal(z, np.tile(cube.z.values[2, :, 1], (3, 1)))


def test_a_cube_without_time_and_velocities(cube):
    bare = cube.isel(snapshot_number=0, drop=True).drop_vars(["velocity_z", "velocity_turbulent"])
    source = Source(bare)
    columns = source.read(ALL)
    assert source.shape == (1, 4, 3)
    assert not columns.vz.any() and not columns.vturb.any()
    np.testing.assert_array_equal(columns.temperature, Source(cube).read(ALL).temperature)


@pytest.mark.parametrize(
    ("index", "shape"),
    [({"x": 2}, (1, 1, 3)), ({"y": 1}, (1, 4, 1)), ({"x": 2, "y": 1}, (1, 1, 1))],
)
def test_a_selected_row_or_column(cube, index, shape):
    source = Source(cube.isel(index))
    assert source.shape == shape
    part = source.read(Window(0, 0, shape[1], 0, shape[2]))
    window = Window(
        0, index.get("x", 0), index.get("x", 3) + 1, index.get("y", 0), index.get("y", 2) + 1
    )
    same(part, Source(cube).read(window))
    assert (
        source.coordinate("x").values.tolist()
        == cube.x.values[index.get("x", slice(None))].tolist()
        or "x" in index
    )
    assert source.coordinate("x").shape == (shape[1],)


def test_heights_of_a_selected_column_of_many():
    cube = small_cube()
    z = np.tile(cube.z.values[:, None, None], (1, 4, 3, 1)) + np.arange(3)[:, None]
    cube = cube.drop_vars("z").assign_coords(z=(("snapshot_number", "x", "y", "depth"), z))
    part = Source(cube.isel(y=2)).read(Window(0, 1, 3, 0, 1))
    np.testing.assert_array_equal(part.z, z[0, 1:3, 2])


def test_masked_values_are_no_numbers(cube, tmp_path):
    """Behind a mask, in memory or in dask's, and values that a file says were never written."""
    T = np.ma.masked_greater(cube.temperature.values, 5e4)
    lazy = cube.assign(temperature=(cube.temperature.dims, dask.array.from_array(T)))
    hidden = np.asarray(T.mask)[0].reshape(-1, DEPTHS)
    assert hidden.any()
    np.testing.assert_array_equal(np.isnan(Source(lazy).read(ALL).temperature), hidden)

    marked = cube.copy(deep=True)
    marked["temperature"] = marked.temperature.where(~np.asarray(T.mask), -999.0)
    marked.temperature.attrs["missing_value"] = -999.0
    np.testing.assert_array_equal(np.isnan(Source(marked).read(ALL).temperature), hidden)
    path = tmp_path / "cube.hdf5"
    marked.to_netcdf(path, engine="h5netcdf")
    np.testing.assert_array_equal(np.isnan(Source(path).read(ALL).temperature), hidden)


def test_without_electron_density_there_is_none(cube):
    source = Source(cube.drop_vars("electron_density"))
    columns = source.read(ALL)
    assert columns.ne is None and "ne" not in columns.column(0) and columns.only(1).ne is None
    assert source.fingerprint() != Source(cube).fingerprint()


def test_boundaries_go_with_the_columns(cube):
    usual = Source(cube).read(ALL).column(0)
    assert "bottom" not in usual and "top" not in usual
    before = Source(cube).fingerprint()
    cube.attrs |= {"boundary_bottom": 0, "boundary_top": 1}
    columns = Source(cube).read(ALL)
    assert (
        columns.only(2).column(0)["bottom"] == "zero" and columns.column(1)["top"] == "thermalised"
    )
    assert Source(cube).fingerprint() != before


def test_only_what_is_asked_for_is_read(cube):
    reads = []

    def chunk(block, block_info=None):
        if block_info:
            reads.append(block_info[0]["chunk-location"][1:3])
        return block

    for name in ("temperature", "electron_density"):
        lazy = dask.array.from_array(cube[name].values, chunks=(1, 1, 1, DEPTHS))
        cube[name] = cube[name].copy(data=lazy.map_blocks(chunk, dtype=lazy.dtype))
    source = Source(cube)
    assert reads == []
    source.read(Window(0, 2, 3, 1, 3))
    assert sorted(set(reads)) == [(2, 1), (2, 2)]


def test_the_fingerprint_tells_cubes_apart(cube):
    assert Source(cube).fingerprint() == Source(small_cube()).fingerprint()
    assert Source(cube).fingerprint() != Source(small_cube(seed=2)).fingerprint()
    assert Source(cube).fingerprint() != Source(small_cube(nx=5)).fingerprint()


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, v in VARIABLES.items() if v.required])
def test_a_missing_variable_is_named(cube, name):
    with pytest.raises(CubeInputError, match=f"lacks {name}"):
        Source(cube.drop_vars(name))


def test_a_column_without_heights_does_not_stop_the_others(cube):
    z = np.tile(cube.z.values[:, None, None], (1, cube.sizes["x"], cube.sizes["y"], 1))
    z[0, 0, 0] = np.nan
    dims = ("snapshot_number", "x", "y", "depth")
    source = Source(cube.drop_vars("z").assign_coords(z=(dims, z, {"units": "m"})))
    heights = source.read(Window(0, 0, 2, 0, 1)).z
    assert np.isnan(heights[0]).all() and np.isfinite(heights[1]).all()


def test_shapes_that_do_not_fit(cube):
    short = cube.electron_density.isel(x=slice(0, 2)).rename(x="nx")
    with pytest.raises(CubeInputError, match="electron_density of dataset has shape"):
        Source(cube.assign(electron_density=short))


def test_too_few_depths(cube):
    with pytest.raises(CubeInputError, match="has 2 depths"):
        Source(cube.isel(depth=slice(0, 2)))


def test_a_place_that_cannot_be_written(tmp_path, cube):
    (tmp_path / "file").write_text("")
    with pytest.raises(CubeInputError, match="cannot be written"):
        write(cube, tmp_path / "file" / "cube.hdf5")


@pytest.mark.parametrize("data", [5, None, np.zeros(3), small_cube(1, 1).temperature])
def test_what_is_no_cube_is_named(data):
    with pytest.raises(CubeInputError, match="a path|the path of a file or an xarray Dataset, got"):
        Source(data)


def test_heights_without_depths(cube):
    with pytest.raises(CubeInputError, match=r"z of dataset has dimensions \(\)"):
        Source(cube.assign_coords(z=5.0))


def test_coordinates_of_any_kind_can_be_written(cube, tmp_path):
    odd = {"units": np.float32(3.0), "a": None, "b": [1, 2], "c": np.array([1, 2]), "d": b"m"}
    source = Source(cube.assign_coords(x=("x", np.array([1, "b", 2, 3], dtype=object), odd)))
    found = source.coordinate("x")
    assert found.values.tolist() == ["1", "b", "2", "3"]
    assert json.loads(json.dumps(found.attrs))["c"] == [1, 2] and found.attrs["d"] == "m"
