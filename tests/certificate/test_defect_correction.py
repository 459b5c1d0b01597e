"""What the approximate operator says of errors that linear estimates cannot see."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import error

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.benchmark.reference import newton_correction
from lw_rl.benchmark.robustness import HOSTILE
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.certificate import certificate, history
from lw_rl.certificate.defect_correction import DefectCorrection
from lw_rl.host.adapter import Adapter
from lw_rl.host.state import Evaluation
from lw_rl.operator.line_quadrature import line_rays
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.problems import random_problem


def solved(index, scheme="depthwise", **keywords):
    """Return a context of a hostile problem, solved, and the result."""
    problem = HostileProblem(1, index)
    ctx = problem.context()
    keywords = {"prd": problem.prd, "NmaxIter": 300, "quiet": True, **keywords}
    return ctx, lw_rl.solve(ctx, scheme=scheme, **keywords)


def truth(index):
    ctx, result = solved(index, popsTol=1e-6, JTol=np.inf)
    assert result.converged
    return np.asarray(ctx.activeAtoms[0].n)


@pytest.fixture(scope="module")
def falc():
    return lw_rl.build_context(atoms.CaII_K(), atmospheres.load("FALC"))


def at(ctx, steps):
    """Return an adapter and the evaluation after so many plain steps from LTE."""
    adapter = Adapter(copy.deepcopy(ctx))
    for _ in range(steps):
        adapter.evaluate()
    return adapter, adapter.evaluate()


@pytest.mark.parametrize("plain", [False, True])
def test_it_knows_the_error_of_a_state(falc, plain):
    """Of slow modes to a tenth, which is what the safety factor is for."""
    converged = copy.deepcopy(falc)
    lw_rl.solve(converged, popsTol=1e-6, JTol=np.inf, quiet=True)
    n_ref = np.asarray(converged.activeAtoms[0].n)
    adapter, evaluation = at(falc, 70)
    adapter.write(evaluation.y_plain if plain else evaluation.y)
    true = error(adapter.ctx, n_ref)
    opinion = DefectCorrection(adapter, dict)
    assert 0.01 < true < 0.1
    assert opinion.worst(evaluation, plain) == pytest.approx(true, rel=0.15)
    closer, kinked = opinion.closer(evaluation, plain)
    assert closer == pytest.approx(true, rel=0.15)
    assert not kinked


def test_it_says_nothing_of_what_has_no_operator():
    ctx = lw_rl.build_context(atoms.CaII_K(), atmospheres.load("FALC"))
    adapter, evaluation = at(ctx, 1)
    watched = type(evaluation)(evaluation.y, evaluation.r, adapter.blocks, True)
    opinion = DefectCorrection(adapter, dict)
    assert opinion.worst(watched, plain=True) is None
    assert opinion.closer(watched, plain=True) == (0.0, False)


def test_a_kink_behind_a_tiny_residual_is_seen(monkeypatch):
    """MALI stands at a discontinuity of the host's solver, its error one half."""
    n_ref = truth(5293)
    ctx, result = solved(5293, "mali")
    assert result.converged and error(ctx, n_ref) < 1e-3
    monkeypatch.setattr(DefectCorrection, "closer", lambda self, e, plain: (0.0, False))
    ctx, result = solved(5293, "mali")
    assert result.converged and result.estimate.value < 1e-3
    assert error(ctx, n_ref) > 0.5


def test_a_kink_that_was_seen_is_remembered(monkeypatch):
    ctx, result = solved(9680)
    n_ref = truth(9680)
    assert result.converged and error(ctx, n_ref) < result.estimate.value
    monkeypatch.setattr(certificate, "_ROUGH", 1.0)
    ctx, result = solved(9680)
    assert result.converged and error(ctx, n_ref) > 1e-3


def test_where_plain_steps_raise_the_residual_nothing_is_certain(monkeypatch):
    """MALI wanders about the solution of this problem at one per cent."""
    problem = random_problem("test", 400)
    converged = problem.context()
    lw_rl.solve(converged, popsTol=1e-6, JTol=np.inf, quiet=True)
    n_ref = np.asarray(converged.activeAtoms[0].n)
    keywords = {"scheme": "anderson", "NmaxIter": 200, "quiet": True}
    # What else is to be seen of it.
    monkeypatch.setattr(history.History, "remainder", lambda self: 0.0)
    assert not lw_rl.solve(problem.context(), **keywords).converged
    monkeypatch.setattr(history, "_SMALL", 0.0)
    ctx = problem.context()
    assert lw_rl.solve(ctx, **keywords).converged
    assert error(ctx, n_ref) > 5e-3


def test_nor_where_a_step_had_to_be_undone(monkeypatch):
    """A residual of 3e-5 from which the operator's steps lead to one of 2e-3."""
    problem = HostileProblem(3, 8003)
    assert not lw_rl.solve(problem.context(), NmaxIter=60, quiet=True).converged
    monkeypatch.setattr(history.History, "undone", lambda self: None)
    ctx = problem.context()
    assert lw_rl.solve(ctx, NmaxIter=60, quiet=True).converged
    assert newton_correction(ctx) > 1e-2


def test_residuals_of_other_equations_tell_nothing():
    """Those of collisional-radiative switching, when it has come to its end."""
    problem = HostileProblem(3, 7781)
    assert problem.switching
    plain = lw_rl.solve(problem.context(), scheme="mali", quiet=True)
    result = lw_rl.solve(problem.context(), quiet=True)
    assert plain.converged and result.converged
    assert result.Nformal <= plain.Nformal + 1


def test_no_estimate_is_below_rounding():
    """Residual and correction of this problem vanish to the last digit."""
    problem = HostileProblem(5, 6164)
    result = lw_rl.solve(problem.context(), prd=problem.prd, quiet=True)
    assert result.converged and result.estimate.value >= np.finfo(float).eps


def test_a_policy_leaves_unseen_what_the_operator_does_not_see(monkeypatch):
    n_ref = truth(6946)
    ctx, result = solved(6946)
    assert result.converged and error(ctx, n_ref) < 1e-3
    monkeypatch.setattr(certificate, "_NEAR_START", np.inf)
    ctx, result = solved(6946)
    assert result.converged and error(ctx, n_ref) > 1e-3


def test_and_is_remembered_for_long(monkeypatch):
    """A useless policy leads to a place where MALI takes a hundred steps for an e-folding."""
    keywords = {"policy": HOSTILE["halves"], "NmaxIter": 300}
    n_ref = truth(4953)
    ctx, result = solved(4953, **keywords)
    assert result.converged and error(ctx, n_ref) < 1e-3
    monkeypatch.setattr(history, "_MEMORY", 20)
    ctx, result = solved(4953, **keywords)
    assert result.converged and error(ctx, n_ref) > 1e-3


@pytest.mark.parametrize("index", [3470, 4597])
def test_what_the_operator_hardly_sees_stays(index, monkeypatch):
    """A mode that it has eighteen times too small, behind a residual of 4e-6."""
    n_ref = truth(index)
    ctx, result = solved(index)
    assert result.converged and error(ctx, n_ref) < result.estimate.value
    monkeypatch.setattr(DefectCorrection, "left", lambda self, before, evaluation: 0.0)
    ctx, result = solved(index)
    assert result.converged and error(ctx, n_ref) > 1e-3


def test_what_plain_steps_leave_at_the_worst_depth_counts(monkeypatch):
    """All depths but one converge fast, and that one only begins to be the worst."""
    n_ref = truth(6725)
    ctx, result = solved(6725, "mali")
    assert result.converged and error(ctx, n_ref) < result.estimate.value
    monkeypatch.setattr(history.History, "remainder", lambda self: 0.0)
    ctx, result = solved(6725, "mali")
    assert result.converged and error(ctx, n_ref) > 5e-3


def test_what_alternates_between_two_depths_is_not_taken_to_grow():
    seen = history.History()
    blocks = ()
    for k in range(12):
        r = 1e-3 * 0.5**k * np.array([1.0, 0.1] if k % 2 else [0.1, 1.0])
        seen.add(Evaluation(np.zeros(2), r, blocks, True), plainly=True)
    # Each depth's residual falls to a quarter in two steps.
    assert seen.remainder() == pytest.approx(1e-3 * 0.5**11)


@pytest.mark.parametrize("index", [4573, 6368])
def test_a_step_that_leaves_nothing_is_not_believed(index, monkeypatch):
    """The operator's third step seems to remove all but 0.4 % of the error."""
    problem = HostileProblem(4, index)
    converged = problem.context()
    assert lw_rl.solve(converged, popsTol=1e-6, JTol=np.inf, quiet=True).converged
    n_ref = np.asarray(converged.activeAtoms[0].n)
    ctx = problem.context()
    assert lw_rl.solve(ctx, quiet=True).converged and error(ctx, n_ref) < 1e-3
    monkeypatch.setattr(certificate, "_LEAVES", 0.0)
    ctx = problem.context()
    assert lw_rl.solve(ctx, quiet=True).converged and error(ctx, n_ref) > 1e-3


def test_many_plain_steps_later_what_others_left_is_forgotten(monkeypatch):
    most = int(1.1 * solved(9400, "mali")[1].Nformal + 3)
    assert solved(9400, NmaxIter=most)[1].converged
    monkeypatch.setattr(certificate, "_FORGOTTEN", 300)
    assert not solved(9400, NmaxIter=most)[1].converged


def test_lambda_iteration_hides_what_no_operator_sees(monkeypatch):
    """An atom with more levels: a residual of 1e-5 beside an error of 0.1."""
    converged, result = solved(9971, "mali", popsTol=1e-5)
    n_ref = np.asarray(converged.activeAtoms[0].n)
    assert result.converged
    assert not solved(9971, "lambda", NmaxIter=220)[1].converged
    monkeypatch.setattr(certificate, "_LAMBDA_RHO", 0.0)
    ctx, result = solved(9971, "lambda", NmaxIter=220)
    assert result.converged and error(ctx, n_ref) > 0.1


def test_a_bound_is_none_where_no_maximum_principle_holds(monkeypatch):
    n_ref = truth(5165)
    ctx, result = solved(5165)
    assert result.converged and result.estimate.bound is None
    monkeypatch.setattr(DefectCorrection, "widening", lambda self, block, y: 1.0)
    ctx, result = solved(5165)
    assert result.estimate.bound < error(ctx, n_ref)


def test_a_bound_is_wider_where_it_nearly_does(monkeypatch):
    n_ref = truth(3734)
    # Thirty steps before, a plain one raised the residual: there would be no bound at all.
    monkeypatch.setattr(history, "_MEMORY", 20)
    ctx, result = solved(3734, "mali")
    assert error(ctx, n_ref) < result.estimate.bound < 1.8 * error(ctx, n_ref)
    monkeypatch.setattr(DefectCorrection, "widening", lambda self, block, y: 1.0)
    ctx, result = solved(3734, "mali")
    assert result.estimate.bound < error(ctx, n_ref)


def test_a_bound_that_the_operator_contradicts_is_none(monkeypatch):
    """Where nothing is known of a maximum principle, at least the operator has to agree."""
    monkeypatch.setattr(DefectCorrection, "widening", lambda self, block, y: 1.0)
    n_ref = truth(431)
    ctx, result = solved(431, "mali")
    true = error(ctx, n_ref)
    assert result.converged and result.estimate.bound is None
    worst = DefectCorrection.worst
    monkeypatch.setattr(
        DefectCorrection, "worst", lambda self, e, plain: worst(self, e, plain) if plain else 0.0
    )
    assert solved(431, "mali")[1].estimate.bound < true


def test_monotone_interpolation_obeys_the_maximum_principle(falc):
    adapter = Adapter(copy.deepcopy(falc))
    physics = adapter.line_physics(adapter.blocks[0])
    operator, y = TwoLevelOperator.first(physics)
    assert 1e-6 < operator.negative_share < 0.01
    linear = TwoLevelOperator.__new__(TwoLevelOperator)
    linear._build(physics, line_rays(physics), y, monotone=True)
    assert abs(linear.negative_share) < 1e-12


def test_the_operators_own_residual_vanishes_at_its_solution(falc):
    adapter = Adapter(copy.deepcopy(falc))
    operator, _ = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0]))
    S = operator.source_function()
    assert np.abs(operator.residual(S) / S).max() < 1e-9
