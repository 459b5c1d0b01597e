"""The bounds on linear problems, without radiative transfer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lw_rl.certificate.bounds import NEAR, enclosure_bound, weight_bound


def m_matrix(rng, N, eps):
    """Return A = 1 - (1 - eps) Lambda with a random stochastic Lambda, and b = eps B."""
    Lambda = rng.random((N, N)) ** 4
    Lambda /= Lambda.sum(axis=1, keepdims=True)
    return np.eye(N) - (1.0 - eps) * Lambda, eps * 10.0 ** rng.uniform(-1.0, 1.0, N)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), log_eps=st.floats(-4.0, -0.3), steps=st.integers(1, 12))
def test_the_bounds_hold_on_linear_problems(seed, log_eps, steps):
    """MALI with the diagonal as the approximate operator, from a perturbed solution."""
    rng = np.random.default_rng(seed)
    A, b = m_matrix(rng, 20, 10.0**log_eps)
    solution = np.linalg.solve(A, b)
    S = solution * np.exp(0.04 * rng.standard_normal(20))
    ys, rs = [], []
    for _ in range(steps):
        R = (b - A @ S) / np.diag(A)
        if np.any(S + R <= 0.0):
            return
        ys.append(np.log(S))
        rs.append(np.log1p(R / S))
        S = S + R
    true = np.max(np.abs(np.exp(ys[-1]) / solution - 1.0))
    slack = 1e-9
    assert weight_bound(ys[-1], rs[-1], np.log(b)) >= true - slack
    assert enclosure_bound(ys, rs, np.log(b), ys[-1]) >= true - slack


def test_the_enclosure_is_sharper_than_the_weight():
    """On a diffusion problem, whose slow mode is what MALI leaves."""
    N, eps = 30, 1e-3
    Lambda = np.diag(np.full(N - 1, 0.25), 1) + np.diag(np.full(N - 1, 0.25), -1) + 0.5 * np.eye(N)
    # A photon occupation number as small as in a resonance line: no stimulated emission.
    A, b = np.eye(N) - (1.0 - eps) * Lambda, np.full(N, 1e-6 * eps)
    solution = np.linalg.solve(A, b)
    S = solution * (1.0 + 0.03 * np.sin(np.linspace(0.0, 3.0, N)))
    ys, rs = [], []
    for _ in range(40):
        R = (b - A @ S) / np.diag(A)
        ys.append(np.log(S))
        rs.append(np.log1p(R / S))
        S = S + R
    true = np.max(np.abs(np.exp(ys[-1]) / solution - 1.0))
    weight = weight_bound(ys[-1], rs[-1], np.log(b))
    assert true <= enclosure_bound(ys[-10:], rs[-10:], np.log(b), ys[-1]) < 0.75 * weight


def test_enclosure_ignores_states_that_are_far():
    """Their opacity was another one: what they show of the residual need not hold here."""
    y = np.zeros(5)
    r = np.array([1e-3, -1e-3, 2e-3, -2e-3, 1e-3])
    log_b = np.full(5, -3.0)
    alone = enclosure_bound([y], [r], log_b, y)
    far = enclosure_bound([y + 2.0 * NEAR, y], [np.full(5, -0.5), r], log_b, y)
    assert far == pytest.approx(alone, rel=1e-9)


def test_a_state_that_is_the_solution_has_no_error():
    y, log_b = np.zeros(4), np.full(4, -2.0)
    assert weight_bound(y, np.zeros(4), log_b) == 0.0
    assert enclosure_bound([y], [np.zeros(4)], log_b, y) == 0.0


@pytest.mark.parametrize("where", ["y", "r", "log_b"])
def test_there_is_no_bound_of_what_is_not_a_number(where):
    values = {"y": np.zeros(4), "r": np.zeros(4), "log_b": np.full(4, -2.0)}
    values[where][2] = np.nan
    assert weight_bound(**values) == np.inf


def test_there_is_no_bound_where_the_residual_exceeds_what_is_created():
    y, log_b = np.zeros(4), np.full(4, -9.0)
    r = np.array([1e-2, 0.0, 0.0, 0.0])
    assert weight_bound(y, r, log_b) == np.inf
    assert enclosure_bound([y], [r], log_b, y) == np.inf


def test_a_bound_is_for_the_state_that_is_asked_about():
    """One that is further off by a factor has that much larger a bound."""
    y, log_b = np.zeros(4), np.full(4, -2.0)
    r = np.full(4, 1e-4)
    near = enclosure_bound([y], [r], log_b, y)
    far = enclosure_bound([y], [r], log_b, y + 0.05)
    assert near < 0.01 and far == pytest.approx(np.expm1(0.05), rel=0.1)
