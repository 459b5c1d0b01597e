"""The energy-based policy of S2AC: a Gaussian start, a sampler that follows Q, a quick imitation.

The density aimed at is ``pi(a|s) = exp(Q(s, a) / alpha) / Z`` on the box (-1, 1)^d. Points live in
``u = atanh(a)``, where that density is ``exp(Q(s, tanh u) / alpha) prod(1 - tanh^2 u)`` and has no
edges, so that what is returned as the policy's log density is exactly that of the action.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import create_mlp
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import nn
from torch.nn import functional

from ..files import Json
from .sampler import Sampler, Samples
from .stein import Stein

__all__ = ["PolicySamples", "S2ACPolicy", "SteinActor"]

Tensor = torch.Tensor

_LOG_STD_RANGE = (-4.0, 0.7)
#: tanh is one in float32 beyond this.
_U_MAX = 8.0


class PolicySamples(NamedTuple):
    """Actions of the energy-based policy for a batch of states."""

    actions: Tensor  # [batch, n, d], in (-1, 1)
    log_prob: Tensor  # [batch, n], of the actions
    drawn: Samples  # in the start's coordinates (u - mean) / std


class SteinActor(Actor):
    """Start, sampler and imitation.

    Parameters
    ----------
    sampler : Sampler
        What transports the start to the energy's density.
    learn_start : bool
        Whether mean and standard deviation of the start (isotropic) are learned functions of the
        state; otherwise it is N(0, 1) in u, nearly uniform in the action.
    candidates : int
        Actions that the imitation proposes for the deterministic one.
    **kwargs
        As for stable-baselines3's actor of SAC.
    """

    table: Tensor
    alpha: Tensor
    log_std: Any  # stable-baselines3 declares it for its other kind of exploration.

    def __init__(
        self, *args: Any, sampler: Sampler, learn_start: bool, candidates: int, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.sampler, self.learn_start = sampler, learn_start
        d = get_action_dim(self.action_space)
        width = self.net_arch[-1] if self.net_arch else self.features_dim
        self.log_std = nn.Linear(width, 1)
        self.imitation = nn.Sequential(
            *create_mlp(self.features_dim + d, d, self.net_arch, self.activation_fn)
        )
        # A fixed set of starts, so that the deterministic action is one.
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("table", torch.randn(candidates, d, generator=generator))
        self.register_buffer("alpha", torch.ones(()))
        self._critic: tuple[Any, ...] = ()

    def attach(self, critic: Any) -> None:
        """Take the critic whose value is the energy; its weights stay its own."""
        self._critic = (critic,)

    def start(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean [batch, d] and standard deviation [batch, 1] of the start, in u."""
        if not self.learn_start:
            zeros = torch.zeros(len(obs), self.table.shape[1], device=obs.device)
            return zeros, torch.ones_like(zeros[:, :1])
        latent = self.latent_pi(self.extract_features(obs, self.features_extractor))
        log_std = self.log_std(latent).clamp(*_LOG_STD_RANGE)
        return self.mu(latent), log_std.exp()

    def value(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Return the smaller of the critics' values of actions [batch, n, d], as [batch, n]."""
        (critic,) = self._critic
        batch, n, _ = actions.shape
        repeated = obs.repeat_interleave(n, dim=0)
        values = torch.cat(critic(repeated, actions.flatten(0, 1)), dim=1)
        return values.min(dim=1).values.view(batch, n)

    def score(self, obs: Tensor, u: Tensor) -> Tensor:
        """Return the gradient of the log density aimed at, at u [batch, n, d]."""
        with torch.enable_grad():
            u = u.detach().clamp(-_U_MAX, _U_MAX).requires_grad_()
            value = self.value(obs, torch.tanh(u)).sum()
            (gradient,) = torch.autograd.grad(value, u)
        return gradient / self.alpha - 2.0 * torch.tanh(u.detach())

    def sample(self, obs: Tensor) -> PolicySamples:
        """Draw from the policy; nothing returned carries a gradient.

        Raises
        ------
        CriticError, InvertibilityError
            See :class:`lw_rl.training.stein.Stein`.
        """
        with torch.no_grad():
            mean, std = (t[:, None] for t in self.start(obs))
            drawn = self.sampler(
                lambda z: std * self.score(obs, mean + std * z), len(obs), mean.shape[-1]
            )
            u, log_prob = self.place(mean, std, drawn)
        return PolicySamples(torch.tanh(u), log_prob, drawn)

    @staticmethod
    def place(mean: Tensor, std: Tensor, drawn: Samples) -> tuple[Tensor, Tensor]:
        """Return u [batch, n, d] and the actions' log density [batch, n] for a start [batch, 1, .].

        Gradients reach the start only, not through the transport.
        """
        u = (mean + std * drawn.points).clamp(-_U_MAX, _U_MAX)
        d = u.shape[-1]
        # log(1 - tanh^2 u), without the cancellation.
        squash = (2.0 * (math.log(2.0) - u - functional.softplus(-2.0 * u))).sum(-1)
        return u, drawn.log_prob - d * std[..., 0].log() - squash

    def imitate(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Return the imitation's points in the start's coordinates, [batch, n, d] from as many."""
        features = self.extract_features(obs, self.features_extractor)
        features = features[:, None].expand(-1, noise.shape[1], -1)
        return noise + self.imitation(torch.cat((features, noise), dim=-1))

    def imitation_loss(self, obs: Tensor, drawn: Samples) -> Tensor:
        """Return the energy score of the imitation against the sampler's points.

        It is least where both distributions are the same (Gneiting & Raftery 2007, sec. 4.3),
        whether the sampler is deterministic or not.
        """
        mine = self.imitate(obs, torch.randn_like(drawn.points))
        n = mine.shape[1]
        apart = torch.cdist(mine, mine).sum((1, 2)) / (n * (n - 1))
        return (torch.cdist(mine, drawn.points).mean((1, 2)) - 0.5 * apart).mean()

    def quick_actions(self, obs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return actions of the imitation without following the energy, [batch, n, d]."""
        if noise is None:
            noise = torch.randn(len(obs), *self.table.shape)
        mean, std = (t[:, None] for t in self.start(obs))
        return torch.tanh((mean + std * self.imitate(obs, noise)).clamp(-_U_MAX, _U_MAX))

    def action_log_prob(self, obs: Any) -> tuple[Tensor, Tensor]:
        """Return one action for each state and its log density, without gradients."""
        samples = self.sample(obs)
        return samples.actions[:, 0], samples.log_prob[:, 0]

    def forward(self, obs: Any, deterministic: bool = False) -> Tensor:
        """Return a draw, or of the imitation's candidates the one of the highest value."""
        if not deterministic:
            return self.sample(obs).actions[:, 0]
        actions = self.quick_actions(obs, self.table.expand(len(obs), -1, -1))
        best = self.value(obs, actions).argmax(dim=1)
        return actions[torch.arange(len(obs)), best]

    def _get_constructor_parameters(self) -> Json:
        return super()._get_constructor_parameters() | {
            "sampler": self.sampler,
            "learn_start": self.learn_start,
            "candidates": len(self.table),
        }


class S2ACPolicy(SACPolicy):
    """Actor and twin critics of S2AC.

    Parameters
    ----------
    sampler : Sampler, optional
        :class:`~lw_rl.training.stein.Stein` or :class:`~lw_rl.training.stein.Langevin` (default:
        the former with its own defaults).
    learn_start : bool, optional
        See :class:`SteinActor` (default: True).
    candidates : int, optional
        See :class:`SteinActor` (default: 32).
    *args, **kwargs
        As for stable-baselines3's policy of SAC.
    """

    actor: SteinActor

    def __init__(
        self,
        *args: Any,
        sampler: Sampler | None = None,
        learn_start: bool = True,
        candidates: int = 32,
        **kwargs: Any,
    ):
        self._own: Json = {
            "sampler": sampler or Stein(),
            "learn_start": learn_start,
            "candidates": candidates,
        }
        super().__init__(*args, **kwargs)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.actor.attach(self.critic)

    def make_actor(self, features_extractor: Any = None) -> SteinActor:
        """Return the actor."""
        kwargs = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return SteinActor(**kwargs, **self._own).to(self.device)

    def _get_constructor_parameters(self) -> Json:
        return super()._get_constructor_parameters() | self._own
