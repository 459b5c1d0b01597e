"""A policy of two-level lines, asked about the lines of other atoms."""

from __future__ import annotations

import numpy as np
import pytest
from multilevel_helpers import error, populations, problem, solved

import lw_rl
from lw_rl.certificate.history import History
from lw_rl.errors import OutOfRangeError
from lw_rl.host.adapter import Adapter
from lw_rl.norms import to_log
from lw_rl.operator.base import geometry_for, operator_for
from lw_rl.policies import make_policy
from lw_rl.policies.observation import make_frame, observe
from lw_rl.problems import plane_problem, shipped_problem
from lw_rl.schemes.lines import LineByLine, lines_of


class Says:
    """A policy of one answer."""

    def __init__(self, answer):
        self.answer, self.seen = answer, []

    def predict(self, observation, deterministic=True):
        self.seen.append(observation)
        if isinstance(self.answer, Exception):
            raise self.answer
        return np.full(observation.shape[1:], self.answer), None


def solve(kind, policy, beside=True, **options):
    ctx = problem(kind)
    result = lw_rl.solve(ctx, scheme=LineByLine(policy, beside), quiet=True, **options)
    n = populations(ctx)
    assert np.all(n > 0.0) and np.all(np.isfinite(n))
    np.testing.assert_allclose(n.sum(axis=0), ctx.activeAtoms[0].nTotal, rtol=1e-9)
    return result, ctx


@pytest.fixture(scope="module")
def alone():
    """Calcium by the operator alone."""
    ctx = problem("calcium")
    return lw_rl.solve(ctx, scheme="nonlocal", quiet=True), ctx


def test_agents_of_a_two_level_line_see_what_the_two_level_scheme_shows():
    adapter = Adapter(shipped_problem("CaII_K", "FALC", 40).context())
    block = adapter.blocks[0]
    first = operator_for(adapter.atom(block), geometry_for(adapter.grid)).start()
    evaluation = adapter.evaluate(first + 0.1)
    # The operator around the state, as the line's own is.
    operator = operator_for(adapter.atom(block), geometry_for(adapter.grid), evaluation.y)
    estimate = to_log(operator.error(evaluation.y, evaluation.lambda_residual))
    frame = make_frame(adapter.line_physics(block))
    expected = observe(frame, evaluation.y, evaluation.r, estimate)
    state = lines_of(adapter, History())
    (seen,) = LineByLine(None, beside=False).look(evaluation, state).seen.values()
    observation = observe(seen.frame, seen.line.y, seen.r, seen.estimate)
    np.testing.assert_allclose(observation, expected, atol=1e-4)


def test_where_nothing_is_said_it_is_the_operator_alone(alone):
    expected, ctx = alone
    for policy in (None, Says(0.0)):
        result, mine = solve("calcium", policy)
        assert result.Nformal == expected.Nformal
        assert result.estimate.value == pytest.approx(expected.estimate.value, rel=1e-2)
        np.testing.assert_allclose(populations(mine), populations(ctx), rtol=1e-6)


def test_a_policy_has_a_part_in_the_steps_and_the_answer_is_certified():
    result, ctx = solve("calcium", make_policy("default").without_limits())
    assert result.converged and result.steps_by["linewise"] > 0
    assert error(ctx, "calcium") < result.estimate.value < 1e-3


def test_equilibrium_is_a_fixed_point_beside_the_operator_and_instead_of_it():
    for beside in (True, False):
        adapter = Adapter(solved("calcium"))
        scheme = LineByLine(make_policy("default").without_limits(), beside)
        state = scheme.init(adapter, History())
        evaluation = adapter.evaluate()
        step = scheme.step(evaluation, state)
        assert np.abs(step.y - evaluation.y).max() < 1e-4


def test_instead_of_the_operator_lines_take_less_than_mali():
    mali = lw_rl.solve(problem("magnesium"), scheme="mali_scattering", quiet=True, bound=False)
    result, ctx = solve("magnesium", None, beside=False)
    assert result.converged and result.Nformal < mali.Nformal
    assert error(ctx, "magnesium") < 1e-3


@pytest.mark.parametrize(
    "answer",
    [np.nan, np.inf, "much", 1j, RuntimeError("out of memory"), KeyError("x")],
    ids=lambda answer: repr(answer),
)
def test_a_policy_that_is_none_leaves_it_to_the_operator(answer, alone):
    policy = Says(answer)
    result, ctx = solve("calcium", policy)
    assert result.converged and result.Nformal == alone[0].Nformal
    assert error(ctx, "calcium") < 1e-3
    assert len(policy.seen) == 1, "it is not asked again"
    assert any("left to the operator" in r.note for r in result.records)


def test_a_line_that_is_unlike_what_a_policy_knows_is_not_asked_about_again(alone):
    policy = Says(OutOfRangeError("no"))
    result, _ = solve("calcium", policy)
    assert result.Nformal == alone[0].Nformal and set(result.steps_by) == {"nonlocal"}
    assert len(policy.seen) == len({o[4].tobytes() for o in policy.seen})


@pytest.mark.parametrize("answer", [1.0, -1.0])
@pytest.mark.parametrize("beside", [True, False])
def test_a_policy_that_shouts_does_no_harm(answer, beside):
    result, ctx = solve("calcium", Says(answer), beside, NmaxIter=80)
    if result.converged:
        assert error(ctx, "calcium") < 1e-3


def test_in_two_dimensions_it_is_left_to_mali():
    adapter = Adapter(plane_problem("CaII", Nz=12).context())
    assert lines_of(adapter, History()) is None
    scheme = LineByLine(Says(0.5))
    step = scheme.step(adapter.evaluate(), scheme.init(adapter, History()))
    assert step.y is None and step.by == "mali" and not scheme.policy.seen


def test_in_partial_redistribution_no_line_is_seen():
    ctx, policy = problem("calcium"), Says(0.5)
    rho = ctx.activeAtoms[0].trans[0].rhoPrd
    lw_rl.solve(ctx, scheme=LineByLine(policy), prd=True, quiet=True, NmaxIter=3, bound=False)
    asked = len(policy.seen)
    assert np.any(np.array(rho) != 1.0)
    state = lines_of(Adapter(ctx), History())
    look = LineByLine(policy).look(Adapter(ctx).evaluate(), state)
    assert not look.seen and asked <= 5, "at the first formal solution it is complete"
