"""SAC with temperatures: fixed, scheduled, and set by a target entropy."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.errors import ActionSpaceError, CriticError, TemperatureError
from lw_rl.training.entropy_controller import EntropyController
from lw_rl.training.entropy_meter import measured_entropy
from lw_rl.training.target_entropy import TargetEntropyActor
from lw_rl.training.temperature import TargetEntropy, check_target
from lw_rl.training.tempered_sac import TemperedSAC

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


def test_model_with_a_target_entropy_is_saved_and_goes_on(tmp_path):
    model = learner(TargetEntropy(lambda progress: -1.0 if progress > 0.5 else -3.0)).learn(24)
    model.save(tmp_path / "model.zip")
    again = TemperedSAC.load(tmp_path / "model.zip", env=gym.make("lw_rl/MultiGoal-v0"))
    assert isinstance(again.actor, TargetEntropyActor) and again._meter is None
    assert again.target_entropy == -3.0 and again.actor.limit == model.actor.limit
    assert alpha(again) == pytest.approx(alpha(model))
    seen = np.linspace(-1.0, 1.0, 10, dtype=np.float32).reshape(5, 2)
    for deterministic in (True, False):
        torch.manual_seed(0)
        acts = model.predict(seen, deterministic=deterministic)[0]
        torch.manual_seed(0)
        np.testing.assert_array_equal(acts, again.predict(seen, deterministic=deterministic)[0])
    again.learn(16, reset_num_timesteps=False)
    assert measured_entropy(again) == pytest.approx(-3.0, abs=0.05)


def test_controller_without_widths_is_saved(tmp_path):
    model = learner(TargetEntropy(-1.0, width=False)).learn(16)
    model.save(tmp_path / "model.zip")
    again = TemperedSAC.load(tmp_path / "model.zip", env=gym.make("lw_rl/MultiGoal-v0"))
    assert isinstance(again.ent_coef_optimizer, EntropyController)
    assert not isinstance(again.actor, TargetEntropyActor)
    before, after = (m.ent_coef_optimizer.state_dict()["state"] for m in (model, again))
    assert before and torch.equal(before[0]["integral"], after[0]["integral"])
    again.learn(16, reset_num_timesteps=False)


def test_a_staircase_is_asked_for_step_by_step():
    model = learner(TargetEntropy(lambda progress: -1.0 if progress > 0.5 else -2.0))
    assert model.target_entropy == -1.0
    model.learn(24)
    assert model.target_entropy == -2.0


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_temperatures_that_are_none(value):
    with pytest.raises(TemperatureError, match="temperature must be positive and finite"):
        learner(value)


def test_entropy_above_the_uniform_policys():
    with pytest.raises(TemperatureError, match=r"below that of the uniform policy, 1\.39 nat"):
        learner(TargetEntropy(1.5))
    assert check_target(1.38, spaces.Box(-3.0, 3.0, (2,))) == 1.38
    with pytest.raises(TemperatureError, match="that of the flattest squashed Gaussian, 0.68"):
        learner(TargetEntropy(1.38))


@pytest.mark.parametrize(
    ("env", "message"), [("CartPole-v1", "must be a Box"), ("unbounded", "must be bounded")]
)
def test_action_spaces_that_have_no_uniform_policy(env, message):
    if env == "unbounded":
        env = gym.make("lw_rl/MultiGoal-v0").unwrapped
        env.action_space = spaces.Box(-np.inf, np.inf, (2,))
    with pytest.raises(ActionSpaceError, match=message):
        TemperedSAC("MlpPolicy", env)


@pytest.mark.parametrize("level", [-4.0, -1.0, 1.0])
def test_the_width_meets_the_target_from_the_first_update_on(level):
    """... where temperature alone is nowhere near after as many steps."""
    off = {}
    for width in (False, True):
        model = learner(TargetEntropy(level, width=width)).learn(60)
        off[width] = abs(measured_entropy(model) - level)
    assert off[True] < 0.02 * abs(level) < 0.1 * abs(level) < off[False]


def test_alpha_follows_what_the_width_had_to_be_corrected_for():
    model = learner(TargetEntropy(-1.0))
    model.learn(9)  # One update: all of the way from the untrained policy to the level.
    jump = learner(TargetEntropy(-1.0))
    first = alpha(model)
    assert first < 0.1, "the untrained policy has more entropy than was asked for"
    assert alpha(jump) == pytest.approx(0.1)
    with torch.no_grad():
        model.actor.log_std.bias -= 0.5
    model.meet_target(model.actor)
    assert alpha(model) > first
    assert measured_entropy(model) == pytest.approx(-1.0, abs=0.01)


@pytest.mark.parametrize("outputs", [1e3, -1e3])
def test_a_policy_at_the_bounds_comes_back_to_its_level(outputs):
    """As an actor does that was driven there; SAC's own has no width then that would do."""
    found = {}
    for width in (False, True):
        model = learner(TargetEntropy(-2.0, width=width)).learn(30)
        with torch.no_grad():
            model.actor.mu.bias += outputs
        if width:
            model.meet_target(model.actor)
        else:
            model.train(1, 8)
        found[width] = measured_entropy(model)
    assert found[True] == pytest.approx(-2.0, abs=0.02)
    assert found[False] < -100.0


def test_a_nan_is_named_before_the_width_meets_it():
    model = learner(TargetEntropy(-1.0)).learn(16)
    model.replay_buffer.rewards[:] = math.nan
    with pytest.raises(CriticError, match="critics' loss must be finite"):
        model.train(1, 8)
