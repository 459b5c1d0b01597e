"""Two policies over depth with the same number of weights: one shared by all depths, one not.

The shared one is a network of agents of one kind, one at each depth, that see a neighbourhood and
the mean over depth; the other is one multilayer perceptron over all depths. Both are ordinary
policies of stable-baselines3's SAC with one reward for the whole column, so nothing differs but
the invariance.
"""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import nn
from torch.nn import functional

from ..files import Json

__all__ = ["DepthNet", "SharedActor", "SharedCritic", "SharedPolicy", "equal_width", "weights"]

_KERNEL = 5


class DepthNet(nn.Module):
    """Convolutions along depth with the mean over depth mixed in; any number of points.

    Parameters
    ----------
    channels, width, outputs : int
        Numbers per point that go in, are kept inside, and come out.
    """

    def __init__(self, channels: int, width: int, outputs: int):
        super().__init__()
        self.first = nn.Conv1d(channels, width, _KERNEL, padding="same")
        self.second = nn.Conv1d(width, width, _KERNEL, padding="same", dilation=2)
        self.mean = nn.Linear(width, width)
        self.head = nn.Conv1d(width, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [batch, outputs, Npoints] for [batch, channels, Npoints]."""
        x = functional.relu(self.first(x))
        x = functional.relu(self.second(x) + self.mean(x.mean(2))[:, :, None])
        return self.head(x)


class _PerDepth(nn.Module):
    """One output of a :class:`DepthNet` at every point, from flattened observations."""

    def __init__(self, net: DepthNet, channels: int, output: int):
        super().__init__()
        # A tuple keeps the net, which both outputs share, from being registered twice.
        self._net, self.channels, self.output = (net,), channels, output

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return [batch, Npoints]."""
        return self._net[0](features.unflatten(1, (self.channels, -1)))[:, self.output]


class SharedActor(Actor):
    """SAC's actor with mean and log standard deviation from one net shared by all depths."""

    def __init__(self, *args: Any, width: int, **kwargs: Any):
        super().__init__(*args, **kwargs)
        assert self.observation_space.shape is not None
        channels = self.observation_space.shape[0]
        self.width = width
        self.latent_pi = nn.Sequential()
        self.net = DepthNet(channels, width, 2)
        self.mu = _PerDepth(self.net, channels, 0)  # type: ignore[assignment]
        self.log_std = _PerDepth(self.net, channels, 1)  # type: ignore[assignment]

    def _get_constructor_parameters(self) -> Json:
        return super()._get_constructor_parameters() | {"width": self.width}


class _SharedValue(nn.Module):
    """The mean over depth of an action value at every depth."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.channels = channels
        self.net = DepthNet(channels + 1, width, 1)

    def forward(self, joined: torch.Tensor) -> torch.Tensor:
        """Return [batch, 1] from flattened observation and action, [batch, (C + 1) Npoints]."""
        return self.net(joined.unflatten(1, (self.channels + 1, -1))).mean(2)


class SharedCritic(ContinuousCritic):
    """Twin critics, each the mean over depth of a shared net's values (value decomposition)."""

    def __init__(self, *args: Any, width: int, **kwargs: Any):
        super().__init__(*args, **kwargs)
        assert self.observation_space.shape is not None
        self.width = width
        for k in range(self.n_critics):
            value = _SharedValue(self.observation_space.shape[0], width)
            setattr(self, f"qf{k}", value)
            self.q_networks[k] = value  # type: ignore[assignment]

    def _get_constructor_parameters(self) -> Json:
        return super()._get_constructor_parameters() | {"width": self.width}


class SharedPolicy(SACPolicy):
    """SAC's policy for observations [channels, Npoints] and actions [Npoints], shared over depth.

    Parameters
    ----------
    width : int, optional
        Channels inside (default: 48).
    *args, **kwargs
        As for stable-baselines3's policy of SAC; `net_arch` is not used.
    """

    def __init__(self, *args: Any, width: int = 48, **kwargs: Any):
        self.width = width
        super().__init__(*args, **kwargs)

    def make_actor(self, features_extractor: Any = None) -> SharedActor:
        """Return the actor."""
        kwargs = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return SharedActor(**(kwargs | {"net_arch": []}), width=self.width).to(self.device)

    def make_critic(self, features_extractor: Any = None) -> SharedCritic:
        """Return the twin critics."""
        kwargs = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return SharedCritic(**(kwargs | {"net_arch": []}), width=self.width).to(self.device)


def weights(module: nn.Module) -> int:
    """Return the number of weights that learn."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def equal_width(count: int, inputs: int, outputs: int) -> int:
    """Return the width of a perceptron of two hidden layers with about `count` weights.

    ``count = w^2 + (inputs + outputs + 2) w + outputs`` solved for w, at least one.
    """
    b = inputs + outputs + 2
    return max(1, round((-b + (b * b + 4.0 * (count - outputs)) ** 0.5) / 2.0))
