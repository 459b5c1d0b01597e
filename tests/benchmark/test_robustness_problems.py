"""Hostile problems: drawn from their seed, all kinds, and solved without harm."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_physical
from hypothesis import given, settings
from hypothesis import strategies as st

import lw_rl
from lw_rl.benchmark.robustness_problems import HostileProblem


@pytest.fixture(scope="module")
def drawn():
    return [HostileProblem(0, k) for k in range(2000)]


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), index=st.integers(0, 10**6))
def test_hostile_problems_end_in_a_documented_way(seed, index):
    problem = HostileProblem(seed, index)
    assert 3 <= problem.Nspace <= 1000
    ctx = problem.context()
    result = lw_rl.solve(ctx, prd=problem.prd, NmaxIter=25, quiet=True)
    assert result.outcome in ("converged", "max_iterations", "diverged", "nonfinite")
    assert_physical(ctx, tol=1e-6)


def test_problems_come_from_their_seed():
    assert HostileProblem(3, 7) == HostileProblem(3, 7)
    a, b = HostileProblem(3, 7).atmosphere(), HostileProblem(3, 7).atmosphere()
    np.testing.assert_array_equal(a.temperature, b.temperature)
    assert HostileProblem(3, 7) != HostileProblem(3, 8)


def test_problems_are_of_all_kinds(drawn):
    assert {p.kind for p in drawn} == {
        "family", "isothermal", "gradient", "shock", "steps", "noise",
    }  # fmt: skip
    assert {p.Nthreads for p in drawn} == {1, 2}
    for flag in ("prd", "switching", "conserve", "lambda_iterate"):
        assert 0 < sum(getattr(p, flag) for p in drawn) < 200
    assert min(p.Nspace for p in drawn) == 3
    assert max(p.Nspace for p in drawn) > 500


def test_a_name_tells_what_a_problem_is(drawn):
    assert len({p.name for p in drawn}) == len(drawn)
    problem = next(p for p in drawn if p.prd and p.switching and p.Nthreads == 2)
    assert problem.name.startswith(f"hostile 0/{problem.index} {problem.atom} {problem.kind}")
    assert problem.name.endswith("prd switching 2 threads")


def test_charge_is_conserved_with_active_hydrogen(drawn):
    problem = next(p for p in drawn if p.conserve)
    ctx = problem.context()
    assert ctx.conserveCharge
    assert lw_rl.solve(ctx, NmaxIter=3, quiet=True).Nformal == 3
    assert_physical(ctx, tol=1e-6)
