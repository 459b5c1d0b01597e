"""MALI with Ng acceleration."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..extrapolation import ng_extrapolate_positive
from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..norms import limit_step
from .base import (
    Step,
)

__all__ = ["Ng", "NgState"]


@dataclass
class NgState:
    """The last iterates, the iterations made, and those since the last acceleration."""

    xs: deque[Array]
    made: int = 0
    since: int = 0


@dataclass(frozen=True)
class Ng:
    """MALI with Ng acceleration of the source function (or the populations).

    Ng 1974, J. Chem. Phys. 61, 2680; Auer 1987, in Numerical Radiative Transfer, 101. The step is
    limited in the logarithm, as Anderson's. Extrapolating the logarithm itself, the other choice,
    takes up to five times as many formal solutions on the FAL models, from LTE.

    Parameters
    ----------
    order : int, optional
        Order of the extrapolation; it uses ``order + 2`` iterates (default: 3).
    period : int, optional
        Plain iterations between two accelerations (default: 5).
    delay : int, optional
        Plain iterations before the first acceleration (default: 10).
    max_step : float, optional
        Limit of an accelerated step in the logarithm (default: 4).
    """

    order: int = 3
    period: int = 5
    delay: int = 10
    max_step: float = 4.0
    name: str = field(default="ng")
    lambdaIterate: bool = False
    solves_scattering: bool = True

    def __post_init__(self) -> None:
        if self.order < 1 or self.period < 1 or self.delay < 0:
            raise ValueError(
                "Ng needs order >= 1, period >= 1, delay >= 0; got "
                f"order={self.order}, period={self.period}, delay={self.delay}"
            )

    def init(self, adapter: Adapter) -> NgState:
        """Return an empty history."""
        return NgState(deque(maxlen=self.order + 2))

    def step(self, evaluation: Evaluation, state: NgState) -> Step:
        """Keep the host's update, or extrapolate when it is time to."""
        if not evaluation.valid:
            state.xs.clear()
            return Step(None, by="mali")
        if not state.xs:
            state.xs.append(evaluation.y)
        state.xs.append(evaluation.y_plain)
        state.made += 1
        state.since += 1
        if state.made < self.delay or state.since < self.period or len(state.xs) < self.order + 2:
            return Step(None, by="mali")
        state.since = 0
        y_next = limit_step(evaluation.y, ng_extrapolate_positive(state.xs), self.max_step)
        if not np.all(np.isfinite(y_next)):
            return Step(None, by="mali")
        # The extrapolated vector starts a fresh sequence of plain iterates.
        state.xs.clear()
        state.xs.append(y_next)
        return Step(y_next, by=self.name)
