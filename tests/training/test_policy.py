"""The depth-wise actor and critic in torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from gymnasium import spaces

from lw_rl.policies.actor import Actor
from lw_rl.policies.network import Architecture, Network
from lw_rl.policies.observation import (
    MAX_CORRECTION,
    MAX_RATIO,
    NCHANNELS,
    action_to_points,
    points_to_action,
)
from lw_rl.training import policy as training_policy
from lw_rl.training.policy import DepthwiseActor, DepthwiseCritic

ARCHITECTURE = Architecture(NCHANNELS, 8, 4)
SPACES = (
    spaces.Box(-np.inf, np.inf, (NCHANNELS, 32), np.float32),
    spaces.Box(-1.0, 1.0, (32,), np.float32),
)


def test_torch_and_numpy_actions_agree():
    size = np.array([1e-6, 1e-2, 0.5, 30.0])
    for s in size:
        points = np.linspace(-0.9, 0.9, 7) * min(MAX_RATIO * s, MAX_CORRECTION)
        expected = points_to_action(points, s)
        found = training_policy.points_to_action(
            torch.tensor(points)[None], torch.tensor([[s]])
        ).numpy()[0]
        assert np.allclose(found, expected, atol=1e-6)
        assert np.allclose(action_to_points(expected, s), points)


def test_log_probability_is_that_of_the_density():
    # Integrate the density of one point's squashed Gaussian over the action.
    actor = DepthwiseActor(*SPACES, ARCHITECTURE, 1.0)
    torch.manual_seed(0)
    x = torch.randn(1, NCHANNELS, 32).repeat(20000, 1, 1)
    x[:, 1] = 0.0
    with torch.no_grad():
        action, log_prob = actor.action_log_prob(x)
    # E[1/p] over the support's width: the mean of 1/p is the length of the support explored.
    a, p = action[:, 5].double(), log_prob[:, 5].double().exp()
    edges = torch.quantile(a, torch.tensor([0.2, 0.8], dtype=torch.double))
    inside = (a > edges[0]) & (a < edges[1])
    assert float((inside / p).mean()) == pytest.approx(float(edges[1] - edges[0]), rel=0.02)


def test_the_deterministic_action_is_that_in_numpy():
    torch.manual_seed(0)
    actor = DepthwiseActor(*SPACES, ARCHITECTURE, 0.7)
    solved_with = Actor(Network(ARCHITECTURE, actor.net.to_numpy(0)), 0.7)
    x = torch.randn(1, NCHANNELS, 32)
    x[:, 1] = -0.3
    with torch.no_grad():
        found = actor(x, deterministic=True)[0].numpy()
    np.testing.assert_allclose(found, solved_with.predict(x[0].numpy())[0], atol=1e-5)


def test_critics_give_two_values_at_every_point():
    torch.manual_seed(0)
    critic = DepthwiseCritic(*SPACES, ARCHITECTURE)
    x, action = torch.randn(3, NCHANNELS, 32), torch.zeros(3, 32)
    values = critic(x, action)
    assert values.shape == (2, 3, 32) and not torch.allclose(values[0], values[1])
    assert not torch.allclose(values, critic(x, action + 0.5)), "of the action"
    with pytest.raises(NotImplementedError, match="does not act"):
        critic._predict(x)
