"""Sizes of vectors of logarithms, and limits on what a step makes of a quantity."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .arrays import Array, Numbers

__all__ = ["LEAST", "largest", "limit_step", "not_below", "relative", "to_log"]


#: A quantity is not taken to be less than this share of what it is estimated from.
LEAST = 0.05


def largest(values: Array) -> float:
    """Return the largest absolute value; NaN if there is one."""
    size: float = _largest(values)
    return size


@njit(cache=True, nogil=True)
def _largest(values: Array) -> float:
    # A sixth of what numpy's two passes take on a hundred depths; a solve asks a dozen times.
    worst = 0.0
    for value in values.ravel():
        size = abs(value)
        if size != size:
            return size
        worst = max(worst, size)
    return worst


def relative(size: float) -> float:
    """Return the largest relative change that a change `size` of the logarithm stands for."""
    return math.expm1(min(size, 50.0))


def limit_step(y: Array, y_next: Array, max_step: float) -> Array:
    """Return `y_next` with every component within `max_step` of `y`."""
    limited: Array = np.clip(y_next, y - max_step, y + max_step)
    return limited


def not_below(share: float, of: Numbers, values: Numbers) -> Array:
    """Return values of which none is below a share of another, nor below it where it is negative.

    A share of what is negative would be above it, and values that have settled would move.
    """
    limited: Array = np.maximum(values, np.minimum(share * of, of))
    return limited


def to_log(error: Array) -> Array:
    """Return the change of ln S that an estimated relative error ``S*/S - 1`` stands for.

    A source function that is estimated to be negative is taken for small instead.
    """
    change: Array = np.log(np.maximum(1.0 + error, LEAST))
    return change
