"""Acceleration of populations and emission profile together, in partial redistribution.

With partial redistribution an iteration is a map of two things: the populations, which a scheme
updates, and the emission profile, which the host iterates a few times at fixed populations. The
profile follows the populations slowly, most of all in the wings, where photons scatter coherently,
so that a scheme which is fast at a fixed profile waits for it, or flips to and fro. Anderson
acceleration (1965, J. ACM 12, 547) of both together does not: what it combines is the whole state
of the iteration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..certificate.history import History, Iteration
from ..extrapolation import least_residual
from ..host.adapter import Adapter
from ..norms import largest

__all__ = ["mix", "mix_with_profiles"]

#: The profile's change follows from that of the unknown: their differences are all but parallel.
_CUTOFF = 1e-8


def mix(iterations: Sequence[Iteration], N: int) -> Array | None:
    """Return where the next iteration is to begin, unknown and profile joined.

    Logarithms of the unknown count at every depth, changes of the profile by their mean square
    over wavelengths.

    Parameters
    ----------
    iterations : sequence of Iteration
        By one scheme, oldest first.
    N : int
        Size of the unknown.

    Returns
    -------
    state : Array or None
        None for what the last iteration itself made.
    """
    iterations = _of_one_problem(iterations, N)
    if len(iterations) < 2:
        return None
    image = iterations[-1].after
    changes = np.array([i.after - i.before for i in iterations])
    weight = np.ones_like(image)
    weight[N:] = np.sqrt(N / (len(image) - N))
    away = least_residual(weight * changes, _CUTOFF) @ np.array([i.after for i in iterations])
    away -= image
    if not np.isfinite(away.sum()):
        return None
    # No profile falls below zero; the host's can be slightly negative, even in equilibrium.
    within = np.maximum(image[N:], 0.0) / np.maximum(-away[N:], 1e-300)
    mixed: Array = image + min(1.0, float(within.min())) * away
    return mixed


def mix_with_profiles(adapter: Adapter, history: History, by: str, profiles: Array) -> Array | None:
    """Combine the last iterations of unknown and emission profiles, in the context.

    Parameters
    ----------
    adapter : Adapter
        Access to the context, after an accelerated step and the iteration of the profiles.
    history : History
        It is told of the iteration.
    by : str
        Which scheme made the step.
    profiles : Array
        The emission profiles before, shape [Nprofile].

    Returns
    -------
    y : Array or None
        The unknown of the next formal solution; None if it is not another one.
    """
    image = adapter.profiles()
    if not image.size:
        return None
    y = history.last.evaluation.y
    before, after = np.append(y, profiles), np.append(adapter.read(), image)
    history.iterated(Iteration(by, before, after))
    mixed = mix(history.iterations(), len(y))
    if mixed is None:
        return None
    # In this order: whatever an interrupt leaves, populations are positive and sum to nTotal.
    adapter.write_profiles(mixed[len(y) :])
    adapter.write(mixed[: len(y)])
    return mixed[: len(y)]


def _of_one_problem(iterations: Sequence[Iteration], N: int) -> list[Iteration]:
    """Return the last of them which are finite, and whose changes of the unknown do not grow."""
    found: list[Iteration] = []
    for iteration in iterations:
        change = iteration.after - iteration.before
        size = largest(change[:N]) if np.isfinite(change.sum()) else np.inf
        if size == np.inf:
            found = []
            continue
        if found and size > 2.0 * largest((found[-1].after - found[-1].before)[:N]):
            # Of another problem: without, the 8 problems of the suite prd and 14 hostile ones take
            # 781 formal solutions for 438.
            found = []
        found.append(iteration)
    return found
