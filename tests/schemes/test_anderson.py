"""Anderson acceleration on maps without radiation (`tests/test_extrapolation.py`: the formula)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scheme_helpers import Driver, affine, evaluation_of

from lw_rl.certificate.history import History
from lw_rl.schemes import Anderson

#: What an adapter says of its atoms.
LINE = SimpleNamespace(line_sources=True, conserves_charge=False)
LEVELS = SimpleNamespace(line_sources=False, conserves_charge=False)


@pytest.mark.parametrize("radius", [0.9, 0.99])
def test_it_solves_a_linear_problem_in_logarithms(radius):
    G, x_fixed, _ = affine(40, radius, modes=6, positive=True)
    scheme = Anderson(window=10)
    y = np.log(x_fixed) + np.random.default_rng(0).uniform(-0.3, 0.3, 40)
    driver = Driver(scheme, LINE)
    for _ in range(12):
        image = np.log(np.maximum(G(np.exp(y)), 1e-12))
        y = driver.step(evaluation_of(y, image - y)).y
    np.testing.assert_allclose(y, np.log(x_fixed), atol=1e-5)


def test_the_logarithmic_option_solves_a_map_that_is_linear_in_logarithms():
    """As that of populations far from equilibrium is, nearly."""
    G, y_fixed, _ = affine(40, 0.99, modes=6)
    left = {}
    for logarithmic in (True, False):
        scheme = Anderson(logarithmic=logarithmic)
        driver, y = Driver(scheme, LINE), np.zeros(40)
        for _ in range(9):
            y = driver.step(evaluation_of(y, G(y) - y)).y
        left[logarithmic] = np.abs(y - y_fixed).max()
    assert left[True] < 1e-5 < left[False]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_step_is_limited(logarithmic):
    scheme = Anderson(window=3, logarithmic=logarithmic, max_step=0.5)
    step = Driver(scheme, LINE).step(evaluation_of(np.zeros(4), np.full(4, 7.0)))
    np.testing.assert_array_equal(step.y, np.full(4, 0.5))
    # What it says of the error is the change that it makes.
    assert step.estimate == pytest.approx(np.expm1(0.5)) and step.by == "anderson"


def test_the_first_steps_are_plain_and_are_not_combined():
    """Far from the solution a combination of images leads astray."""
    driver, y = Driver(Anderson(delay=3, max_step=0.1), LINE), np.zeros(2)
    for k in range(4):
        step = driver.step(evaluation_of(y, np.full(2, 1.0)))
        assert (step.y is None) == (k < 3)
        y = y + 1.0 if k < 3 else step.y
    state = driver.state
    combined = state.history.states(evaluation_of(y, np.ones(2)), state.since)
    np.testing.assert_array_equal([e.y[0] for e in combined], [3.0, 3.1])


def converged_in(window, forget=None):
    """How far off the solution of a linear map is after a few steps."""
    G, y_fixed, _ = affine(40, 0.99, modes=6)
    driver, y = Driver(Anderson(window=window, logarithmic=True), LINE), np.zeros(40)
    for k in range(9):
        if k == forget:
            driver.scheme.redistribute(0.1, driver.state)
        y = driver.step(evaluation_of(y, G(y) - y)).y
    return np.abs(y - y_fixed).max()


def test_no_more_states_are_combined_than_it_says():
    assert converged_in(10) < 1e-3 * converged_in(1)


def test_states_of_another_emission_profile_are_not_combined():
    assert converged_in(10) < 1e-3 * converged_in(10, forget=4)


def test_what_is_not_finite_is_left_to_the_plain_update():
    driver = Driver(Anderson(), LINE)
    assert np.all(np.isfinite(driver.step(evaluation_of(np.zeros(3), np.full(3, 0.1))).y))
    step = driver.step(evaluation_of(np.zeros(3), np.full(3, np.nan)))
    assert step.y is None and step.by == "mali" and driver.state.since == 1


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
    def begins(scheme, adapter):
        state = scheme.init(adapter, History())
        return state.logarithmic, state.since

    assert begins(Anderson(), LINE) == (False, 0)
    assert begins(Anderson(), LEVELS) == (True, 5)
    assert begins(Anderson(logarithmic=False, delay=2), LEVELS) == (False, 2)


def test_states_visited_by_others_are_not_combined():
    """One that takes over begins afresh."""
    history = History()
    history.add(evaluation_of(np.zeros(2), np.ones(2)))
    assert Anderson().init(LINE, history).since == 1
