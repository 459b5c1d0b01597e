"""What a record of a solve says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lw_rl.benchmark.robustness_records import ProblemRecord, SolveRecord

SOLVE = SolveRecord("x", "converged", 20, 20.0, 1e-4, "policy", None, 1e-5, physical=True)


def test_over_budget_is_more_than_the_budget():
    assert not SOLVE.over_budget
    assert replace(SOLVE, Nformal=21).over_budget
    assert not replace(SOLVE, Nformal=10**6, budget=float("inf")).over_budget


@pytest.mark.parametrize("outcome", ["max_iterations", "diverged", "nonfinite", "ValueError"])
def test_only_one_outcome_is_convergence(outcome):
    assert SOLVE.converged
    assert not replace(SOLVE, outcome=outcome).converged


def test_a_problem_has_its_solves():
    record = ProblemRecord("p", [SOLVE], has_reference=False)
    assert (record.solves, record.has_reference, record.seconds) == ([SOLVE], False, 0.0)
