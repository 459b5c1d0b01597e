"""Temperatures of SAC: fixed, scheduled, and such as hold the entropy."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: E402, F401 (registers the environments)
from lw_rl.errors import ActionSpaceError, TemperatureError  # noqa: E402
from lw_rl.training.entropy_meter import (  # noqa: E402
    EntropyMeter,
    gaussian_entropies,
    measured_entropy,
)
from lw_rl.training.temperature import (  # noqa: E402
    EntropyController,
    HeldEntropy,
    TemperedSAC,
    check_target,
)

SMALL = {
    "learning_starts": 8, "batch_size": 8, "buffer_size": 100, "seed": 0, "device": "cpu",
    "policy_kwargs": {"net_arch": [8]},
}  # fmt: skip


def learner(ent_coef, **more):
    return TemperedSAC("MlpPolicy", "lw_rl/MultiGoal-v0", ent_coef=ent_coef, **SMALL, **more)


def alpha(model):
    if model.log_ent_coef is not None:
        return float(model.log_ent_coef.detach().exp())
    return float(model.ent_coef_tensor)


def test_fixed_temperature_stays():
    model = learner(0.3).learn(16)
    assert alpha(model) == pytest.approx(0.3)


def test_scheduled_temperature_follows_the_progress():
    model = learner(lambda progress: 0.1 + progress)
    assert alpha(model) == pytest.approx(1.1)
    model.learn(20)
    # The last gradient step is made when all progress is spent.
    assert alpha(model) == pytest.approx(0.1, abs=0.06)


def test_held_entropy_is_saved_and_goes_on(tmp_path):
    model = learner(HeldEntropy(-1.0)).learn(16)
    model.save(tmp_path / "model.zip")
    again = TemperedSAC.load(tmp_path / "model.zip", env=gym.make("lw_rl/MultiGoal-v0"))
    assert isinstance(again.ent_coef_optimizer, EntropyController)
    assert again.target_entropy == -1.0
    assert alpha(again) == pytest.approx(alpha(model))
    assert again._meter is None
    before, after = (m.ent_coef_optimizer.state_dict()["state"] for m in (model, again))
    assert before and torch.equal(before[0]["integral"], after[0]["integral"])
    again.learn(16, reset_num_timesteps=False)


def test_a_staircase_is_asked_for_step_by_step():
    model = learner(HeldEntropy(lambda progress: -1.0 if progress > 0.5 else -2.0))
    assert model.target_entropy == -1.0
    model.learn(24)
    assert model.target_entropy == -2.0


def follow(target, plant, updates=1500):
    """Let the controller hold the entropy of a policy that lags behind its temperature."""
    held = HeldEntropy(target)
    log_alpha = torch.tensor([math.log(held.initial)], requires_grad=True)
    controller = EntropyController([log_alpha], held)
    entropy, history = 0.5, []
    for k in range(updates):
        log_alpha.grad = torch.tensor([entropy - held.at(1.0 - k / updates)])
        controller.step()
        entropy += (plant(k, float(log_alpha.detach())) - entropy) / 50.0
        history.append(entropy)
    return np.array(history), controller


@pytest.mark.parametrize("target", [-3.0, -1.0, 0.5])
def test_controller_holds_a_lagging_entropy_while_the_values_grow(target):
    # Entropy of a Gaussian policy on a quadratic value whose curvature grows tenfold.
    def plant(k, log_alpha):
        return 0.5 * log_alpha - 0.5 * math.log(1.0 + 9.0 * k / 1500)

    history, _ = follow(target, plant)
    assert np.all(np.abs(history[500:] - target) < 0.1 * abs(target))


def test_controller_that_was_out_of_reach_comes_back_at_once():
    def plant(k, log_alpha):
        return 0.4 if k < 1000 else 0.5 * log_alpha

    history, controller = follow(-1.0, plant)
    assert abs(history[-1] + 1.0) < 0.1
    (state,) = controller.state.values()
    assert math.log(1e-6) <= float(state["integral"]) <= math.log(1e3)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_temperatures_that_are_none(value):
    with pytest.raises(TemperatureError, match="temperature must be positive and finite"):
        learner(value)


def test_entropy_above_the_uniform_policys():
    with pytest.raises(TemperatureError, match=r"below that of the uniform policy, 1\.39 nat"):
        learner(HeldEntropy(1.5))
    assert check_target(1.3, spaces.Box(-3.0, 3.0, (2,))) == 1.3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"integral": 0.0}, "integral must be positive"),
        ({"proportional": -1.0}, "proportional must be positive"),
        ({"smoothing": 1.0}, "smoothing must be at least 0 and below 1"),
        ({"initial": 0.0}, "temperature must be positive"),
        ({"width": 1.5}, "width must lie between 0 and 1"),
    ],
)
def test_controllers_that_are_none(setting, message):
    with pytest.raises(TemperatureError, match=message):
        HeldEntropy(-1.0, **setting)


@pytest.mark.parametrize(
    ("env", "message"), [("CartPole-v1", "must be a Box"), ("unbounded", "must be bounded")]
)
def test_action_spaces_that_have_no_uniform_policy(env, message):
    if env == "unbounded":
        env = gym.make("lw_rl/MultiGoal-v0").unwrapped
        env.action_space = spaces.Box(-np.inf, np.inf, (2,))
    with pytest.raises(ActionSpaceError, match=message):
        TemperedSAC("MlpPolicy", env)


def test_a_gaussian_actors_entropy_is_exact_and_so_is_its_slope():
    model = learner("auto")
    states = torch.as_tensor(np.random.default_rng(0).normal(size=(64, 2)), dtype=torch.float32)
    layer = model.actor.log_std
    with torch.no_grad():
        layer.bias += torch.tensor([-1.0, 0.3])
        model.actor.mu.bias += torch.tensor([0.4, -1.2])
    entropies, slope = gaussian_entropies(model.actor, states)
    torch.manual_seed(0)
    with torch.no_grad():
        _, log_prob = model.actor.action_log_prob(states.repeat(4000, 1))
    sampled = -log_prob.reshape(4000, 64).mean(dim=0)
    np.testing.assert_allclose(entropies, sampled, atol=0.1)
    assert float((entropies - sampled).mean()) == pytest.approx(0.0, abs=0.01)
    with torch.no_grad():
        layer.bias += 1e-2
    wider, _ = gaussian_entropies(model.actor, states)
    assert float((wider - entropies).mean()) / 1e-2 == pytest.approx(float(slope), rel=0.02)


def test_the_meter_knows_the_mean_over_all_states_from_some():
    model = learner("auto")
    states = torch.as_tensor(np.random.default_rng(1).normal(size=(4000, 2)), dtype=torch.float32)
    meter = EntropyMeter(model.actor, lambda number: states)
    meter.look()
    with torch.no_grad():
        for parameter in model.actor.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    exact = float(gaussian_entropies(model.actor, states)[0].mean())
    found, _ = meter.look()()
    assert found == pytest.approx(exact, abs=0.02)
    some = gaussian_entropies(model.actor, states[:512])[0].mean()
    assert abs(found - exact) < abs(float(some) - exact)


def test_the_width_holds_the_entropy_at_once():
    """... where temperature alone is nowhere near after as many steps."""
    off = {}
    for width in (0.0, 1.0):
        model = learner(HeldEntropy(-1.5, width=width)).learn(60)
        states = model.replay_buffer.sample(60).observations
        off[width] = abs(measured_entropy(model, states) + 1.5)
    assert off[1.0] < 0.15 < off[0.0]
