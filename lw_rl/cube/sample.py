"""A worker's sample of the columns it solved, with the states visited on them."""

from __future__ import annotations

import threading

import numpy as np

from .recorder import Visited

#: Columns that a worker keeps.
SIZE = 128


class Reservoir:
    """A uniform sample of everything that was offered (Vitter 1985, algorithm R).

    Parameters
    ----------
    size : int, optional
        How many to keep (default: :data:`SIZE`).
    """

    def __init__(self, size: int = SIZE):
        self.size = size
        self.offered = 0
        self.kept: list[tuple[Visited, int, int]] = []
        self._rng = np.random.default_rng(0)
        self._lock = threading.Lock()

    def offer(self, visited: Visited, Nformal: int, version: int) -> None:
        """Keep a column, or not."""
        with self._lock:
            self.offered += 1
            if len(self.kept) < self.size:
                self.kept.append((visited, Nformal, version))
                return
            k = int(self._rng.integers(self.offered))
            if k < self.size:
                self.kept[k] = (visited, Nformal, version)

    def take(self) -> list[tuple[Visited, int, int]]:
        """Return what was kept and start anew."""
        with self._lock:
            kept, self.kept, self.offered = self.kept, [], 0
            return kept


_reservoir = Reservoir()


def offer(visited: Visited, Nformal: int, version: int) -> None:
    """Offer a column to this process's sample.

    Parameters
    ----------
    visited : Visited
        The column and the states visited on it.
    Nformal : int
        Formal solutions that it took.
    version : int
        Version of the policy that it was solved with.
    """
    _reservoir.offer(visited, Nformal, version)


def take() -> list[tuple[Visited, int, int]]:
    """Return this process's sample and start anew; run on every worker by the client."""
    return _reservoir.take()
