"""S2AC: what stable-baselines3 tests of its own algorithms, and what is its own."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from small_training import small_s2ac

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.errors import ActionSpaceError, CriticError
from lw_rl.training.s2ac import S2AC
from lw_rl.training.stein import Langevin, Stein
from lw_rl.training.temperature import TargetEntropy

STEIN, LANGEVIN = Stein(4, 2, 0.3), Langevin(4, 2)


@pytest.mark.parametrize("sampler", [STEIN, LANGEVIN])
@pytest.mark.parametrize("ent_coef", [0.3, "auto_0.1", TargetEntropy(-1.0)])
def test_learns_saves_loads_and_acts_alike(tmp_path, sampler, ent_coef):
    model = small_s2ac(sampler=sampler, ent_coef=ent_coef).learn(14)
    observations = np.zeros((3, 2), np.float32)
    actions, _ = model.predict(observations, deterministic=True)
    assert actions.shape == (3, 2) and np.all(np.abs(actions) <= 1.0)
    model.save(tmp_path / "model.zip")
    again = S2AC.load(tmp_path / "model.zip", env=gym.make("lw_rl/MultiGoal-v0"))
    assert again.actor.sampler == sampler
    assert np.array_equal(again.predict(observations, deterministic=True)[0], actions)
    assert float(again.actor.alpha) == pytest.approx(float(model.actor.alpha))
    again.learn(12, reset_num_timesteps=False)
    with torch.no_grad():
        before = model.critic(torch.zeros(1, 2), torch.zeros(1, 2))
        after = again.critic(torch.zeros(1, 2), torch.zeros(1, 2))
    assert not torch.equal(before[0], after[0]), "a loaded model goes on learning"


def test_one_seed_gives_one_run():
    first, second = (small_s2ac().learn(14) for _ in range(2))
    for a, b in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_actions_are_scaled_to_the_environments_box():
    model = small_s2ac("Pendulum-v1").learn(12)
    actions = np.array([model.predict(np.ones(3, np.float32))[0] for _ in range(12)])
    assert np.abs(actions).max() > 1.0 and np.abs(actions).max() <= 2.0


@pytest.mark.parametrize("learn_start", [True, False])
def test_start_is_learned_only_if_asked(learn_start):
    model = small_s2ac(learn_start=learn_start)
    mean, std = model.actor.start(torch.zeros(5, 2))
    assert mean.shape == (5, 2) and std.shape == (5, 1)
    before = [p.clone() for p in model.actor.mu.parameters()]
    model.learn(14)
    same = [torch.equal(a, b) for a, b in zip(before, model.actor.mu.parameters(), strict=True)]
    assert all(same) is not learn_start
    if not learn_start:
        assert torch.equal(mean, torch.zeros(5, 2)) and torch.equal(std, torch.ones(5, 1))


def test_contraction_is_logged():
    model = small_s2ac()
    model.learn(14, log_interval=10**9)
    assert 0.0 < model.logger.name_to_value["train/sampler_contraction"] <= 0.5 + 1e-6
    assert "train/sampler_shortened" in model.logger.name_to_value


def test_critic_that_returns_nan():
    model = small_s2ac().learn(10)
    with torch.no_grad():
        next(model.critic.parameters()).fill_(math.nan)
    with pytest.raises(CriticError, match="action value must be finite"):
        model.predict(np.zeros(2, np.float32))


def test_reward_that_is_nan():
    model = small_s2ac().learn(10)
    model.replay_buffer.rewards[:] = math.nan
    with pytest.raises(CriticError, match="critics' loss must be finite"):
        model.train(1, 8)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Discrete(3), "must be a Box"),
        (spaces.Box(-np.inf, 1.0, (2,)), "bounded on both sides, got low -inf"),
    ],
)
def test_action_spaces_without_a_boltzmann_policy(space, message):
    env = gym.make("lw_rl/MultiGoal-v0").unwrapped
    env.action_space = space
    with pytest.raises(ActionSpaceError, match=message):
        small_s2ac(env)
