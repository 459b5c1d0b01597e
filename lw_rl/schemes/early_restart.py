"""The early-restart test: whether a solve that began at a scheme's own start begins again.

Where MALI is fast there is little to win, and much to lose: a start or a first step that a switch
of the host's limiter leads astray can cost more formal solutions than MALI takes in all. A scheme
that brings its own start (`lw_rl.schemes.depthwise`) is tested as long as a restart, with plain
steps from the populations given, costs next to nothing: what is lost is what was made so far.

It fails if its first steps reduce the residual so slowly that it would take a good part of what the
operator predicts for MALI, where MALI is fast. It fails later, where what was made is no more than
a twentieth of what MALI is predicted to take, if an accelerated step raises a small residual: that
is a limiter switch, from which plain steps may not come back either. In partial redistribution,
where nothing predicts what MALI takes, it fails if the first iterations raise the residual, lead to
negative emission or to a step that has to be undone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["EarlyRestart", "Predict"]

#: Formal solutions of the test, and plain steps of MALI that are worth one more.
_STEPS, _WORTH = 3, 40
#: A small enough residual, and the formal solutions to there, at the contraction so far, that are
#: few: so many, or this part of what MALI is predicted to take.
_GOAL, _FEW, _PART = 1e-4, 4.0, 0.15
#: MALI is fast where it is predicted to take no more plain steps than this.
_FEW_PLAIN_STEPS = 80
#: Plain steps after a scheme was given up: so many times those predicted, and so many.
_SHARE, _MORE = 4, 40
#: Plain steps of MALI that are worth one formal solution later on, and those up to which they are
#: predicted.
_CHEAP, _SLOW = 20, 400
#: A small residual, and the factor by which no accelerated step raises it unless the limiter
#: switches.
_SMALL, _ROSE = 1e-2, 5.0
#: In partial redistribution: iterations that are watched, factors by which the residual has to rise
#: and must not have fallen, over that of the second formal solution, and plain steps thereafter.
_ITERATIONS, _DOUBLED, _HALVED, _PLAIN = 12, 2.0, 0.5, 150

Predict = Callable[[int], int | None]


@dataclass
class EarlyRestart:
    """The first steps of a scheme.

    Attributes
    ----------
    first, least, last : float
        Residual at the first formal solution, the smallest so far, and the last.
    made : int
        Formal solutions so far.
    passed : bool
        Whether the first steps did what they were to do.
    redistributed : bool
        Whether the emission profile is iterated, too.
    astray : bool
        Whether that went wrong.
    """

    first: float = float("inf")
    least: float = float("inf")
    last: float = float("inf")
    made: int = 0
    passed: bool = False
    redistributed: bool = False
    astray: bool = False

    @property
    def over(self) -> bool:
        """Whether it is too late to begin again."""
        if self.redistributed:
            return self.made >= _ITERATIONS
        return self.made > _STEPS + _SLOW // _CHEAP

    def verdict(
        self, residual: float, undone: bool, accelerated: bool, predict: Predict
    ) -> int | None:
        """Note a formal solution and judge.

        Parameters
        ----------
        residual : float
            At the formal solution, in the logarithm; not a number if it is not valid.
        undone : bool
            Whether the step that led there is to be undone.
        accelerated : bool
            Whether that was another one than a plain step.
        predict : callable
            Returns the plain steps that MALI would take from the origin, up to its argument, or
            None if that is not known or more.

        Returns
        -------
        steps : int or None
            The plain steps that are to be made from the origin if the solve is to begin again.
        """
        before, self.last = self.last, residual
        self.made += 1
        if self.redistributed:
            return self._redistributing(undone)
        if self.made == 1:
            self.first = residual
        if residual < self.least:
            self.least = residual
        if not self.passed:
            return self._first_steps(undone and self.made == 2, predict)
        if accelerated and before < _SMALL and not residual <= _ROSE * before:
            return self._at_a_kink(predict)
        return None

    def _at_a_kink(self, predict: Predict) -> int | None:
        """Judge an accelerated step that has raised a small residual."""
        predicted = predict(_SLOW)
        if predicted is None or self.made > _STEPS + predicted // _CHEAP:
            return None
        return _plain_steps(predicted)

    def _first_steps(self, early: bool, predict: Predict) -> int | None:
        """Judge the first steps."""
        if self._expected() <= _FEW and not early:
            self.passed = True
            return None
        if self.made < _STEPS and not early:
            return None
        predicted = predict(_FEW_PLAIN_STEPS)
        if predicted is None or (self._expected() <= _PART * predicted and not early):
            self.passed = True
            return None
        if self.made < _STEPS + predicted // _WORTH and not early:
            return None
        return _plain_steps(predicted)

    def _expected(self) -> float:
        """Return the formal solutions to a small residual at the contraction so far."""
        if self.least <= _GOAL:
            return 0.0
        if not self.least < self.first:
            return float("inf")
        return (self.made - 1) * math.log(self.least / _GOAL) / math.log(self.first / self.least)

    def _redistributing(self, undone: bool) -> int | None:
        """Judge the first iterations in partial redistribution."""
        if undone:
            return _PLAIN
        if self.made == 2:
            # The first one was made with the profile of complete redistribution.
            self.first = self.least = self.last
            return None
        self.least = min(self.least, self.last)
        never_fell = self.least > _HALVED * self.first
        return _PLAIN if self.astray or (never_fell and self.last > _DOUBLED * self.first) else None


def _plain_steps(predicted: int) -> int:
    """Return the plain steps to be made where MALI is predicted to take so many."""
    return _SHARE * predicted + _MORE
