"""References: fixed points of the host's own equations, confirmed without the scheme under test."""

from __future__ import annotations

import copy
from dataclasses import replace

import lightweaver as lw
import numpy as np
import pytest
from conftest import imbalance

import lw_rl
from lw_rl import problems
from lw_rl.benchmark.reference import (
    Never,
    confirmed_equilibrium,
    mali_equilibrium,
    newton_correction,
    reference,
    repelling_equilibrium,
    settle,
    true_error,
)
from lw_rl.errors import NoReferenceError
from lw_rl.host.adapter import Adapter


def test_true_error_is_the_largest_over_atoms_levels_and_depths():
    ones = np.ones((2, 5))
    off = ones.copy()
    off[1, 3] = 0.8
    assert true_error([ones, ones], [ones, ones]) == 0.0
    assert true_error([ones, off], [ones, ones]) == pytest.approx(0.2)
    off[0, 0] = np.nan
    assert np.isnan(true_error([off], [ones]))


def test_the_reference_is_a_fixed_point_of_mali(start, n_ref):
    ctx = copy.deepcopy(start)
    n, change = reference(ctx)
    assert change < 1e-10
    assert true_error(n, n_ref) < 1e-12
    for _ in range(3):
        ctx.formal_sol_gamma_matrices()
        ctx.stat_equil()
    assert true_error([np.array(ctx.activeAtoms[0].n)], n_ref) < 1e-9


def test_the_reference_is_in_statistical_equilibrium(start):
    ctx = copy.deepcopy(start)
    assert imbalance(copy.deepcopy(start)) > 1e-2, "LTE is not"
    reference(ctx)
    assert imbalance(ctx) < 1e-8


def test_mali_settles_at_the_reference_from_lte_too(start, n_ref):
    n, change = settle(copy.deepcopy(start))
    assert change < 1e-10
    assert true_error(n, n_ref) < 1e-9


def test_where_mali_does_not_settle_there_is_no_reference(start, monkeypatch):
    iterate = lw.iterate_ctx_se

    def short(ctx, **keywords):
        return iterate(ctx, **{**keywords, "NmaxIter": 3})

    monkeypatch.setattr(lw, "iterate_ctx_se", short)
    with pytest.raises(NoReferenceError, match="after 3 iterations, not below 1e-10"):
        settle(copy.deepcopy(start))


def test_never_uses_all_iterations(start):
    ctx = copy.deepcopy(start)
    assert lw_rl.iterate_ctx_rl(ctx, NmaxIter=12, convergence=Never, quiet=True) == 11


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_mali_goes_on_until_less_than_the_tolerance_is_left(start, n_ref, tolerance):
    ctx = copy.deepcopy(start)
    lw.iterate_ctx_se(ctx, quiet=True)
    before = np.array(ctx.activeAtoms[0].n)
    assert true_error([before], n_ref) > 1e-3
    n = mali_equilibrium(ctx, tolerance)
    assert true_error(n, n_ref) < tolerance
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, before)


def test_where_mali_does_not_get_there_in_time_it_has_no_equilibrium(start):
    assert mali_equilibrium(start, 1e-5, NmaxIter=30) is None


def test_mali_finds_its_equilibrium_in_partial_redistribution(problem):
    ctx = replace(problem, prd=True).context()
    n = mali_equilibrium(ctx, 1e-5, prd=True)
    assert true_error(n, reference(ctx, prd=True)[0]) < 1e-5


def test_an_equilibrium_is_confirmed_from_the_end_of_a_solve(start, n_ref):
    ctx = copy.deepcopy(start)
    lw_rl.solve(ctx, quiet=True)
    before = np.array(ctx.activeAtoms[0].n)
    n = confirmed_equilibrium(ctx, 1e-5)
    assert true_error(n, n_ref) < 1e-5
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, before)
    n = repelling_equilibrium(ctx, 1e-5)
    assert true_error(n, n_ref) < 1e-5
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, before)


def test_an_equilibrium_that_mali_leaves_is_confirmed_by_a_newton_step_alone():
    """Plain steps more than double the distance from it, until the limiter switches."""
    ctx = problems.random_problem("test", 223).context()
    lw_rl.solve(ctx, scheme="nonlocal", quiet=True)
    n = repelling_equilibrium(ctx, 1e-5)
    attracting = confirmed_equilibrium(ctx, 1e-5)
    assert n is not None and attracting is not None
    assert true_error(n, attracting) > 1e-3


def test_the_newton_step_has_the_size_of_the_error(converged):
    ctx = copy.deepcopy(converged)
    adapter = Adapter(ctx)
    y = adapter.read()
    adapter.write(y + 1e-4)
    before = adapter.snapshot()
    assert newton_correction(ctx) == pytest.approx(1e-4, rel=0.05)
    after = adapter.snapshot()
    assert all(np.array_equal(a, b) for a, b in zip(before.n, after.n, strict=True))
    assert np.array_equal(before.J, after.J)


def test_where_the_derivatives_are_not_finite_the_newton_step_is_infinite(ctx, monkeypatch):
    evaluate, calls = Adapter.evaluate, []

    def sometimes(self, y=None, lambdaIterate=False):
        evaluation = evaluate(self, y, lambdaIterate)
        calls.append(y)
        if len(calls) == 5:
            evaluation.r[:] = np.nan
        return evaluation

    monkeypatch.setattr(Adapter, "evaluate", sometimes)
    assert newton_correction(ctx) == float("inf")


def test_another_solution_is_due_to_the_hosts_limiter(two_solutions):
    """Interpolated linearly, the source function has one solution, wherever MALI begins."""
    ctx, n_ref = two_solutions
    ours = copy.deepcopy(ctx)
    lw_rl.solve(ours, scheme="nonlocal", popsTol=1e-8, quiet=True)
    n = Adapter(ours).populations()
    assert true_error(n, n_ref) > 0.1
    ends = []
    for start in (n_ref, n):
        linear = copy.deepcopy(ctx)
        linear.set_formal_solver("piecewise_linear_1d")
        linear.activeAtoms[0].n[...] = start[0]
        ends.append(settle(linear)[0])
    assert true_error(*ends) < 1e-8


def test_reference_of_an_atom_with_many_levels():
    """Another start leads to it, by MALI with the scattering solved; MALI stays at it, too."""
    ctx = problems.shipped_problem("CaII", "FALC", 24).context(Nrays=3)
    n, change = reference(copy.deepcopy(ctx))
    assert change < 1e-8
    again, _ = settle(ctx)
    assert true_error(again, n) < 1e-7
    lw.iterate_ctx_se(ctx, Nscatter=0, NmaxIter=50, quiet=True, convergence=Never)
    assert true_error(Adapter(ctx).populations(), n) < 1e-7
