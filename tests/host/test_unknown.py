"""The unknown against populations: round trips, extremes, detailed balance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lw_rl.host.state import Block
from lw_rl.host.unknown import LineSource, LogPopulations


def total():
    return np.array([1e10, 1e15, 1e20])


def line_source():
    return LineSource(np.ones((2, 3)), total(), Block(0, 3, (3,)), 2.0)


def log_populations(levels=4):
    return LogPopulations(np.ones((levels, 3)), total(), Block(0, 3 * levels, (levels, 3)))


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_every_value_is_a_valid_state_of_two_levels(y):
    u = line_source()
    u.write(np.array(y))
    np.testing.assert_allclose(u.n.sum(axis=0), u.nTotal, rtol=1e-14)
    assert np.all(u.n > 0.0)
    # Never inverted: the upper level over its weight is below the lower one over its own.
    assert np.all(u.n[1] <= u.g_ratio * u.n[0] * (1.0 + 1e-14))


@given(st.lists(st.floats(-30.0, 3.0), min_size=3, max_size=3))
def test_two_levels_there_and_back(y):
    u = line_source()
    u.write(np.array(y))
    np.testing.assert_allclose(u.read(), y, rtol=1e-9, atol=1e-9)


@given(st.lists(st.floats(-200.0, 0.0), min_size=12, max_size=12))
def test_more_levels_sum_to_the_total(y):
    u = log_populations()
    u.write(np.array(y))
    np.testing.assert_allclose(u.n.sum(axis=0), u.nTotal, rtol=1e-14)
    assert np.all(u.n >= 0.0)
    # Read back up to the normalisation, which is one number at each depth.
    shift = (u.read() - y).reshape(4, 3)
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], (4, 3)), atol=1e-9)


def test_populations_are_written_in_place():
    for u in (line_source(), log_populations()):
        n = u.n
        u.write(u.read() - 1.0)
        assert u.n is n


def test_unphysical_populations_read_as_none():
    u = line_source()
    u.n[:] = [[1.0, 1.0, np.nan], [0.5, 3.0, 1.0]]
    assert np.isfinite(u.read()[0]) and not np.isfinite(u.read()[1:]).any()
    u = log_populations(3)
    u.n[:] = [[1.0, 1.0, np.nan], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
    assert np.isfinite(u.read().reshape(3, 3)[:, 0]).all()
    assert not np.isfinite(u.read().reshape(3, 3)[1, 1]) and np.isnan(u.read()[2])


def test_lambda_iteration_balances_the_rates():
    u = line_source()
    up, down = np.array([1e-3, 1.0, 30.0]), np.array([1e3, 1e2, 20.0])
    u.write(u.lambda_iterated(up, down))
    np.testing.assert_allclose(u.n[0] * up, u.n[1] * down, rtol=1e-10)
    # More up than the statistical weights allow is no state of two levels.
    assert np.isnan(u.lambda_iterated(np.array([3.0]), np.array([1.0])))
    # One pair of rates does not settle more than two levels.
    assert log_populations().lambda_iterated(up, down) is None


@pytest.mark.parametrize("y", [-1e300, 1e300])
def test_extremes_do_not_overflow(y):
    u = line_source()
    with np.errstate(all="raise"):
        u.write(np.full(3, y))
    assert np.all(np.isfinite(u.n)) and np.all(u.n > 0.0)
