"""What moves the temperature where the policy's entropy has a target."""

from __future__ import annotations

import math
from typing import Any

import torch

__all__ = ["EntropyController"]

from .temperature import TargetEntropy

_ALPHA_RANGE = (1e-6, 1e3)


class EntropyController(torch.optim.Optimizer):
    """A controller of log alpha in the place of SAC's Adam; saved and restored with the model.

    The gradient of SAC's loss of log alpha is measured minus target entropy, so an optimiser of it
    is a proportional-integral controller. Where the actor's widths are shifted to meet the target
    no error is left to see: then alpha integrates the corrections of the widths, which are zero on
    average at the alpha whose policy has the target entropy by itself.

    The learning rate that stable-baselines3 sets is not used.

    Parameters
    ----------
    parameters : list of Tensor
        Log alpha.
    settings : TargetEntropy
        The gains.
    components : int, optional
        Of the action. The entropy of a policy near its best action changes by half a nat per
        component and unit of log alpha, so its error counts per component (default: 1).
    corrected : bool, optional
        Whether :meth:`learn` moves alpha instead of :meth:`step` (default: False).
    """

    def __init__(
        self,
        parameters: list[torch.Tensor],
        settings: TargetEntropy,
        components: int = 1,
        corrected: bool = False,
    ):
        super().__init__(parameters, {"lr": 0.0})
        self.settings, self.components, self.corrected = settings, components, corrected

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Set log alpha from the error of the entropy."""
        settings = self.settings
        (log_alpha,) = self.param_groups[0]["params"]
        if self.corrected or log_alpha.grad is None:
            return
        error = log_alpha.grad / self.components
        state = self.state[log_alpha]
        if not state:
            state["integral"] = log_alpha.detach().clone()
            state["error"] = error.clone()
        state["error"] += (1.0 - settings.smoothing) * (error - state["error"])
        # Bounded, so that a level out of reach for a while leaves nothing to wind back.
        state["integral"] = _bounded(state["integral"] - settings.integral * error)
        log_alpha.copy_(_bounded(state["integral"] - settings.proportional * state["error"]))

    @torch.no_grad()
    def learn(self, off: float) -> None:
        """Move log alpha by what a correction was of [nat]: entropy before it minus that after."""
        (log_alpha,) = self.param_groups[0]["params"]
        log_alpha.copy_(_bounded(log_alpha - self.settings.correction * off / self.components))


def _bounded(log_alpha: torch.Tensor) -> torch.Tensor:
    low, high = _ALPHA_RANGE
    return log_alpha.clamp(math.log(low), math.log(high))
