"""The entropy of a policy, measured."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.training.entropy_meter import (
    EntropyMeter,
    is_gaussian,
    measured_entropy,
    replayed_states,
    squashed_entropies,
)
from lw_rl.training.s2ac import S2AC
from lw_rl.training.temperature import TargetEntropy
from lw_rl.training.tempered_sac import TemperedSAC

SMALL = {
    "learning_starts": 8, "batch_size": 8, "buffer_size": 2000, "seed": 0, "device": "cpu",
    "policy_kwargs": {"net_arch": [8]},
}  # fmt: skip


def learner(kind=TemperedSAC, steps=16, **more):
    return kind("MlpPolicy", "lw_rl/MultiGoal-v0", **{**SMALL, **more}).learn(steps)


@pytest.mark.parametrize("mean", [0.0, 1.0, -2.5, 5.0])
@pytest.mark.parametrize("std", [0.05, 0.4, 0.88])
def test_entropy_of_a_squashed_gaussian(mean, std):
    u = np.linspace(mean - 12 * std, mean + 12 * std, 200_001)
    p = np.exp(-0.5 * ((u - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    shrunk = 2 * (math.log(2) - u - np.logaddexp(0, -2 * u))
    exact = np.trapezoid(p * (shrunk - np.log(np.maximum(p, 1e-300))), u)
    found = squashed_entropies(torch.tensor([[mean] * 2]), torch.full((1, 2), math.log(std)))
    assert float(found) == pytest.approx(2 * exact, abs=2e-3)


def test_measured_is_the_mean_over_every_replayed_state():
    model = learner(steps=60)
    states = torch.as_tensor(model.replay_buffer.observations[:60, 0])
    assert torch.equal(replayed_states(model), states)
    torch.manual_seed(0)
    with torch.no_grad():
        _, log_prob = model.actor.action_log_prob(states.repeat(2000, 1))
    assert measured_entropy(model) == pytest.approx(-float(log_prob.mean()), abs=0.01)


def test_too_many_states_are_thinned_evenly():
    model = learner(steps=60)
    few = replayed_states(model, 7)
    kept = model.replay_buffer.observations[:60, 0][np.linspace(0, 59, 7).astype(int)]
    np.testing.assert_array_equal(few, kept)


def test_the_policy_of_s2ac_is_no_gaussian():
    """Its start is one, and has another entropy than the policy."""
    model = learner(S2AC, steps=60, ent_coef=0.01)
    assert is_gaussian(learner().actor) and not is_gaussian(model.actor)
    torch.manual_seed(0)
    states = replayed_states(model)
    drawn = -float(model.actor.sample(states.repeat(50, 1)).log_prob.mean())
    with torch.no_grad():
        mean, log_std, _ = model.actor.get_action_dist_params(states)
    of_start = float(squashed_entropies(mean, log_std.expand_as(mean)).mean())
    found = np.mean([measured_entropy(model) for _ in range(20)])
    assert abs(found - drawn) < 0.2 * abs(of_start - drawn)


def test_the_meter_knows_the_mean_over_all_states_from_some():
    model = learner(steps=9, ent_coef=TargetEntropy(-1.0))
    buffer, actor = model.replay_buffer, model.actor
    buffer.observations[:, 0] = 3.0 * np.random.default_rng(1).normal(size=(2000, 2))
    buffer.full = True

    def entropies(mean, width):
        return squashed_entropies(mean, actor.log_std_of(width))

    meter = EntropyMeter(model, some=256)
    meter.measure()
    with torch.no_grad():
        actor.log_std.weight *= 3.0
    meter.left = 0
    meter.measure()
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
        mean, width, offset = meter.measure()
        some = float(entropies(mean, width).mean())
    exact = measured_entropy(model)
    assert len(mean) == 256
    assert abs(offset + some - exact) < 0.5 * abs(some - exact)


def test_states_that_are_new_are_soon_among_the_meters():
    model = learner(steps=30, ent_coef=TargetEntropy(-1.0))
    meter = EntropyMeter(model)
    for _ in range(2):
        meter.measure()
    model.replay_buffer.pos = 20
    meter.measure()
    assert len(meter.states) == 20


def test_states_are_normalised_as_the_policy_sees_them():
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    env = VecNormalize(DummyVecEnv([lambda: gym.make("Pendulum-v1")] * 2))
    model = TemperedSAC("MlpPolicy", env, ent_coef=TargetEntropy(-0.5), **SMALL)
    model.learn(40)
    states = replayed_states(model)
    raw = model.replay_buffer.observations[:20].reshape(-1, 3)
    np.testing.assert_allclose(states, env.normalize_obs(raw), rtol=1e-5)
    assert measured_entropy(model) == pytest.approx(-0.5, abs=0.02)
