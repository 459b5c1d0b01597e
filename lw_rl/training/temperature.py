"""The temperature of Soft Actor-Critic: fixed, automatic, scheduled, or such as holds the entropy.

================================  ==================================================================
`ent_coef`                        temperature alpha
================================  ==================================================================
a number                          fixed
``"auto"``, ``"auto_0.1"``        Haarnoja et al. (2018, arXiv:1812.05905, eq. 18), from 1 or 0.1
a function of the progress        scheduled; its argument falls from 1 to 0, as stable-baselines3's
:class:`HeldEntropy`              a controller keeps the policy's measured entropy where asked
================================  ==================================================================

Entropies are differential, in nats, of the action scaled to [-1, 1] in every component: the uniform
policy's, the largest there is, is log 2 for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import SAC

from ..errors import ActionSpaceError, CriticError, TemperatureError
from .entropy_meter import EntropyMeter, is_gaussian

Progress = Callable[[float], float]
"""A function of the remaining progress, which falls from 1 to 0 while training."""

_ALPHA_RANGE = (1e-6, 1e3)
#: Largest correction of a log standard deviation at once, Newton steps that are made, and the nats
#: per component that one must be worth: a wide Gaussian is crowded at the bounds.
_MAX_CHANGE, _NEWTON, _LEAST_SLOPE = 0.3, 4, 0.02


@dataclass(frozen=True)
class HeldEntropy:
    """Hold the policy's measured entropy at a level.

    SAC's own rule moves log alpha by Adam, at most a learning rate per update, which takes
    thousands of updates where the level is far; this is a proportional-integral controller.

    The policy follows alpha late, and the later the flatter the critics are. A Gaussian actor's
    width (the bias of its log standard deviation) is therefore corrected after every call of
    ``train`` for what the entropy is off, which takes effect at once; what has to be corrected
    again and again is what alpha learns from.

    Parameters
    ----------
    target : float or callable
        The entropy to hold [nat], or a function of the remaining progress.
    initial : float, optional
        Temperature to begin with (default: 0.1).
    proportional : float, optional
        Change of log alpha per nat of error and component of the action (default: 3).
    integral : float, optional
        The same per update, accumulating (default: 0.06).
    smoothing : float, optional
        Weight of the past in the error that the proportional part sees (default: 0.9).
    width : float, optional
        Part of the entropy's error by which a Gaussian actor's width is corrected; 0 leaves all
        to alpha (default: 1).

    Raises
    ------
    TemperatureError
        If a setting is out of range.
    """

    target: float | Progress
    initial: float = 0.1
    proportional: float = 3.0
    integral: float = 0.06
    smoothing: float = 0.9
    width: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_temperature(self.initial)
        for name in ("proportional", "integral"):
            if not getattr(self, name) > 0.0:
                raise TemperatureError(f"{name} must be positive, got {getattr(self, name)!r}")
        if not 0.0 <= self.smoothing < 1.0:
            raise TemperatureError(
                f"smoothing must be at least 0 and below 1, got {self.smoothing!r}"
            )
        if not 0.0 <= self.width <= 1.0:
            raise TemperatureError(f"width must lie between 0 and 1, got {self.width!r}")

    def at(self, progress: float) -> float:
        """Return the entropy asked for at a remaining progress [nat]."""
        return float(self.target(progress) if callable(self.target) else self.target)


class EntropyController(torch.optim.Optimizer):
    """A proportional-integral controller of log alpha in the place of SAC's Adam.

    The gradient of SAC's loss of log alpha is measured minus requested entropy, so an optimiser of
    it is a controller; as one it is saved and restored with the model. The learning rate that
    stable-baselines3 sets is not used.

    Parameters
    ----------
    parameters : list of Tensor
        Log alpha.
    held : HeldEntropy
        The gains.
    components : int, optional
        Of the action. The entropy of a policy near its best action changes by half a nat per
        component and unit of log alpha, so its error counts per component (default: 1).
    """

    def __init__(self, parameters: list[torch.Tensor], held: HeldEntropy, components: int = 1):
        super().__init__(parameters, {"lr": 0.0})
        self.held, self.components = held, components

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Set log alpha from the error of the entropy."""
        held = self.held
        low, high = (math.log(alpha) for alpha in _ALPHA_RANGE)
        for group in self.param_groups:
            for log_alpha in group["params"]:
                if log_alpha.grad is None:
                    continue
                error = log_alpha.grad / self.components
                state = self.state[log_alpha]
                if not state:
                    state["integral"] = log_alpha.detach().clone()
                    state["error"] = error.clone()
                state["error"] += (1.0 - held.smoothing) * (error - state["error"])
                # Bounded, so that a level out of reach for a while leaves nothing to wind back.
                state["integral"] -= held.integral * error
                state["integral"].clamp_(low, high)
                log_alpha.copy_(
                    (state["integral"] - held.proportional * state["error"]).clamp(low, high)
                )


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
    _vec_normalize_env: Any
    actor: Any
    replay_buffer: Any

    def __init__(
        self,
        policy: Any,
        env: Any,
        *args: Any,
        ent_coef: float | str | Progress | HeldEntropy = "auto",
        **kwargs: Any,
    ):
        if env is not None:
            check_action_space(env if isinstance(env, str) else env.action_space)
        self.temperature: Progress | HeldEntropy | None = None
        self._meter: EntropyMeter | None = None
        coefficient: float | str
        if isinstance(ent_coef, HeldEntropy):
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
        if isinstance(self.temperature, HeldEntropy):
            check_target(self.temperature.at(1.0), self.action_space)
            components = int(np.prod(self.action_space.shape or ()))
            self.ent_coef_optimizer = EntropyController(
                [self.log_ent_coef], self.temperature, components
            )
        elif self.ent_coef_optimizer is not None:
            check_target(float(self.target_entropy), self.action_space)

    def _set_temperature(self) -> None:
        """Take the schedule's temperature or requested entropy of this moment."""
        if isinstance(self.temperature, HeldEntropy):
            target = self.temperature.at(self._current_progress_remaining)
            self.target_entropy = check_target(target, self.action_space)
        elif self.temperature is not None:
            alpha = check_temperature(self.temperature(self._current_progress_remaining))
            self.ent_coef_tensor = torch.tensor(alpha, device=self.device)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Make gradient steps at this moment's temperature."""
        self._set_temperature()
        super().train(gradient_steps, batch_size)  # type: ignore[misc]
        if isinstance(self.temperature, HeldEntropy):
            self._correct_width(self.temperature.width)

    def _correct_width(self, part: float) -> None:
        """Correct a Gaussian actor's width for a part of what the entropy is off."""
        if part == 0.0 or not is_gaussian(self.actor):
            return
        if self._meter is None:
            self._meter = EntropyMeter(self.actor, self._replayed)
        layer = self.actor.log_std
        measure = self._meter.look()
        for _ in range(_NEWTON):
            entropy, slope = measure()
            if slope < _LEAST_SLOPE * layer.out_features:
                return
            change = part * (float(self.target_entropy) - entropy) / slope
            with torch.no_grad():
                layer.bias += min(max(change, -_MAX_CHANGE), _MAX_CHANGE)

    def _replayed(self, number: int) -> torch.Tensor:
        return self.replay_buffer.sample(number, env=self._vec_normalize_env).observations

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_meter"]  # type: ignore[misc]


class TemperedSAC(Tempered, SAC):
    """stable-baselines3's SAC, whose temperature may also be scheduled or hold the entropy.

    Parameters
    ----------
    policy, env, *args, **kwargs
        As for stable-baselines3's SAC.
    ent_coef : float, str, callable or HeldEntropy, optional
        See the module's table (default: "auto").

    Raises
    ------
    ActionSpaceError
        If the actions are not a bounded box.
    TemperatureError
        If the temperature is not positive, or the entropy asked for is out of reach.
    CriticError
        In training, if the critics do not return finite values.
    """

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Make gradient steps at this moment's temperature."""
        super().train(gradient_steps, batch_size)
        loss = self.logger.name_to_value["train/critic_loss"]
        if not math.isfinite(loss):
            raise CriticError(
                f"the critics' loss must be finite, got {loss}: rewards, observations or the "
                "critics' own values are not; lower the learning rate or scale the rewards"
            )


def described(temperature: Any) -> float | str | Progress | HeldEntropy:
    """Return the temperature that plain data describes.

    Parameters
    ----------
    temperature : float, str or dict
        A number or a string as `ent_coef` takes it; ``{"schedule": [first, last]}``, a geometric
        fall; ``{"held": level}`` or ``{"held": [levels in turn]}``, the entropy to hold [nat], and
        with ``"initial"`` the temperature to begin with.

    Raises
    ------
    TemperatureError
        If a temperature is not positive and finite.
    """
    if not isinstance(temperature, dict):
        return temperature
    if "schedule" in temperature:
        first, last = (check_temperature(alpha) for alpha in temperature["schedule"])
        return lambda progress: float(last * (first / last) ** progress)
    held = temperature["held"]
    more = {"initial": temperature["initial"]} if "initial" in temperature else {}
    if not isinstance(held, list):
        return HeldEntropy(float(held), **more)

    def level(progress: float) -> float:
        return float(held[min(int((1.0 - progress) * len(held)), len(held) - 1)])

    return HeldEntropy(level, **more)


def check_temperature(alpha: float) -> float:
    """Return a temperature, if it is one."""
    if not 0.0 < alpha < math.inf:
        raise TemperatureError(
            f"the temperature must be positive and finite, got {alpha!r}; at zero a "
            "maximum-entropy policy is the best action alone"
        )
    return float(alpha)


def check_target(target: float, space: spaces.Space) -> float:
    """Return a requested entropy, if a policy in this action space can have it."""
    largest = int(np.prod(space.shape or ())) * math.log(2.0)
    if not -math.inf < target < largest:
        raise TemperatureError(
            f"the entropy asked for must be finite and below that of the uniform policy, "
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
