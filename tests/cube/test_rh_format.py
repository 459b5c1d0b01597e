"""The RH 1.5D format: units, dimensions and heights, and files that are not in it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from cube_helpers import small_cube

from lw_rl.cube.rh_format import (
    VARIABLES,
    boundary,
    canonical,
    check_heights,
    conversion_factor,
    open_cube,
)
from lw_rl.cube.source import Source
from lw_rl.errors import CubeInputError


@pytest.fixture
def cube():
    cube = small_cube()
    field = cube.temperature.copy(data=np.zeros(cube.temperature.shape))
    field.attrs = {"units": "T"}
    return cube.assign({f"B_{axis}": field.copy() for axis in "xyz"})


@pytest.mark.parametrize(
    ("units", "factor"), [("cm^-3", 1e6), (b"m^-3", 1.0), ("m-3", 1.0), (None, 1.0)]
)
def test_factors_to_the_formats_units(units, factor):
    attrs = {} if units is None else {"units": units}
    data = xr.Dataset({"electron_density": ("nz", np.ones(3), attrs)})
    assert conversion_factor(data, "electron_density", "cube") == pytest.approx(factor)


@pytest.mark.parametrize(
    ("name", "dims", "expected"),
    [
        ("temperature", ("nt", "nx", "ny", "nz"), ("t", "x", "y", "depth")),
        # netCDF files without names of dimensions, which h5netcdf numbers.
        ("temperature", ("phony_0", "phony_1", "phony_2", "phony_3"), ("t", "x", "y", "depth")),
        ("temperature", ("phony_0", "phony_1", "phony_2"), ("x", "y", "depth")),
        (
            "hydrogen_populations",
            ("phony_0", "phony_1", "phony_2", "phony_3", "phony_4"),
            ("t", "nhydr", "x", "y", "depth"),
        ),
        ("z", ("phony_0", "phony_1"), ("t", "depth")),
    ],
)
def test_names_of_dimensions(name, dims, expected):
    data = xr.Dataset({name: (dims, np.ones((1,) * len(dims)))})
    assert canonical(data, name, "cube").dims == expected
    assert data[name].dims == dims


def test_heights_that_decrease():
    check_heights(np.array([2.0, 1.0, -1.0]), "cube")
    with pytest.raises(CubeInputError, match="it is 2.0 m at depth index 0 and nan m at the next"):
        check_heights(np.array([2.0, np.nan, -1.0]), "cube")


def test_boundaries_by_their_codes(cube):
    # As helita and RH write them: numbers, arrays of one; and a cube that says nothing.
    for given, expected in (
        (0, "zero"),
        (np.array([1]), "thermalised"),
        (np.int64(1), "thermalised"),
    ):
        cube.attrs["boundary_top"] = given
        assert boundary(cube, "top", "cube") == expected
    cube.attrs.clear()
    assert [boundary(cube, w, "cube") for w in ("top", "bottom")] == ["zero", "thermalised"]


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(VARIABLES))
def test_a_wrong_unit_is_named(cube, name):
    cube[name].attrs["units"] = "kg"
    with pytest.raises(CubeInputError, match=f"{name} of dataset has units 'kg'"):
        Source(cube, magnetic=True)
    if name.startswith("B_"):
        # What is not asked for need not be right.
        Source(cube)


def test_nonsense_for_a_unit(cube):
    cube.temperature.attrs["units"] = "kelvins or so"
    with pytest.raises(CubeInputError, match="'kelvins or so'"):
        Source(cube)


def test_heights_upside_down(cube):
    with pytest.raises(CubeInputError, match="from the top downwards: reverse the depth dimension"):
        Source(cube.isel(depth=slice(None, None, -1)))


def test_heights_that_repeat(cube):
    z = cube.z.values.copy()
    z[0, 5] = z[0, 4]
    with pytest.raises(CubeInputError, match="at depth index 4"):
        Source(cube.assign_coords(z=(cube.z.dims, z, cube.z.attrs)))


def test_dimensions_that_nobody_knows(cube):
    with pytest.raises(CubeInputError, match="temperature of dataset has dimensions"):
        Source(cube.assign(temperature=cube.temperature.rename(x="radius")))


def test_files_that_are_not_there_or_not_cubes(tmp_path):
    with pytest.raises(CubeInputError, match="is not there"):
        open_cube(tmp_path / "none.hdf5")
    path = tmp_path / "text.hdf5"
    path.write_text("not HDF5")
    with pytest.raises(CubeInputError, match="cannot be read as HDF5"):
        Source(path)


@pytest.mark.parametrize("given", [2, 3, 4, 7, -1, 0.5, "open", [0, 1], None])
@pytest.mark.parametrize("where", ["top", "bottom"])
def test_a_boundary_that_the_file_does_not_describe_is_named(cube, where, given):
    cube.attrs[f"boundary_{where}"] = given
    with pytest.raises(CubeInputError, match=f"boundary_{where} of dataset is .* it can be 0"):
        Source(cube)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.isel(depth=0), r"temperature of dataset has dimensions .*all but nz"),
        (lambda c: c.assign(temperature=c.temperature.astype(str)), "temperature of .* holds <U"),
        (lambda c: c.assign(velocity_z=c.velocity_z.astype(complex)), "velocity_z of .* complex"),
        (lambda c: c.assign(temperature=c.temperature.expand_dims("nhydr")), "has dimensions"),
    ],
)
def test_a_variable_that_is_none_of_the_format_is_named(cube, change, message):
    with pytest.raises(CubeInputError, match=message):
        Source(change(cube))
