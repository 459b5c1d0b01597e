"""Populations that the columns of a cube begin with: read, checked, and used."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from cube_helpers import DEPTHS, small_cube, solve

from lw_rl.cube.given import GivenPopulations
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.errors import CubeInputError, UnknownNameError

WINDOW = Window(0, 1, 3, 0, 2)
LEVELS = {"Ca": 6, "H": 3}


def dataset(**variables) -> xr.Dataset:
    return xr.Dataset(
        {name: (("t", "x", "y", "level", "depth")[-v.ndim :], v) for name, v in variables.items()}
    )


@pytest.fixture(scope="module")
def source():
    return Source(small_cube())


def test_windows_are_split_by_atom(source):
    values = np.random.default_rng(0).random((1, 4, 3, 9, DEPTHS))
    given = GivenPopulations(dataset(departure=values), source, LEVELS)
    found = given.read(WINDOW)
    assert found.departure
    wanted = values[0, 1:3, 0:2].reshape(4, 9, DEPTHS)
    np.testing.assert_array_equal(found.populations["Ca"], wanted[:, :6])
    np.testing.assert_array_equal(found.populations["H"], wanted[:, 6:])
    one = found.only(2).column(0)
    np.testing.assert_array_equal(one["populations"]["H"], wanted[2, 6:])
    assert one["departure"]


def test_populations_of_one_atom_at_depths_of_their_own(source):
    n = np.ones((4, 3, 6, 10))
    mass = np.geomspace(1e-4, 1e2, 10)
    ds = dataset(n_Ca=n).assign_coords(column_mass=("depth", mass))
    found = GivenPopulations(ds, source, LEVELS).read(WINDOW)
    assert not found.departure
    assert list(found.populations) == ["Ca"]
    np.testing.assert_array_equal(found.column(3)["column_mass"], mass)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"temperature": np.ones((4, 3, 6, DEPTHS))}, "variables such as n_Ca, departure_Ca"),
        ({"n_Mg": np.ones((4, 3, 11, DEPTHS))}, "it has n_Mg"),
        ({"n_Ca": np.ones((4, 3, 5, DEPTHS))}, r"\(4, 3, 6\) and the depths"),
        ({"n_Ca": np.ones((3, 3, 6, DEPTHS))}, r"the shape \(3, 3, 6, 32\)"),
        ({"n_Ca": np.ones((6, DEPTHS))}, "have x and y"),
        ({"n_Ca": np.ones((4, 3, 6, 10))}, "at 10 depths, the cube has 32: add a variable"),
    ],
)
def test_what_is_of_another_cube_is_named(source, variables, message):
    with pytest.raises(CubeInputError, match=message):
        GivenPopulations(dataset(**variables), source, LEVELS)


def test_a_file_that_is_none_is_named(source, tmp_path):
    file = tmp_path / "start.nc"
    file.write_text("nothing")
    with pytest.raises(CubeInputError, match="cannot be read"):
        GivenPopulations(file, source, LEVELS)
    with pytest.raises(UnknownNameError, match="start 'neighbor'"):
        solve(small_cube(), tmp_path / "out.zarr", start="neighbor")


def test_a_cube_begins_with_the_output_of_another(cube, client, tmp_path):
    first = solve(cube, tmp_path / "first.zarr", client=client, start="policy")
    again = solve(cube, tmp_path / "again.zarr", client=client, start=tmp_path / "first.zarr")
    assert np.all(again.outcome == 1)
    # A two-level line is solved from LTE in as few: this costs the one that judges what was given.
    assert int((again.formal_solutions - first.formal_solutions).max()) <= 1
    np.testing.assert_allclose(again.departure, first.departure, rtol=2e-3)
    broken = first.load().copy(deep=True)
    broken.departure[0, 2, 1, 0, 3] = -1.0
    ds = solve(cube, tmp_path / "third.zarr", client=client, start=broken)
    assert np.all(ds.outcome == 1)
    assert "not begun with the populations given" in str(ds.reason.values[0, 2, 1])
    assert "hold -1.0" in str(ds.reason.values[0, 2, 1])


@pytest.mark.slow
def test_atoms_with_several_levels_begin_so_too(client, tmp_path):
    cube = small_cube(2, 1, Nspace=40)
    first = solve(cube, tmp_path / "first.zarr", client=client, atoms="CaII", keep="populations")
    again = solve(cube, tmp_path / "again.zarr", client=client, atoms="CaII", start=first.load())
    assert int(again.formal_solutions.max()) < int(first.formal_solutions.min())
    assert np.all(again.outcome == 1)
