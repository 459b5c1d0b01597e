"""What a safeguard remembers along a solve."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ..host.adapter import Adapter
from ..host.state import Evaluation, Snapshot
from ..norms import relative
from .coupled import CoupledHistory
from .early_restart import EarlyRestart

__all__ = ["SafeguardState"]

#: A hand-over begins at the best state if its residual is below this fraction of the first one.
_PROGRESS = 0.1
#: A residual is smaller than another if it is less than this part of it: those of any steady
#: contraction are, in time. Below the second number rounding may be what is left.
_STALLED, _ROUNDING = 0.99, 1e-8
#: Plain steps after a solve has stalled for the first time.
_PLAIN_AFTER_STALL = 250
#: Visited states that the next scheme is given.
_REMEMBERED = 8


@dataclass
class SafeguardState:
    """What the safeguard remembers.

    Attributes
    ----------
    active : int
        Index of the scheme in use; past the last one, the plain update.
    state : object
        That scheme's own state.
    visited : deque of Evaluation
        The last accepted evaluations.
    first, best : tuple of Snapshot and float, or None
        The context after the plain update of the first evaluation, and of the one with the
        smallest residual so far, and that residual.
    origin : Snapshot or None
        The context as the host would have begun, or after its first plain step.
    least : float
        The smallest residual so far that was clearly smaller than the one before.
    idle, plain_after_stall : int
        Formal solutions since then, and plain steps to be made if these become too many, doubled
        each time.
    accelerated : bool
        Whether any step was another one than the plain update.
    plain : bool
        Whether the last step was the plain update, which is never undone.
    rejected_last : bool
        Whether the last step was undone.
    earned, pending, fruitless : int
        Formal solutions that count as plain steps, those since the last of them, and those that
        were fruitless.
    base : float
        Residual at the last earned formal solution.
    backoff, backoffs : int
        Plain steps to be made before the scheme is asked again, and how often there were some. From
        the third time on each backoff is twice as long as the one before: where plain steps
        converge slowly, each new try throws them back.
    rejections : int
        Rejected steps of the scheme in use.
    estimate : float
        The last estimate of the error.
    by : str
        Whose the last step was.
    coupled : CoupledHistory
        Iterations in partial redistribution.
    early_restart : EarlyRestart or None
        The first steps of a scheme that brought its own start.
    plain_left : int
        Plain steps still to be made after a restart.
    plain_only : bool
        Whether nothing is accelerated: in partial redistribution, of atoms with more levels, where
        charge is conserved, and where it is only the profile that has to be iterated.
    note : str
        What happened since the last step that is out of the ordinary.
    """

    adapter: Adapter
    active: int
    state: Any
    visited: deque[Evaluation] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    first: tuple[Snapshot, float] | None = None
    best: tuple[Snapshot, float] | None = None
    origin: Snapshot | None = None
    least: float = float("inf")
    idle: int = 0
    plain_after_stall: int = _PLAIN_AFTER_STALL
    accelerated: bool = False
    plain: bool = True
    rejected_last: bool = False
    earned: float = 0.0
    pending: int = 0
    fruitless: int = 0
    base: float = float("inf")
    backoff: int = 0
    backoffs: int = 0
    rejections: int = 0
    estimate: float = 1.0
    by: str = ""
    coupled: CoupledHistory = field(default_factory=CoupledHistory)
    early_restart: EarlyRestart | None = None
    plain_left: int = 0
    plain_only: bool = False
    note: str = ""

    @property
    def fallback(self) -> tuple[Snapshot, float]:
        """Where a hand-over begins: the best state, if it is clearly better than the first.

        A scheme that is lost leaves states behind that are far from the solution and have a
        residual no larger than the start's: plain steps take hundreds of iterations to come back.
        """
        assert self.best is not None and self.first is not None
        return self.best if self.best[1] < _PROGRESS * self.first[1] else self.first

    def has_stalled(self, residual_norm: float, after: int = 150) -> bool:
        """Note a residual, and return whether accelerated steps have led into a cycle.

        Parameters
        ----------
        residual_norm : float
            The residual.
        after : int, optional
            Formal solutions without a smaller one that make a cycle (default: 150).
        """
        self.idle += 1
        if residual_norm < _STALLED * self.least:
            self.least, self.idle = residual_norm, 0
        return self.accelerated and self.idle >= after and self.least > _ROUNDING

    def stall(self) -> int:
        """Note that it has, and return the plain steps to be made after that."""
        steps, self.plain_after_stall = self.plain_after_stall, 2 * self.plain_after_stall
        return steps

    def contraction_estimate(self, residual_norm: float) -> float:
        """Estimate the error from how fast plain steps shrink the residual.

        With a convergence factor rho the error is ``r / (1 - rho)`` (Auer, Fabiani Bendicho and
        Trujillo Bueno 1994, A&A 292, 599).
        """
        if not self.plain or not 0.0 < self.base < float("inf"):
            return max(self.estimate, relative(residual_norm))
        rho = min(residual_norm / self.base, 0.999)
        return relative(residual_norm / (1.0 - rho))
