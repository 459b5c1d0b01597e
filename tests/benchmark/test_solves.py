"""What counts as solved, as failed, and as false convergence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lw_rl.benchmark.solves import PeerSolve, ProblemResult


def solve_of(errors, stop=None, stop_error=None):
    return PeerSolve("x", "", tuple(errors), stop, stop_error, None)


@pytest.mark.parametrize(
    ("errors", "threshold", "count"),
    [
        ([1.0, 0.5, 0.05], 0.1, 3),
        ([0.05, 0.05], 0.1, 1),
        # Below, above again, below: only the last time counts.
        ([1.0, 0.05, 0.5, 0.05, 0.01], 0.1, 4),
        ([1.0, 0.05, 0.5], 0.1, None),
        ([1.0, np.nan, 0.01], 0.1, 3),
        ([1.0, 0.01, np.nan], 0.1, None),
        ([], 0.1, None),
    ],
)
def test_the_count_is_the_first_after_which_the_error_stays_below(errors, threshold, count):
    assert solve_of(errors).to(threshold) == count


def test_failure():
    assert solve_of([1.0, 0.1]).failed
    assert not solve_of([1.0, 1e-4]).failed
    assert not solve_of([1.0, 0.1], stop=2, stop_error=0.1).failed, "it stopped by itself"


def test_false_convergence():
    assert solve_of([1.0, 0.1], stop=2, stop_error=0.1).false_convergence
    assert solve_of([1.0, 1e-4], stop=1, stop_error=1.0).false_convergence
    assert not solve_of([1.0, 1e-4], stop=2, stop_error=1e-4).false_convergence
    assert solve_of([np.nan], stop=1, stop_error=np.nan).false_convergence
    assert not solve_of([1.0]).false_convergence


def test_sub_iterations_count_as_formal_solutions_on_what_they_sweep():
    plain = solve_of([1.0, 1e-4], stop=2, stop_error=1e-4)
    assert plain.cost(1e-3) == plain.stop_cost == 2
    prd = replace(plain, sub_iterations=(3, 2), stop_sub_iterations=5, swept=0.5)
    assert prd.cost(10.0) == 1 + 0.5 * 3
    assert prd.cost(1e-3) == prd.stop_cost == 2 + 0.5 * 5
    assert prd.cost(1e-6) is None and replace(prd, stop=None).stop_cost is None


def test_a_solve_is_found_by_the_name_of_its_peer(problem):
    solve = solve_of([1.0])
    result = ProblemResult(problem, 24, 1e-13, (solve,))
    assert result["x"] is solve
    with pytest.raises(KeyError):
        result["sor"]
