"""Every scheme on every problem reaches statistical equilibrium itself, and the host's solution."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from conftest import Oracle, assert_physical, error, imbalance, random_weights
from lightweaver.rh_atoms import CaII_atom, H_6_atom, MgII_hk_atom

import lw_rl
from lw_rl import atmospheres, atoms, schemes
from lw_rl.certificate import defect_correction as second_opinion
from lw_rl.errors import PolicyFileError, PolicyOutputError, UnknownNameError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.host.state import Block, Evaluation
from lw_rl.iterate import accelerate, iterate_ctx_rl
from lw_rl.norms import (
    largest,
    limit_step,
    relative,
)
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.policies import actor
from lw_rl.policies.observation import Previous, correction, make_frame, observe, to_log
from lw_rl.schemes import Anderson, Depthwise, Lambda, Mali, Ng, Safeguarded, Scheme
from lw_rl.schemes.depthwise import propose

PROBLEMS = {
    "FALC Ca II K": lambda: build_context("CaII_K", "FALC"),
    "FALA Mg II k": lambda: build_context("MgII_k", "FALA", Nrays=3),
    "FALX Na I D1": lambda: build_context("NaI_D1", "FALX", Nrays=3),
    "FALC H Ly alpha": lambda: build_context("H_Lya", "FALC", Nrays=3),
    "coarse FALF Ca II H": lambda: build_context("CaII_H", atmospheres.load("FALF", 30), Nrays=3),
    "moving photosphere Mg II h": lambda: build_context(
        "MgII_h", atmospheres.random(11, kind="photosphere", moving=True, Nspace=50), Nrays=3
    ),
    "isothermal Ca II K": lambda: build_context(
        "CaII_K", atmospheres.isothermal(7000.0, Nspace=40), Nrays=3
    ),
    "FALC Mg II, four levels": lambda: build_context(
        MgII_hk_atom(), atmospheres.load("FALC", 40), Nrays=1
    ),
}
NAMES = ("mali", "ng", "anderson", "nonlocal", "depthwise")


@pytest.fixture(scope="module")
def solved():
    """A function from a problem's name to a fresh context and the host's converged one."""
    cache = {}

    def get(problem):
        if problem not in cache:
            start = PROBLEMS[problem]()
            end = copy.deepcopy(start)
            lw.iterate_ctx_se(end, Nscatter=0, NmaxIter=4000, JTol=1.0, popsTol=1e-9, quiet=True)
            cache[problem] = start, end
        start, end = cache[problem]
        return copy.deepcopy(start), end

    return get


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("scheme", NAMES)
def test_every_scheme_solves_every_problem(scheme, problem, solved, untrained):
    ctx, end = solved(problem)
    reference = np.array(end.activeAtoms[0].n)
    proxy = accelerate(ctx, untrained, scheme)
    lw.iterate_ctx_se(proxy, Nscatter=0, JTol=1.0, popsTol=1e-7, quiet=True)
    assert_physical(ctx)
    assert error(ctx, reference) < 1e-4
    n = np.array(ctx.activeAtoms[0].n)
    assert imbalance(ctx) < 1e-5
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, n)
    assert proxy.report.Nformal == proxy.adapter.Nformal == len(proxy.report.records)


def test_lambda_iteration_solves_what_is_nearly_thermal():
    """Its convergence factor is 1 - eps, so it gets an eps that it can live with."""
    atom = atoms.two_level_atom(CaII_atom(), 0, 4, collision_scale=1e3)
    ctx = build_context(atom, atmospheres.isothermal(6500.0, Nspace=30), Nrays=3)
    host = copy.deepcopy(ctx)
    iterate_ctx_rl(ctx, scheme="lambda", JTol=1.0, popsTol=1e-8, quiet=True)
    lw.iterate_ctx_se(host, Nscatter=0, JTol=1.0, popsTol=1e-10, quiet=True)
    assert imbalance(ctx) < 1e-4
    assert error(ctx, np.asarray(host.activeAtoms[0].n)) < 1e-4


def test_lambda_iteration_is_slower_than_mali(ctx, reference):
    other = copy.deepcopy(ctx)
    for scheme, c in (("lambda", ctx), ("mali", other)):
        iterate_ctx_rl(c, scheme=scheme, NmaxIter=40, popsTol=1e-14, quiet=True)
    assert error(ctx, reference) > 5.0 * error(other, reference)


def test_a_scheme_that_stagnates_does_not_stop_the_iteration(solved):
    """Anderson stalls on the slow modes of four levels: its steps get tiny far from equilibrium."""
    ctx, end = solved("FALC Mg II, four levels")
    iterate_ctx_rl(ctx, scheme="anderson", JTol=1.0, popsTol=1e-4, quiet=True)
    assert error(ctx, np.asarray(end.activeAtoms[0].n)) < 1e-3


@pytest.mark.parametrize(("scheme", "at_most"), [("anderson", 25), ("ng", 45), ("mali", 130)])
def test_schemes_are_as_good_as_they_were(scheme, at_most, ctx, reference):
    """Formal solutions to a true error of 1e-3: the table of DESIGN.md, section 2."""
    errors = []
    proxy = accelerate(ctx, None, scheme, lambda p: errors.append(error(ctx, reference)))
    for _ in range(at_most):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
    assert min(errors) < 1e-3


def test_a_policy_that_knows_the_answer_needs_a_handful(ctx, oracle, reference):
    """Depth-wise corrections do what they say: with the right ones the solve is nearly over."""
    errors = []
    proxy = accelerate(ctx, oracle, "depthwise", lambda p: errors.append(error(ctx, reference)))
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
    physics = adapter.line_physics(adapter.blocks[0])
    operator, _ = TwoLevelOperator.first(physics)
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


class Says:
    """A policy that returns, or raises, whatever it was told."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, observation, deterministic=True):
        answer = self.answer(observation) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        return answer


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


ZEROS = Says(lambda o: (np.zeros(o.shape[1]), None))


def follow(ctx, scheme, steps):
    """Make some iterations; return the unknowns of the formal solutions, and the scheme's state."""
    adapter = Adapter(ctx)
    state = scheme.init(adapter)
    y, ys, made = scheme.start(adapter.read(), state), [], []
    for _ in range(steps):
        evaluation = adapter.evaluate(y)
        step = scheme.step(evaluation, state)
        ys.append(evaluation.y)
        made.append((evaluation, step))
        y = step.y
    return ys, made, state


def test_no_policy_is_a_policy_of_zeros(ctx):
    other = copy.deepcopy(ctx)
    without, made, _ = follow(ctx, Depthwise(None), 6)
    silent, made_silent, _ = follow(other, Depthwise(ZEROS), 6)
    np.testing.assert_array_equal(without, silent)
    assert [s.estimate for _, s in made] == [s.estimate for _, s in made_silent]
    assert all(s.by == "nonlocal" for _, s in made)


def test_without_a_history_it_is_the_operators_own_step(ctx):
    ys, made, state = follow(ctx, Depthwise(None, window=1), 4)
    for (evaluation, step), y_next in zip(made, ys[1:], strict=False):
        error = state[0].operator.error(evaluation.y, evaluation.lambda_residual)
        np.testing.assert_array_equal(y_next, evaluation.y + to_log(error))
        assert step.estimate == np.max(np.abs(error)), "what is reported of the present state"
    sizes = [s.estimate for _, s in made]
    assert sizes[-1] < 1e-2 * sizes[0]


def test_the_operator_tells_the_error(ctx, converged):
    solution = Adapter(copy.deepcopy(converged)).read()
    _, made, _ = follow(ctx, Depthwise(None), 4)
    for evaluation, step in made[1:]:
        true = np.max(np.abs(np.expm1(solution - evaluation.y)))
        assert step.estimate == pytest.approx(true, rel=0.5)


def test_the_history_makes_it_better(make_ctx):
    """Combinations of what was visited remove what the operator alone is slow with."""
    left = {}
    for window in (1, 8):
        _, made, _ = follow(make_ctx("CaII_K", "FALX"), Depthwise(None, window=window), 8)
        left[window] = made[-1][1].estimate
    assert left[8] < 0.01 * left[1]


def test_the_first_state_is_not_remembered(ctx):
    """J of the background's scattering was not settled there."""
    for steps, kept in ((1, 1), (2, 1), (3, 2), (6, 3)):
        ys, _, (state,) = follow(copy.deepcopy(ctx), Depthwise(None, window=3), steps)
        assert len(state.visited) == kept
        np.testing.assert_array_equal([y for y, *_ in state.visited], ys[-kept:])


def test_a_state_without_a_residual_is_left_to_the_plain_update(ctx):
    scheme = Depthwise(ZEROS)
    _, made, state = follow(ctx, scheme, 4)
    assert len(state[0].visited) > 1 and state[0].last is not None
    y = made[-1][0].y
    step = scheme.step(Evaluation(y, np.full_like(y, np.nan), made[-1][0].blocks, False, y), state)
    assert step.y is None and step.by == "mali"
    assert not state[0].visited and state[0].last is None


def test_an_operator_without_an_inverse_gives_way_to_anderson(ctx, reference, monkeypatch):
    first = TwoLevelOperator.first

    def singular(physics):
        operator, y = first(physics)
        operator.regular = False
        return operator, np.full_like(y, np.nan)

    monkeypatch.setattr(TwoLevelOperator, "first", singular)
    scheme = Depthwise(None)
    adapter = Adapter(ctx)
    state = scheme.init(adapter)
    assert state[0].operator is None
    assert scheme.start(adapter.read(), state) is None
    proxy = accelerate(ctx, scheme=Safeguarded(scheme, fallbacks=()))
    lw.iterate_ctx_se(proxy, Nscatter=0, JTol=1.0, popsTol=1e-5, quiet=True)
    assert error(ctx, reference) < 1e-4
    assert 15 < proxy.report.Nformal < 40, "as Anderson acceleration"


class Asked(Says):
    """A policy that leaves it all to the operator, and counts."""

    def __init__(self, within=None):
        super().__init__(self._zeros)
        self.calls, self.asked_within = 0, within

    def _zeros(self, observation):
        self.calls += 1
        return np.zeros(observation.shape[1]), None


def test_a_policy_says_how_far_off_it_is_of_use(ctx):
    _, made, _ = follow(copy.deepcopy(ctx), Depthwise(None), 1)
    size = made[0][1].estimate
    calls = {}
    for within in (None, 0.9 * size, 1.1 * size):
        policy = Asked(within)
        follow(copy.deepcopy(ctx), Depthwise(policy), 1)
        calls[within] = policy.calls
    assert calls == {None: int(size < 0.05), 0.9 * size: 0, 1.1 * size: 1}


# ---- the zeroth step -----


@pytest.mark.parametrize("scheme", [Depthwise(None), Safeguarded(Depthwise(None))])
def test_populations_in_lte_get_a_zeroth_step(scheme, ctx):
    adapter = Adapter(ctx)
    state = scheme.init(adapter)
    lte = adapter.read()
    y = scheme.start(lte, state)
    _, first = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0]))
    np.testing.assert_array_equal(y, first)
    np.testing.assert_array_equal(adapter.read(), lte)
    assert adapter.Nformal == 0


@pytest.mark.parametrize("scheme", [Depthwise(None), Safeguarded(Depthwise(None))])
def test_warm_starts_are_kept(scheme, ctx, converged):
    adapter = Adapter(ctx)
    in_lte = scheme.init(adapter)
    ctx.activeAtoms[0].n[:] = 0.5 * (ctx.activeAtoms[0].n + converged.activeAtoms[0].n)
    warm = adapter.read()
    assert scheme.start(warm, scheme.init(adapter)) is None
    assert scheme.start(warm, in_lte) is None, "set after the scheme was"


def test_schemes_without_a_zeroth_step_have_none(ctx):
    scheme = Safeguarded(Anderson())
    adapter = Adapter(ctx)
    assert scheme.start(adapter.read(), scheme.init(adapter)) is None


# ---- small pieces -----


def evaluation_of(y, r):
    valid = bool(np.all(np.isfinite(r)))
    return Evaluation(y, r, (Block(0, y.size, (y.size,), True),), valid)


def test_merit():
    assert evaluation_of(np.zeros(3), np.array([0.1, -0.7, 0.2])).residual_norm == 0.7
    assert evaluation_of(np.zeros(3), np.array([0.1, np.nan, 0.2])).residual_norm == np.inf


def test_relative_changes_and_limits():
    assert largest(np.array([-np.log(2.0), 0.1])) == np.log(2.0)
    assert largest(np.array([0.1, 0.3])) == 0.3
    assert relative(np.log(2.0)) == pytest.approx(1.0)
    assert np.isfinite(relative(1e300))
    np.testing.assert_array_equal(
        limit_step(np.zeros(3), np.array([-9.0, 0.5, 9.0]), 2.0), [-2.0, 0.5, 2.0]
    )


@pytest.mark.parametrize("scheme", [Anderson(), Ng()])
def test_schemes_leave_what_is_not_finite_to_the_plain_update(scheme):
    state = scheme.init(None)
    step = scheme.step(evaluation_of(np.zeros(3), np.full(3, np.nan)), state)
    assert step.y is None
    assert step.by == "mali"
    step = scheme.step(evaluation_of(np.zeros(3), np.full(3, 0.1)), state)
    assert step.y is None or np.all(np.isfinite(step.y))


def test_ng_accelerates_when_it_says():
    scheme = Ng(order=2, period=3, delay=5)
    state = scheme.init(None)
    y, accelerated = np.ones(4), []
    for _ in range(12):
        step = scheme.step(evaluation_of(y, -0.1 * y), state)
        accelerated.append(step.y is not None)
        y = 0.9 * y if step.y is None else step.y
    assert [k for k, a in enumerate(accelerated) if a] == [4, 7, 10]
    assert np.max(np.abs(y)) < 1e-3 < 0.9**12, "one geometric sequence, cut short three times"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Anderson(window=0), "window=0"),
        (lambda: Anderson(max_step=0.0), "max_step=0.0"),
        (lambda: Anderson(max_step=np.nan), "max_step=nan"),
        (lambda: Ng(order=0), "order=0"),
        (lambda: Ng(period=0), "period=0"),
        (lambda: Ng(delay=-1), "delay=-1"),
        (lambda: Depthwise(Says(None), window=0), "window >= 1, got 0"),
        (lambda: Depthwise(None, window=-1), "window >= 1, got -1"),
        (lambda: Safeguarded(Mali(), growth=0.5), "growth=0.5"),
        (lambda: Safeguarded(Mali(), patience=0), "patience=0"),
        (lambda: Safeguarded(Mali(), rate=0.0), "rate=0.0"),
        (lambda: Safeguarded(Mali(), allowance=-1.0), "allowance=-1.0"),
        (lambda: Safeguarded(Mali(), share=0.0), "share=0.0"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_schemes_are_immutable_and_comparable():
    assert Anderson(window=4) == Anderson(window=4)
    assert hash(Mali()) == hash(Mali())
    with pytest.raises(AttributeError):
        Anderson().window = 3


@pytest.mark.parametrize(
    "scheme", [Mali(), Lambda(), Ng(), Anderson(), Depthwise(None), Safeguarded(Mali())]
)
def test_they_all_are_schemes(scheme):
    assert isinstance(scheme, Scheme)
    assert isinstance(scheme.name, str)
    assert scheme.lambdaIterate is (scheme.name == "lambda")


# ---- names -----


def test_unknown_schemes_list_the_known(ctx):
    with pytest.raises(UnknownNameError, match="unknown scheme 'sor'") as info:
        schemes.make_scheme("sor")
    assert set(info.value.known) == set(schemes.known())
    assert {"lambda", "mali", "ng", "anderson", "nonlocal", "depthwise"} <= set(schemes.known())


def test_every_scheme_is_guarded_once():
    assert isinstance(schemes.make_scheme("mali"), Safeguarded)
    assert isinstance(schemes.make_scheme(Anderson()), Safeguarded)
    guarded = Safeguarded(Anderson(), growth=3.0)
    assert schemes.make_scheme(guarded) is guarded


@pytest.mark.parametrize("what", [3, None, object(), Anderson, Mali])
def test_what_is_not_a_scheme(what):
    with pytest.raises(TypeError, match="a scheme is one of"):
        schemes.make_scheme(what)


def test_policies_by_name_path_or_object(tmp_path, architecture, untrained):
    card = actor.save(tmp_path / "p", architecture, random_weights(architecture), 0.3, {})
    for policy in (card, str(card), card.with_suffix(".safetensors")):
        assert schemes.make_policy(policy).gain == 0.3
    assert schemes.make_policy(untrained) is untrained
    with pytest.raises(UnknownNameError, match="unknown policy 'nobody'"):
        schemes.make_policy("nobody")
    with pytest.raises(PolicyFileError, match="cannot read"):
        schemes.make_policy(str(tmp_path / "missing.json"))
    with pytest.raises(TypeError, match="got int"):
        schemes.make_policy(3)
    with pytest.raises(TypeError, match="predict"):
        Depthwise(3)


def test_the_policy_is_not_loaded_where_none_is_needed():
    assert schemes.make_scheme("anderson", policy="nobody").name == "anderson"
    operator = schemes.make_scheme("nonlocal", policy="nobody").scheme
    assert operator == Depthwise(None, name="nonlocal")
    with pytest.raises(UnknownNameError):
        schemes.make_scheme("depthwise", policy="nobody")


def test_the_oracle_is_a_policy():
    assert isinstance(Oracle(np.zeros(3)), schemes.Policy)


def test_where_charge_is_conserved_other_atoms_are_left_to_mali():
    """Anderson never gets there: the electrons move under its history."""
    start = build_context(H_6_atom(), atmospheres.load("FALC", 20), Nrays=2, conserveCharge=True)
    ends = []
    for scheme in ("mali", "depthwise"):
        ctx = copy.deepcopy(start)
        lw_rl.iterate_ctx_rl(ctx, scheme=scheme, NmaxIter=15, quiet=True)
        ends.append(np.array(ctx.activeAtoms[0].n))
    np.testing.assert_array_equal(*ends)


def test_the_certificate_asks_the_operator_that_the_scheme_made(ctx):
    proxy = lw_rl.accelerate(ctx, scheme="nonlocal")
    (block,) = proxy.adapter.blocks
    made = Depthwise(None).init(proxy.adapter)
    assert list(Depthwise(None).operators(made)) == [block]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second_opinion, "TwoLevelOperator", None)
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
        evaluation = proxy.certificate.evaluation
        assert proxy.certificate._opinion.worst(evaluation, plain=False) > 0.0
