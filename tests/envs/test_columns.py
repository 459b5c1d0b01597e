"""The depth-wise environment through a few cosines."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from lw_rl.envs.columns import ReducedBasis, cosine_basis
from lw_rl.envs.multigoal import MultiGoal


class Echo(gym.Env):
    """Shows the last action as both channels."""

    def __init__(self, points=16):
        self.action_space = spaces.Box(-1.0, 1.0, (points,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (2, points), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.zeros(self.observation_space.shape, np.float32), {}

    def step(self, action):
        return np.stack((action, 2 * action)), 0.0, False, False, {}


def test_what_the_basis_spans_comes_back():
    env = ReducedBasis(Echo(), 4)
    env.reset()
    action = np.array([0.1, -0.2, 0.05, 0.1], np.float32)
    seen = env.step(action)[0].reshape(2, 4)
    # Cosines are orthogonal: N for the constant one, N / 2 for the others, over N modes' scale.
    assert seen[1] == pytest.approx(2 * seen[0], rel=1e-5)
    assert seen[0] == pytest.approx(action * np.array([1.0, 0.5, 0.5, 0.5]) / 2.0, abs=1e-6)
    assert env.observation_space.contains(seen.ravel())


def test_basis_is_orthogonal():
    basis = cosine_basis(5, 32)
    product = basis @ basis.T
    assert np.allclose(product - np.diag(np.diag(product)), 0.0, atol=1e-12)


def test_bases_that_are_none():
    with pytest.raises(ValueError, match="modes must lie between 1 and 16"):
        ReducedBasis(Echo(), 17)
    with pytest.raises(ValueError, match=r"needs observations \[channels, Npoints\]"):
        ReducedBasis(MultiGoal(), 2)
