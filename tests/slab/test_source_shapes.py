"""Families of source functions."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.errors import UnknownNameError
from lw_rl.slab.source_shapes import (
    S_MAX,
    S_MIN,
    SHAPES,
    MonotoneSpline,
    SigmoidShape,
    shape_parameters,
    source_shape,
)


@pytest.mark.parametrize("name", SHAPES)
def test_every_family_starts_near_B_and_stays_within_its_bounds(name):
    family = source_shape(name, np.linspace(-7, 2, 31))
    assert np.max(np.abs(family.start - 1.0)) <= 0.1 + 1e-6
    S = family(np.random.default_rng(0).uniform(-1, 1, (500, family.Naction)))
    assert S.shape == (500, 31) and np.all((S_MIN <= S) & (S <= S_MAX))


def test_a_sigmoid_goes_from_its_floor_to_floor_plus_amplitude():
    sigmoid = SigmoidShape(np.linspace(-40, 40, 5))
    S = sigmoid.of_parameters([0.1, 0.8, 0.0, 1.0])
    assert S == pytest.approx([0.1, 0.1, 0.5, 0.9, 0.9])
    assert sigmoid.parameters(np.zeros(4)) == pytest.approx(sigmoid.midpoint)


def test_parameters_by_name():
    assert shape_parameters("sigmoid") == {}
    assert shape_parameters("spline")["Ncoef"] == 10
    with pytest.raises(UnknownNameError, match="unknown source shape 'line'"):
        source_shape("line", np.zeros(3))


def test_spline_is_monotone_and_can_be_flat():
    spline = MonotoneSpline(np.linspace(-7, 2, 31))
    actions = np.random.default_rng(5).uniform(-1, 1, (200, 10))
    S = spline(actions)
    assert np.all(np.diff(S, axis=1) >= -1e-12)
    flat = spline(np.append(-np.ones(9), 0.0)[None])
    np.testing.assert_allclose(flat, 1.0, rtol=1e-12)
    np.testing.assert_allclose(spline.basis.sum(axis=1), 1.0, rtol=1e-12)


def test_every_rise_of_a_spline_answers_to_its_action():
    """No stretch of actions may leave S as it is: a policy would have no slope to come back by."""
    spline = MonotoneSpline(np.linspace(-7, 2, 31))
    a = np.tile(np.linspace(-1, 1, 41)[:, None], spline.Naction)
    for k in range(spline.Naction):
        actions = np.full_like(a, 0.3)
        actions[:, k] = a[:, k]
        assert np.min(np.max(np.abs(np.diff(np.log(spline(actions)), axis=0)), axis=1)) > 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"Ncoef": 4}, "Ncoef must be >= 5, not 4"),
        ({"largest_offset": 1.0}, "not 1.0"),
        ({"rise_power": 0.5}, "rise_power must be >= 1, not 0.5"),
    ],
)
def test_bad_splines(arguments, message):
    with pytest.raises(ValueError, match=message):
        MonotoneSpline(np.linspace(-7, 2, 31), **arguments)
