"""What stable-baselines3 tests of its off-policy algorithms, of S2AC with both samplers.

After its test_run, test_save_load, test_predict, test_spaces and test_vec_envs.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecNormalize

from lw_rl.errors import SamplerError
from lw_rl.training.s2ac import S2AC
from lw_rl.training.s2ac_policy import S2ACPolicy
from lw_rl.training.stein import Langevin, Stein

SAMPLERS = [Stein(4, 2, 0.3), Langevin(4, 2)]
OBSERVATIONS = np.linspace(-1.0, 1.0, 9).reshape(3, 3).astype(np.float32)

pytestmark = pytest.mark.parametrize("sampler", SAMPLERS, ids=["stein", "langevin"])


EPISODE = 12


def pendulum():
    return gym.make("Pendulum-v1", max_episode_steps=EPISODE)


def learner(sampler, env=None, **more):
    settings = {
        "learning_starts": 8, "batch_size": 8, "buffer_size": 20, "seed": 0, "device": "cpu",
        "policy_kwargs": {"net_arch": [8]}, "sampler": sampler, **more,
    }  # fmt: skip
    return S2AC("MlpPolicy", pendulum() if env is None else env, **settings)


def best(model, observations=OBSERVATIONS):
    return model.predict(observations, deterministic=True)[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"train_freq": (4, "step"), "gradient_steps": -1},
        {"train_freq": (1, "episode"), "gradient_steps": 2},
        {"action_noise": NormalActionNoise(np.zeros(1), 0.1 * np.ones(1))},
        {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": 0}},
        {"n_steps": 3},
        {"policy_kwargs": {"net_arch": {"pi": [4], "qf": [6]}, "n_critics": 1}},
        {"policy_kwargs": {"net_arch": [8], "share_features_extractor": True}},
        {"learning_rate": lambda progress: 1e-3 * progress},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_that_sac_has(sampler, settings):
    model = learner(sampler, **settings)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(2 * EPISODE, log_interval=10**9)
    pairs = zip(model.policy.parameters(), before, strict=True)
    assert any(not torch.equal(p, q) for p, q in pairs), "it learned"
    assert all(bool(torch.isfinite(p).all()) for p in model.policy.parameters())


def test_vectorised_environments(sampler):
    env = VecNormalize(make_vec_env(pendulum, n_envs=2))
    model = learner(sampler, env).learn(24)
    assert model.num_timesteps == 24
    assert model.predict(env.reset(), deterministic=False)[0].shape == (2, 1)


def test_predict_takes_one_observation_or_many(sampler):
    model = learner(sampler).learn(12)
    one, state = model.predict(OBSERVATIONS[0], deterministic=True)
    assert one.shape == (1,) and state is None
    assert np.array_equal(one, best(model)[0])
    draws = np.array([model.predict(OBSERVATIONS[0])[0] for _ in range(4)])
    assert np.ptp(draws) > 0.0, "the policy itself is stochastic"
    with pytest.raises(ValueError, match="observation shape"):
        model.predict(np.zeros(5, np.float32))


def test_parameters_are_set_and_must_match(sampler):
    model, other = learner(sampler).learn(12), learner(sampler, seed=1)
    assert not np.array_equal(best(model), best(other))
    other.set_parameters(model.get_parameters(), exact_match=True)
    assert np.array_equal(best(model), best(other))
    parameters = model.get_parameters()
    del parameters["critic.optimizer"]
    with pytest.raises(ValueError, match="do not match"):
        model.set_parameters(parameters, exact_match=True)


def test_policy_is_saved_and_loaded_by_itself(sampler, tmp_path):
    model = learner(sampler).learn(12)
    model.policy.save(tmp_path / "policy.pt")
    policy = S2ACPolicy.load(tmp_path / "policy.pt")
    assert np.array_equal(policy.predict(OBSERVATIONS, deterministic=True)[0], best(model))
    assert policy.actor.sampler == sampler


def test_a_loaded_model_has_its_replay_again_and_goes_on(sampler, tmp_path):
    model = learner(sampler).learn(12)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "replay")
    again = S2AC.load(tmp_path / "model", env=pendulum())
    again.load_replay_buffer(tmp_path / "replay")
    assert again.replay_buffer.size() == 12 and again.num_timesteps == 12
    assert np.array_equal(best(model), best(again))
    again.learn(6, reset_num_timesteps=False)
    assert again.num_timesteps == 18


def test_evaluation(sampler):
    model = learner(sampler).learn(12)
    mean, spread = evaluate_policy(model, model.get_env(), n_eval_episodes=2, warn=False)
    assert -2000.0 < mean < 0.0 and spread >= 0.0


def test_exploration_that_it_has_no_use_for(sampler):
    with pytest.raises(SamplerError, match="use_sde"):
        learner(sampler, use_sde=True)
