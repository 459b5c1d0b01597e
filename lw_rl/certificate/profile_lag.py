"""What a lagging emission profile (partial redistribution) hides of the error of the populations.

With partial redistribution two things are iterated, the populations and the emission profile `rho`,
and the profile follows the populations by an iteration. A residual only tells of the error at the
profile as it is: it can all but vanish while the profile still moves. What a change of the profile
does to the populations is seen one iteration later, as the part of the error that the step before
did not foresee; the ratio of the two, times what the profile has still to go, is what is hidden.
"""

from __future__ import annotations

from collections import deque

from ..arrays import Array
from ..norms import largest
from .history import contraction

__all__ = ["RECENT", "ProfileLag"]

#: Iterations that count.
RECENT = 6
#: Iterations over which the contraction of the profile's change is observed, and how many of the
#: last observations count: the host iterates the profile more than once where it changes much, so
#: that large and small changes alternate.
_SPANS, _LAST = (1, 2, 4), 4
#: A profile that settles faster, or slower, is not believed to.
_RHO_RANGE = (0.3, 0.95)


class ProfileLag:
    """The profile's changes along a solve, and what they did to the error of the populations.

    Errors are of logarithms of the unknown, shape [Nunknown], as the approximate operator sees
    them at the profile of the moment.
    """

    def __init__(self) -> None:
        self._changes: deque[float] = deque(maxlen=max(_SPANS) + 1)
        self._contractions: deque[float] = deque(maxlen=_LAST)
        self._effects: deque[float] = deque(maxlen=RECENT)
        self._known: tuple[Array, Array] | None = None
        self._error = 0.0

    def __bool__(self) -> bool:
        return bool(self._changes)

    def add(self, y: Array, error: Array, change: float) -> None:
        """Note an iteration.

        Parameters
        ----------
        y, error : Array
            Unknown at the formal solution and the estimated ``y* - y``, shape [Nunknown].
        change : float
            Largest relative change of the profile after the formal solution.
        """
        if self._known is not None and self._changes:
            y_before, error_before = self._known
            unforeseen = largest(error - (error_before - (y - y_before)))
            self._effects.append(unforeseen / max(self._changes[-1], 1e-300))
        self._known, self._error = (y, error), largest(error)
        self._changes.append(change)
        if len(self._changes) > 1:
            self._contractions.append(self._contraction())

    @property
    def error(self) -> float:
        """The error of the last unknown, what the profile hides included; in the logarithm."""
        if len(self._effects) < 2:
            return float("inf")
        rho = min(max(*self._contractions, _RHO_RANGE[0]), _RHO_RANGE[1])
        return self._error + max(self._effects) * self._changes[-1] / (1.0 - rho)

    def _contraction(self) -> float:
        """Return the largest factor per iteration by which the profile's change fell."""
        return contraction(self._changes, _SPANS)
