"""The environment: gymnasium's rules, determinism, and the physics of its reward."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lw_rl.policies.actor  # and registers the environments
from lw_rl.envs.prepared import prepare
from lw_rl.envs.reward import REWARD_CLIP
from lw_rl.envs.stat_equil import StatEquil
from lw_rl.host.adapter import Adapter
from lw_rl.norms import to_log
from lw_rl.operator.base import geometry_for, lit, operator_for
from lw_rl.policies.observation import (
    CHANNELS,
    NCHANNELS,
    observe_depths,
    points_to_action,
    size_of,
)
from lw_rl.problems import plane_problem, random_problem, shipped_problem

PROBLEMS = [random_problem("train", 4), random_problem("train", 10)]


@pytest.fixture(scope="module")
def env():
    return StatEquil([shipped_problem("CaII_K", "FALC", 40)], 64)


def test_gymnasium_checker():
    made = gym.make("lw_rl/StatEquil-v0", problems=PROBLEMS, Npoints=64)
    check_env(made.unwrapped, skip_render_check=True)


def test_stable_baselines3_checker():
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(StatEquil(PROBLEMS, 64), warn=False)


def test_registered_with_a_time_limit():
    made = gym.make("lw_rl/StatEquil-v0", problems=PROBLEMS, Npoints=64, tolerance=1e-300)
    made.reset(seed=0)
    truncated, steps = False, 0
    while not truncated:
        _, _, terminated, truncated, _ = made.step(np.zeros(64, dtype=np.float32))
        steps += 1
        assert not terminated
    assert steps == made.spec.max_episode_steps


def test_rollouts_with_one_seed_are_identical():
    def rollout():
        env = StatEquil(PROBLEMS, 64, start="mixed")
        seen = []
        rng = np.random.default_rng(3)
        for episode in range(3):
            observation, _ = env.reset(seed=11 if episode == 0 else None)
            seen.append(observation)
            for _ in range(4):
                action = rng.uniform(-0.1, 0.1, 64).astype(np.float32)
                observation, reward, terminated, _, _ = env.step(action)
                seen.append(np.append(observation.ravel(), reward))
                if terminated:
                    break
        return seen

    first, second = rollout(), rollout()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_an_episode_begins_at_the_operators_solution_and_silence_is_its_step(env):
    observation, _ = env.reset(seed=0)
    adapter = Adapter(env.problems[0].context())
    operator = operator_for(adapter.atom(adapter.blocks[0]), geometry_for(adapter.grid))
    first, (block,) = operator.start(), adapter.blocks
    adapter.write_line_radiation(block, operator.start_radiation())
    expected = lit(adapter.evaluate(first), {block: operator})
    y, r, error, starts = env.visited[0]
    assert starts and np.array_equal(y, expected.y) and np.array_equal(r, expected.r)
    assert np.array_equal(error, operator.error(expected.y, expected.lambda_residual))
    seen = 10.0 ** (4.0 * observation[CHANNELS.index("estimate_size"), 0])
    assert seen == pytest.approx(size_of(to_log(error)), rel=1e-5)

    _, reward, *_ = env.step(np.zeros(64, dtype=np.float32))
    expected = lit(adapter.evaluate(y + to_log(error)), {block: operator})
    assert len(env.visited) == 2, "that of the reset among them"
    y, r, error, starts = env.visited[-1]
    assert not starts and np.array_equal(y, expected.y) and np.allclose(r, expected.r, atol=1e-12)
    assert np.allclose(error, operator.error(expected.y, expected.lambda_residual), atol=1e-12)
    assert reward > 0.4, "it is a good step"


def test_mixed_episodes_begin_in_many_places():
    problem = shipped_problem("CaII_K", "FALC", 40)
    env = StatEquil([problem], 64, reward="residual", start="mixed")
    env.reset(seed=0)
    physics, first = env.physics, prepare(problem, 64, solved=False).first
    seen = {"operator": 0, "LTE": 0, "plain steps": 0, "a change": 0}
    for _ in range(60):
        env.reset()
        visited = env.visited
        assert visited[0][3]
        far = np.allclose(visited[0][0], physics.log_B, atol=1e-4)
        assert far or np.array_equal(visited[0][0], first)
        changed = len(visited) > 1 and visited[-1][3]
        for before, after in pairwise(visited[: len(visited) - changed]):
            assert np.allclose(after[0], before[0] + before[1], atol=1e-8), "a plain step"
        seen["LTE" if far else "operator"] += 1
        seen["plain steps"] += len(visited) > 1 + changed
        seen["a change"] += changed
    assert min(seen.values()) > 2, seen
    assert seen["operator"] > seen["LTE"]


def test_perfect_action_ends_the_episode_with_the_best_reward(env):
    env.reset(seed=0)
    # The exact correction is not an action where 64 points cannot carry it: repeat it.
    prepared = prepare(env.problems[0], 64, solved=True)
    rewards = []
    for _ in range(40):
        estimate = to_log(env._error)
        left = observe_depths(prepared.frame, prepared.solution - env._y - estimate)
        action = points_to_action(left, size_of(estimate)).astype(np.float32)
        _, reward, terminated, _, info = env.step(action)
        rewards.append(reward)
        if terminated:
            break
    assert terminated and info["error"] < 1e-5
    assert rewards[0] > 2.0


def test_residual_reward_needs_no_solution():
    env = StatEquil(PROBLEMS[:1], 64, reward="residual")
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.zeros(64, dtype=np.float32))
    assert np.isfinite(reward) and "error" not in info
    # One formal solution at the start, one for the step: none for a reference.
    assert env.Nformal == 2


def test_reset_starts_afresh(env):
    first, _ = env.reset(seed=5)
    for _ in range(3):
        env.step(np.full(64, 0.05, dtype=np.float32))
    again, _ = env.reset(seed=5)
    assert np.array_equal(first, again)


def test_problems_are_drawn_by_what_they_cost():
    """One of three is solved soon, one not at all, the third was never met."""
    problems = [*PROBLEMS, random_problem("train", 11)]
    env = StatEquil(problems, 64, sampling="hard", tolerance=1e-300)
    for problem, action in ((0, 0.0), (1, 0.9)):
        env.reset(seed=0, options={"problem": problem})
        for _ in range(36):
            env.step(np.full(64, action, dtype=np.float32))
    soon, never, unknown = env._costs
    assert soon < 10 and never > 25 and unknown == 10
    drawn = np.zeros(3)
    for _ in range(300):
        env.reset()
        drawn[env._index] += 1
        env._costs[:] = soon, never, unknown
    np.testing.assert_allclose(drawn / 300, env._costs / env._costs.sum(), atol=0.08)


def test_a_state_that_is_not_physical_ends_the_episode(env):
    env.reset(seed=0)
    env._y = env._y + 100.0
    observation, reward, terminated, truncated, _ = env.step(np.ones(64, dtype=np.float32))
    assert terminated and not truncated and reward == -REWARD_CLIP
    assert observation.shape == (NCHANNELS, 64) and np.all(np.isfinite(observation))
    first, _ = env.reset(seed=0)
    assert np.all(np.isfinite(first))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"Npoints": 50}, "50"),
        ({"Npoints": 4096}, "4096"),
        ({"reward": "money"}, "money"),
        ({"start": "end"}, "end"),
        ({"tolerance": 0.0}, "0.0"),
        ({"sampling": "easy"}, "easy"),
        ({"problems": []}, "none"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        StatEquil(**{"problems": PROBLEMS, **arguments})


# ---- two dimensions -----


@pytest.fixture(scope="module")
def plane_env():
    return StatEquil([plane_problem("CaII_K", "slab2d-threads", 24)], 32, reward="residual")


def test_a_plane_has_the_points_of_every_column(plane_env):
    observation, _ = plane_env.reset(seed=1)
    columns = plane_env.problems[0].columns
    assert columns == 9 and plane_env.action_space.shape == (32, columns)
    assert plane_env.observation_space.contains(observation)
    silence = np.zeros(plane_env.action_space.shape, np.float32)
    observation, _, _, _, info = plane_env.step(silence)
    assert plane_env.observation_space.contains(observation)
    assert info["reward_map"].shape == (32, columns)
    first, second = (np.abs(visit.error).max() for visit in plane_env.visited)
    assert second < 0.3 * first


def test_an_episode_in_a_plane_does_not_know_of_the_one_before(plane_env):
    rollouts = []
    for _ in range(2):
        plane_env.reset(seed=1)
        plane_env.action_space.seed(3)
        steps = [plane_env.step(0.3 * plane_env.action_space.sample()) for _ in range(2)]
        rollouts.append((plane_env.visited[-1].y, steps[-1][1]))
    np.testing.assert_array_equal(rollouts[0][0], rollouts[1][0])
    assert rollouts[0][1] == rollouts[1][1]


def test_a_policy_acts_on_every_column_with_the_same_weights(plane_env):
    actor = lw_rl.policies.actor.load_shipped("default").without_limits()
    observation, _ = plane_env.reset(seed=1)
    action, _ = actor.predict(observation)
    assert plane_env.action_space.contains(action.astype(np.float32))
    one, _ = actor.predict(observation[:, :, 4])
    np.testing.assert_array_equal(action[:, 4], one)


def test_planes_of_one_environment_have_the_same_number_of_columns():
    problems = [plane_problem("CaII_K", "slab2d", rows) for rows in (12, 24)]
    with pytest.raises(ValueError, match="the problems have 5, 9 columns"):
        StatEquil(problems, 32)
