"""The states visited: what the environment tells a learner, and which are kept."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3.common.vec_env import DummyVecEnv

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.envs.stat_equil import StatEquil, Visit
from lw_rl.problems import random_problem
from lw_rl.training.visits import FIRST, LAST, Visits, WithVisits

PROBLEMS = [random_problem("train", 4), random_problem("train", 10)]


def test_every_state_is_told_once():
    env = WithVisits(gym.wrappers.TimeLimit(StatEquil(PROBLEMS, 64, start="mixed"), 3))
    for seed in range(4):
        env.reset(seed=seed)
        told = []
        for step in range(3):
            info = env.step(np.zeros(64, np.float32))[4]
            assert step or info["visited"][0].starts, "those of the reset come with the first step"
            told += info["visited"]
        inside = env.unwrapped
        assert info["physics"] is inside.physics
        assert len(told) == len(inside.visited) >= 4
        assert all(a.y is b.y for a, b in zip(told, inside.visited, strict=True))


def test_vectors_of_stable_baselines3_hand_it_on():
    env = DummyVecEnv(
        [
            lambda k=k: WithVisits(gym.wrappers.TimeLimit(StatEquil([PROBLEMS[k]], 64), 2))
            for k in (0, 1)
        ]
    )
    env.reset()
    numbers = []
    for _ in range(3):
        *_, infos = env.step(np.zeros((2, 64), np.float32))
        numbers.append(len(infos[0]["visited"]))
        sizes = [len(info["physics"].log_tau) for info in infos]
        assert sizes == [len(info["visited"][-1].y) for info in infos]
    assert numbers == [2, 1, 2], "the second episode's reset among them"
    assert sizes[0] != sizes[1]


def test_other_environments_visit_nothing():
    with pytest.raises(TypeError, match="MultiGoal does not record"):
        WithVisits(gym.make("lw_rl/MultiGoal-v0"))


def test_first_and_last_states_are_kept():
    visits = Visits(None, None)
    for k in range(FIRST + LAST + 20):
        visits.add(Visit(np.array([k]), np.array([0.0]), np.array([-k]), k == 0))
    assert len(visits) == FIRST + LAST
    assert [int(visits[k].y[0]) for k in range(FIRST)] == list(range(FIRST))
    y, _, error, starts = visits[len(visits) - 1]
    assert int(y[0]) == FIRST + LAST + 19 == -int(error[0]) and not starts
