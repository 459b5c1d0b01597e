"""Ng and Anderson on affine maps ``x -> A x + b`` of known spectral radius: no radiation here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheme_helpers import affine

from lw_rl.extrapolation import (
    anderson_mix,
    anderson_mix_positive,
    combine_linear,
    combine_positive,
    least_residual,
    ng_extrapolate,
)


def iterate_anderson(G, x, window, steps):
    xs, gs, errors = [], [], []
    for _ in range(steps):
        xs.append(x)
        gs.append(G(x))
        x = anderson_mix(xs[-window - 1 :], gs[-window - 1 :])
        errors.append(x)
    return errors


# ---- Anderson -----


@pytest.mark.parametrize("modes", [1, 2, 4, 7])
def test_anderson_is_exact_after_as_many_steps_as_there_are_modes(modes):
    """Krylov: with m modes, m + 1 residuals fix the solution."""
    G, x_fixed, _ = affine(20, 0.99, modes=modes)
    xs = iterate_anderson(G, np.zeros(20), window=modes + 2, steps=modes + 2)
    assert np.max(np.abs(xs[-1] - x_fixed)) < 1e-7
    plain = np.zeros(20)
    for _ in range(modes + 2):
        plain = G(plain)
    assert np.max(np.abs(plain - x_fixed)) > 1e-2


@pytest.mark.parametrize("radius", [0.9, 0.99, 0.999])
def test_anderson_beats_the_plain_iteration_by_the_square_root(radius):
    """Picard needs ~ ln(1/tol) / (1 - radius) steps, a Krylov method ~ the square root of it."""
    G, x_fixed, _ = affine(60, radius)
    xs = iterate_anderson(G, np.zeros(60), window=60, steps=60)
    errors = [np.linalg.norm(x - x_fixed) for x in xs]
    needed = next(k for k, e in enumerate(errors) if e < 1e-3 * np.linalg.norm(x_fixed))
    picard = np.log(1e-3) / np.log(radius)
    assert needed < 8.0 * np.sqrt(picard)


def test_anderson_is_gmres():
    """In exact arithmetic the mixed residual is the least over the Krylov space (Walker, Ni 2011).

    ``x_{k+1}`` of Anderson is one plain step from GMRES's iterate k.
    """
    from scipy.sparse.linalg import gmres

    N = 12
    G, _, A = affine(N, 0.95, seed=3)
    b = G(np.zeros(N))
    xs = iterate_anderson(G, np.zeros(N), window=N, steps=6)
    x_gmres, _ = gmres(np.eye(N) - A, b, x0=np.zeros(N), restart=5, maxiter=1, rtol=1e-14)
    np.testing.assert_allclose(xs[5], G(x_gmres), rtol=1e-6, atol=1e-9)


def test_anderson_of_one_iterate_is_the_plain_step():
    g = np.array([1.0, 2.0])
    mixed = anderson_mix([np.zeros(2)], [g])
    np.testing.assert_array_equal(mixed, g)
    mixed[0] = 9.0
    assert g[0] == 1.0, "a copy"


def test_anderson_of_repeated_iterates_is_the_plain_step():
    x, g = np.ones(3), np.full(3, 2.0)
    np.testing.assert_allclose(anderson_mix([x, x, x], [g, g, g]), g)


@given(order=st.permutations(range(4)))
def test_the_mixture_does_not_depend_on_the_order_of_the_past(order):
    """Only the set of residuals counts, while the newest stays the newest or not."""
    G, _, _ = affine(6, 0.9, seed=1)
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal(6) for _ in range(4)]
    gs = [G(x) for x in xs]
    mixed = anderson_mix([xs[k] for k in order], [gs[k] for k in order])
    np.testing.assert_allclose(mixed, anderson_mix(xs, gs), rtol=1e-8, atol=1e-8)


def test_anderson_is_affine_invariant():
    """Shifting and scaling the problem shifts and scales the answer."""
    G, _, _ = affine(8, 0.9, seed=2)
    rng = np.random.default_rng(1)
    xs = [rng.standard_normal(8) for _ in range(4)]
    gs = [G(x) for x in xs]
    shift = rng.standard_normal(8)
    other = anderson_mix([3.0 * x + shift for x in xs], [3.0 * g + shift for g in gs])
    np.testing.assert_allclose(other, 3.0 * anderson_mix(xs, gs) + shift, rtol=1e-9)


def test_anderson_survives_values_that_are_not_finite():
    xs = [np.zeros(2), np.ones(2)]
    gs = [np.array([np.nan, 1.0]), np.array([2.0, 3.0])]
    np.testing.assert_array_equal(anderson_mix(xs, gs), gs[-1])


def test_anderson_checks_its_arguments():
    with pytest.raises(ValueError, match="got 0, 0"):
        anderson_mix([], [])
    with pytest.raises(ValueError, match="got 2, 1"):
        anderson_mix([np.ones(2), np.ones(2)], [np.ones(2)])


# ---- Anderson of logarithms -----


@given(
    seed=st.integers(0, 10_000),
    size=st.floats(0.1, 600.0),
    max_step=st.floats(1e-3, 10.0),
)
def test_the_positive_mixture_keeps_its_step_limit(seed, size, max_step):
    """Whatever the history, the step is finite and limited."""
    rng = np.random.default_rng(seed)
    xs = [size * rng.standard_normal(5) for _ in range(4)]
    gs = [x + size * rng.standard_normal(5) for x in xs]
    y = anderson_mix_positive(xs, gs, max_step)
    assert np.all(np.isfinite(y))
    assert np.all(np.abs(y - xs[-1]) <= max_step * (1.0 + 1e-12) + 1e-12 * size)


# ---- Ng -----


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_ng_is_exact_for_as_many_modes_as_its_order(order):
    G, x_fixed, _ = affine(20, 0.95, modes=order)
    xs = [G(np.zeros(20))]
    for _ in range(order + 1):
        xs.append(G(xs[-1]))
    assert len(xs) == order + 2
    assert np.max(np.abs(xs[-1] - x_fixed)) > 1e-3
    np.testing.assert_allclose(ng_extrapolate(xs), x_fixed, atol=1e-6)


def test_ng_of_one_geometric_sequence_is_aitken():
    ratio, limit = 0.8, 5.0
    xs = [np.array([limit + ratio**k]) for k in range(3)]
    np.testing.assert_allclose(ng_extrapolate(xs), limit, rtol=1e-12)


def test_ng_speeds_up_a_slow_iteration():
    G, x_fixed, _ = affine(30, 0.99)
    x, xs = np.zeros(30), []
    for k in range(60):
        x = G(x)
        xs.append(x)
        if len(xs) >= 5 and k % 5 == 4:
            x = ng_extrapolate(xs[-5:])
            xs = [x]
    plain = np.zeros(30)
    for _ in range(60):
        plain = G(plain)
    assert np.linalg.norm(x - x_fixed) < 0.05 * np.linalg.norm(plain - x_fixed)


def test_ng_of_a_converged_sequence_is_its_limit():
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(ng_extrapolate([x, x, x, x, x]), x)


def test_ng_needs_three_iterates():
    with pytest.raises(ValueError, match="at least 3 iterates, got 2"):
        ng_extrapolate([np.ones(2), np.ones(2)])


def affine_scattering(N=5, seed=3):
    """A positive affine map S -> A S + b with a positive fixed point, as Lambda iteration is."""
    rng = np.random.default_rng(seed)
    A = rng.uniform(0.0, 1.0, (N, N))
    A *= 0.9 / A.sum(axis=1, keepdims=True)
    return A, rng.uniform(0.5, 1.5, N)


def visited(A, b, states):
    """Logarithms of states and of the ratios of their images to them."""
    return [np.log(S) for S in states], [np.log((A @ S + b) / S) for S in states]


def test_least_residual_weights_sum_to_one_and_are_the_best():
    rng = np.random.default_rng(0)
    F = rng.standard_normal((4, 30))
    weights = least_residual(F)
    assert weights.sum() == pytest.approx(1.0)
    best = np.linalg.norm(weights @ F)
    for _ in range(50):
        change = rng.standard_normal(4) * 0.1
        assert np.linalg.norm((weights + change - change.mean()) @ F) >= best - 1e-12


def test_the_combination_has_the_residual_that_it_says():
    A, b = affine_scattering()
    solution = np.linalg.solve(np.eye(5) - A, b)
    rng = np.random.default_rng(1)
    ys, rs = visited(A, b, [solution * np.exp(rng.normal(0, 0.2, 5)) for _ in range(3)])
    y, r = combine_positive(ys, rs)
    S = np.exp(y)
    assert np.allclose(r, np.log((A @ S + b) / S))
    # Better than the last state, in the norm that is minimised.
    image = np.exp(ys[-1] + rs[-1])
    assert np.linalg.norm((A @ S + b - S) / image) < np.linalg.norm(
        np.exp(ys[-1]) * np.expm1(rs[-1]) / image
    )


def test_as_many_states_as_unknowns_and_one_more_hold_the_solution():
    A, b = affine_scattering()
    solution = np.linalg.solve(np.eye(5) - A, b)
    rng = np.random.default_rng(2)
    ys, rs = visited(A, b, [solution * np.exp(rng.normal(0, 0.1, 5)) for _ in range(6)])
    y, r = combine_positive(ys, rs)
    assert np.allclose(np.exp(y), solution, rtol=1e-8)
    assert np.max(np.abs(r)) < 1e-8


def test_a_combination_that_is_not_positive_is_none():
    # Of two states far from the solution on one side the best combination extrapolates below zero.
    A, b = np.array([[0.5, 0.0], [0.0, 0.999]]), np.array([0.5, 1e-6])
    ys, rs = visited(A, b, [np.array([1.0, 100.0]), np.array([1.0, 99.9])])
    assert combine_positive(ys, rs) is None


def test_linear_quantities_are_combined_as_the_states_are():
    """Whatever is linear in S is known of the combination; the first of it is made smallest."""
    A, b = affine_scattering()
    solution = np.linalg.solve(np.eye(5) - A, b)
    rng = np.random.default_rng(4)
    states = [solution * np.exp(rng.normal(0, 0.2, 5)) for _ in range(3)]
    M = rng.uniform(0.0, 1.0, (5, 5))
    ys = [np.log(S) for S in states]
    residuals = [(A @ S + b - S) / S for S in states]
    errors = [(solution - S) / S for S in states]
    others = [M @ (A @ S + b - S) / S for S in states]
    y, left, residual, other = combine_linear(ys, errors, residuals, others)
    S = np.exp(y)
    np.testing.assert_allclose(left, (solution - S) / S)
    np.testing.assert_allclose(residual, (A @ S + b - S) / S)
    np.testing.assert_allclose(other, M @ (A @ S + b - S) / S)
    # In the norm that is minimised, that of the estimated solution's own scale, nothing is better:
    # here the estimate is the solution.
    best = np.linalg.norm((solution - S) / solution)
    for _ in range(50):
        change = 0.1 * rng.standard_normal(3)
        nearby = S + (change - change.mean()) @ np.array(states)
        assert np.linalg.norm((solution - nearby) / solution) >= best - 1e-12
    # Another quantity in its place gives another combination.
    assert not np.allclose(combine_linear(ys, residuals)[0], y)


def test_positive_combinations_are_linear_ones_of_the_residual():
    A, b = affine_scattering()
    rng = np.random.default_rng(5)
    ys, rs = visited(A, b, [rng.uniform(2.0, 4.0, 5) for _ in range(3)])
    y, r = combine_positive(ys, rs)
    y_linear, ratio = combine_linear(ys, [np.expm1(r) for r in rs])
    np.testing.assert_array_equal(y, y_linear)
    np.testing.assert_array_equal(r, np.log1p(ratio))


def test_a_combination_of_one_state_is_that_state():
    y, quantity = np.array([0.1, -2.0, 3.0]), np.array([0.5, -0.2, 0.0])
    np.testing.assert_array_equal(combine_linear([y], [quantity]), [y, quantity])


def test_a_combination_far_from_the_last_state_is_not_trusted():
    # The best combination has one component at a hundredth of the last state's.
    ys = [np.log(np.array([1.0, 2.0])), np.log(np.array([1.0, 1.0]))]
    solution = np.array([1.0, 0.01])
    errors = [solution / np.exp(y) - 1.0 for y in ys]
    assert combine_linear(ys, errors) is None
    closer = np.array([1.0, 0.5])
    y, left = combine_linear(ys, [closer / np.exp(y) - 1.0 for y in ys])
    np.testing.assert_allclose(np.exp(y), closer)
    np.testing.assert_allclose(left, 0.0, atol=1e-12)
