"""A Gaussian actor that can always meet a target entropy.

A squashed Gaussian whose mean lies far beyond the bounds has little entropy at any width, and one
that is too wide is crowded at both of them. SAC's own actor may drift to either, where a target
entropy is out of reach. Here the mean is limited to where the widest Gaussian still has the target
entropy, and the width to where more of it means more entropy. So the mean entropy over any states
rises with a common shift of the widths, to at least the target, and the shift that meets it is the
root of a monotonic function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from scipy.optimize import brentq
from stable_baselines3.sac.policies import Actor, SACPolicy

from ..errors import TemperatureError
from .entropy_meter import squashed_entropies

__all__ = ["TargetEntropyActor", "TargetEntropyPolicy", "mean_limit", "shift_for"]

Tensor = torch.Tensor

#: Log standard deviation of the squashed Gaussian at zero of the largest entropy; at any other mean
#: the widest useful one is wider.
_WIDEST = -0.127
#: Entropy that the widest Gaussian has to spare at the limit of the mean, per component [nat].
_SPARE = 0.1
#: Beyond the largest limit stable-baselines3's log density is no longer exact in float32.
_LIMITS = (0.05, 5.0)
#: Farthest shift of the widths, and how exactly it is found.
_FARTHEST, _EXACT = 30.0, 1e-3


class TargetEntropyActor(Actor):
    """stable-baselines3's actor of SAC with limited means and widths; see the module.

    The mean is ``limit tanh(mu / limit)`` and the standard deviation a logistic function of the
    network's output, so that no gradient is cut off.
    """

    limit: Tensor
    log_std: torch.nn.Linear  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.register_buffer("limit", torch.tensor(_LIMITS[1]))

    def get_action_dist_params(self, obs: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return mean and log standard deviation, both [batch, d]; see stable-baselines3."""
        mean, width = self.mean_and_width(obs)
        return mean, self.log_std_of(width), {}

    def mean_and_width(self, obs: Any) -> tuple[Tensor, Tensor]:
        """Return the mean and the output that the width is a function of, both [batch, d]."""
        latent = self.latent_pi(self.extract_features(obs, self.features_extractor))
        return self.limit * torch.tanh(self.mu(latent) / self.limit), self.log_std(latent)

    @staticmethod
    def log_std_of(width: Tensor) -> Tensor:
        """Return the log standard deviation for outputs of the network."""
        return _WIDEST + torch.nn.functional.logsigmoid(width.clamp(min=-_FARTHEST))

    def set_target(self, level: float) -> None:
        """Limit the means to where the policy can have an entropy [nat].

        Raises
        ------
        TemperatureError
            If no policy of this kind can have it.
        """
        self.limit.fill_(mean_limit(level / self.log_std.out_features))


class TargetEntropyPolicy(SACPolicy):
    """SAC's multilayer perceptrons with a :class:`TargetEntropyActor`."""

    def make_actor(self, features_extractor: Any = None) -> TargetEntropyActor:
        """Return the actor."""
        kwargs = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return TargetEntropyActor(**kwargs).to(self.device)


@lru_cache
def mean_limit(level: float) -> float:
    """Return the largest mean at which a component can have an entropy [nat], and some to spare.

    Raises
    ------
    TemperatureError
        If no squashed Gaussian can have it.
    """

    def spare(mean: float) -> float:
        at = torch.tensor([[mean]]), torch.tensor([[_WIDEST]])
        return float(squashed_entropies(*at)) - level

    low, high = _LIMITS
    if spare(low) <= 0.0:
        raise TemperatureError(
            f"the target entropy must be below that of the flattest squashed Gaussian, "
            f"{spare(low) + level:.3g} nat for each component of the action, got {level:.3g}"
        )
    wanted = min(_SPARE, 0.5 * spare(low))
    if spare(high) >= wanted:
        return high
    return float(brentq(lambda mean: spare(mean) - wanted, low, high, xtol=1e-3))


def shift_for(entropy: Callable[[float], float], level: float) -> tuple[float, float]:
    """Return the shift of the widths that meets a level, and the entropy without it [nat].

    Parameters
    ----------
    entropy : callable
        Of the shift, rising [nat].
    level : float
        The target [nat].
    """
    before = entropy(0.0)
    off = before - level
    if abs(off) < _EXACT:
        return 0.0, before
    near, far = 0.0, math.copysign(0.02, -off)
    while (entropy(far) - level) * off > 0.0:
        if abs(far) >= _FARTHEST:
            return far, before
        near, far = far, 4.0 * far
    return float(brentq(lambda shift: entropy(shift) - level, near, far, xtol=_EXACT)), before
