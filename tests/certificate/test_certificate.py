"""What is known of the error along a solve, against the error itself.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
no estimate from an undone or unknown update        test_no_estimate_of_an_update_that_is_not_known
(History.skip)
a switch that is seen counts for all estimates      test_a_switch_that_is_seen_counts
what is seen during switching does not              test_residuals_of_other_equations_tell_nothing
(Certificate.add)
what plain steps leave at the worst depth counts    test_what_plain_steps_leave_at_the_...
(History.remainder)
Lambda iteration is not believed to contract        test_lambda_iteration_is_not_believed_...
a radiation field that still changes counts         test_a_radiation_field_that_still_changes_...
(estimators.by_radiation)
what a lagging profile hides counts                 test_what_a_lagging_emission_profile_hides_...
(estimators.by_profile)
the bound leaves out the first state                test_the_bound_leaves_out_the_state_that_...
=================================================== ==========================================
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from conftest import error
from solver_helpers import Adversarial, certified, iterate, set_to

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.certificate.certificate import Certificate
from lw_rl.certificate.convergence import Certified
from lw_rl.certificate.settings import shipped
from lw_rl.host.adapter import Adapter
from lw_rl.host.state import Evaluation
from lw_rl.iterate import accelerate
from lw_rl.problems import random_problem


def follow(ctx, steps, **settings):
    """Return a certificate that followed so many of MALI's steps, and the evaluations."""
    adapter = Adapter(ctx)
    certificate = Certificate(adapter, settings=replace(shipped(), **settings))
    evaluations = [adapter.evaluate() for _ in range(steps)]
    for evaluation in evaluations:
        certificate.add(evaluation, None)
    return certificate, evaluations


# ---- estimates -----


def test_no_estimate_of_an_update_that_is_not_known(ctx):
    certificate = Certificate(Adapter(ctx))
    assert certificate.estimate().value == np.inf
    assert certificate.bound() is None and certificate.residual == np.inf
    certificate, _ = follow(ctx, 30)
    assert certificate.estimate().value < 10.0
    certificate.history.skip()
    assert certificate.estimate().value == np.inf
    adapter = certificate.adapter
    invalid = Evaluation(adapter.read(), np.full(82, np.nan), adapter.blocks, False)
    certificate.add(invalid, None, None)
    assert certificate.estimate().value == np.inf


def test_of_malis_states_it_is_a_small_factor_above_the_error(ctx, reference):
    certificate, _ = follow(ctx, 60)
    for _ in range(4):
        for _ in range(20):
            certificate.add(certificate.adapter.evaluate(), None)
        true = error(ctx, reference)
        assert true < certificate.estimate().value < 3.0 * true


def test_the_state_is_the_plain_update_or_the_one_evaluated(ctx):
    certificate, evaluations = follow(ctx, 3)
    np.testing.assert_array_equal(certificate.state, evaluations[-1].y_plain)
    evaluation = certificate.adapter.evaluate()
    certificate.add(evaluation, evaluation.y + 0.1)
    np.testing.assert_array_equal(certificate.state, evaluation.y)


def test_the_certified_state_is_put_back(ctx):
    certificate, _ = follow(ctx, 3)
    adapter = certificate.adapter
    plain = adapter.read()
    certificate.settle()
    np.testing.assert_array_equal(adapter.read(), plain)
    evaluation = adapter.evaluate()
    certificate.add(evaluation, evaluation.y + 0.1)
    adapter.write(evaluation.y + 0.1)
    certificate.settle()
    np.testing.assert_allclose(adapter.read(), evaluation.y, rtol=1e-12)


def test_an_estimate_that_is_of_no_interest_is_not_made(ctx):
    """The second Newton step takes a while: it is left out where the first says no."""
    certificate, _ = follow(ctx, 30)
    asked = []
    for name in ("two_steps", "switches"):
        answer = getattr(certificate.defect, name)
        spy = lambda *a, answer=answer: asked.append(a) or answer(*a)  # noqa: E731
        setattr(certificate.defect, name, spy)
    assert certificate.estimate(within=1e-5).value > 1e-5 and not asked
    certificate.add(certificate.adapter.evaluate(), None)
    assert certificate.estimate(within=1e9).value < 10.0 and asked


def test_no_estimate_is_below_the_residual_or_rounding(converged):
    certificate, evaluations = follow(copy.deepcopy(converged), 3)
    assert evaluations[-1].residual_norm < 1e-10
    estimate = certificate.estimate()
    assert np.finfo(float).eps <= estimate.value < 1e-8
    # Residual and correction of this problem vanish to the last digit.
    _, result = Adversarial(5, 6164).solve()
    assert result.converged and result.estimate.value >= np.finfo(float).eps


def test_the_factor_comes_from_the_card(ctx, untrained):
    factors = []
    for card in ({}, {"error_estimate": {"factor": 2.0 * shipped().step}}):
        policy = copy.copy(untrained)
        policy.card = card
        proxy = accelerate(copy.deepcopy(ctx), policy)
        iterate(proxy, 2)
        factors.append(proxy.policy_factor)
    assert factors == [shipped().step, 2.0 * shipped().step]


# ---- where the equations are not linear -----


def test_a_switch_that_is_seen_counts(ctx):
    certificate, _ = follow(copy.deepcopy(ctx), 60)
    smooth = certificate.estimate().value
    certificate, _ = follow(ctx, 60)
    certificate.defect.switches = lambda evaluation: True
    assert certificate.estimate().value > 1.1 * smooth
    assert certificate.bound() is None


def test_where_mali_wanders_about_the_solution_there_is_no_stop():
    """At one per cent of it, that is."""
    problem = random_problem("test", 400)
    result = lw_rl.solve(problem.context(), scheme="anderson", NmaxIter=200, quiet=True)
    assert not result.converged and result.estimate.value > 1e-2


def test_residuals_of_other_equations_tell_nothing():
    """Those of collisional-radiative switching, when it has come to its end."""
    problem = HostileProblem(3, 7781)
    assert problem.switching
    plain = lw_rl.solve(problem.context(), scheme="mali", quiet=True)
    result = lw_rl.solve(problem.context(), quiet=True)
    assert plain.converged and result.converged
    assert result.Nformal <= plain.Nformal + 1


# ---- what steps leave -----


def test_what_plain_steps_leave_at_the_worst_depth_counts():
    """All depths but one converge fast, and that one only begins to be the worst."""
    problem = Adversarial(1, 6725)
    factors = {"plain": 1.5, "defect": 1.7}
    true, result = problem.solve("mali", convergence=set_to(**factors))
    assert result.converged and true < result.estimate.value

    def hasty(certificate):
        certificate.settings = replace(certificate.settings, **factors)
        certificate.history.remainder = lambda: 0.0

    true, result = problem.solve("mali", convergence=certified(hasty))
    assert result.converged and true > 5e-3


def test_so_that_an_operator_that_fails_costs_no_more_than_mali():
    problem = Adversarial(1, 9400)
    most = int(1.1 * problem.solve("mali")[1].Nformal + 3)
    assert problem.solve(NmaxIter=most)[1].converged


def test_lambda_iteration_is_not_believed_to_contract():
    """An atom with more levels: a residual of 1e-5 beside an error of 0.1."""
    problem = Adversarial(1, 9971)
    assert not problem.solve("lambda", NmaxIter=370)[1].converged


# ---- the radiation field -----


def test_a_radiation_field_that_still_changes_is_an_error(several):
    """Shared fault 09: the change of J contracts by 0.997, that of the populations follows it."""
    ctx = several("multi-level")
    adapter = Adapter(ctx)
    slow, fast, unknown = (Certificate(adapter) for _ in range(3))
    assert slow.radiation_settles
    for k in range(40):
        evaluation = adapter.evaluate()
        slow.history.radiated(0.1 * 0.997**k)
        fast.history.radiated(0.1 * 0.5**k)
        for certificate in (slow, fast, unknown):
            certificate.add(evaluation, None)
    r = slow.residual
    assert slow.estimate().value >= r * 0.997 / 0.003 * 0.99
    assert fast.estimate().value < 0.5 * slow.estimate().value
    assert fast.estimate().value >= r
    assert unknown.estimate().value == np.inf, "before there are two changes nothing is known"


def test_where_every_atom_has_an_operator_it_is_none(ctx):
    certificate, _ = follow(ctx, 30)
    assert not certificate.radiation_settles
    before = certificate.estimate().value
    for _ in range(9):
        certificate.history.radiated(0.5)
    assert certificate.estimate().value == before


# ---- rounding -----


def test_the_state_of_the_smallest_residual_is_kept_at_the_floor(converged):
    certificate, (evaluation,) = follow(copy.deepcopy(converged), 1)
    certificate.history.clear()
    sizes = [
        *10.0 ** np.arange(-4.0, -12.0, -1.0),
        2e-12,
        4e-12,
        3e-12,
        7e-12,
        5e-12,
        3e-12,
        6e-12,
        4e-12,
        5e-12,
    ]
    for size in sizes:
        assert not certificate.floor_reached
        y = evaluation.y + 1e3 * size
        certificate.add(replace(evaluation, y=y, r=np.full_like(y, size)), None)
    assert certificate.floor_reached and not certificate.at_floor
    certificate.settle_at_floor()
    assert certificate.at_floor
    np.testing.assert_allclose(certificate.adapter.read(), evaluation.y + 2e-9, rtol=1e-13)


def test_far_from_it_there_is_no_floor(ctx):
    certificate, _ = follow(ctx, 20)
    assert not certificate.floor_reached


# ---- bounds -----


def test_the_bound_leaves_out_the_state_that_knew_no_scattered_light(ctx):
    """The first formal solution begins with J = 0; what is proved does not hold for it."""
    proxy = accelerate(ctx, scheme="nonlocal")
    proxy.begin()
    iterate(proxy, 6)
    history, (block,) = proxy.certificate.history, proxy.adapter.blocks
    ys, rs = history.settled(block.span)
    assert 3 <= len(ys) == len(rs) < len(history) == 6
    first = proxy.report.records[0].residual
    assert not any(np.abs(r).max() == first for r in rs)
    assert proxy.certificate.bound() is not None


def test_starting_at_the_solution_the_bound_says_so(converged):
    result = lw_rl.solve(copy.deepcopy(converged), scheme="mali", quiet=True)
    assert result.Nformal <= 2
    assert result.estimate.method in ("bound", "operator")


def test_no_bound_without_an_operator(several):
    certificate, _ = follow(several("multi-level"), 10)
    assert certificate.bound() == np.inf or certificate.bound() is None


# ---- partial redistribution -----


def test_what_a_lagging_emission_profile_hides_counts():
    start = lw_rl.build_context(atoms.MgII_k(prd=True), atmospheres.load("FALA", 50), Nrays=3)
    keywords = {"prd": True, "quiet": True, "JTol": np.inf}
    n_ref = copy.deepcopy(start)
    assert lw_rl.solve(n_ref, popsTol=1e-5, prdIterTol=0.0, NmaxIter=500, **keywords).converged
    n_ref = np.asarray(n_ref.activeAtoms[0].n)
    told, untold = [], []

    class Watched(Certified):
        """One that never stops, beside a certificate that is not told of the profile."""

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.other = Certificate(self.certificate.adapter)

        def is_converged(self, *updates):
            super().is_converged(*updates)
            adapter = self.certificate.adapter
            evaluation, n = self.certificate.evaluation, adapter.populations()
            self.other.add(evaluation, None)
            adapter.write(evaluation.y)
            true = error(start, n_ref)
            start.activeAtoms[0].n[...] = n[0]
            told.append(self.certificate.estimate().value / true)
            untold.append(self.other.estimate().value / true)
            return False

    lw_rl.solve(start, scheme="mali", convergence=Watched, NmaxIter=120, **keywords)
    assert min(told[8:]) > 0.8
    assert min(untold[8:]) < 0.5
