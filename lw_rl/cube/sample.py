"""A worker's sample of the columns it solved, with the states visited on them."""

from __future__ import annotations

import threading

import numpy as np

from .recorder import VisitedStates

__all__ = ["SIZE", "Reservoir", "offer", "take"]

#: Columns that a worker keeps.
SIZE = 128


class Reservoir:
    """A uniform sample of everything that was offered (Vitter 1985, algorithm R).

    Parameters
    ----------
    size : int, optional
        How many to keep (default: :data:`SIZE`).
    seed : int, optional
        Seed of the draws (default: 0).

    Attributes
    ----------
    offered : int
        Columns offered since the sample was last taken.
    """

    def __init__(self, size: int = SIZE, seed: int = 0):
        self.size = size
        self.offered = 0
        self._kept: list[VisitedStates] = []
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()

    def offer(self, visited: VisitedStates) -> None:
        """Keep a column, or not."""
        with self._lock:
            self.offered += 1
            if len(self._kept) < self.size:
                self._kept.append(visited)
                return
            k = int(self._rng.integers(self.offered))
            if k < self.size:
                self._kept[k] = visited

    def take(self) -> list[VisitedStates]:
        """Return the sample, and begin another."""
        with self._lock:
            kept, self._kept, self.offered = self._kept, [], 0
            return kept


_reservoir = Reservoir()


def offer(visited: VisitedStates) -> None:
    """Offer a column, with the states visited on it, to this process's sample."""
    _reservoir.offer(visited)


def take() -> list[VisitedStates]:
    """Return this process's sample, and begin another; run on every worker by the client."""
    return _reservoir.take()
