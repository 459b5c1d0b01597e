"""The energy-based policy of S2AC against densities that are known."""

from __future__ import annotations

import pytest
from scipy.stats import truncnorm
from small_training import small_s2ac

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.training.stein import Stein


class Bowl:
    """A critic with a known energy: Q = -|a|^2 / (2 var) for each of twins."""

    def __init__(self, var):
        self.var = var

    def __call__(self, obs, actions):
        value = -(actions**2).sum(1, keepdim=True) / (2 * self.var)
        return value, value + 1.0


def test_score_is_the_gradient_of_the_log_density_of_u():
    actor = small_s2ac().actor
    actor.attach(Bowl(0.1))
    actor.alpha.fill_(0.5)
    u = torch.randn(3, 4, 2).requires_grad_()
    a = torch.tanh(u)
    log_p = (-(a**2).sum(-1) / 0.2 / 0.5 + torch.log(1 - a**2).sum(-1)).sum()
    (expected,) = torch.autograd.grad(log_p, u)
    assert torch.allclose(actor.score(torch.zeros(3, 2), u), expected, atol=1e-4)


def test_entropy_is_that_of_the_boltzmann_policy():
    # exp(Q / alpha) is a normal distribution of standard deviation 0.4, cut off by the box.
    actor = small_s2ac(sampler=Stein(64, 100, 0.2, 0.5, determinant=True), learn_start=False).actor
    actor.attach(Bowl(0.32))
    actor.alpha.fill_(0.5)
    with torch.no_grad():
        samples = actor.sample(torch.zeros(4, 2))
    exact = 2 * truncnorm(-2.5, 2.5, scale=0.4).entropy()
    assert -float(samples.log_prob.mean()) == pytest.approx(exact, abs=0.3)
    assert float(samples.actions.std()) == pytest.approx(0.39, abs=0.12)


def test_density_of_an_unmoved_start_is_that_of_a_squashed_gaussian():
    from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution

    model = small_s2ac(sampler=Stein(64, 1, 1e-9, 1.0))
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

    model = small_s2ac(sampler=Stein(16, 10, 0.3), learn_start=False, net=(32,))
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
