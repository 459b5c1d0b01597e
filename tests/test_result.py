"""What a solve returns, however it ends."""

from __future__ import annotations

import copy
import json
import pickle

import lightweaver as lw
import numpy as np
import pytest
from conftest import assert_physical, error
from solver_helpers import Never, flaky

import lw_rl
from lw_rl.errors import ContextError
from lw_rl.result import ErrorEstimate, Result, Task


def interrupt(proxy):
    if proxy.report.Nformal == 4:
        raise KeyboardInterrupt


def words(result):
    """Its text in one line."""
    return " ".join(str(result).split())


def test_converged(ctx, reference):
    result = lw_rl.solve(ctx, scheme="anderson", quiet=True)
    assert result.outcome == "converged"
    assert result.converged
    assert error(ctx, reference) < 1e-3
    assert result.Nformal == len(result.records) == result.accepted
    assert result.rejected == 0
    assert sum(result.steps_by.values()) == result.Nformal
    assert 0.0 < result.seconds < 60.0
    assert 0.0 < result.estimate.value < 1e-3
    assert words(result).startswith(
        f"converged: estimated error {result.estimate.value:.1e}, below the 1e-3 asked for, "
        f"after {result.Nformal} formal solutions and "
    )


def test_the_result_is_that_of_the_drop_in(ctx):
    other = copy.deepcopy(ctx)
    result = lw_rl.solve(ctx, scheme="anderson", popsTol=1e-5, quiet=True)
    it = lw_rl.iterate_ctx_rl(other, scheme="anderson", popsTol=1e-5, quiet=True)
    assert result.Nformal == it + 1
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)


def test_max_iterations(ctx):
    result = lw_rl.solve(ctx, scheme="mali", NmaxIter=5, quiet=True)
    assert result.outcome == "max_iterations"
    assert result.Nformal == 5
    assert "iterations were used up" in words(result)


def test_diverged(converged):
    """From equilibrium no residual becomes smaller."""
    ctx = copy.deepcopy(converged)
    result = lw_rl.solve(
        ctx, scheme="mali", NmaxIter=2, convergence=Never, quiet=True, callback=perturb
    )
    assert result.outcome == "diverged"


def perturb(proxy):
    n = np.asarray(proxy.activeAtoms[0].n)
    n[1] *= 2.0
    n *= np.asarray(proxy.activeAtoms[0].nTotal) / n.sum(axis=0)


def test_nonfinite(ctx):
    result = lw_rl.solve(flaky(ctx, lambda k: True), scheme="anderson", quiet=True)
    assert result.outcome == "nonfinite"
    assert not result.converged
    assert_physical(ctx)


def test_rounding(ctx):
    result = lw_rl.solve(ctx, popsTol=1e-15, NmaxIter=200, quiet=True)
    assert result.outcome == "rounding" and not result.converged
    assert words(result).startswith("stopped at the floor of rounding")


def test_interrupted_and_continued(ctx, reference):
    result = lw_rl.solve(ctx, scheme="anderson", quiet=True, callback=interrupt)
    assert result.outcome == "interrupted"
    assert result.Nformal == 4
    assert_physical(ctx)
    assert lw_rl.solve(ctx, scheme="anderson", quiet=True).converged
    assert error(ctx, reference) < 1e-3


def test_bad_input_raises(ctx):
    with pytest.raises(ValueError, match="unknown scheme"):
        lw_rl.solve(ctx, scheme="jacobi")
    with pytest.raises(ContextError):
        lw_rl.solve(3, scheme="mali")
    with pytest.raises(TypeError, match="popTol"):
        lw_rl.solve(ctx, scheme="mali", popTol=1e-3)


@pytest.mark.parametrize("keywords", [{"NmaxIter": 0}, {"Nscatter": 3, "NmaxIter": 3}])
@pytest.mark.parametrize("function", [lw_rl.solve, lw_rl.iterate_ctx_rl])
def test_iterations_that_make_no_sense(function, keywords, ctx):
    with pytest.raises(ValueError, match="0 <= Nscatter < NmaxIter"):
        function(ctx, scheme="mali", quiet=True, **keywords)


def test_a_result_is_data(ctx):
    result = lw_rl.solve(ctx, scheme="anderson", quiet=True)
    assert pickle.loads(pickle.dumps(result)) == result
    fields = json.loads(json.dumps(result.as_dict()))
    assert fields["outcome"] == "converged"
    assert fields["formal_solutions"] == result.Nformal


def test_text():
    text = str(ErrorEstimate(4.2e-4, "policy", 3e-3))
    assert text == "4.2e-04 (policy), bound 3.0e-03"
    assert (
        words(Result()) == "interrupted: no estimate of the error yet, after 0 formal solutions "
        "and 0 s"
    )
    solved = Result(estimate=ErrorEstimate(2e-5, "bound", 2e-5), task=Task(("Ca",), "depthwise"))
    assert "the estimate is the bound itself" in words(solved)
    assert "nothing was done for Ca" in words(solved)


def test_another_criterion_has_no_tolerance_on_the_error(ctx):
    """... so the estimate is not compared with it."""
    criterion = lw.DefaultConvergenceCriteria
    result = lw_rl.solve(ctx, scheme="anderson", quiet=True, convergence=criterion)
    assert result.task.tolerance is None and "asked for" not in str(result)


def test_a_solve_says_what_was_accelerated_by_what(ctx):
    # A bound is of two formal solutions at least.
    result = lw_rl.solve(ctx, popsTol=2e-6, quiet=True)
    assert "below the 2e-6 asked for" in words(result)
    text = result.explanation
    assert text.startswith("accelerated: Ca 393.5 nm, by the non-local operator of the line")
    assert result.as_dict()["explanation"] == text
    assert "bound" in words(result) and "not what the stop goes by" in words(result)
    assert max(map(len, str(result).splitlines())) <= 72


@pytest.mark.parametrize(
    ("task", "steps_by", "said"),
    [
        ({}, {"depthwise": 3}, "accelerated: Ca, by the non-local operator of the line and the "
         "policy (3 steps)"),
        ({"two_level": False}, {"nonlocal": 5, "mali": 1}, "accelerated: Ca, by the coupled "
         "operator of all lines and continua (5 steps), plain updates (1 step); policies are for "
         "two-level lines"),
        ({"redistribution": True}, {"nonlocal": 9}, "policies are for complete redistribution"),
        ({}, {"nonlocal": 9}, "the policy was not asked: little was left"),
        ({"two_level": False, "Ndim": 2}, {"anderson": 30}, "by Anderson acceleration (30 steps); "
         "no operator: there is no memory for it, or interpolation is not linear"),
        ({"two_level": False}, {"nonlocal": 9, "anderson": 30}, "the operator was left where its "
         "steps no longer helped"),
        ({"scheme": "mali"}, {"mali": 114}, "not accelerated: Ca, 114 steps of MALI; that is what "
         "scheme='mali' asks for"),
        ({"Ndim": 2, "redistribution": True}, {"mali": 9}, "partial redistribution is accelerated "
         "in one dimension only"),
        ({"Ndim": 2}, {"mali": 9}, "no accelerated step would have been better"),
        ({"switching": True}, {"mali": 9}, "before collisional-radiative switching has ended"),
        ({}, {"mali": 9}, "no accelerated step would have been better"),
    ],
)  # fmt: skip
def test_every_end_is_explained(task, steps_by, said):
    """In plain words: what was accelerated, by what, and if not why not."""
    given = Task(("Ca",), **{"scheme": "depthwise", "has_policy": True, **task})
    text = given.explain(steps_by)
    assert said in text
    assert text.startswith("not accelerated" if set(steps_by) == {"mali"} else "accelerated")
