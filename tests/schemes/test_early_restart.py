"""A scheme that brings its own start has three formal solutions to show that it is worth it."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.host.adapter import Adapter
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.schemes.early_restart import EarlyRestart
from lw_rl.schemes.safeguard_state import SafeguardState


def judged(residuals, predicted=20, undone=(), plain=(), redistributed=False):
    """Return the trial after these residuals, and the verdict after each."""

    def predict(most):
        return predicted if predicted is not None and predicted <= most else None

    trial = EarlyRestart()
    verdicts = []
    for k, residual in enumerate(residuals, 1):
        verdicts.append(trial.verdict(residual, k in undone, k not in plain, predict))
        trial.redistributed = redistributed
    return trial, verdicts


def test_what_falls_fast_passes():
    for residuals in ([1.0, 0.1], [1.0, 0.9, 0.04], [1e-4]):
        trial, verdicts = judged(residuals)
        assert trial.passed and verdicts == [None] * len(residuals)


def test_what_does_not_goes_back():
    # To 1e-4 it would be 9.4 and 5.5 more, 2.6 and infinitely many.
    for residuals in ([1.0, 0.9, 0.2], [0.1, 0.1, 0.016]):
        assert judged(residuals)[1] == [None, None, 4 * 20 + 40]
    trial, verdicts = judged([0.1, 0.05, 5e-3])
    assert trial.passed and verdicts == [None] * 3
    assert judged([0.1, 0.2, 0.1])[1][-1] == 4 * 20 + 40


def test_fast_is_in_comparison_with_mali():
    for predicted, passed in ((34, False), (38, True)):
        trial, _ = judged([0.1, 0.1, 0.016], predicted=predicted)
        assert trial.passed == passed


def test_a_second_step_that_is_undone_is_enough():
    assert judged([1.0, 50.0], undone={2})[1] == [None, 4 * 20 + 40]
    assert judged([1.0, float("nan")], undone={2})[1] == [None, 4 * 20 + 40]


def test_where_mali_is_slower_it_is_longer():
    assert judged([1.0] * 5, predicted=80)[1] == [None] * 4 + [4 * 80 + 40]


def test_where_mali_is_slow_nothing_is_lost():
    trial, verdicts = judged([1.0, 1.0, 1.0], predicted=None)
    assert trial.passed and verdicts[-1] is None


def test_a_small_residual_that_rises_goes_back():
    rises = [1.0, 0.1, 9e-3, 5e-2]
    assert judged(rises, predicted=100)[1] == [None] * 3 + [4 * 100 + 40]
    assert judged([*rises[:3], float("nan")], predicted=100)[1][-1] == 4 * 100 + 40
    # Not where it was not small, rose less, did so by itself, MALI is slow, or it is too late.
    for spared in (
        judged([1.0, 0.1, 2e-2, 2e-1], predicted=100),
        judged([1.0, 0.1, 9e-3, 3e-2], predicted=100),
        judged(rises, predicted=100, plain={4}),
        judged(rises, predicted=None),
        judged([1.0, 0.1, 9e-3, 9e-3, 9e-3, 5e-2], predicted=40),
    ):
        assert spared[1][-1] is None


def test_it_is_over_when_too_much_was_made():
    trial, _ = judged([1.0] + [0.1] * 22, predicted=None)
    assert not trial.over
    trial, _ = judged([1.0] + [0.1] * 23, predicted=None)
    assert trial.over
    trial, _ = judged([1.0] + [0.1] * 11, redistributed=True)
    assert trial.over


def test_in_partial_redistribution_the_residual_must_not_double():
    assert judged([0.01, 0.5, 0.4, 1.1], redistributed=True)[1] == [None] * 3 + [150]
    assert judged([0.01, 0.5, 0.4, 0.9], redistributed=True)[1][-1] is None
    assert judged([0.01, 0.5, 0.2, 1.1], redistributed=True)[1][-1] is None


def test_nor_must_a_step_be_undone():
    assert judged([0.01, 0.5, 0.4], undone={3}, redistributed=True)[1] == [None, None, 150]
    problem = HostileProblem(4, 264)
    keywords = {"prd": True, "quiet": True}
    plain = lw_rl.solve(problem.context(), scheme="mali", **keywords).Nformal
    assert lw_rl.solve(problem.context(), **keywords).Nformal <= 1.1 * plain + 3


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
    monkeypatch.setattr("lw_rl.schemes.early_restart._FAST", 0)
    assert lw_rl.solve(problem.context(), quiet=True).Nformal > 1.1 * plain + 3


def test_a_kink_near_the_end_costs_no_more_than_what_led_there(monkeypatch):
    problem = HostileProblem(1, 1527)
    plain = lw_rl.solve(problem.context(), scheme="mali", quiet=True)
    keywords = {"NmaxIter": 200, "quiet": True}
    result = lw_rl.solve(problem.context(), **keywords)
    assert plain.converged and result.converged
    assert result.Nformal <= 1.1 * plain.Nformal + 3
    tail = [r.residual for r in result.records[-plain.Nformal :]]
    assert tail == [r.residual for r in plain.records]
    monkeypatch.setattr("lw_rl.schemes.early_restart._SMALL", 0.0)
    assert not lw_rl.solve(problem.context(), **keywords).converged


@pytest.mark.parametrize("index", [5447, 5961])
def test_partial_redistribution_that_goes_astray_begins_again(index, monkeypatch):
    """Negative emission, and a residual that only rises."""
    problem = HostileProblem(1, index)
    keywords = {"prd": True, "quiet": True}
    plain = lw_rl.solve(problem.context(), scheme="mali", **keywords)
    most = int(1.1 * plain.Nformal + 3)
    result = lw_rl.solve(problem.context(), NmaxIter=most, **keywords)
    assert plain.converged and result.converged
    # The profile is iterated as the host does, too.
    begun = next(k for k, r in enumerate(result.records, 1) if "led nowhere" in r.note)
    again = [r.residual for r in result.records[begun : begun + 60]]
    assert again == [r.residual for r in plain.records[:60]]
    monkeypatch.setattr("lw_rl.schemes.early_restart._ITERATIONS", 0)
    assert not lw_rl.solve(problem.context(), NmaxIter=most, **keywords).converged


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


def test_partial_redistribution_that_converges_is_left_alone():
    ctx = lw_rl.build_context(atoms.CaII_K(prd=True), atmospheres.load("FALC"))
    result = lw_rl.solve(ctx, prd=True, quiet=True)
    assert result.converged and not any("led nowhere" in r.note for r in result.records)


@pytest.mark.parametrize("atom", ["NaI_D2", "MgII_k"])
def test_it_predicts_what_mali_takes(atom):
    """To a quarter: the operator has few frequencies and angles, and opacity is not fixed."""
    ctx = lw_rl.build_context(getattr(atoms, atom)(), atmospheres.load("FALC"))
    adapter = Adapter(ctx)
    y = adapter.read()
    operator, _ = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0]))
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


def test_what_has_stalled_begins_again(monkeypatch):
    """The operator leads to a place near a kink where plain steps go round in circles."""
    problem = HostileProblem(3, 3588)
    result = lw_rl.solve(problem.context(), NmaxIter=400, quiet=True)
    assert result.converged
    assert any("150 formal solutions led nowhere" in r.note for r in result.records)
    monkeypatch.setattr("lw_rl.schemes.safeguard_state._LONG", 10**6)
    assert not lw_rl.solve(problem.context(), NmaxIter=400, quiet=True).converged


def test_each_stall_is_followed_by_more_plain_steps(ctx):
    guard = SafeguardState(Adapter(ctx), 0, None)
    assert not any(guard.has_stalled(0.5**k) for k in range(100))
    assert [guard.has_stalled(0.9 * 0.5**99) for _ in range(150)] == [False] * 149 + [True]
    assert [guard.stall() for _ in range(3)] == [250, 500, 1000]
