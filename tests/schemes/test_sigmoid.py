from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_physical, error, imbalance

from lw_rl.certificate.history import History
from lw_rl.errors import PolicyOutputError
from lw_rl.host.adapter import Adapter
from lw_rl.iterate import iterate_ctx_rl
from lw_rl.schemes.sigmoid import PAPER_GRID, Sigmoid
from lw_rl.slab.source_shapes import SigmoidShape


class Constant:
    """What the paper's policy amounts to once trained: the same action whatever it sees."""

    def __init__(self, action):
        self.action, self.seen = action, []

    def predict(self, observation, deterministic=True):
        self.seen.append(observation)
        return np.array(self.action), None


def run(scheme, ctx, steps):
    """Iterate without a safeguard and return the unknown and the residual of each step."""
    adapter = Adapter(ctx)
    state, y, residual_norms = scheme.init(adapter, History()), None, []
    for _ in range(steps):
        evaluation = adapter.evaluate(y)
        y = scheme.step(evaluation, state).y
        residual_norms.append(evaluation.residual_norm)
    adapter.write(y)
    return y, residual_norms


def test_unguarded_it_levels_off_at_the_misfit_of_the_sigmoid(ctx, reference):
    _, residual_norms = run(Sigmoid(), ctx, 40)
    assert residual_norms[-1] == pytest.approx(residual_norms[-10], rel=0.1)
    assert residual_norms[-1] > 0.02
    assert error(ctx, reference) > 0.1
    assert_physical(ctx)


def test_guarded_it_hands_over_and_the_solve_reaches_equilibrium(ctx, reference):
    handed_over = []

    def note(accelerated):
        handed_over.extend(r.by for r in accelerated.report.records[-1:])

    iterate_ctx_rl(ctx, scheme=Sigmoid(), popsTol=1e-5, quiet=True, callback=note)
    assert handed_over[1] == "sigmoid"
    assert handed_over[-1] == "anderson"
    assert error(ctx, reference) < 1e-3
    assert imbalance(ctx) < 1e-3
    assert_physical(ctx)


def test_policy_sees_the_papers_observation_and_sets_a_sigmoid(ctx):
    policy = Constant([0.1, -0.2, 0.3, -0.4])
    adapter = Adapter(ctx)
    physics = adapter.line_physics(adapter.blocks[0])
    y, _ = run(Sigmoid(policy), ctx, 2)
    assert len(policy.seen) == 2
    for observation in policy.seen:
        assert observation.shape == PAPER_GRID.shape
        assert observation.dtype == np.float32
        assert np.all((observation >= 0) & (observation <= 1.5))
    log_tau_line = physics.log_tau / np.log(10)
    shape = SigmoidShape(log_tau_line - np.log10(1e3 / np.sqrt(np.pi)))
    np.testing.assert_allclose(np.exp(y - physics.log_B), shape(np.array(policy.action)), rtol=1e-9)


def test_start_in_lte_is_seen_as_s_equal_to_b(ctx):
    policy = Constant(np.zeros(4))
    run(Sigmoid(policy), ctx, 1)
    np.testing.assert_allclose(policy.seen[0], 1.0, rtol=1e-3)


@pytest.mark.parametrize(
    ("action", "message"),
    [(np.zeros(3), r"shape \(3,\), not \(4,\)"), ([0, np.nan, 0, 0], "not finite")],
)
def test_a_policy_that_answers_nonsense_is_refused(ctx, action, message):
    with pytest.raises(PolicyOutputError, match=message):
        run(Sigmoid(Constant(action)), ctx, 1)


def test_what_cannot_predict_is_no_policy():
    with pytest.raises(TypeError, match="int has none"):
        Sigmoid(3)
