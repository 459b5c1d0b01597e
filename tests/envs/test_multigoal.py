"""Four goals in a plane."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.envs.multigoal import MultiGoal


def test_gymnasium_checker():
    check_env(gym.make("lw_rl/MultiGoal-v0").unwrapped, skip_render_check=True)


def test_every_goal_is_as_good_as_the_others():
    env = MultiGoal()
    totals = []
    for k in range(4):
        env.reset(seed=0)
        env.position[:] = 0.0
        angle = np.pi * k / 2
        total, done, steps = 0.0, False, 0
        while not done:
            _, reward, done, _, info = env.step([np.cos(angle), np.sin(angle)])
            total, steps = total + reward, steps + 1
        assert info["goal"] == k and steps == 5
        totals.append(total)
    assert totals == pytest.approx([totals[0]] * 4)
    assert totals[0] > 5.0


def test_truncated_by_the_registration():
    env = gym.make("lw_rl/MultiGoal-v0")
    env.reset(seed=0)
    ends = [env.step(np.zeros(2, np.float32))[2:4] for _ in range(20)]
    assert ends[-1] == (False, True) and ends[-2] == (False, False)


def test_one_seed_gives_one_episode():
    env = MultiGoal()
    first, second = (env.reset(seed=3)[0] for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("action", [[1.0], [np.nan, 0.0], [[0.0, 0.0]]])
def test_actions_that_are_none(action):
    env = MultiGoal()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="two finite numbers"):
        env.step(action)


def test_no_goals():
    with pytest.raises(ValueError, match="goals must be >= 1, not 0"):
        MultiGoal(0)
