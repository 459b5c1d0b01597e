"""Anderson acceleration of MALI in log populations, with a step limit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from ..adapter import Adapter, Evaluation
from .base import Step, limit_step, relative
from .history import anderson_mix

Array = np.ndarray


@dataclass
class History:
    """Iterates and their images, oldest first."""

    xs: deque[Array]
    gs: deque[Array]

    @classmethod
    def empty(cls, window: int) -> History:
        """Return an empty history of `window` differences."""
        return cls(deque(maxlen=window + 1), deque(maxlen=window + 1))

    def add(self, x: Array, g: Array) -> None:
        """Append an iterate and its image."""
        self.xs.append(x)
        self.gs.append(g)

    def clear(self) -> None:
        """Forget everything."""
        self.xs.clear()
        self.gs.clear()


@dataclass(frozen=True)
class Anderson:
    """Anderson acceleration of MALI in the logarithm of the unknown.

    Anderson 1965, J. ACM 12, 547. Working in the logarithm keeps the populations positive, the
    step limit keeps an extrapolation from leaving the basin.

    Parameters
    ----------
    window : int, optional
        Number of differences kept (default: 10).
    max_step : float, optional
        Limit of a step in the logarithm, at every depth (default: 2).
    """

    window: int = 10
    max_step: float = 2.0
    name: str = field(default="anderson")
    lambdaIterate: bool = False

    def __post_init__(self) -> None:
        if self.window < 1 or not self.max_step > 0.0:
            raise ValueError(
                "Anderson needs window >= 1 and max_step > 0; got "
                f"window={self.window}, max_step={self.max_step}"
            )

    def init(self, adapter: Adapter) -> History:
        """Return an empty history."""
        return History.empty(self.window)

    def step(self, evaluation: Evaluation, state: History) -> Step:
        """Mix the history of plain updates."""
        if not evaluation.valid:
            state.clear()
            return Step(None, by="mali")
        state.add(evaluation.y, evaluation.y_plain)
        y_next = limit_step(evaluation.y, anderson_mix(state.xs, state.gs), self.max_step)
        return Step(y_next, estimate=relative(y_next - evaluation.y), by=self.name)

    def step_block(self, y: Array, y_plain: Array, state: History) -> Array:
        """Return the next unknown of one block of the unknown, for schemes that mix methods."""
        state.add(y, y_plain)
        return limit_step(y, anderson_mix(state.xs, state.gs), self.max_step)


def finite(*arrays: Array) -> bool:
    """Whether all entries of all arrays are finite."""
    return all(bool(np.all(np.isfinite(a))) for a in arrays)
