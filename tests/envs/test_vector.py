"""Every registered environment in gymnasium's vectors: resets and steps, beyond episodes' ends."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.problems import random_problem, shipped_problem

IDS = sorted(name for name in gym.registry if name.startswith("lw_rl/"))
#: Two problems with different numbers of depths.
PROBLEMS = [random_problem("train", 4), random_problem("train", 10)]
#: Two that are solved quickly.
SMALL = [shipped_problem("CaII_K", "FALC", depths) for depths in (16, 20)]


def vector(name, mode, **kwargs):
    if name == "lw_rl/Drive-v0":
        kwargs |= {"problems": SMALL, "tolerance": 1e-7}
    if name == "lw_rl/StatEquil-v0":
        kwargs |= {"problems": PROBLEMS, "Npoints": 64, "sampling": "in order"}
    return gym.make_vec(name, num_envs=2, vectorization_mode=mode, **kwargs)


def follow(name, mode, steps, **kwargs):
    """Return observations, rewards and the ends of episodes of random actions."""
    env = vector(name, mode, **kwargs)
    try:
        observation, info = env.reset(seed=1)
        env.action_space.seed(2)
        seen, ends = [observation], 0
        for _ in range(steps):
            observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
            seen += [observation, reward]
            ends += int((terminated | truncated).sum())
            for key, values in info.items():
                assert key == "final_info" or len(values) == 2, key
        return np.concatenate([np.ravel(x) for x in seen]), ends
    finally:
        env.close()


@pytest.mark.parametrize("name", IDS)
def test_both_kinds_of_vectors_do_the_same(name):
    steps = 55 if name == "lw_rl/SigmoidSource-v0" else 25
    one, ends = follow(name, "sync", steps)
    other, _ = follow(name, "async", steps)
    assert ends >= 2
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("autoreset", list(AutoresetMode))
def test_every_kind_of_reset(name, autoreset):
    env = vector(name, "sync", vector_kwargs={"autoreset_mode": autoreset})
    env.reset(seed=1)
    env.action_space.seed(2)
    done = np.zeros(2, bool)
    for _ in range(25):
        if autoreset is AutoresetMode.DISABLED and done.any():
            env.reset(options={"reset_mask": done})
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        done = terminated | truncated
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_what_info_says_has_one_shape(name):
    """... whatever the problem, and from one step to the next."""
    single = vector(name, "sync").envs[0]
    shapes = {}
    for _ in range(2):
        single.reset(seed=0)
        single.action_space.seed(0)
        for _ in range(3):
            info = single.step(single.action_space.sample())[4]
            for key, value in info.items():
                assert shapes.setdefault(key, np.shape(value)) == np.shape(value), key
                assert np.asarray(value).dtype != object, key
    assert shapes
