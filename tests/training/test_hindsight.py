"""Hindsight: the relabelled pair is exactly solved, and what the buffer keeps."""

import numpy as np
import pytest
from plane_helpers import plane_context

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.envs.stat_equil import StatEquil, Visit
from lw_rl.host.adapter import Adapter
from lw_rl.norms import to_log
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.policies.observation import (
    CHANNELS,
    make_frame,
    observe,
    observe_depths,
    policy_points,
    size_of,
)
from lw_rl.problems import random_problem, shipped_problem
from lw_rl.training.hindsight import HindsightBuffer, relabelled_pair
from lw_rl.training.visits import Visits, WithVisits


def buffer_of(env, episodes=2, seed=0):
    env = WithVisits(env)
    buffer = HindsightBuffer(64, env.observation_space, env.action_space, "cpu", 1, seed=seed)
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    for episode in range(episodes):
        if episode:
            observation, _ = env.reset()
        for _ in range(6):
            action = rng.uniform(-0.05, 0.05, env.action_space.shape).astype(np.float32)
            after, reward, done, _, info = env.step(action)
            buffer.add(
                observation, after, action[None], np.array([reward]), np.array([done]), [info]
            )
            observation = after
    return buffer


@pytest.fixture(scope="module")
def followed():
    """Plain steps from LTE to the solution: operator, physics, evaluations and their visits."""
    adapter = Adapter(shipped_problem("CaII_K", "FALC", 60).context())
    physics = adapter.line_physics(adapter.blocks[0])
    operator = TwoLevelOperator.first(physics)
    evaluations = [adapter.evaluate()]
    while evaluations[-1].residual_norm > 1e-12 and len(evaluations) < 400:
        evaluations.append(adapter.evaluate())
    states = [
        Visit(e.y, e.r, operator.error(e.y, e.lambda_residual), k == 0)
        for k, e in enumerate(evaluations)
    ]
    return operator, physics, evaluations, states


def pair_from(physics, states):
    """Return the pair that begins in the first of two states and has the second as its goal."""
    visits = Visits(physics, make_frame(physics, policy_points(physics.log_tau.size)))
    for state in states:
        visits.add(state)
    y, r, error, _ = states[0]
    seen = observe(visits.frame, y, r, to_log(error))[CHANNELS.index("departure")]
    rng = np.random.default_rng(0)
    for _ in range(50):
        pair = relabelled_pair(visits, rng)
        # The other pair begins in the second state and has the first as its goal.
        if pair is not None and np.array_equal(pair[0][CHANNELS.index("departure")], seen):
            return visits.frame, pair
    pytest.fail("the pair was never drawn")


def size_in(observation):
    return 10.0 ** (4.0 * float(observation[CHANNELS.index("estimate_size"), 0]))


def test_a_converged_goal_is_the_problem_itself(followed):
    # With the solution as the goal, R_j = 0: the relabelled problem is the problem, and the
    # demonstrated correction is the true error.
    _, physics, _, states = followed
    frame, (observation, left, error) = pair_from(physics, [states[5], states[-1]])
    y, r, e, _ = states[5]
    estimate = to_log(e)
    size = size_in(observation)
    assert size == pytest.approx(size_of(estimate), rel=1e-5)
    true_error = observe_depths(frame, states[-1][0] - y)
    np.testing.assert_allclose(error * size, true_error, rtol=1e-4, atol=1e-6)
    # What the policy is to add is what the operator leaves.
    np.testing.assert_allclose(
        left * size, true_error - observe_depths(frame, estimate), rtol=1e-3, atol=1e-6
    )
    np.testing.assert_allclose(observation, observe(frame, y, r, estimate), atol=1e-5)
    assert np.max(np.abs(left)) < 0.5 * np.max(np.abs(error)), "and that is not much"


@pytest.mark.parametrize(("i", "j"), [(0, 9), (4, 12), (12, 4)])
def test_the_relabelled_estimate_is_the_operators_of_the_relabelled_problem(i, j, followed):
    # The relabelled problem has the residual L_i - L_j of plain Lambda iteration at state i.
    operator, physics, evaluations, states = followed
    frame, (observation, _, _) = pair_from(physics, [states[i], states[j]])
    S_i, S_j = (np.exp(evaluations[k].y) for k in (i, j))
    L_i, L_j = (np.exp(e.y) * np.expm1(e.lambda_residual) for e in (evaluations[i], evaluations[j]))
    estimate = to_log(operator.solve(L_i - L_j) / S_i)
    size = size_of(estimate)
    assert size_in(observation) == pytest.approx(size, rel=1e-5)
    np.testing.assert_allclose(
        observation[CHANNELS.index("estimate")], observe_depths(frame, estimate) / size, atol=1e-6
    )
    # MALI's residual likewise: R_i - R_j in units of S_i.
    R_i, R_j = (np.exp(e.y) * np.expm1(e.r) for e in (evaluations[i], evaluations[j]))
    r = np.log1p((R_i - R_j) / S_i)
    np.testing.assert_allclose(
        observation[CHANNELS.index("residual")], observe_depths(frame, r) / size_of(r), atol=1e-6
    )
    assert not np.allclose(S_i, S_j)


def test_an_operator_that_is_exact_leaves_nothing(followed):
    """Estimates that know the solution of the problem know that of every relabelled one too."""
    _, physics, _, states = followed
    solution = states[-1][0]
    rng = np.random.default_rng(1)
    exact = []
    for _ in range(2):
        y = solution + rng.uniform(-0.3, 0.3, solution.size)
        error = np.expm1(solution - y)
        exact.append(Visit(y, np.log1p(0.3 * error), error, True))
    frame, (observation, left, error) = pair_from(physics, exact)
    assert np.max(np.abs(left)) < 1e-9
    expected = observe_depths(frame, exact[1][0] - exact[0][0])
    np.testing.assert_allclose(error * size_in(observation), expected, rtol=1e-4, atol=1e-6)


def test_the_step_before_is_relabelled_too(followed):
    operator, physics, evaluations, states = followed
    visits = Visits(physics, make_frame(physics, policy_points(60)))
    for k in (3, 4, 20):
        visits.add(states[k])
    rng = np.random.default_rng(0)
    departure, last = CHANNELS.index("departure"), CHANNELS.index("last_correction")
    y, r, e, _ = states[4]
    seen = observe(visits.frame, y, r, to_log(e))[departure]
    pairs = [relabelled_pair(visits, rng) for _ in range(200)]
    past = [
        p[0]
        for p in pairs
        if p is not None and np.array_equal(p[0][departure], seen) and np.any(p[0][last])
    ]
    assert past, "no pair had a past"
    step = states[4][0] - states[3][0]
    expected = observe_depths(visits.frame, step) / size_of(step)
    for observation in past:
        np.testing.assert_allclose(observation[last], expected, atol=1e-6)
    # Of those with the late state as their goal, the surprise is what the operator had not seen.
    S = {k: np.exp(evaluations[k].y) for k in (3, 4, 20)}
    L = {k: S[k] * np.expm1(evaluations[k].lambda_residual) for k in (3, 4, 20)}
    before, after = (to_log(operator.solve(L[k] - L[20]) / S[k]) for k in (3, 4))
    surprise = observe_depths(visits.frame, after - before + step) / size_of(step) * 3.0
    row = CHANNELS.index("last_surprise")
    late = [o for o in past if size_in(o) == pytest.approx(size_of(after), rel=1e-5)]
    assert late
    for observation in late:
        np.testing.assert_allclose(observation[row], np.clip(surprise, -8.0, 8.0), atol=1e-5)


def test_relabelling_is_linear_physics():
    # R(S) = G(S) - S is linear in S at fixed opacity: the residual at the middle of two source
    # functions is the mean of their residuals, which is all that relabelling uses.
    adapter = Adapter(random_problem("train", 4).context())
    for _ in range(8):
        adapter.evaluate()
    a = adapter.evaluate().y
    shape = np.exp(-0.5 * ((np.arange(a.size) - a.size / 2) / (a.size / 10)) ** 2)

    def residuals(y):
        snapshot = adapter.snapshot()
        evaluation = adapter.evaluate(y)
        adapter.restore(snapshot)
        return [np.exp(y) * np.expm1(kind) for kind in (evaluation.r, evaluation.lambda_residual)]

    b = a + 0.3 * shape
    middle = np.log(0.5 * (np.exp(a) + np.exp(b)))
    for at_a, at_b, at_middle in zip(residuals(a), residuals(b), residuals(middle), strict=True):
        mean = 0.5 * (at_a + at_b)
        scale = np.max(np.abs(at_b - at_a) / np.exp(a))
        assert np.max(np.abs(at_middle - mean) / np.exp(a)) < 0.02 * scale


def test_batches_have_one_size_and_finite_targets():
    env = StatEquil([random_problem("train", 4), random_problem("train", 10)], 64, start="mixed")
    buffer = buffer_of(env, episodes=4)
    assert buffer.ready(1)
    batch = buffer.demonstrations(16)
    assert batch.observations.shape[0] == batch.targets.shape[0] == 16
    assert batch.observations.shape[2] == batch.targets.shape[1]
    assert batch.errors.shape == batch.targets.shape
    assert all(torch.isfinite(part).all() for part in batch)
    # The estimate that a policy sees is normalised by its maximum on the model's own depths.
    estimate = batch.observations[:, CHANNELS.index("estimate")]
    assert estimate.abs().max() <= 1.0 + 1e-6
    torch.testing.assert_close(batch.errors, batch.targets + estimate, rtol=1e-4, atol=1e-4)


def test_rewards_come_back_point_by_point():
    env = StatEquil([random_problem("train", 4)], 64)
    buffer = buffer_of(env)
    sample = buffer.sample(8)
    assert sample.rewards.shape == (8, 64)
    stored = buffer.rewards[: buffer.pos, 0]
    assert np.allclose(buffer.reward_maps[: buffer.pos, 0].mean(axis=1), stored, atol=1e-5)


def test_pairs_are_exact_in_two_dimensions():
    """With the estimates of an operator that is exact, relabelled problems leave nothing."""
    adapter = Adapter(plane_context("blobs"))
    physics = adapter.line_physics(adapter.blocks[0])
    solution = adapter.read()
    rng = np.random.default_rng(1)
    visits = Visits(physics, make_frame(physics))
    for _ in range(2):
        y = solution + rng.uniform(-0.3, 0.3, solution.size)
        error = np.expm1(solution - y)
        visits.add(Visit(y, np.log1p(0.3 * error), error, True))
    pair = None
    while pair is None:
        pair = relabelled_pair(visits, rng)
    observation, left, error = pair
    assert observation.shape[1:] == left.shape == error.shape == (32, 8)
    assert np.max(np.abs(left)) < 1e-9 < np.max(np.abs(error))
