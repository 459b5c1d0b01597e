"""Soft Actor-Critic whose temperature may be scheduled or set by a target entropy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import SAC

from ..errors import CriticError
from .entropy_controller import EntropyController
from .entropy_meter import EntropyMeter, squashed_entropies
from .target_entropy import TargetEntropyActor, TargetEntropyPolicy, shift_for
from .temperature import (
    Schedule,
    TargetEntropy,
    check_action_space,
    check_target,
    check_temperature,
)

__all__ = ["Tempered", "TemperedSAC"]


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
