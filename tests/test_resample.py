"""Linear interpolation by index between grids of different size."""

import numpy as np
import pytest

from lw_rl.resample import resample, table


@pytest.mark.parametrize(("old", "new"), [(82, 64), (64, 82), (7, 7), (300, 2)])
def test_a_straight_line_stays_one_and_ends_are_kept(old, new):
    line = np.linspace(-1.0, 3.0, old)
    np.testing.assert_allclose(resample(line, table(old, new)), np.linspace(-1.0, 3.0, new))


def test_the_same_size_changes_nothing():
    values = np.random.default_rng(0).standard_normal(20)
    np.testing.assert_allclose(resample(values, table(20, 20)), values, atol=1e-14)


def test_there_and_back_is_exact_where_the_finer_grid_holds_the_coarser():
    values = np.random.default_rng(1).standard_normal(11)
    fine = resample(values, table(11, 41))
    np.testing.assert_allclose(resample(fine, table(41, 11)), values, atol=1e-14)


def test_nothing_is_extrapolated():
    values = np.random.default_rng(2).uniform(1.0, 2.0, 13)
    dense = resample(values, table(13, 200))
    assert dense.min() >= values.min() and dense.max() <= values.max()
