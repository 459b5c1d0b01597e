"""The depth-wise actor and critic as a stable-baselines3 policy.

Weights are shared over depth: every point is an agent of the same kind that sees its
neighbourhood, acts on its own correction and gets its own reward, and the critic's value is a map,
one number per point (the value decomposition of cooperative agents).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from ..policies import observation as obs
from ..policies.network import Architecture
from .networks import DepthwiseNet

__all__ = [
    "DepthwiseActor",
    "DepthwiseCritic",
    "DepthwisePolicy",
    "estimate_size",
    "points_to_action",
]

_LOG_STD_MIN, _LOG_STD_MAX = -7.0, -0.5
#: tanh saturates in float32 beyond this action.
_ACTION_MAX = 0.999
_SINH = float(np.sinh(obs.STEEPNESS))


def estimate_size(observation: torch.Tensor) -> torch.Tensor:
    """Return max|e|, the estimated error, of a batch of observations, shape [batch, 1]."""
    return 10.0 ** (4.0 * observation[:, 1, :1])


def points_to_action(points: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Return `lw_rl.policies.observation.points_to_action` of a batch, in torch."""
    scale = torch.clamp(obs.MAX_RATIO * size, max=obs.MAX_CORRECTION)
    return torch.asinh(points / scale * _SINH) / obs.STEEPNESS


class DepthwiseActor(BasePolicy):
    """Gaussian over the action at every point, squashed by tanh.

    Its deterministic action is that of :class:`lw_rl.policies.actor.Actor`.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Box,
        architecture: Architecture,
        gain: float,
    ):
        super().__init__(observation_space, action_space, squash_output=True)
        self.net = DepthwiseNet(architecture, outputs=2)
        self.gain = gain

    def correction(self, observation: torch.Tensor) -> torch.Tensor:
        """Return what is added to the operator's estimate over max|e|, [batch, Npoints]."""
        return self.gain * self.net(observation)[:, 0]

    def _distribution(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.net(observation)
        size = estimate_size(observation)
        action = points_to_action(self.gain * size * output[:, 0], size)
        mean = torch.atanh(torch.clamp(action, -_ACTION_MAX, _ACTION_MAX))
        return mean, torch.clamp(output[:, 1] - 3.0, _LOG_STD_MIN, _LOG_STD_MAX)

    def action_log_prob(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a reparametrised sample and its log probability, both [batch, Npoints]."""
        mean, log_std = self._distribution(observation)
        noise = torch.randn_like(mean)
        pre = mean + noise * log_std.exp()
        action = torch.tanh(pre)
        log_prob = -0.5 * noise**2 - log_std - 0.5 * np.log(2.0 * np.pi)
        return action, log_prob - torch.log(1.0 - action**2 + 1e-6)

    def forward(self, observation: torch.Tensor, deterministic: bool = False) -> torch.Tensor:
        """Return the action, shape [batch, Npoints]."""
        mean, log_std = self._distribution(observation)
        if not deterministic:
            mean = mean + torch.randn_like(mean) * log_std.exp()
        return torch.tanh(mean)

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:
        return self(observation, deterministic)


class DepthwiseCritic(BasePolicy):
    """Twin maps of the action value, one number per point."""

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Box, architecture: Architecture
    ):
        super().__init__(observation_space, action_space)
        with_action = Architecture(
            architecture.channels + 1, architecture.width, architecture.levels
        )
        self.nets = nn.ModuleList(DepthwiseNet(with_action) for _ in range(2))

    def forward(self, observation: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Return both critics' value maps, shape [2, batch, Npoints]."""
        joined = torch.cat((observation, action[:, None, :]), dim=1)
        return torch.stack([net(joined)[:, 0] for net in self.nets])

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:
        raise NotImplementedError("a critic does not act")


class DepthwisePolicy(SACPolicy):
    """Actor and twin critic with weights shared over depth.

    Parameters
    ----------
    architecture : Architecture
        Sizes of the networks.
    gain : float
        Factor of the actor's output.
    """

    def __init__(self, *args: Any, architecture: Architecture, gain: float = 1.0, **kwargs: Any):
        self.architecture, self.gain = architecture, gain
        super().__init__(*args, **kwargs)

    @property
    def _box(self) -> spaces.Box:
        assert isinstance(self.action_space, spaces.Box)
        return self.action_space

    def make_actor(self, features_extractor: Any = None) -> Any:
        """Return the actor; the observation needs no features extractor."""
        return DepthwiseActor(self.observation_space, self._box, self.architecture, self.gain).to(
            self.device
        )

    def make_critic(self, features_extractor: Any = None) -> Any:
        """Return the twin critic."""
        return DepthwiseCritic(self.observation_space, self._box, self.architecture).to(self.device)
