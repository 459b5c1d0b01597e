"""The baselines that keep one honest: fixed settings by search, a bandit, a tree, random choice.

All choose among *arms*, pairs of actions of a solve (before its first formal solution, and from
then on), by the observation before it. What an arm costs on a problem is in a table, its cost over
that of the package's own setting, a false or unfinished solve counted as `PENALTY`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...arrays import Array, Single
from ...policies.drive import DIALS, NAMES

__all__ = [
    "ARMS",
    "PENALTY",
    "Acting",
    "Chooser",
    "Fixed",
    "Random",
    "action",
    "bandit",
    "fixed",
    "tree",
]

#: Cost of a false or unfinished solve, over that of the package's own setting.
PENALTY = 3.0


def action(**dials: float) -> Single:
    """Return an action from the numbers that are not zero."""
    return np.array([dials.get(name, 0.0) for name in DIALS], dtype=np.float32)


def _arms() -> list[tuple[Single, Single]]:
    first = [(f, t) for f in (0.0, -0.5) for t in (0.0, 0.5)]
    later = [(t, r) for t in (0.0, 0.5) for r in (0.0, -1.0)]
    return [
        (action(fidelity=f, tolerance=t), action(tolerance=u, renew=r))
        for f, t in first
        for u, r in later
    ]


#: The settings that are searched; the first is the package's own.
ARMS = _arms()


class Acting(Protocol):
    """Anything that chooses an action by an observation: a driver that learned."""

    def action(self, observation: Single) -> Single:
        """Return an action, each in [-1, 1]."""
        ...


class Chooser(Protocol):
    """Anything that chooses an arm by the observation before a solve."""

    def choose(self, observation: Single) -> int:
        """Return the number of the arm."""
        ...


def _group(observation: Single) -> int:
    """Return the kind that the package's modules tell apart: one line, many levels, 2D."""
    two_d, levels = NAMES.index("two_dimensions"), NAMES.index("many_levels")
    return 2 if observation[two_d] > 0.5 else int(observation[levels] > 0.5)


@dataclass(frozen=True)
class Fixed:
    """One arm for every kind of operator.

    Attributes
    ----------
    arms : tuple of int
        Of one line, many levels, two dimensions.
    """

    arms: tuple[int, int, int] = (0, 0, 0)

    def choose(self, observation: Single) -> int:
        """Return the arm of the kind."""
        return self.arms[_group(observation)]


@dataclass
class Random:
    """Arms drawn at random."""

    rng: np.random.Generator

    def choose(self, observation: Single) -> int:
        """Return any arm."""
        return int(self.rng.integers(len(ARMS)))


def fixed(observations: Single, table: Array) -> Fixed:
    """Return the best arm of every kind.

    Parameters
    ----------
    observations : Array
        Before each solve, [Nproblem, Nchannel].
    table : Array
        Relative costs, [Nproblem, Narm].
    """
    groups = np.array([_group(o) for o in observations])
    best = [
        int(table[groups == g].mean(axis=0).argmin()) if np.any(groups == g) else 0
        for g in range(3)
    ]
    return Fixed((best[0], best[1], best[2]))


@dataclass(frozen=True)
class _Bandit:
    weights: Array

    def choose(self, observation: Single) -> int:
        return int((self.weights @ _features(observation)).argmin())


def _features(observation: Single) -> Array:
    return np.append(np.asarray(observation, dtype=float), 1.0)


def _solved(A: Array, b: Array) -> Array:
    weights: Array = np.asarray(np.linalg.solve(A, b[:, :, None])[:, :, 0], dtype=np.float64)
    return weights


def bandit(observations: Single, table: Array, pulls: int, seed: int) -> Chooser:
    """Return a contextual bandit: a linear model of every arm's cost, explored by chance.

    Epsilon-greedy with a falling epsilon, ridge regression (Li et al. 2010, arXiv 1003.0146).

    Parameters
    ----------
    observations, table
        As for :func:`fixed`.
    pulls : int
        Solves that it sees.
    seed : int
        Of what is drawn.
    """
    rng = np.random.default_rng(seed)
    X = np.array([_features(o) for o in observations])
    K, n = table.shape[1], X.shape[1]
    A = np.tile(np.eye(n), (K, 1, 1))
    b = np.zeros((K, n))
    b[:, -1] = 1.0
    for pull in range(pulls):
        x = X[rng.integers(len(X))]
        row = int(np.flatnonzero((X == x).all(axis=1))[0])
        explore = rng.random() < max(0.1, 1.0 - 2.0 * pull / pulls)
        weights = _solved(A, b)
        arm = int(rng.integers(K)) if explore else int((weights @ x).argmin())
        A[arm] += np.outer(x, x)
        b[arm] += table[row, arm] * x
    return _Bandit(_solved(A, b))


@dataclass(frozen=True)
class _Tree:
    arm: int
    channel: int = -1
    threshold: float = 0.0
    below: _Tree | None = None
    above: _Tree | None = None

    def choose(self, observation: Single) -> int:
        if self.below is None or self.above is None:
            return self.arm
        side = self.below if observation[self.channel] <= self.threshold else self.above
        return side.choose(observation)


def tree(observations: Single, table: Array, depth: int = 4, smallest: int = 4) -> Chooser:
    """Return a decision tree whose leaves are the arms that cost least there.

    Greedy splits of the mean cost by one channel (Breiman et al. 1984).

    Parameters
    ----------
    observations, table
        As for :func:`fixed`.
    depth : int, optional
        At most (default: 4).
    smallest : int, optional
        Problems of a leaf at least (default: 4).
    """
    return _grown(np.asarray(observations, dtype=float), table, depth, smallest)


def _grown(X: Array, table: Array, depth: int, smallest: int) -> _Tree:
    sums = table.sum(axis=0)
    leaf = _Tree(int(sums.argmin()))
    best = (float(sums.min()) - 1e-9, -1, 0.0)
    for channel in range(X.shape[1] if depth > 0 else 0):
        values = np.unique(X[:, channel])
        for threshold in 0.5 * (values[1:] + values[:-1]):
            below = X[:, channel] <= threshold
            if min(below.sum(), (~below).sum()) < smallest:
                continue
            cost = float(table[below].sum(axis=0).min() + table[~below].sum(axis=0).min())
            if cost < best[0]:
                best = (cost, channel, float(threshold))
    _, channel, threshold = best
    if channel < 0:
        return leaf
    below = X[:, channel] <= threshold
    return _Tree(
        leaf.arm, channel, threshold,
        _grown(X[below], table[below], depth - 1, smallest),
        _grown(X[~below], table[~below], depth - 1, smallest),
    )  # fmt: skip
