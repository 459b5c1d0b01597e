"""Hindsight: the relabelled pair is exactly solved, and what the buffer keeps."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.adapter import Adapter  # noqa: E402
from lw_rl.envs.stat_equil import StatEquil  # noqa: E402
from lw_rl.observation import (  # noqa: E402
    CHANNELS,
    make_frame,
    observe,
    observe_depths,
    policy_points,
)
from lw_rl.problems import random_problem, shipped_problem  # noqa: E402
from lw_rl.training.hindsight import FIRST, LAST, HindsightBuffer, Visits  # noqa: E402


def buffer_of(env, episodes=2, seed=0):
    buffer = HindsightBuffer(64, env.observation_space, env.action_space, "cpu", 1, seed=seed)
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    for episode in range(episodes):
        if episode:
            observation, _ = env.reset()
        for _ in range(6):
            action = rng.uniform(-0.05, 0.05, env.Npoints).astype(np.float32)
            after, reward, done, _, info = env.step(action)
            buffer.add(
                observation, after, action[None], np.array([reward]), np.array([done]), [info]
            )
            observation = after
    return buffer


def test_a_converged_goal_is_the_problem_itself():
    # With the solution as the goal, R_j = 0: the relabelled problem is the problem, and the
    # demonstrated correction is the true error.
    adapter = Adapter(shipped_problem("CaII_K", "FALC", 60).context())
    evaluation = adapter.evaluate()
    states = [(evaluation.y, evaluation.r, True)]
    for _ in range(400):
        evaluation = adapter.evaluate()
        states.append((evaluation.y, evaluation.r, False))
        if evaluation.merit < 1e-12:
            break
    solution = evaluation.y
    physics = adapter.line_physics(adapter.blocks[0])
    visits = Visits(physics, make_frame(physics, policy_points(60)))
    visits.add(*states[5])
    visits.add(*states[-1])
    buffer = HindsightBuffer.__new__(HindsightBuffer)
    buffer.rng = np.random.default_rng(0)
    departure = observe(visits.frame, *states[5][:2])[CHANNELS.index("departure")]
    for _ in range(50):
        pair = buffer._pair(visits)
        # The other pair begins in the solution and has state 5 as its goal.
        if pair is not None and np.array_equal(pair[0][CHANNELS.index("departure")], departure):
            break
    else:
        pytest.fail("the pair was never drawn")
    observation, target = pair
    size = 10.0 ** (4.0 * float(observation[1, 0]))
    true_error = observe_depths(visits.frame, solution - states[5][0])
    assert np.allclose(target * size, true_error, rtol=1e-4, atol=1e-6)


def test_relabelling_is_linear_physics():
    # R(S) = G(S) - S is linear in S at fixed opacity: the residual at the middle of two source
    # functions is the mean of their residuals, which is all that relabelling uses.
    adapter = Adapter(random_problem("train", 4).context())
    for _ in range(8):
        adapter.evaluate()
    a = adapter.evaluate().y
    shape = np.exp(-0.5 * ((np.arange(a.size) - a.size / 2) / (a.size / 10)) ** 2)

    def residual(y):
        snapshot = adapter.snapshot()
        evaluation = adapter.evaluate(y)
        adapter.restore(snapshot)
        return np.exp(y) * np.expm1(evaluation.r)

    b = a + 0.3 * shape
    middle = np.log(0.5 * (np.exp(a) + np.exp(b)))
    mean = 0.5 * (residual(a) + residual(b))
    scale = np.max(np.abs(residual(b) - residual(a)) / np.exp(a))
    assert np.max(np.abs(residual(middle) - mean) / np.exp(a)) < 0.02 * scale


def test_batches_have_one_size_and_finite_targets():
    env = StatEquil([random_problem("train", 4), random_problem("train", 10)], 64, start="mixed")
    buffer = buffer_of(env, episodes=4)
    assert buffer.ready(1)
    batch = buffer.demonstrations(16)
    assert batch.observations.shape[0] == batch.targets.shape[0] == 16
    assert batch.observations.shape[2] == batch.targets.shape[1]
    assert torch.isfinite(batch.observations).all() and torch.isfinite(batch.targets).all()
    # The residual that a policy sees is normalised by its maximum on the model's own depths.
    assert batch.observations[:, 0].abs().max() <= 1.0 + 1e-6


def test_rewards_come_back_point_by_point():
    env = StatEquil([random_problem("train", 4)], 64)
    buffer = buffer_of(env)
    sample = buffer.sample(8)
    assert sample.rewards.shape == (8, 64)
    stored = buffer.rewards[: buffer.pos, 0]
    assert np.allclose(buffer.reward_maps[: buffer.pos, 0].mean(axis=1), stored, atol=1e-5)


def test_first_and_last_states_are_kept():
    frame = object()
    visits = Visits(None, frame)
    for k in range(FIRST + LAST + 20):
        visits.add(np.array([k]), np.array([0.0]), k == 0)
    assert len(visits) == FIRST + LAST
    assert [int(visits[k][0][0]) for k in range(FIRST)] == list(range(FIRST))
    assert int(visits[len(visits) - 1][0][0]) == FIRST + LAST + 19
