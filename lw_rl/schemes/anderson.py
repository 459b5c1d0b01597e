"""Anderson acceleration of MALI, with a step limit in the logarithm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..arrays import Array
from ..certificate.history import MEMORY, History
from ..extrapolation import anderson_mix, anderson_mix_positive
from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..norms import largest, limit_step, relative
from .base import Step

__all__ = ["DELAY", "MAX_STEP", "Anderson", "AndersonState"]

#: Plain steps before populations are combined, which far from equilibrium are better left alone,
#: and between two of Ng's accelerations, of which one makes use of five iterates.
#: Ca II beside H: 29 formal solutions with five, 106 with none.
DELAY = 5
#: Limit of an accelerated step in the logarithm: the first 131 of hostile seed 72 take 12.05 formal
#: solutions with ten times as much, 12.08 with this.
MAX_STEP = 2.0


@dataclass
class AndersonState:
    """From where on the states visited are combined.

    Attributes
    ----------
    history : History
        The states visited.
    logarithmic : bool
        Whether logarithms are combined.
    since : float
        Formal solutions, of all of the solve, whose states are not combined; infinite if none is.
    """

    history: History
    logarithmic: bool = False
    since: float = 0

    def clear(self) -> None:
        """Forget the states visited."""
        self.since = max(self.since, self.history.made)

    @property
    def waits(self) -> bool:
        """Whether the step is to be the plain one."""
        return self.history.made < self.since


@dataclass(frozen=True)
class Anderson:
    """Anderson acceleration of MALI.

    Anderson 1965, J. ACM 12, 547. The step is limited in the logarithm, which keeps populations
    positive and an extrapolation from leaving the basin. What is combined are the source
    functions (or populations) themselves, since the problem is close to linear in them; combining
    their logarithms, the other choice, needs up to three times as many formal solutions from LTE.
    Where the host conserves charge it is MALI: the electrons move with the populations then, and a
    combination of plain updates is none of a fixed map.

    Parameters
    ----------
    window : int, optional
        Number of differences (default: 10, all that are remembered).
    logarithmic : bool or None, optional
        Combine logarithms instead (default: None, where some atom has more levels: populations are
        not linear in each other).
    max_step : float, optional
        Limit of a step in the logarithm, at every depth (default: 2).
    delay : int or None, optional
        Plain steps before the first that is accelerated; they are not combined (default: None, five
        where some atom has more levels, else none).
    """

    window: int = MEMORY - 1
    logarithmic: bool | None = None
    max_step: float = MAX_STEP
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

    def init(self, adapter: Adapter, history: History) -> AndersonState:
        """Begin: states visited before are not combined."""
        levels = not adapter.line_sources
        delay: float = (DELAY if levels else 0) if self.delay is None else self.delay
        if adapter.conserves_charge:
            delay = math.inf
        logarithmic = levels if self.logarithmic is None else self.logarithmic
        return AndersonState(history, logarithmic, history.made + delay)

    def redistribute(self, change: float, state: AndersonState) -> None:
        """Forget the states visited: they are of another emission profile."""
        state.clear()

    def step(self, evaluation: Evaluation, state: AndersonState) -> Step:
        """Mix the history of plain updates."""
        if not evaluation.valid:
            state.clear()
            return Step(None, by="mali")
        if state.waits:
            return Step(None, by="mali")
        y_next = self.mix(evaluation, slice(None), state)
        return Step(y_next, estimate=relative(largest(y_next - evaluation.y)), by=self.name)

    def mix(self, evaluation: Evaluation, span: slice, state: AndersonState) -> Array:
        """Return the next iterate of a part of the unknown."""
        if state.waits:
            return evaluation.y_plain[span]
        states: Sequence[Evaluation] = state.history.states(evaluation, state.since)
        states = states[-1 - self.window :]
        xs, gs = [e.y[span] for e in states], [e.y_plain[span] for e in states]
        if state.logarithmic:
            return limit_step(xs[-1], anderson_mix(xs, gs), self.max_step)
        return anderson_mix_positive(xs, gs, self.max_step)
