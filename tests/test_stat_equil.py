"""The environment: gymnasium's rules, determinism, and the physics of its reward."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.envs.stat_equil import REWARD_CLIP, StatEquil, reward_map
from lw_rl.observation import NCHANNELS, points_to_action, residual_size
from lw_rl.problems import random_problem, shipped_problem

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
    made = gym.make("lw_rl/StatEquil-v0", problems=PROBLEMS, Npoints=64)
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


def test_action_of_mali_is_mali(env):
    # The action that stands for the residual itself makes the plain update.
    from lw_rl.adapter import Adapter

    _, info = env.reset(seed=0)
    adapter = Adapter(env.problems[0].context())
    evaluation = adapter.evaluate()
    y, r, starts = info["visited"][0]
    assert starts and np.array_equal(y, evaluation.y) and np.array_equal(r, evaluation.r)

    frame = env._prepared[0].frame
    from lw_rl.observation import observe_depths

    size = residual_size(r)
    action = points_to_action(observe_depths(frame, r), size)
    _, _, _, _, info = env.step(action.astype(np.float32))
    expected = adapter.evaluate()
    y, r, _ = info["visited"][-1]
    assert np.allclose(y, expected.y, atol=1e-5 * size)
    assert np.allclose(r, expected.r, atol=1e-4 * size)


def test_perfect_action_ends_the_episode_with_the_best_reward(env):
    env.reset(seed=0)
    # The exact correction is not an action where 64 points cannot carry it: repeat it.
    prepared = env._prepared[0]
    from lw_rl.observation import observe_depths

    for _ in range(40):
        error = prepared.solution - env._y
        action = points_to_action(
            observe_depths(prepared.frame, error), residual_size(env._r)
        ).astype(np.float32)
        _, reward, terminated, _, info = env.step(action)
        if terminated:
            break
    assert terminated and info["error"] < 1e-5
    assert reward > -REWARD_CLIP


def test_reward_is_positive_exactly_where_the_error_falls():
    before = np.array([1.0, -1.0, 0.5, 0.2])
    after = np.array([0.1, -2.0, 0.5, 0.0])
    reward = reward_map(before, after)
    assert reward[0] > 0.0 > reward[1] and reward[2] == 0.0 and reward[3] > 0.0
    # Scale-free: the same decrease is worth the same near the solution.
    assert np.allclose(reward, reward_map(1e-6 * before, 1e-6 * after))
    assert np.all(np.abs(reward_map(before, 1e9 * after + 1e9)) <= REWARD_CLIP)


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
        ({"problems": []}, "none"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        StatEquil(**{"problems": PROBLEMS, **arguments})
