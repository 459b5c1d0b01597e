"""One network for all depths."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3 import SAC

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.training.shared_weights import DepthNet, SharedPolicy, equal_width, weights


def test_shared_weights_move_with_the_depths():
    net = DepthNet(3, 8, 2)
    x = torch.zeros(1, 3, 40)
    x[:, :, 18:22] = torch.randn(3, 4)
    moved = torch.roll(x, 5, 2)
    assert torch.allclose(torch.roll(net(x), 5, 2)[..., 10:30], net(moved)[..., 10:30], atol=1e-5)
    assert net(torch.zeros(1, 3, 80)).shape == (1, 2, 80)


def test_both_policies_act_and_have_weights_that_learn():
    env = gym.make("lw_rl/MultiGoal-v0").unwrapped
    env.observation_space = gym.spaces.Box(-1.0, 1.0, (3, 16), np.float32)
    env.action_space = gym.spaces.Box(-1.0, 1.0, (16,), np.float32)
    model = SAC(SharedPolicy, env, buffer_size=1, policy_kwargs={"width": 6}, device="cpu")
    x = np.zeros((2, 3, 16), np.float32)
    x[1, :, 8] = 1.0
    actions, _ = model.predict(x, deterministic=True)
    assert actions.shape == (2, 16) and not np.allclose(actions[0], actions[1])
    with torch.no_grad():
        values = torch.cat(model.critic(torch.as_tensor(x), torch.as_tensor(actions)), dim=1)
    assert values.shape == (2, 2)
    # Net of three channels: 5-point convolutions of 3 and 6, a mean, a head of two.
    expected = (5 * 3 * 6 + 6) + (5 * 6 * 6 + 6) + (6 * 6 + 6) + (6 * 2 + 2)
    assert weights(model.actor.net) == weights(model.actor) == expected


@pytest.mark.parametrize(("count", "inputs", "outputs"), [(5000, 96, 12), (800, 10, 1)])
def test_width_of_a_perceptron_with_as_many_weights(count, inputs, outputs):
    width = equal_width(count, inputs, outputs)
    net = torch.nn.Sequential(
        torch.nn.Linear(inputs, width), torch.nn.Linear(width, width),
        torch.nn.Linear(width, outputs),
    )  # fmt: skip
    assert weights(net) == pytest.approx(count, rel=0.1)
    assert equal_width(1, 10, 10) == 1
