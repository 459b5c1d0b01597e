"""S2AC: what stable-baselines3 tests of its own algorithms, and what is its own."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from scipy.stats import truncnorm

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.errors import ActionSpaceError, CriticError
from lw_rl.training.s2ac import S2AC
from lw_rl.training.stein import Langevin, Stein
from lw_rl.training.temperature import TargetEntropy

STEIN, LANGEVIN = Stein(4, 2, 0.3), Langevin(4, 2)


def learner(env="lw_rl/MultiGoal-v0", net=(8,), **more):
    settings = {
        "learning_starts": 8, "batch_size": 8, "buffer_size": 100, "seed": 0, "device": "cpu",
        "sampler": STEIN, "ent_coef": 0.3, "policy_kwargs": {"net_arch": list(net)}, **more,
    }  # fmt: skip
    return S2AC("MlpPolicy", env, **settings)


class Bowl:
    """A critic with a known energy: Q = -|a|^2 / (2 var) for each of twins."""

    def __init__(self, var):
        self.var = var

    def __call__(self, obs, actions):
        value = -(actions**2).sum(1, keepdim=True) / (2 * self.var)
        return value, value + 1.0


@pytest.mark.parametrize("sampler", [STEIN, LANGEVIN])
@pytest.mark.parametrize("ent_coef", [0.3, "auto_0.1", TargetEntropy(-1.0)])
def test_learns_saves_loads_and_acts_alike(tmp_path, sampler, ent_coef):
    model = learner(sampler=sampler, ent_coef=ent_coef).learn(14)
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
    first, second = (learner().learn(14) for _ in range(2))
    for a, b in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_actions_are_scaled_to_the_environments_box():
    model = learner("Pendulum-v1").learn(12)
    actions = np.array([model.predict(np.ones(3, np.float32))[0] for _ in range(12)])
    assert np.abs(actions).max() > 1.0 and np.abs(actions).max() <= 2.0


@pytest.mark.parametrize("learn_start", [True, False])
def test_start_is_learned_only_if_asked(learn_start):
    model = learner(learn_start=learn_start)
    mean, std = model.actor.start(torch.zeros(5, 2))
    assert mean.shape == (5, 2) and std.shape == (5, 1)
    before = [p.clone() for p in model.actor.mu.parameters()]
    model.learn(14)
    same = [torch.equal(a, b) for a, b in zip(before, model.actor.mu.parameters(), strict=True)]
    assert all(same) is not learn_start
    if not learn_start:
        assert torch.equal(mean, torch.zeros(5, 2)) and torch.equal(std, torch.ones(5, 1))


def test_score_is_the_gradient_of_the_log_density_of_u():
    actor = learner().actor
    actor.attach(Bowl(0.1))
    actor.alpha.fill_(0.5)
    u = torch.randn(3, 4, 2).requires_grad_()
    a = torch.tanh(u)
    log_p = (-(a**2).sum(-1) / 0.2 / 0.5 + torch.log(1 - a**2).sum(-1)).sum()
    (expected,) = torch.autograd.grad(log_p, u)
    assert torch.allclose(actor.score(torch.zeros(3, 2), u), expected, atol=1e-4)


def test_entropy_is_that_of_the_boltzmann_policy():
    # exp(Q / alpha) is a normal distribution of standard deviation 0.4, cut off by the box.
    actor = learner(sampler=Stein(64, 100, 0.2, 0.5, determinant=True), learn_start=False).actor
    actor.attach(Bowl(0.32))
    actor.alpha.fill_(0.5)
    with torch.no_grad():
        samples = actor.sample(torch.zeros(4, 2))
    exact = 2 * truncnorm(-2.5, 2.5, scale=0.4).entropy()
    assert -float(samples.log_prob.mean()) == pytest.approx(exact, abs=0.3)
    assert float(samples.actions.std()) == pytest.approx(0.39, abs=0.12)


def test_density_of_an_unmoved_start_is_that_of_a_squashed_gaussian():
    from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution

    model = learner(sampler=Stein(64, 1, 1e-9, 1.0))
    observation = torch.zeros(1, 2)
    samples = model.actor.sample(observation)
    with torch.no_grad():
        mean, std = model.actor.start(observation)
    gaussian = SquashedDiagGaussianDistribution(2).proba_distribution(
        mean.expand(64, 2), std.log().expand(64, 2)
    )
    assert torch.allclose(gaussian.log_prob(samples.actions[0]), samples.log_prob[0], atol=1e-2)


def test_imitation_learns_the_samplers_two_modes():
    class TwoModes:
        def __call__(self, obs, actions):
            value = -10.0 * (actions[:, :1] ** 2 - 0.4) ** 2 - actions[:, 1:] ** 2
            return value, value

    model = learner(sampler=Stein(16, 10, 0.3), learn_start=False, net=(32,))
    actor = model.actor
    actor.attach(TwoModes())
    actor.alpha.fill_(0.3)
    obs = torch.zeros(16, 2)
    optimizer = torch.optim.Adam(actor.imitation.parameters(), 1e-2)
    for _ in range(120):
        optimizer.zero_grad()
        actor.imitation_loss(obs, actor.sample(obs).drawn).backward()
        optimizer.step()
    with torch.no_grad():
        first = actor.quick_actions(obs)[..., 0].flatten()
    assert 0.2 < float((first > 0.3).float().mean()) < 0.8
    assert float((first.abs() < 0.2).float().mean()) < 0.3


def test_contraction_is_logged():
    model = learner()
    model.learn(14, log_interval=10**9)
    assert 0.0 < model.logger.name_to_value["train/sampler_contraction"] <= 0.5 + 1e-6
    assert "train/sampler_shortened" in model.logger.name_to_value


def test_critic_that_returns_nan():
    model = learner().learn(10)
    with torch.no_grad():
        next(model.critic.parameters()).fill_(math.nan)
    with pytest.raises(CriticError, match="action value must be finite"):
        model.predict(np.zeros(2, np.float32))


def test_reward_that_is_nan():
    model = learner().learn(10)
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
        learner(env)
