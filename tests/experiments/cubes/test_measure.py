"""Rate and memory: the columns that are timed."""

from __future__ import annotations

import numpy as np
from cube_helpers import small_cube

from lw_rl.cube.source import Source
from lw_rl.experiments.cubes.measure import subsample


def test_columns_are_spread_over_the_cube():
    cube = small_cube(4, 3)
    found = subsample(Source(cube), 3)
    assert len(found) == 3
    for column, (x, y) in zip(found, ((0, 0), (1, 2), (3, 2)), strict=True):
        np.testing.assert_array_equal(column["temperature"], cube.temperature.values[0, x, y])


def test_no_more_columns_than_there_are():
    assert len(subsample(Source(small_cube(2, 2)), 100)) == 4
