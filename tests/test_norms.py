"""Sizes of vectors of logarithms, and the changes they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lw_rl.norms import largest, limit_step, relative, to_log


def test_the_largest_component_of_either_sign():
    assert largest(np.array([-np.log(2.0), 0.1])) == np.log(2.0)
    assert largest(np.array([0.1, 0.3])) == 0.3
    assert largest(np.zeros(3)) == 0.0
    assert largest(np.array([[0.1, -0.4], [0.3, 0.2]]).T) == 0.4
    for values in ([0.1, np.nan], [np.nan, 0.1]):
        assert np.isnan(largest(np.array(values)))


def test_a_change_of_the_logarithm_stands_for_a_relative_one():
    assert relative(np.log(2.0)) == pytest.approx(1.0)
    assert relative(1e-12) == pytest.approx(1e-12, rel=1e-9)
    assert relative(0.0) == 0.0
    assert np.isfinite(relative(1e300)) and np.isfinite(relative(np.inf))


def test_a_step_is_limited_at_every_component():
    np.testing.assert_array_equal(
        limit_step(np.zeros(3), np.array([-9.0, 0.5, 9.0]), 2.0), [-2.0, 0.5, 2.0]
    )


@given(st.lists(st.floats(-0.9, 1e6), min_size=1, max_size=5))
def test_a_relative_error_becomes_a_change_of_the_logarithm(errors):
    np.testing.assert_allclose(np.exp(to_log(np.array(errors))), 1.0 + np.array(errors))


@given(st.floats(-1e300, -0.95))
def test_a_negative_quantity_is_taken_for_small(error):
    assert to_log(np.array([error]))[0] == pytest.approx(np.log(0.05))
