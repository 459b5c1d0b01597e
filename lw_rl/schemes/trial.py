"""A scheme that begins somewhere else than the host is on trial for its first steps.

Where MALI is fast there is little to win, and much to lose: a start or a first step that a kink of
the host's limiter leads astray can cost more formal solutions than MALI takes in all. A scheme that
brings its own start (`lw_rl.schemes.depthwise`) has a few steps to reduce the residual. If it does
not, and the approximate operator predicts that MALI is fast, the solve begins again where the host
began, with plain steps: all that was lost is the trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..state import Snapshot

#: Formal solutions of a trial, and plain steps of MALI that are worth one more.
_STEPS, _WORTH = 3, 40
#: What the residual must have fallen to, over the first.
_PASSED = 0.3
#: MALI is fast where it is predicted to take no more plain steps than this.
FAST = 80
#: Plain steps after a trial that was not passed: so many times those predicted, and so many.
_SHARE, _MORE = 4, 40


@dataclass
class Trial:
    """The first steps of a scheme.

    Attributes
    ----------
    origin : Snapshot
        The context as the host would have begun.
    first, least : float
        Residual at the first formal solution, and the smallest so far.
    made : int
        Formal solutions so far.
    """

    origin: Snapshot
    first: float = float("inf")
    least: float = float("inf")
    made: int = 0

    def verdict(
        self, residual: float, undone: bool, predict: Callable[[], int | None]
    ) -> Literal["open", "passed"] | int:
        """Note a formal solution and judge.

        Parameters
        ----------
        residual : float
            At the formal solution, in the logarithm; not a number if it is not valid.
        undone : bool
            Whether the step that led there is to be undone.
        predict : callable
            Returns the plain steps that MALI would take from the origin, or None if that is not
            known or more than :data:`FAST`.

        Returns
        -------
        verdict : str or int
            ``"open"``, ``"passed"``, or the plain steps that are to be made from the origin.
        """
        self.made += 1
        if self.made == 1:
            self.first = residual
        if residual < self.least:
            self.least = residual
        early = undone and self.made == 2
        if self.least <= _PASSED * self.first and not early:
            return "passed"
        if self.made < _STEPS and not early:
            return "open"
        predicted = predict()
        if predicted is None:
            return "passed"
        if self.made < _STEPS + predicted // _WORTH and not early:
            return "open"
        return _SHARE * predicted + _MORE
