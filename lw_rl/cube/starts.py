"""Where the next column of a block begins: at the start that was cheaper so far.

A neighbour's departure coefficients are the better start where columns are alike, the scheme's own
start where they are not; which is the case differs from cube to cube and from place to place.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

__all__ = ["Begin", "StartChoice"]

Begin = Literal["policy", "neighbour"]

#: Columns of each kind of start that are remembered, and how many it takes to judge.
_MEMORY, _FEWEST = 8, 2
#: The more expensive start is tried again after this many columns.
_RETRY = 16


class StartChoice:
    """Decide where the columns of a block begin, one after another.

    The choice depends on formal solutions alone, so that a block solved twice is solved alike.

    Parameters
    ----------
    start : str
        As in `lw_rl.cube.settings.CubeSettings`; populations from a file are no matter of choice.
    """

    def __init__(self, start: str):
        self._start = start
        self._counts: dict[Begin, deque[int]] = {
            # Of two that are equal the first is taken: it saves the search for a first guess.
            "neighbour": deque(maxlen=_MEMORY),
            "policy": deque(maxlen=_MEMORY),
        }
        self._since = 0

    def next(self, neighbour: bool) -> Begin:
        """Return where the next column is to begin.

        Parameters
        ----------
        neighbour : bool
            Whether there is a solved neighbour.
        """
        if not neighbour:
            return "policy"
        if self._start != "measured":
            return "neighbour" if self._start == "neighbour" else "policy"
        for begin, counts in self._counts.items():
            if len(counts) < _FEWEST:
                return begin
        cheaper, expensive = sorted(self._counts, key=self._mean)
        self._since += 1
        if self._since >= _RETRY:
            self._since = 0
            return expensive
        return cheaper

    def note(self, begin: Begin, Nformal: int) -> None:
        """Note what a column that began somewhere took.

        Parameters
        ----------
        begin : str
            What :meth:`next` said.
        Nformal : int
            Formal solutions that it took.
        """
        self._counts[begin].append(Nformal)

    def _mean(self, begin: Begin) -> float:
        counts = self._counts[begin]
        return sum(counts) / len(counts)
