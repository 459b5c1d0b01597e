"""Nothing that a scheme does leaves a broken context, and it costs little more than MALI.

Every safeguard of this package, where it is, and the test that fails without it. Those marked with
an asterisk hide one another: no single one can be taken out and seen.

- a step that is worse is undone (`Safeguarded.step`): test_a_step_that_is_worse_is_undone
- so is one that is not finite: test_failing_host, test_a_step_that_explodes_is_undone
- J goes back with n (`Adapter.restore`): test_what_is_undone_is_undone_in_J_too
- undone steps hand over (`Safeguarded._undo`): test_rejections_hand_over
- schemes begin anew after that, not before: test_what_is_left_begins_anew_where_...
- a restored state that fails gives way to the first: test_a_spoilt_snapshot_gives_way_to_the_first
- so does one whose numbers fail: test_a_scheme_whose_numbers_fail_hands_over
- fruitless steps hand over (`Safeguarded._go_on`): test_no_progress_hands_over
- and cost no more than the budget: test_a_bad_scheme_costs_no_more_than_its_budget, test_budget
- the next scheme begins at the state kept: test_a_fallback_begins_at_the_best_state
- which what plain steps made is (`Safeguarded._go_on`): test_what_plain_steps_made_is_kept
- the last fallback rests, for longer each time: test_the_last_fallback_rests_and_tries_again
- an operator of all atoms tries again: test_an_operator_of_all_atoms_tries_again_nearer_...
- a solve in a cycle begins again: test_what_accelerated_steps_led_into_a_cycle_begins_again
- growth is judged against the best: test_growth_is_judged_..., test_bad_steps_between_...
- a residual within an operator's error is accepted: test_a_residual_within_the_error_...
- the error reported is at least the plain change: test_a_scheme_that_stands_still_does_not_stop
- what the host fails at is not a scheme's fault: test_a_failure_of_the_hosts_is_not_...
- nothing is accelerated during switching: test_switching_is_left_to_plain_steps
- residuals before the profile moved do not count: test_residuals_of_another_profile_do_not_count
- nor do profiles that go round in circles: test_profiles_that_go_round_in_circles_hand_over
- a scheme forgets another profile's residuals: test_a_scheme_is_told_of_the_profile_...
- negative emission hands over: test_negative_emission_hands_over
- where no residual is a measure it goes on: test_what_explodes_without_a_measure_...
- profiles and populations are accelerated together: test_coupled
- the operator is relinearised: test_depthwise
- a failing policy leaves it to the operator, or hands over: test_bad_policies
- whatever the host's solver raises is a failed update, and for good raises: test_failing_host (*)
- an exception half way restores the populations: tests/test_interruptions
- populations are positive whatever `y`: tests/host/test_unknown, test_adapter
- steps are limited in the logarithm: tests/test_extrapolation, test_anderson, test_ng
- the host's Ng acceleration is kept from firing: tests/host/test_adapter, test_restore_is_exact (*)
- what is known of the error: tests/certificate
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import groupby

import lightweaver as lw
import numpy as np
import pytest
from conftest import error
from solver_helpers import Scripted, drive, flaky, iterate, stand_still, wild

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.benchmark.reference import true_error
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.host.adapter import Adapter
from lw_rl.iterate import accelerate, iterate_ctx_rl
from lw_rl.problems import random_atoms, random_problem
from lw_rl.schemes import Anderson, Budget, Mali, Safeguarded, make_scheme

# ---- steps that are undone -----


@dataclass(frozen=True)
class OfAllAtoms(Scripted):
    """The same, with an operator of all atoms that takes the error for some size."""

    estimate: float = 0.0

    def couples(self, state):
        return True

    def foresees(self, state):
        return False

    def step(self, evaluation, state):
        return replace(super().step(evaluation, state), estimate=self.estimate)


@pytest.mark.parametrize("estimate", [0.1, 1000.0])
def test_a_residual_within_the_error_that_an_operator_sees_is_no_harm(ctx, estimate):
    """It jumps where the limiter of the host's interpolation switches."""
    scheme = OfAllAtoms({4: lambda e: e.y + 4.0 * np.sin(np.arange(e.y.size))}, estimate=estimate)
    proxy = drive(ctx, scheme, 6)
    before, after = (r.residual for r in proxy.report.records[4:6])
    assert 10.0 * np.expm1(before) < np.expm1(after) < 1000.0
    assert proxy.report.records[5].accepted == (estimate > 1.0)


@pytest.mark.slow
def test_random_hydrogen_that_mali_does_not_solve_takes_a_handful():
    """Its residual jumps by a hundred on the way: undone, it is not solved in 600."""
    result = lw_rl.solve(random_problem("atoms", 7048).context(), quiet=True, NmaxIter=100)
    assert result.converged and result.Nformal <= 20


def test_a_step_that_is_worse_is_undone(ctx):
    plain = drive(copy.deepcopy(ctx), "mali", 5)
    proxy = drive(ctx, Scripted({4: wild}), 6)
    records = proxy.report.records
    assert [r.accepted for r in records] == [True] * 5 + [False]
    assert records[4].by == "scripted"
    assert records[5].by == "mali"
    # What is left is the plain update of the state before the wild step.
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, plain.activeAtoms[0].n)


def test_what_is_undone_is_undone_in_J_too(ctx):
    plain = drive(copy.deepcopy(ctx), "mali", 5)
    drive(ctx, Scripted({4: wild}), 6)
    np.testing.assert_array_equal(ctx.spect.J, plain.spect.J)


def test_what_is_left_begins_anew_where_the_step_was_undone(ctx):
    """Not at the state that is left behind."""
    begun = []

    class Next(Scripted):
        def init(self, adapter, history):
            begun.append(adapter.read())

    drive(ctx, Safeguarded(Scripted({4: wild}), fallbacks=(Next({}, name="next"),)), 6)
    (found,) = begun
    np.testing.assert_array_equal(found, Adapter(ctx).read())


def test_a_plain_step_is_never_undone(ctx):
    """MALI's residual may grow for a step; that is no reason to go back."""
    proxy = drive(ctx, Safeguarded(Mali(), growth=1.0), 30)
    assert not proxy.report.rejected


def test_a_good_step_is_kept(ctx, converged, reference):
    y = Adapter(copy.deepcopy(converged)).read()
    proxy = drive(ctx, Scripted({2: lambda e: y}), 5)
    assert not proxy.report.rejected
    assert error(ctx, reference) < 1e-4, "J of the background's scattering still lags"


def test_growth_is_judged_against_the_best(ctx):
    """A residual that creeps up by less than the limit at each step is undone all the same."""
    start = drive(ctx, "mali", 16)
    assert start.report.records[-1].residual < 0.1
    creep = Scripted({k: (lambda e: e.y + 0.5 * (-1.0) ** np.arange(e.y.size)) for k in range(9)})
    proxy = drive(ctx, Safeguarded(creep, growth=1.5, budget=Budget(20.0)), 6)
    assert proxy.report.rejected >= 1
    best = np.minimum.accumulate([r.residual for r in proxy.report.records])
    for before, record in zip(best, proxy.report.records[1:], strict=False):
        assert record.accepted == (record.residual <= np.log1p(1.5 * np.expm1(before)))


def test_bad_steps_between_plain_ones_do_not_add_up(ctx, converged):
    """Each is within the limit beside the plain step before, and leads away from the solution."""
    solution = Adapter(copy.deepcopy(converged)).read()
    drive(ctx, "mali", 60)
    away = {k: (lambda e: solution + 7.5 * (e.y - solution)) for k in range(3, 60, 4)}
    proxy = drive(ctx, Safeguarded(Scripted(away), fallbacks=(), budget=Budget(99.0)), 60)
    assert proxy.report.rejected
    residuals = [r.residual for r in proxy.report.records if r.accepted]
    assert max(residuals) < 10.0 * residuals[0]


# ---- handing over -----


def test_rejections_hand_over(ctx, reference):
    proxy = drive(ctx, Safeguarded(Scripted({"always": wild})), 40)
    assert proxy.report.rejected == 1
    assert proxy.report.steps_by["anderson"] > 20
    assert "scripted handed over to anderson: its step was undone" in proxy.report.notes[0]
    assert error(ctx, reference) < 1e-6


def test_a_fallback_that_is_no_better_rests(ctx, reference):
    bad = tuple(Scripted({"always": wild}, name=f"bad{k}") for k in range(3))
    proxy = drive(ctx, Safeguarded(bad[0], fallbacks=bad[1:]), 20)
    assert len(proxy.report.notes) == 2
    assert "bad1 handed over to bad2" in proxy.report.notes[-1]
    lw.iterate_ctx_se(proxy, Nscatter=0, JTol=1.0, popsTol=1e-5, quiet=True)
    assert error(ctx, reference) < 1e-3


def test_no_progress_hands_over(ctx, reference):
    """A scheme that goes nowhere, without ever making it much worse."""
    proxy = drive(ctx, Safeguarded(Scripted({"always": stand_still})), 40)
    assert proxy.report.steps_by["scripted"] <= 6, "five fruitless steps and the first"
    assert "handed over to anderson: 5 fruitless steps" in proxy.report.notes[0]
    assert error(ctx, reference) < 1e-6


def test_a_scheme_whose_numbers_fail_hands_over(ctx):
    """Found by `lw-rl soak`: an operator's matrix was not finite."""

    def fails(evaluation):
        raise np.linalg.LinAlgError("not finite")

    proxy = drive(ctx, Safeguarded(Scripted({3: fails})), 5)
    (note,) = proxy.report.notes
    assert "handed over to anderson: LinAlgError: not finite" in note


def test_progress_is_not_interrupted(ctx):
    """Plain steps of a slow scheme are not fruitless."""
    proxy = drive(ctx, Safeguarded(Scripted({}), budget=Budget(allowance=0.0)), 30)
    assert set(proxy.report.steps_by) == {"scripted"}


def test_a_fallback_begins_at_the_best_state(ctx):
    """Progress is never thrown away."""
    plain = drive(copy.deepcopy(ctx), "mali", 17)
    worse = {k: (lambda e: e.y + 0.2 * (-1.0) ** np.arange(e.y.size)) for k in range(16, 40)}
    proxy = accelerate(ctx, scheme=Safeguarded(Scripted(worse), budget=Budget(1.0, 0.01)))
    while not proxy.report.notes:
        iterate(proxy, 1)
    assert len(proxy.report.records) < 25 and not proxy.report.records[-1].accepted
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, plain.activeAtoms[0].n)


def test_what_plain_steps_made_is_kept(ctx):
    """Their residual may have to rise before it falls: going back goes to the last of them."""
    adapter, scheme = Adapter(ctx), Safeguarded(Scripted({3: wild}))
    state = scheme.init(adapter)
    for rise in (1.0, 2.0, 4.0, 8.0):
        evaluation = adapter.evaluate()
        made = adapter.read()
        step = scheme.step(replace(evaluation, r=np.full_like(evaluation.r, 1e-3 * rise)), state)
        assert step.accepted
    adapter.write(step.y)
    assert not scheme.step(adapter.evaluate(), state).accepted
    np.testing.assert_allclose(adapter.read(), made, atol=1e-12)


def test_a_spoilt_snapshot_gives_way_to_the_first(ctx):
    """What was restored may be spoilt in what a snapshot cannot hold: the first is tried next."""
    first = drive(copy.deepcopy(ctx), "mali", 1)
    best = drive(copy.deepcopy(ctx), "mali", 6)
    proxy = accelerate(flaky(ctx, lambda k: k in (6, 7)), scheme=Scripted({5: wild}))
    iterate(proxy, 7)
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, best.activeAtoms[0].n)
    iterate(proxy, 1)
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, first.activeAtoms[0].n)
    assert [r.accepted for r in proxy.report.records] == [True] * 6 + [False] * 2
    assert "handed over to mali" in proxy.report.notes[-1]


def test_a_bad_scheme_costs_no_more_than_its_budget(ctx):
    """Formal solutions to MALI's stop, against those of MALI itself."""
    host = copy.deepcopy(ctx)
    it = iterate_ctx_rl(host, scheme="mali", popsTol=1e-3, quiet=True)
    bad = Scripted({"always": wild})
    it_bad = iterate_ctx_rl(ctx, scheme=Safeguarded(bad, fallbacks=()), quiet=True)
    assert it_bad + 1 <= 1.1 * (it + 1) + 3
    np.testing.assert_allclose(ctx.activeAtoms[0].n, host.activeAtoms[0].n, rtol=1e-10)


def test_a_scheme_that_stands_still_does_not_stop(ctx, reference):
    """It proposes no change, which the host's criterion would take for convergence."""
    proxy = accelerate(ctx, scheme=Scripted({"always": stand_still}))
    for _ in range(3):
        proxy.formal_sol_gamma_matrices()
        update = proxy.stat_equil()
        assert update.dPopsMax > 0.5
    assert error(ctx, reference) > 1.0


# ---- backing off, and beginning again -----


def test_the_last_fallback_rests_and_tries_again(ctx):
    """It is not dismissed: plain steps earn it another try, and later twice as many."""
    still = Scripted({"always": stand_still}, name="still")
    guarded = Safeguarded(Scripted({0: lambda e: e.y[:3]}), fallbacks=(still,), budget=Budget(1.0))
    proxy = drive(ctx, guarded, 100)
    by = [r.by for r in proxy.report.records]
    assert set(by) == {"still", "mali"}
    rests = [len(list(steps)) for name, steps in groupby(by) if name == "mali"]
    assert rests[:2] == pytest.approx([10, 10], abs=1)
    assert rests[2:4] == pytest.approx([20, 40], abs=1)
    assert not proxy.report.rejected


def test_an_operator_of_all_atoms_tries_again_nearer_to_the_solution():
    """Found by `lw-rl soak`: MALI led to where it works, and was 6 times wrong when it stopped."""
    ctx = random_atoms(60563).context()
    result = lw_rl.solve(ctx, quiet=True)
    by = [r.by for r in result.records]
    assert by.index("mali") < len(by) - 1 - by[::-1].index("nonlocal")
    assert any("depthwise tries again" in note for note in result.notes)
    n = Adapter(ctx).populations()
    assert lw_rl.solve(ctx, quiet=True, popsTol=1e-6).converged
    assert true_error(n, Adapter(ctx).populations()) < 1e-3


def default(**settings):
    """The default scheme, guarded with other settings."""
    return replace(make_scheme("depthwise"), **settings)


def solve(problem, scheme="depthwise", **keywords):
    keywords = {"prd": problem.prd, "quiet": True, "bound": False, **keywords}
    return lw_rl.solve(problem.context(), scheme=scheme, **keywords)


# ---- equations that change from step to step -----


def test_switching_is_left_to_plain_steps(monkeypatch):
    problem = HostileProblem(1, 567)
    assert problem.switching
    done = []
    result = solve(problem, callback=lambda c: done.append(c.adapter.settled))
    steps = [r.by for r in result.records]
    assert not done[0] and done[-1]
    assert {by for by, settled in zip(steps, done, strict=True) if not settled} == {"mali"}
    assert result.Nformal < 0.8 * solve(problem, "mali").Nformal
    monkeypatch.setattr(Adapter, "settled", True)
    assert solve(problem, NmaxIter=300).Nformal > result.Nformal


def test_a_failure_of_the_hosts_is_not_the_schemes():
    """During switching, say, when no scheme has been asked yet."""
    problem = HostileProblem(1, 567)
    proxy = accelerate(flaky(problem.context(), lambda k: k == 3))
    while not proxy.adapter.settled:
        iterate(proxy, 1)
    assert proxy.report.rejected == 1
    assert not any("handed over" in note for note in proxy.report.notes)


@pytest.fixture(scope="module")
def redistributed():
    """In a flow emission profiles are iterated, not foreseen."""
    atmos = atmospheres.load("FALC")
    atmos.vlos[:] = 1e3
    return lw_rl.build_context(atoms.CaII_K(prd=True), atmos)


def test_residuals_of_another_profile_do_not_count(redistributed):
    """The first profile is that of complete redistribution, and its residual soon a small one."""
    result = lw_rl.solve(copy.deepcopy(redistributed), prd=True, quiet=True)
    assert result.rejected == 0

    class Untold(Safeguarded):
        """One that is not told of the profile."""

        def redistribute(self, change, profiles, state):
            return None

    untold = Untold(default().scheme)
    assert lw_rl.solve(copy.deepcopy(redistributed), scheme=untold, prd=True, quiet=True).rejected


@pytest.mark.parametrize("script", [{}, {"always": lambda e: e.y + e.r}])
def test_a_scheme_is_told_of_the_profile_whatever_its_last_step_was(redistributed, script):
    """Residuals that it remembers would be of another profile, those of plain steps too."""

    class Told(Scripted):
        def redistribute(self, change, state):
            self.script.setdefault("told", []).append(change)

    scheme = Told(dict(script))
    proxy = accelerate(copy.deepcopy(redistributed), scheme=Safeguarded(scheme))
    for _ in range(3):
        iterate(proxy, 1)
        proxy.prd_redistribute()
    assert len(scheme.script["told"]) == 3


def test_profiles_that_go_round_in_circles_hand_over():
    """Found by `lw-rl soak`: populations hardly changed, and their profiles by a tenth each time.

    Before the change of the profiles counted, the operator's steps were never fruitless: 278 formal
    solutions without an end where MALI takes 77.
    """
    problem = random_atoms(60422)
    result = lw_rl.solve(problem.context(), prd=problem.prd, quiet=True, NmaxIter=60)
    assert result.converged
    assert any("fruitless steps" in note for note in result.notes)


def test_negative_emission_is_left_behind():
    """The operator leads to emission of minus ten times the absorption."""
    assert solve(HostileProblem(1, 803)).converged


def test_what_explodes_without_a_measure_goes_on():
    """Residuals before the profile moved do not count, and then the host's solver fails."""
    result = solve(HostileProblem(1, 4425))
    assert result.converged and result.steps_by["mali"] > 5


# ---- small pieces -----


def test_a_scheme_is_named_by_what_it_guards():
    assert Safeguarded(Anderson()).name == "anderson"
    assert not Safeguarded(Anderson()).lambdaIterate
    assert Safeguarded(Anderson()).abilities.policy is None


def test_schemes_without_a_start_have_none(ctx):
    scheme = Safeguarded(Anderson())
    adapter = Adapter(ctx)
    assert scheme.start(adapter.read(), scheme.init(adapter)) is None
    assert scheme.abilities.has_operators is None
    assert not scheme.operators(scheme.init(adapter))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"growth": 0.5}, "growth=0.5"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Safeguarded(Mali(), **settings)
