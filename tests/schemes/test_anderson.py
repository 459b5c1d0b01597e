"""Anderson acceleration on maps without radiation (`tests/test_extrapolation.py`: the formula)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scheme_helpers import affine, evaluation_of

from lw_rl.schemes import Anderson

#: What an adapter says of its atoms.
LINE, LEVELS = SimpleNamespace(line_sources=True), SimpleNamespace(line_sources=False)


@pytest.mark.parametrize("radius", [0.9, 0.99])
def test_it_solves_a_linear_problem_in_logarithms(radius):
    G, x_fixed, _ = affine(40, radius, modes=6, positive=True)
    scheme = Anderson(window=10)
    y = np.log(x_fixed) + np.random.default_rng(0).uniform(-0.3, 0.3, 40)
    state = scheme.init(LINE)
    for _ in range(12):
        image = np.log(np.maximum(G(np.exp(y)), 1e-12))
        y = scheme.step(evaluation_of(y, image - y), state).y
    np.testing.assert_allclose(y, np.log(x_fixed), atol=1e-5)


def test_the_logarithmic_option_solves_a_map_that_is_linear_in_logarithms():
    """As that of populations far from equilibrium is, nearly."""
    G, y_fixed, _ = affine(40, 0.99, modes=6)
    left = {}
    for logarithmic in (True, False):
        scheme = Anderson(logarithmic=logarithmic)
        state, y = scheme.init(LINE), np.zeros(40)
        for _ in range(9):
            y = scheme.step(evaluation_of(y, G(y) - y), state).y
        left[logarithmic] = np.abs(y - y_fixed).max()
    assert left[True] < 1e-5 < left[False]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_step_is_limited(logarithmic):
    scheme = Anderson(window=3, logarithmic=logarithmic, max_step=0.5)
    step = scheme.step(evaluation_of(np.zeros(4), np.full(4, 7.0)), scheme.init(LINE))
    np.testing.assert_array_equal(step.y, np.full(4, 0.5))
    # What it says of the error is the change that it makes.
    assert step.estimate == pytest.approx(np.expm1(0.5)) and step.by == "anderson"


def test_the_first_steps_are_plain_and_are_not_combined():
    """Far from the solution a combination of images leads astray."""
    scheme = Anderson(delay=3, max_step=0.1)
    state, y = scheme.init(LINE), np.zeros(2)
    for k in range(4):
        step = scheme.step(evaluation_of(y, np.full(2, 1.0)), state)
        limit = 0.1 if k == 3 else 1.0
        np.testing.assert_allclose(step.y, y + limit)
        assert len(state.xs) == max(0, k - 2)
        y = step.y


def test_the_history_forgets_the_oldest():
    scheme = Anderson(window=2)
    history = scheme.init(LINE)
    for k in range(6):
        history.add(np.full(1, float(k)), np.full(1, float(k)))
    assert [x[0] for x in history.xs] == [3.0, 4.0, 5.0]
    # Those of another emission profile tell nothing.
    scheme.redistribute(0.1, history)
    assert not history.xs and not history.gs


def test_what_is_not_finite_is_left_to_the_plain_update():
    scheme = Anderson()
    state = scheme.init(LINE)
    assert np.all(np.isfinite(scheme.step(evaluation_of(np.zeros(3), np.full(3, 0.1)), state).y))
    step = scheme.step(evaluation_of(np.zeros(3), np.full(3, np.nan)), state)
    assert step.y is None and step.by == "mali" and not state.xs


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"window": 0}, "window=0"),
        ({"max_step": 0.0}, "max_step=0.0"),
        ({"max_step": np.nan}, "max_step=nan"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Anderson(**settings)


def test_populations_are_combined_in_the_logarithm_after_five_plain_steps():
    line, levels = Anderson().init(LINE), Anderson().init(LEVELS)
    assert (line.logarithmic, line.delay) == (False, 0)
    assert (levels.logarithmic, levels.delay) == (True, 5)
    told = Anderson(logarithmic=False, delay=2).init(LEVELS)
    assert (told.logarithmic, told.delay) == (False, 2)
