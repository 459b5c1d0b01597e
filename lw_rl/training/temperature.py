"""The temperature of Soft Actor-Critic: fixed, automatic, scheduled, or set by a target entropy.

================================  ==================================================================
`ent_coef`                        temperature alpha
================================  ==================================================================
a number                          fixed
``"auto"``, ``"auto_0.1"``        Haarnoja et al. (2018, arXiv:1812.05905, eq. 18), from 1 or 0.1
a function of the progress        scheduled; its argument falls from 1 to 0, as stable-baselines3's
:class:`TargetEntropy`            a controller keeps the policy's measured entropy at its target
================================  ==================================================================

Entropies are differential, in nats, of the action scaled to [-1, 1] in every component: the uniform
policy's, the largest there is, is log 2 for each.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ..errors import ActionSpaceError, TemperatureError

__all__ = [
    "Schedule",
    "TargetEntropy",
    "check_action_space",
    "check_target",
    "check_temperature",
    "described",
]

#: Names of 0.1: where they are now, and what they are called.
_MOVED = {
    "HeldEntropy": ("temperature", "TargetEntropy"),
    "Tempered": ("tempered_sac", "Tempered"),
    "TemperedSAC": ("tempered_sac", "TemperedSAC"),
}

Schedule = Callable[[float], float]
"""A function of the remaining progress, which falls from 1 to 0 while training."""


@dataclass(frozen=True)
class TargetEntropy:
    """Keep the policy's measured entropy at a target.

    It is the mean entropy over the replayed states
    (:func:`~lw_rl.training.entropy_meter.measured_entropy`) that is kept there, not that of each
    state.

    SAC's own rule moves log alpha by Adam, at most a learning rate per update, which takes
    thousands of updates where the level is far, and the policy follows alpha late, the later the
    flatter the critics are. So after every call of ``train`` all widths of a Gaussian policy are
    shifted such that the entropy meets the target
    (:class:`~lw_rl.training.target_entropy.TargetEntropyActor`, which keeps that possible), and
    alpha learns from the corrections: it settles where the actor's own updates leave the entropy
    alone.

    The entropy of any other policy is controlled by alpha alone, which a proportional-integral
    controller moves.

    Parameters
    ----------
    target : float or callable
        The target entropy [nat], or a function of the remaining progress.
    initial : float, optional
        Temperature to begin with (default: 0.1).
    width : bool, optional
        Whether the widths of ``"MlpPolicy"`` are shifted (default: True).
    correction : float, optional
        Change of log alpha per nat and component of the action that the widths were corrected for:
        what it takes where the value is quadratic (default: 2).
    proportional : float, optional
        Without widths, change of log alpha per nat of error and component (default: 3).
    integral : float, optional
        The same per update, accumulating (default: 0.06).
    smoothing : float, optional
        Weight of the past in the error that the proportional part sees (default: 0.9).

    Raises
    ------
    TemperatureError
        If a setting is out of range.
    """

    target: float | Schedule
    initial: float = 0.1
    width: bool = True
    correction: float = 2.0
    proportional: float = 3.0
    integral: float = 0.06
    smoothing: float = 0.9

    def __post_init__(self) -> None:
        """Check the settings."""
        check_temperature(self.initial)
        for name in ("correction", "proportional", "integral"):
            if not getattr(self, name) > 0.0:
                raise TemperatureError(f"{name} must be positive, got {getattr(self, name)!r}")
        if not 0.0 <= self.smoothing < 1.0:
            raise TemperatureError(
                f"smoothing must be at least 0 and below 1, got {self.smoothing!r}"
            )

    def at(self, progress: float) -> float:
        """Return the target at a remaining progress [nat]."""
        return float(self.target(progress) if callable(self.target) else self.target)


def described(
    temperature: float | str | Mapping[str, Any],
) -> float | str | Schedule | TargetEntropy:
    """Return the temperature that plain data describes.

    Parameters
    ----------
    temperature : float, str or dict
        A number or a string as `ent_coef` takes it; ``{"schedule": [first, last]}``, a geometric
        fall; ``{"target": level}`` or ``{"target": [levels in turn]}``, the target entropy [nat],
        and with ``"initial"`` the temperature to begin with. The old spelling ``{"held": ...}`` is
        deprecated.

    Raises
    ------
    TemperatureError
        If a temperature is not positive and finite.
    """
    if not isinstance(temperature, Mapping):
        return temperature
    if "schedule" in temperature:
        first, last = (check_temperature(alpha) for alpha in temperature["schedule"])
        return lambda progress: float(last * (first / last) ** progress)
    if "held" in temperature:
        warnings.warn(
            'the temperature {"held": ...} is now spelled {"target": ...}',
            DeprecationWarning,
            stacklevel=2,
        )
        temperature = {"target": temperature["held"], **temperature}
    levels = temperature["target"]
    more = {"initial": temperature["initial"]} if "initial" in temperature else {}
    if not isinstance(levels, list):
        return TargetEntropy(float(levels), **more)

    def level(progress: float) -> float:
        return float(levels[min(int((1.0 - progress) * len(levels)), len(levels) - 1)])

    return TargetEntropy(level, **more)


def check_temperature(alpha: float) -> float:
    """Return a temperature, if it is one."""
    if not 0.0 < alpha < math.inf:
        raise TemperatureError(
            f"the temperature must be positive and finite, got {alpha!r}; at zero a "
            "maximum-entropy policy is the best action alone"
        )
    return float(alpha)


def check_target(target: float, space: spaces.Space) -> float:
    """Return a target entropy [nat], if a policy in this action space can have it.

    Raises
    ------
    TemperatureError
        If it is above that of the uniform policy.
    """
    largest = int(np.prod(space.shape or ())) * math.log(2.0)
    if not -math.inf < target < largest:
        raise TemperatureError(
            f"the target entropy must be finite and below that of the uniform policy, "
            f"{largest:.3g} nat for this action space scaled to [-1, 1], got {target!r}"
        )
    return target


def check_action_space(space: spaces.Space | str) -> None:
    """Raise ActionSpaceError unless a space, or that of an id, is a bounded box."""
    if isinstance(space, str):
        made = gymnasium.make(space)
        space = made.action_space
        made.close()
    if not isinstance(space, spaces.Box):
        raise ActionSpaceError(
            f"actions must be a Box of real numbers, got {space}; wrap the environment"
        )
    if not (np.all(np.isfinite(space.low)) and np.all(np.isfinite(space.high))):
        raise ActionSpaceError(
            f"the action space must be bounded on both sides, got low {space.low.min()} and high "
            f"{space.high.max()}; wrap the environment in gymnasium.wrappers.RescaleAction or clip"
        )


def __getattr__(name: str) -> Any:
    """Return what had its place or another name here in 0.1, for one release."""
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, new = _MOVED[name]
    warnings.warn(f"{name} is now lw_rl.training.{module}.{new}", DeprecationWarning, stacklevel=2)
    return getattr(import_module(f".{module}", __package__), new)
