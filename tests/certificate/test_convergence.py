"""The certified stop: what is claimed of the error against the error itself.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
the stop looks at the error, not at the change      test_a_tolerance_is_one_on_the_error
(Certified.is_converged)
a policy's word is not taken alone                  test_a_policy_that_hardly_moves_...
(Certificate._observed, distance and residual)
the certified state is what the context holds       test_the_context_holds_the_certified_state
(Certificate.settle)
no estimate from an undone or unknown update        test_no_estimate_of_an_update_that_is_not_known
(Certificate.skip)
states that are far are not combined into a bound   test_enclosure_ignores_states_that_are_far
(enclosure.NEAR)
collisional-radiative switching ends first          test_iterate: test_collisional_radiative_...
(Certified.is_converged)
=================================================== ==========================================
"""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from conftest import error
from hypothesis import given, settings
from hypothesis import strategies as st
from lightweaver.rh_atoms import CaII_atom

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.certificate import certificate
from lw_rl.certificate.bounds import NEAR, enclosure_bound, weight_bound
from lw_rl.certificate.certificate import DEFAULT_FACTOR, Certificate
from lw_rl.certificate.convergence import Certified
from lw_rl.certificate.redistribution import Redistribution
from lw_rl.host.adapter import Adapter
from lw_rl.host.state import Evaluation
from lw_rl.iterate import accelerate, iterate_ctx_rl
from lw_rl.schemes import Depthwise

SCHEMES = ("mali", "ng", "anderson", "depthwise")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-5])
def test_a_tolerance_is_one_on_the_error(scheme, tol, ctx, untrained, reference):
    result = lw_rl.solve(ctx, untrained, scheme, popsTol=tol, quiet=True)
    assert result.converged
    assert error(ctx, reference) <= result.estimate.value < tol
    assert result.estimate.bound is None or error(ctx, reference) <= result.estimate.bound


def test_the_hosts_own_loop(ctx, reference):
    plain = copy.deepcopy(ctx)
    lw.iterate_ctx_se(plain, Nscatter=0, quiet=True)
    assert error(plain, reference) > 5e-3, "its own stop is at a change of 1e-3"
    lw.iterate_ctx_se(ctx, Nscatter=0, quiet=True, convergence=Certified)
    assert error(ctx, reference) < 1e-3


def test_the_hosts_own_loop_with_its_ng_acceleration(reference):
    ctx = lw_rl.build_context("CaII_K", "FALC", ngOptions=lw.NgOptions(2, 3, 5, 1.0, 0.0))
    lw.iterate_ctx_se(ctx, Nscatter=0, quiet=True, convergence=Certified)
    assert error(ctx, reference) < 1e-3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_stop_costs_no_formal_solution(scheme, ctx, untrained):
    result = lw_rl.solve(ctx, untrained, scheme, quiet=True)
    assert result.Nformal == len(result.records)


@pytest.mark.parametrize("scheme", ["anderson", "depthwise"])
def test_the_context_holds_the_certified_state(scheme, ctx, untrained, reference):
    proxy = accelerate(ctx, untrained, scheme)
    lw.iterate_ctx_se(proxy, Nscatter=0, quiet=True, convergence=Certified)
    np.testing.assert_allclose(Adapter(ctx).read(), proxy.certificate.state, rtol=1e-9)
    # Radiation field and populations belong together: J does not change when it is made again.
    J = np.array(ctx.spect.J)
    ctx.formal_sol_gamma_matrices()
    np.testing.assert_allclose(ctx.spect.J, J, rtol=1e-3)


class Tiny:
    """A policy that says that there is next to nothing to be done."""

    def predict(self, observation, deterministic=True):
        return np.full(observation.shape[1], 1e-9), None


def test_a_policy_that_hardly_moves_does_not_stop_the_iteration(ctx, reference):
    result = lw_rl.solve(ctx, scheme=Depthwise(Tiny(), window=1), quiet=True)
    assert result.converged
    assert error(ctx, reference) < 1e-3


def test_the_factor_comes_from_the_card(ctx, untrained):
    before = copy.copy(untrained.card)
    try:
        values = []
        for card in ({}, {"error_estimate": {"factor": 2.0 * DEFAULT_FACTOR}}):
            untrained.card = card
            proxy = accelerate(copy.deepcopy(ctx), untrained)
            for _ in range(6):
                proxy.formal_sol_gamma_matrices()
                proxy.stat_equil()
            factors = [proxy._factors["depthwise"]]
            values += factors
        assert values == [DEFAULT_FACTOR, 2.0 * DEFAULT_FACTOR]
    finally:
        untrained.card = before


def test_no_estimate_of_an_update_that_is_not_known(ctx):
    certificate = Certificate(Adapter(ctx))
    assert certificate.estimate().value == np.inf
    assert certificate.bound() is None
    adapter = Adapter(ctx)
    for _ in range(30):
        certificate.add(adapter.evaluate(), None, None)
    assert certificate.estimate().value < 10.0
    certificate.skip()
    assert certificate.estimate().value == np.inf
    invalid = Evaluation(adapter.read(), np.full(82, np.nan), adapter.blocks, False)
    certificate.add(invalid, None, None)
    assert certificate.estimate().value == np.inf


def test_an_atom_with_more_levels():
    ctx = lw_rl.build_context(CaII_atom(), lw_rl.atmospheres.load("FALC", 30), Nrays=2)
    host = copy.deepcopy(ctx)
    result = lw_rl.solve(ctx, scheme="anderson", popsTol=1e-2, quiet=True)
    assert result.converged and result.estimate.bound is None
    assert error(ctx, np.asarray(host.activeAtoms[0].n)) > 1e-2, "the start is far away"
    lw.iterate_ctx_se(host, Nscatter=0, JTol=1.0, popsTol=1e-7, quiet=True)
    assert error(ctx, np.asarray(host.activeAtoms[0].n)) < 1e-2


def test_starting_at_the_solution_the_bound_says_so(converged):
    ctx = copy.deepcopy(converged)
    result = lw_rl.solve(ctx, scheme="mali", quiet=True)
    assert result.Nformal <= 2
    assert result.estimate.method in ("bound", "operator")


# ---- the enclosure, on linear problems without radiative transfer -----


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


def test_the_bound_leaves_out_the_state_that_knew_no_scattered_light(ctx):
    """The first formal solution begins with J = 0; what is proved does not hold for it."""
    proxy = accelerate(ctx, scheme="nonlocal")
    used = []
    for _ in range(6):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                certificate, "enclosure_bound",
                lambda ys, *others: used.append(ys) or float("inf"),
            )  # fmt: skip
            proxy.certificate.bound()
    first = proxy.certificate._visited._ys[0]
    assert len(used) >= 3
    assert not any(np.array_equal(y, first) for ys in used for y in ys)


def test_iterate_stops_with_the_hosts_criterion_if_told(ctx):
    host = copy.deepcopy(ctx)
    criterion = lw.DefaultConvergenceCriteria
    it = iterate_ctx_rl(ctx, scheme="mali", convergence=criterion, quiet=True)
    assert it == lw.iterate_ctx_se(host, Nscatter=0, quiet=True)


@pytest.mark.parametrize(
    ("steps", "at_least"),
    [
        ([1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8], 1e-8),
        ([1.0e-4, 9.6e-5, 9.2e-5, 8.8e-5, 8.5e-5, 8.1e-5], 1.9e-3),  # 0.96 per step
        ([1.3e-4, 8e-5, 1.4e-4, 1.2e-4, 8e-5, 6e-5], 6e-2),
    ],
)
def test_joint_steps_that_stagnate_are_no_estimate(steps, at_least):
    profile = Redistribution()
    for size in steps:
        profile.step(size, together=True)
    assert at_least < profile._together().value < 10.0 * at_least


def test_what_a_lagging_emission_profile_hides_counts():
    start = lw_rl.build_context(atoms.MgII_k(prd=True), atmospheres.load("FALA"))
    keywords = {"prd": True, "quiet": True, "JTol": np.inf}
    n_ref = copy.deepcopy(start)
    assert lw_rl.solve(n_ref, popsTol=1e-5, prdIterTol=1e-4, NmaxIter=500, **keywords).converged
    n_ref = np.asarray(n_ref.activeAtoms[0].n)
    told, seen = [], []

    class Watched(Certified):
        def is_converged(self, *updates):
            super().is_converged(*updates)
            n = self.certificate.adapter.populations()
            self.certificate.adapter.write(self.certificate.evaluation.y)
            true = error(start, n_ref)
            start.activeAtoms[0].n[...] = n[0]
            told.append(self.certificate.estimate().value / true)
            seen.append(self.certificate._observed().value / true)
            return False

    lw_rl.solve(start, scheme="mali", convergence=Watched, NmaxIter=150, **keywords)
    assert min(told[8:]) > 0.8
    assert min(seen[8:]) < 0.5
