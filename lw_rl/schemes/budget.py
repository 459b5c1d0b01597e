"""Whether a solve costs more than MALI would: a budget, and what was spent of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..certificate.history import MAX_RHO
from ..certificate.settings import shipped
from ..norms import relative
from .base import Step

__all__ = ["Account", "Budget"]

#: Factor per step below which a residual falls clearly: with 0.9 Anderson acceleration takes 917
#: formal solutions on 28 problems of the suites, with 0.99 896; with 1 limit cycles are progress.
_CLEARLY = 0.99


@dataclass(frozen=True)
class Budget:
    """What a solve may cost beyond what MALI would.

    Parameters
    ----------
    allowance : float, optional
        Formal solutions (default: as calibrated, `lw_rl.certificate.settings`).
    share : float, optional
        So many for each that MALI would have made (default: 0.1; a solve is over budget from 1.1
        times MALI's on).

    Raises
    ------
    ValueError
        If the allowance is negative or the share is not positive.
    """

    allowance: float = field(default_factory=lambda: shipped().allowance)
    share: float = 0.1

    def __post_init__(self) -> None:
        if not self.allowance >= 0.0 or not self.share > 0.0:
            raise ValueError(
                "a budget needs allowance >= 0, share > 0; got "
                f"allowance={self.allowance}, share={self.share}"
            )

    def left(self, earned: float, spent: float) -> float:
        """Return what is left after `spent` formal solutions beside `earned` of MALI's."""
        return self.allowance + self.share * earned - spent


@dataclass
class Account:
    """What a solve has cost beyond MALI, as far as its residuals tell.

    Attributes
    ----------
    earned : float
        Formal solutions that MALI would have made as well.
    pending, fruitless : int
        Those since the last earned one, and those that MALI would not have made.
    base : float
        The residual at the last earned one.
    lowest : float
        The smallest residual so far.
    rests : int
        How often a scheme had to rest.
    change : float
        By how much the emission profiles have changed since the last residual, in the logarithm.
    """

    earned: float = 0.0
    pending: int = 0
    fruitless: int = 0
    base: float = float("inf")
    lowest: float = float("inf")
    rests: int = 0
    change: float = 0.0

    def hand_over(self) -> None:
        """Note that the scheme in use is given up."""
        self.fruitless += self.pending
        self.pending = 0

    def redistributed(self, change: float, first: bool) -> None:
        """Note a relative change of the emission profiles: the next residual is another map's.

        It counts for no less than the change. Before the `first` one, lines were in complete
        redistribution, which is another problem.
        """
        self.change = max(self.change, math.log1p(change))
        if first:
            self.base = float("inf")

    def plain(self, residual: float) -> None:
        """Note a plain step. An accelerated one before it is judged by what that makes of it."""
        residual = self._counted(residual)
        if residual > self.base:
            self.fruitless += self.pending
        else:
            self.earned += self.pending
        self.earned += 1
        self.pending, self.base = 0, residual

    def accelerated(self, residual: float) -> None:
        """Note an accelerated step."""
        self.pending += 1
        residual = self._counted(residual)
        if residual <= _CLEARLY**self.pending * self.base:
            # Plain steps would have taken so many.
            self.earned += self.pending
            self.pending, self.base = 0, residual

    def _counted(self, residual: float) -> float:
        """Note a residual, and return what it counts for."""
        self.lowest = min(self.lowest, residual)
        counted, self.change = max(residual, self.change), 0.0
        return counted

    def error(self, residual: float, last: Step) -> float:
        """Estimate the error from how fast plain steps shrink the residual.

        With a convergence factor rho the error is ``r / (1 - rho)`` (Auer, Fabiani Bendicho and
        Trujillo Bueno 1994, A&A 292, 599). After another step it is what that was taken for.
        """
        if last.y is not None or not 0.0 < self.base < math.inf:
            return max(last.estimate, relative(residual))
        return relative(residual / (1.0 - min(residual / self.base, MAX_RHO)))

    def undone(self) -> None:
        """Note that the last step is undone."""
        self.fruitless += self.pending + 1
        self.pending = 0

    def back(self, residual: float) -> None:
        """Note that the context is what it was at a residual, infinite if that is not known."""
        self.base, self.change = residual, 0.0
        if residual == math.inf:
            self.lowest = residual

    def left(self, budget: Budget) -> float:
        """Return what is left of a budget."""
        return budget.left(self.earned, self.fruitless + self.pending)

    def rest(self, budget: Budget) -> int:
        """Return the plain steps that earn one more try; twice as many from the third time on.

        A try in vain keeps the estimate of the error from seeing MALI left to itself.
        """
        self.fruitless += self.pending
        self.pending = 0
        self.rests += 1
        steps = math.ceil((1.0 - self.left(budget)) / budget.share)
        return int(steps * 2 ** max(self.rests - 2, 0))
