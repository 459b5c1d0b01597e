"""A scheme that brings its own start has three formal solutions to show that it is worth it."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.adapter import Adapter
from lw_rl.approximate_operator import ApproximateOperator
from lw_rl.schemes.trial import Trial
from lw_rl.soak_problems import HostileProblem


def judged(residuals, predicted=20, undone=()):
    """Return the verdict after each residual."""
    trial = Trial(origin=None)
    return [
        trial.verdict(residual, k in undone, lambda: predicted)
        for k, residual in enumerate(residuals, 1)
    ]


def test_what_falls_passes():
    assert judged([1.0, 0.3]) == ["open", "passed"]
    assert judged([1.0, 0.9, 0.2]) == ["open", "open", "passed"]


def test_what_does_not_goes_back():
    assert judged([1.0, 0.9, 0.8]) == ["open", "open", 4 * 20 + 40]


def test_a_second_step_that_is_undone_is_enough():
    assert judged([1.0, 50.0], undone={2}) == ["open", 4 * 20 + 40]
    assert judged([1.0, float("nan")], undone={2}) == ["open", 4 * 20 + 40]


def test_where_mali_is_slower_it_is_longer():
    assert judged([1.0] * 5, predicted=80) == ["open"] * 4 + [4 * 80 + 40]


def test_where_mali_is_slow_nothing_is_lost():
    assert judged([1.0, 1.0, 1.0], predicted=None)[-1] == "passed"


@pytest.mark.parametrize("index", [2058, 633])
def test_all_that_is_lost_is_the_trial(index):
    problem = HostileProblem(1, index)
    plain = lw_rl.solve(problem.context(), scheme="mali", quiet=True)
    result = lw_rl.solve(problem.context(), quiet=True)
    assert plain.converged and result.converged
    assert result.Nformal <= plain.Nformal + 3
    assert any("led nowhere" in r.note for r in result.records)
    # It is MALI's iteration to the last digit.
    tail = [r.residual for r in result.records[-plain.Nformal :]]
    assert tail == [r.residual for r in plain.records]


def test_without_a_trial_the_start_can_cost_more_than_mali(monkeypatch):
    problem = HostileProblem(1, 2058)
    plain = lw_rl.solve(problem.context(), scheme="mali", quiet=True).Nformal
    monkeypatch.setattr("lw_rl.schemes.safeguarded.FAST", 0)
    assert lw_rl.solve(problem.context(), quiet=True).Nformal > 1.1 * plain + 3


def test_where_mali_fails_as_well_the_next_scheme_has_its_turn():
    result = lw_rl.solve(HostileProblem(1, 5912).context(), NmaxIter=60, quiet=True)
    assert any("led nowhere" in r.note for r in result.records)
    assert result.converged and result.steps_by["anderson"] > 0


def test_where_only_the_profile_is_iterated_steps_are_plain(monkeypatch):
    problem = HostileProblem(1, 4425)
    keywords = {"prd": True, "quiet": True}
    plain = lw_rl.solve(problem.context(), scheme="mali", **keywords).Nformal
    assert lw_rl.solve(problem.context(), **keywords).Nformal <= plain
    monkeypatch.setattr("lw_rl.schemes.safeguarded._NOTHING", 0)
    assert lw_rl.solve(problem.context(), **keywords).Nformal > 2 * plain


def test_no_trial_in_partial_redistribution():
    ctx = lw_rl.build_context(atoms.CaII_K(prd=True), atmospheres.load("FALC"))
    result = lw_rl.solve(ctx, prd=True, quiet=True)
    assert result.converged and not any("led nowhere" in r.note for r in result.records)


@pytest.mark.parametrize("atom", ["NaI_D2", "MgII_k"])
def test_it_predicts_what_mali_takes(atom):
    """To a quarter: the operator has few frequencies and angles, and opacity is not fixed."""
    ctx = lw_rl.build_context(getattr(atoms, atom)(), atmospheres.load("FALC"))
    adapter = Adapter(ctx)
    y = adapter.read()
    operator, _ = ApproximateOperator.first(adapter.line_physics(adapter.blocks[0]))
    predicted = operator.plain_steps(y, most=400)
    converged = copy.deepcopy(ctx)
    lw_rl.solve(converged, popsTol=1e-6, JTol=np.inf, quiet=True)
    n_ref = np.asarray(converged.activeAtoms[0].n)
    taken = 0
    while np.abs(np.asarray(ctx.activeAtoms[0].n) / n_ref - 1.0).max() > 1e-3:
        adapter.evaluate()
        taken += 1
    assert predicted == pytest.approx(taken, rel=0.25)
    assert operator.plain_steps(y, most=predicted) == predicted
    assert operator.plain_steps(y, most=predicted - 1) is None
