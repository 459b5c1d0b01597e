"""The depth-wise scheme: what it asks the policy, what the operator does, and when it backs off."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import replace

import lightweaver as lw
import numpy as np
import pytest
from conftest import error
from lightweaver.rh_atoms import H_6_atom
from scheme_helpers import Driver
from solver_helpers import Says, iterate, zeros

import lw_rl
from lw_rl import atmospheres, atoms, problems
from lw_rl.certificate.history import History
from lw_rl.certificate.settings import shipped
from lw_rl.errors import PolicyOutputError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.host.state import Evaluation
from lw_rl.iterate import accelerate
from lw_rl.norms import to_log
from lw_rl.operator.base import geometry_for, operator_for
from lw_rl.operator.lambda_1d import Plane1D
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.policies.observation import Previous, correction, make_frame, observe
from lw_rl.schemes import Anderson, Depthwise, Safeguarded, depthwise, make_scheme
from lw_rl.schemes.depthwise import propose


def test_a_policy_that_knows_the_answer_needs_a_handful(ctx, oracle, reference):
    """Depth-wise corrections do what they say: with the right ones the solve is nearly over."""
    errors = []
    proxy = accelerate(ctx, oracle, "depthwise", lambda p: errors.append(error(ctx, reference)))
    proxy.begin()
    lw.iterate_ctx_se(proxy, Nscatter=0, JTol=1.0, popsTol=1e-4, quiet=True)
    assert error(ctx, reference) < 1e-4
    assert proxy.report.Nformal <= 6
    assert next(k for k, e in enumerate(errors) if e < 1e-3) <= 1
    assert set(proxy.report.steps_by) == {"depthwise"}
    assert not proxy.report.rejected
    assert oracle.calls == proxy.report.Nformal


# ---- the policy's step -----


def seen(ctx):
    """Return what a policy is asked about after one formal solution: frame, y, r, estimate."""
    adapter = Adapter(ctx)
    evaluation = adapter.evaluate()
    physics = adapter.line(adapter.blocks[0])
    operator = TwoLevelOperator.first(physics)
    estimate = to_log(operator.error(evaluation.y, evaluation.lambda_residual))
    return make_frame(physics), evaluation.y, evaluation.r, estimate


def test_propose_is_observe_predict_correct(ctx, untrained):
    frame, y, r, estimate = seen(ctx)
    previous = Previous(0.1 * r, estimate, 0.9 * estimate)
    action, _ = untrained.predict(observe(frame, y, r, estimate, previous))
    expected = correction(frame, action, estimate)
    got = propose(untrained, frame, y, r, estimate, previous)
    np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(got, propose(untrained, frame, y, r, estimate, None))


@pytest.mark.parametrize(
    "answer",
    [
        lambda o: (np.full(o.shape[1], np.nan), None),
        lambda o: (np.full(o.shape[1], np.inf), None),
        lambda o: (np.zeros(o.shape[1] + 1), None),
        lambda o: (np.zeros((1, o.shape[1])), None),
        lambda o: (np.zeros(()), None),
        lambda o: (["a"] * o.shape[1], None),
        lambda o: (np.full(o.shape[1], 1j), None),
        lambda o: np.zeros(o.shape[1]),
        lambda o: None,
        RuntimeError("out of memory"),
        KeyError("weights"),
    ],
)
def test_a_policy_that_fails_is_named(answer, ctx):
    with pytest.raises(PolicyOutputError, match="the policy"):
        propose(Says(answer), *seen(ctx), None)


def test_a_keyboard_interrupt_is_not_a_policys_failure(ctx):
    def interrupt(observation):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        propose(Says(interrupt), *seen(ctx), None)


def test_actions_beyond_the_range_are_clipped(ctx):
    asked = seen(ctx)
    wild = propose(Says(lambda o: (np.full(o.shape[1], 50.0), None)), *asked, None)
    one = propose(Says(lambda o: (np.ones(o.shape[1]), None)), *asked, None)
    np.testing.assert_array_equal(wild, one)
    assert np.all(one > asked[-1]), "and they do something"


# ---- the operator's step -----


def follow(ctx, scheme, steps):
    """Make some iterations; return the unknowns of the formal solutions, and the scheme's state."""
    adapter = Adapter(ctx)
    driver = Driver(scheme, adapter)
    state = driver.state
    y, ys, made = scheme.start(adapter.read(), state), [], []
    for block, J in scheme.start_radiation(state).items():
        adapter.write_line_radiation(block, J)
    for _ in range(steps):
        evaluation = adapter.evaluate(y)
        step = driver.step(evaluation)
        ys.append(evaluation.y)
        made.append((evaluation, step))
        y = step.y
    return ys, made, state


def test_no_policy_is_a_policy_of_zeros(ctx):
    other = copy.deepcopy(ctx)
    without, made, _ = follow(ctx, Depthwise(None), 6)
    silent, made_silent, _ = follow(other, Depthwise(zeros()), 6)
    np.testing.assert_array_equal(without, silent)
    assert [s.estimate for _, s in made] == [s.estimate for _, s in made_silent]
    assert all(s.by == "nonlocal" for _, s in made)


class Fixed(Depthwise):
    """One whose operator stays."""

    def _outdated(self, start, s):
        return False


def test_without_a_history_it_is_the_operators_own_step(ctx):
    ys, made, state = follow(ctx, Fixed(None, window=1), 4)
    for (evaluation, step), y_next in zip(made, ys[1:], strict=False):
        error = state[0].operator.error(evaluation.y, evaluation.lambda_residual)
        np.testing.assert_allclose(y_next, evaluation.y + to_log(error), rtol=1e-12)
        assert step.estimate == np.max(np.abs(error)), "what is reported of the present state"
    sizes = [s.estimate for _, s in made]
    assert sizes[-1] < 1e-2 * sizes[0]


def test_the_operator_tells_the_error(ctx, converged):
    solution = Adapter(copy.deepcopy(converged)).read()
    _, made, _ = follow(ctx, Depthwise(None), 4)
    for evaluation, step in made[1:]:
        true = np.max(np.abs(np.expm1(solution - evaluation.y)))
        assert step.estimate == pytest.approx(true, rel=0.5)


def test_the_history_is_combined(ctx):
    """Where a state lies between two that were visited, its step begins at their combination."""
    one, made, _ = follow(copy.deepcopy(ctx), Depthwise(None, window=1), 4)
    combined, _, _ = follow(ctx, Depthwise(None, window=8), 4)
    np.testing.assert_array_equal(one[:3], combined[:3])
    assert not np.array_equal(one[3], combined[3])
    # Both are where the operator says that nothing is left.
    assert np.abs(one[3] - combined[3]).max() < made[2][1].estimate


def test_the_first_state_is_not_remembered(ctx):
    """J of the background's scattering was not settled there."""
    ys, made, (state,) = follow(ctx, Depthwise(None), 4)
    last = made[-1][0]
    combined = state.history.states(last, state.since)[:-1]
    np.testing.assert_array_equal([e.y for e in combined], ys[1:])


def test_a_state_without_a_residual_is_left_to_the_plain_update(ctx, untrained):
    scheme = Depthwise(untrained)
    _, made, state = follow(ctx, scheme, 2)
    assert state[0].since == 1 and state[0].last is not None
    y = made[-1][0].y
    step = scheme.step(Evaluation(y, np.full_like(y, np.nan), made[-1][0].blocks, False, y), state)
    assert step.y is None and step.by == "mali"
    assert state[0].since == 2 and state[0].last is None


def test_an_operator_without_an_inverse_gives_way_to_anderson(ctx, reference, monkeypatch):
    monkeypatch.setattr(
        Plane1D,
        "lambda_operator",
        lambda self, line, *others: (np.full((82, 82), np.nan), np.zeros(82), None),
    )
    scheme = Depthwise(None)
    adapter = Adapter(ctx)
    state = scheme.init(adapter, History())
    assert state[0].operator is None and not scheme.operators(state)
    assert scheme.start(adapter.read(), state) is None
    proxy = accelerate(ctx, scheme=Safeguarded(scheme, fallbacks=()))
    errors = []
    while not errors or errors[-1] > 1e-4:
        iterate(proxy, 1)
        errors.append(error(ctx, reference))
    assert 15 < proxy.report.Nformal < 40, "as Anderson acceleration"
    assert set(proxy.report.steps_by) == {"anderson"}


@pytest.mark.parametrize(("within", "asked"), [(None, 1), (0.9, 0), (1.1, 1)])
def test_a_policy_says_how_far_off_it_is_of_use(within, asked, ctx):
    """Its card does, in units of what the operator takes for the error."""
    _, made, _ = follow(copy.deepcopy(ctx), Depthwise(None), 1)
    policy = zeros()
    policy.card = {} if within is None else {"asked_within": within * made[0][1].estimate}
    follow(ctx, Depthwise(policy), 1)
    assert policy.calls == asked


def test_a_policy_whose_steps_are_no_better_than_none_is_not_asked_again(ctx):
    """One that sends the solve away."""
    policy = Says(lambda o: (np.ones(o.shape[1]), None))
    _, made, _ = follow(ctx, Depthwise(policy), 4)
    assert policy.calls < 3
    assert [s.by for _, s in made][:1] == ["depthwise"] and made[-1][1].by == "nonlocal"


# ---- the zeroth step -----


@pytest.mark.parametrize("scheme", [Depthwise(None), Safeguarded(Depthwise(None))])
def test_populations_in_lte_get_a_zeroth_step(scheme, ctx):
    adapter = Adapter(ctx)
    state = scheme.init(adapter, History())
    lte = adapter.read()
    y = scheme.start(lte, state)
    (block,) = adapter.blocks
    first = operator_for(adapter.atom(block), geometry_for(adapter.grid))
    np.testing.assert_array_equal(y, first.start())
    np.testing.assert_array_equal(
        scheme.start_radiation(state)[block], first.start_radiation(), strict=True
    )
    np.testing.assert_array_equal(adapter.read(), lte)
    assert adapter.Nformal == 0


@pytest.mark.parametrize("scheme", [Depthwise(None), Safeguarded(Depthwise(None))])
def test_warm_starts_are_kept(scheme, ctx, converged):
    adapter = Adapter(ctx)
    in_lte = scheme.init(adapter, History())
    ctx.activeAtoms[0].n[:] = converged.activeAtoms[0].n
    warm = adapter.read()
    assert scheme.start(warm, scheme.init(adapter, History())) is None
    assert scheme.start(warm, in_lte) is None, "set after the scheme was"


def test_warm_starts_that_are_far_off_are_left(monkeypatch):
    atmosphere = atmospheres.load("FALC")
    made = build_context("CaII_K", atmosphere, Nrays=3)
    lw_rl.solve(made, quiet=True)
    atmosphere.temperature[:] *= 1.0 + 0.05 * np.sin(np.arange(82) / 13.0)
    # The populations are those of the atmosphere before.
    made.update_deps()
    kept = copy.deepcopy(made)
    result = lw_rl.solve(made, quiet=True)
    assert result.converged
    assert any("far off" in record.note for record in result.records)
    monkeypatch.setattr(depthwise, "_ELSEWHERE", np.inf)
    assert lw_rl.solve(kept, quiet=True).Nformal > result.Nformal


def test_schemes_without_a_zeroth_step_have_none(ctx):
    scheme = Safeguarded(Anderson())
    adapter = Adapter(ctx)
    assert scheme.start(adapter.read(), scheme.init(adapter, History())) is None


# ---- when the operator backs off, and is relinearised -----


def Nformal(problem, scheme):
    keywords = {"prd": problem.prd, "NmaxIter": 300, "quiet": True, "bound": False}
    return lw_rl.solve(problem.context(), scheme=scheme, **keywords).Nformal


def default(**settings):
    """The default scheme with other thresholds."""
    scheme = make_scheme("depthwise")
    return replace(scheme, scheme=replace(scheme.scheme, **settings))


def test_the_operator_is_relinearised_where_the_solve_has_moved_away(ctx):
    """Not after the first formal solution, nor in partial redistribution, where it is one map."""
    scheme, moved = Depthwise(None), shipped().moved
    (s,) = scheme.init(Adapter(ctx), History())
    s.made = 2
    around = s.operator.y
    assert not scheme._outdated(around + 0.9 * moved, s)
    assert scheme._outdated(around + 1.1 * moved, s)
    for made, redistributed in ((1, False), (2, True)):
        s.made, s.redistributed = made, redistributed
        assert not scheme._outdated(around + 1.1 * moved, s)


# ---- atoms without an operator -----


@dataclasses.dataclass(frozen=True)
class Uncoupled(Depthwise):
    """What is left where the coupled operator does not help."""

    def init(self, adapter, history):
        state = super().init(adapter, history)
        for s in state:
            s.coupled = None
        return state


def test_atoms_without_an_operator_get_anderson_in_the_logarithm(several):
    """After five plain updates, which far from equilibrium are better left alone."""
    ctx, host = several("multi-level"), several("multi-level")
    proxy = iterate(accelerate(ctx, scheme=Uncoupled(None)), 5)
    iterate(accelerate(host, scheme="mali_scattering"), 5)
    np.testing.assert_allclose(ctx.activeAtoms[0].n, host.activeAtoms[0].n, rtol=1e-7)
    anderson = several("multi-level")
    iterate(accelerate(anderson, scheme=Anderson()), 12)
    iterate(proxy, 7)
    np.testing.assert_allclose(ctx.activeAtoms[0].n, anderson.activeAtoms[0].n, rtol=1e-7)
    assert proxy.report.steps_by == {"mali": 5, "anderson": 7}


def test_a_two_level_atom_beside_one_with_more_levels_is_accelerated_with_it(several):
    """Shared fault 10."""
    adapter = Adapter(several("multi"))
    scheme = Depthwise(None)
    state = scheme.init(adapter, History())
    assert scheme.couples(state) and not scheme.operators(state)
    evaluation = adapter.evaluate()
    step = scheme.step(evaluation, state)
    assert step.by == "nonlocal"
    for block in adapter.blocks:
        assert not np.allclose(step.y[block.span], evaluation.y_plain[block.span])


def test_where_charge_is_conserved_electrons_follow_the_ions():
    start = build_context(H_6_atom(), atmospheres.load("FALC", 20), Nrays=2, conserveCharge=True)
    ends = []
    for scheme in ("mali_scattering", "depthwise"):
        ctx = copy.deepcopy(start)
        result = lw_rl.solve(ctx, scheme=scheme, NmaxIter=400, quiet=True)
        assert result.converged
        ends.append((np.array(ctx.activeAtoms[0].n), np.array(ctx.atmos.ne)))
    np.testing.assert_allclose(ends[1][0], ends[0][0], rtol=2e-3)
    np.testing.assert_allclose(ends[1][1], ends[0][1], rtol=2e-3)
    assert result.Nformal <= 10
    charge = ends[1][0][-1] + Adapter(ctx).given_electrons()
    np.testing.assert_allclose(ends[1][1], charge, rtol=1e-3)


def test_and_plain_steps_are_left_where_the_operator_does_not_help():
    """Anderson never gets there: the electrons move under its history."""
    start = build_context(H_6_atom(), atmospheres.load("FALC", 20), Nrays=2, conserveCharge=True)
    ends = []
    for scheme in ("mali_scattering", Uncoupled(None)):
        ctx = copy.deepcopy(start)
        lw_rl.iterate_ctx_rl(ctx, scheme=scheme, NmaxIter=15, quiet=True)
        ends.append(np.array(ctx.activeAtoms[0].n))
    np.testing.assert_array_equal(*ends)


# ---- partial redistribution -----


def test_no_policy_is_asked_in_partial_redistribution():
    ctx = lw_rl.build_context(atoms.CaII_K(prd=True), atmospheres.load("FALC"))
    policy = zeros()
    result = lw_rl.solve(ctx, policy=policy, prd=True, quiet=True)
    assert result.converged
    assert "depthwise" not in result.steps_by and not policy.calls


def redistributed(problem):
    return replace(problem, prd=True).context()


def own_equilibrium(ctx):
    """The largest change that the host's own iteration makes in a copy of a context."""
    after, before = copy.deepcopy(ctx), np.array(ctx.activeAtoms[0].n)
    for _ in range(10):
        after.formal_sol_gamma_matrices()
        after.prd_redistribute(3, 0.0)
        after.stat_equil()
    return error(after, before)


def test_in_a_column_at_rest_lines_foresee_their_emission_profiles():
    ctx = redistributed(problems.shipped_problem("CaII_K", "FALC"))
    result = lw_rl.solve(ctx, prd=True, quiet=True)
    assert result.converged and result.Nformal <= 6
    assert set(result.steps_by) == {"nonlocal"}
    assert own_equilibrium(ctx) < 1e-3


def test_a_line_whose_profiles_cannot_be_foreseen_goes_on_by_its_own_operator():
    """On 24 depths the linearised light is negative in places, and profiles run away."""
    ctx = redistributed(problems.shipped_problem("CaII_K", "FALC", 24))
    notes = []
    result = lw_rl.solve(
        ctx, prd=True, quiet=True, NmaxIter=40,
        callback=lambda proxy: notes.append(proxy.report.records[-1].note),
    )  # fmt: skip
    assert any("an operator of its own" in note for note in notes)
    assert result.converged and result.Nformal <= 20
    assert own_equilibrium(ctx) < 1e-3


@pytest.mark.parametrize("settings", [{"window": 0}, {"window": -1}])
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match=f"window >= 1, got {settings['window']}"):
        Depthwise(None, **settings)


def test_what_cannot_predict_is_no_policy():
    with pytest.raises(TypeError, match="int has none"):
        Depthwise(3)
