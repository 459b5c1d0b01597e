"""Soft Actor-Critic at the wheel: the training of a driver by stable-baselines3, as it is.

And by S2AC (`lw_rl.training.s2ac`), whose policy can have several modes, for comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

from ..arrays import Single
from ..envs.drive import Drive
from ..files import Json
from ..policies.driver_network import NetworkDriver
from .s2ac import S2AC

__all__ = ["SampledDriver", "driver_of", "train_driver", "train_s2ac"]

#: Units of the two layers of actor and critics.
_LAYERS = (32, 32)
#: How far outside of what it met in training, as a share of that range, a driver is still asked.
_MARGIN = 0.05


class _Range(BaseCallback):
    """Note the range of observations, and look at the policy now and then."""

    def __init__(self, every: int, look: Callable[[NetworkDriver, int], None]):
        super().__init__()
        self.every, self.look = every, look
        self.low: Single | None = None
        self.high: Single | None = None

    def note(self, observation: Single) -> None:
        """Note an observation."""
        self.low = observation if self.low is None else np.minimum(self.low, observation)
        self.high = observation if self.high is None else np.maximum(self.high, observation)

    def _on_step(self) -> bool:
        for observation in self.locals["new_obs"]:
            self.note(observation)
        if self.n_calls % self.every == 0:
            self.look(driver_of(self.model, self.low, self.high), self.n_calls)
        return True


def _array(parameter: torch.Tensor) -> Single:
    found: Single = parameter.detach().cpu().numpy().astype(np.float32)
    return found


def driver_of(model: Any, low: Single | None, high: Single | None) -> NetworkDriver:
    """Return the driver of a model of stable-baselines3, as arrays.

    Parameters
    ----------
    model : SAC
        Trained on ``lw_rl/Drive-v0``.
    low, high : Single
        Range of the observations.
    """
    assert low is not None and high is not None
    actor = model.policy.actor
    linear = [*(m for m in actor.latent_pi if isinstance(m, nn.Linear)), actor.mu]
    layers = [(_array(m.weight), _array(m.bias)) for m in linear]
    margin = _MARGIN * np.maximum(high - low, 1e-3)
    return NetworkDriver(
        layers, (low - margin).astype(np.float32), (high + margin).astype(np.float32)
    )


def train_driver(
    env: Drive,
    steps: int,
    seed: int,
    look: Callable[[NetworkDriver, int], None],
    looks: int = 3,
) -> NetworkDriver:
    """Train a driver by Soft Actor-Critic (Haarnoja et al. 2018, arXiv 1812.05905).

    Parameters
    ----------
    env : Drive
        Where it is trained.
    steps : int
        Decisions.
    seed : int
        Of everything that is drawn.
    look : callable
        Called with the driver so far and the number of steps, `looks` times.
    looks : int, optional
        How often (default: 3).
    """
    model = SAC("MlpPolicy", env, **_settings(steps, seed))
    callback = _Range(max(1, steps // looks), look)
    for k in range(len(env.problems)):
        callback.note(env.reset(options={"problem": k})[0])
    model.learn(steps, callback=callback, log_interval=10**9)
    return driver_of(model, callback.low, callback.high)


@dataclass(frozen=True)
class SampledDriver:
    """A model of S2AC that chooses actions, for studies: its policy is a sampler, not a network.

    Attributes
    ----------
    model : S2AC
        Trained on ``lw_rl/Drive-v0``.
    """

    model: S2AC

    def action(self, observation: Single) -> Single:
        """Return the best action of the sampler's imitation, each in [-1, 1]."""
        found: Single = self.model.predict(observation, deterministic=True)[0]
        return found

    def save(self, path: Path) -> None:
        """Keep the model."""
        self.model.save(path)

    @classmethod
    def load(cls, path: Path) -> SampledDriver:
        """Return a driver that was kept."""
        return cls(S2AC.load(path, device="cpu"))


def train_s2ac(env: Drive, steps: int, seed: int) -> SampledDriver:
    """Train a driver by S2AC, with the settings of :func:`train_driver`.

    Parameters
    ----------
    env, steps, seed
        As for :func:`train_driver`.
    """
    model = S2AC("MlpPolicy", env, **_settings(steps, seed))
    model.learn(steps, log_interval=10**9)
    return SampledDriver(model)


def _settings(steps: int, seed: int) -> Json:
    return {
        "learning_rate": 1e-3,
        "buffer_size": max(steps, 100),
        "learning_starts": min(200, steps // 4),
        "batch_size": 128,
        "gamma": 1.0,
        "policy_kwargs": {"net_arch": list(_LAYERS)},
        "seed": seed,
        "device": "cpu",
    }
