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
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import SAC

from ..errors import ActionSpaceError, CriticError, TemperatureError
from .entropy_controller import EntropyController
from .entropy_meter import EntropyMeter, squashed_entropies
from .target_entropy import TargetEntropyActor, TargetEntropyPolicy, shift_for

__all__ = [
    "Schedule",
    "TargetEntropy",
    "Tempered",
    "TemperedSAC",
    "check_action_space",
    "check_target",
    "check_temperature",
    "described",
]

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


class Tempered:
    """What :class:`TemperedSAC` and S2AC share: the choice of a temperature by `ent_coef`."""

    # Of stable-baselines3's SAC, which stands beside this class in those that use it.
    action_space: spaces.Space
    ent_coef_optimizer: Any
    ent_coef_tensor: torch.Tensor
    log_ent_coef: Any
    target_entropy: Any
    device: Any
    _current_progress_remaining: float
    actor: Any

    def __init__(
        self,
        policy: Any,
        env: Any,
        *args: Any,
        ent_coef: float | str | Schedule | TargetEntropy = "auto",
        **kwargs: Any,
    ):
        if env is not None:
            check_action_space(env if isinstance(env, str) else env.action_space)
        self.temperature: Schedule | TargetEntropy | None = None
        coefficient: float | str
        if isinstance(ent_coef, TargetEntropy):
            self.temperature = ent_coef
            coefficient = f"auto_{ent_coef.initial}"
            # Beside a controller SAC's own default has no meaning.
            kwargs["target_entropy"] = ent_coef.at(1.0)
        elif callable(ent_coef):
            self.temperature = ent_coef
            coefficient = check_temperature(ent_coef(1.0))
        else:
            coefficient = ent_coef
            if not isinstance(ent_coef, str):
                check_temperature(ent_coef)
            elif "_" in ent_coef:
                check_temperature(float(ent_coef.split("_")[1]))
        super().__init__(policy, env, *args, ent_coef=coefficient, **kwargs)  # type: ignore[call-arg]

    def _setup_model(self) -> None:
        super()._setup_model()  # type: ignore[misc]
        if isinstance(self.temperature, TargetEntropy):
            self._set_temperature()
            components = int(np.prod(self.action_space.shape or ()))
            corrected = isinstance(self.actor, TargetEntropyActor)
            self.ent_coef_optimizer = EntropyController(
                [self.log_ent_coef], self.temperature, components, corrected
            )
        elif self.ent_coef_optimizer is not None:
            check_target(float(self.target_entropy), self.action_space)

    def _set_temperature(self) -> None:
        """Take the schedule's temperature, or the target entropy, of this moment."""
        if isinstance(self.temperature, TargetEntropy):
            target = self.temperature.at(self._current_progress_remaining)
            self.target_entropy = check_target(target, self.action_space)
            if isinstance(self.actor, TargetEntropyActor):
                self.actor.set_target(self.target_entropy)
        elif self.temperature is not None:
            alpha = check_temperature(self.temperature(self._current_progress_remaining))
            self.ent_coef_tensor = torch.tensor(alpha, device=self.device)


class TemperedSAC(Tempered, SAC):
    """stable-baselines3's SAC, whose temperature may be scheduled or set by a target entropy.

    Parameters
    ----------
    policy, env, *args, **kwargs
        As for stable-baselines3's SAC.
    ent_coef : float, str, callable or TargetEntropy, optional
        See the module's table (default: "auto").

    Raises
    ------
    ActionSpaceError
        If the actions are not a bounded box.
    TemperatureError
        If the temperature is not positive, or the target entropy is out of reach.
    CriticError
        In training, if the critics do not return finite values.
    """

    def __init__(self, policy: Any, env: Any, *args: Any, **kwargs: Any):
        self._meter: EntropyMeter | None = None
        given = kwargs.get("ent_coef")
        if policy == "MlpPolicy" and isinstance(given, TargetEntropy) and given.width:
            policy = TargetEntropyPolicy
        super().__init__(policy, env, *args, **kwargs)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Make gradient steps at this moment's temperature, then meet the target entropy."""
        self._set_temperature()
        super().train(gradient_steps, batch_size)
        loss = self.logger.name_to_value["train/critic_loss"]
        if not math.isfinite(loss):
            raise CriticError(
                f"the critics' loss must be finite, got {loss}: rewards, observations or the "
                "critics' own values are not; lower the learning rate or scale the rewards"
            )
        if isinstance(self.temperature, TargetEntropy) and isinstance(
            self.actor, TargetEntropyActor
        ):
            self.meet_target(self.actor)

    def meet_target(self, actor: TargetEntropyActor) -> None:
        """Shift the actor's widths such that the entropy is the target; alpha learns from it."""
        if self._meter is None:
            self._meter = EntropyMeter(self)
        mean, width, offset = self._meter.measure()

        def entropy(shift: float) -> float:
            return offset + float(squashed_entropies(mean, actor.log_std_of(width + shift)).mean())

        level = float(self.target_entropy)
        with torch.no_grad():
            shift, before = shift_for(entropy, level)
            actor.log_std.bias.add_(shift)
        self.ent_coef_optimizer.learn(before - level)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_meter"]


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
    """Return `TargetEntropy` by its old name, for one release."""
    if name != "HeldEntropy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("HeldEntropy is now TargetEntropy", DeprecationWarning, stacklevel=2)
    return TargetEntropy
