"""MALI with Ng acceleration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..certificate.history import History
from ..extrapolation import ng_extrapolate_positive
from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..norms import limit_step
from .anderson import DELAY, MAX_STEP
from .base import Step

__all__ = ["Ng"]


@dataclass(frozen=True)
class Ng:
    """MALI with Ng acceleration of the source function (or the populations).

    Ng 1974, J. Chem. Phys. 61, 2680; Auer 1987, in Numerical Radiative Transfer, 101. The step is
    limited in the logarithm, as Anderson's. Extrapolating the logarithm itself, the other choice,
    takes up to five times as many formal solutions on the FAL models, from LTE.

    Parameters
    ----------
    order : int, optional
        Order of the extrapolation; it uses ``order + 2`` iterates, no more than there are in the
        history (default: 3).
    period : int, optional
        Plain iterations between two accelerations, and before the first (default: 5).
    max_step : float, optional
        Limit of an accelerated step in the logarithm (default: 2).
    """

    order: int = 3
    period: int = DELAY
    max_step: float = MAX_STEP
    name: str = field(default="ng")
    lambdaIterate: bool = False
    solves_scattering: bool = True

    def __post_init__(self) -> None:
        if self.order < 1 or self.period < 1:
            raise ValueError(
                f"Ng needs order >= 1, period >= 1; got order={self.order}, period={self.period}"
            )

    def init(self, adapter: Adapter, history: History) -> History:
        """Return what is looked at: there is no other state."""
        return history

    def step(self, evaluation: Evaluation, state: History) -> Step:
        """Keep the host's update, or extrapolate when it is time to."""
        plain = state.plain_run()
        iterates = [*(e.y for e in plain), evaluation.y, evaluation.y_plain]
        ready = len(plain) + 1 >= max(self.period, self.order + 1)
        if not (evaluation.valid and ready):
            return Step(None, by="mali")
        extrapolated = ng_extrapolate_positive(iterates[-self.order - 2 :])
        y_next = limit_step(evaluation.y, extrapolated, self.max_step)
        if not np.all(np.isfinite(y_next)):
            return Step(None, by="mali")
        return Step(y_next, by=self.name)
