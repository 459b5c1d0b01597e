"""What moves the temperature where an entropy is held."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .temperature import HeldEntropy

_ALPHA_RANGE = (1e-6, 1e3)


class EntropyController(torch.optim.Optimizer):
    """A controller of log alpha in the place of SAC's Adam; saved and restored with the model.

    The gradient of SAC's loss of log alpha is measured minus requested entropy, so an optimiser of
    it is a proportional-integral controller. Where the actor's width holds the entropy there is no
    error left to see: then alpha integrates what the width had to be corrected by, which is zero
    on average at the alpha whose policy has the entropy by itself.

    The learning rate that stable-baselines3 sets is not used.

    Parameters
    ----------
    parameters : list of Tensor
        Log alpha.
    held : HeldEntropy
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
        held: HeldEntropy,
        components: int = 1,
        corrected: bool = False,
    ):
        super().__init__(parameters, {"lr": 0.0})
        self.held, self.components, self.corrected = held, components, corrected

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Set log alpha from the error of the entropy."""
        held = self.held
        (log_alpha,) = self.param_groups[0]["params"]
        if self.corrected or log_alpha.grad is None:
            return
        error = log_alpha.grad / self.components
        state = self.state[log_alpha]
        if not state:
            state["integral"] = log_alpha.detach().clone()
            state["error"] = error.clone()
        state["error"] += (1.0 - held.smoothing) * (error - state["error"])
        # Bounded, so that a level out of reach for a while leaves nothing to wind back.
        state["integral"] = _bounded(state["integral"] - held.integral * error)
        log_alpha.copy_(_bounded(state["integral"] - held.proportional * state["error"]))

    @torch.no_grad()
    def learn(self, off: float) -> None:
        """Move log alpha by what a correction was of [nat]: entropy before it minus that after."""
        (log_alpha,) = self.param_groups[0]["params"]
        log_alpha.copy_(_bounded(log_alpha - self.held.correction * off / self.components))


def _bounded(log_alpha: torch.Tensor) -> torch.Tensor:
    low, high = _ALPHA_RANGE
    return log_alpha.clamp(math.log(low), math.log(high))
