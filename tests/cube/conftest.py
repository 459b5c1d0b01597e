"""What the tests of cubes share: one Dask worker, small cubes, and the output of one."""

from __future__ import annotations

import pytest
from cube_helpers import client, small_cube, solve

from lw_rl.cube.column import Workshop
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.policies.base import make_policy

__all__ = ["client"]


@pytest.fixture(scope="session")
def policy():
    return make_policy("default")


@pytest.fixture(scope="session")
def cube():
    """4 x 3 columns. Not to be changed."""
    return small_cube(4, 3)


@pytest.fixture(scope="session")
def expected(cube, client, tmp_path_factory):
    """What an undisturbed run makes of `cube`, by blocks. Not to be changed."""
    out = tmp_path_factory.mktemp("quiet") / "out.zarr"
    return solve(cube, out, client=client, start="measured").load()


@pytest.fixture(scope="session")
def columns():
    return Source(small_cube(2, 2)).read(Window(0, 0, 2, 0, 2))


@pytest.fixture(scope="session")
def visited(policy):
    """Nine columns with the states visited on them. Not to be changed."""
    found = Source(small_cube(3, 3)).read(Window(0, 0, 3, 0, 3))
    shop = Workshop(CubeSettings(popsTol=1e-5))
    return [shop.solve(found.column(k), policy, record=True).visited for k in range(9)]
