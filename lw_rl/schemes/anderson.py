"""Anderson acceleration of MALI, with a step limit in the logarithm."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..arrays import Array
from ..extrapolation import anderson_mix, anderson_mix_positive
from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..norms import largest, limit_step, relative
from .base import (
    Step,
)

__all__ = ["Anderson", "Iterates"]

#: Plain steps before populations are combined: far from equilibrium they are better left alone.
_DELAY = 5


@dataclass
class Iterates:
    """Iterates and their images, oldest first, and how many there were.

    Attributes
    ----------
    logarithmic : bool
        Whether logarithms are combined.
    delay : int
        Plain steps before the first that is accelerated.
    """

    xs: deque[Array]
    gs: deque[Array]
    logarithmic: bool = False
    delay: int = 0
    made: int = 0

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
    """Anderson acceleration of MALI.

    Anderson 1965, J. ACM 12, 547. The step is limited in the logarithm, which keeps populations
    positive and an extrapolation from leaving the basin. What is combined are the source
    functions (or populations) themselves, since the problem is close to linear in them; combining
    their logarithms, the other choice, needs up to three times as many formal solutions from LTE.

    Parameters
    ----------
    window : int, optional
        Number of differences kept (default: 10).
    logarithmic : bool or None, optional
        Combine logarithms instead (default: None, where some atom has more levels: populations are
        not linear in each other).
    max_step : float, optional
        Limit of a step in the logarithm, at every depth (default: 2).
    delay : int or None, optional
        Plain steps before the first that is accelerated; they are not combined (default: None, five
        where some atom has more levels, else none).
    """

    window: int = 10
    logarithmic: bool | None = None
    max_step: float = 2.0
    delay: int | None = None
    name: str = field(default="anderson")
    lambdaIterate: bool = False
    solves_scattering: bool = True

    def __post_init__(self) -> None:
        if self.window < 1 or not self.max_step > 0.0:
            raise ValueError(
                "Anderson needs window >= 1 and max_step > 0; got "
                f"window={self.window}, max_step={self.max_step}"
            )

    def init(self, adapter: Adapter) -> Iterates:
        """Return an empty history."""
        levels = not adapter.line_sources
        return Iterates(
            deque(maxlen=self.window + 1),
            deque(maxlen=self.window + 1),
            logarithmic=levels if self.logarithmic is None else self.logarithmic,
            delay=(_DELAY if levels else 0) if self.delay is None else self.delay,
        )

    def redistribute(self, change: float, state: Iterates) -> None:
        """Forget the iterates: they are of another emission profile."""
        state.clear()

    def step(self, evaluation: Evaluation, state: Iterates) -> Step:
        """Mix the history of plain updates."""
        if not evaluation.valid:
            state.clear()
            return Step(None, by="mali")
        y_next = self.mix(evaluation.y, evaluation.y_plain, state)
        return Step(y_next, estimate=relative(largest(y_next - evaluation.y)), by=self.name)

    def mix(self, y: Array, image: Array, history: Iterates) -> Array:
        """Add an iterate and its image to a history and return the next iterate."""
        history.made += 1
        if history.made <= history.delay:
            return image
        history.add(y, image)
        if history.logarithmic:
            return limit_step(y, anderson_mix(history.xs, history.gs), self.max_step)
        return anderson_mix_positive(history.xs, history.gs, self.max_step)
