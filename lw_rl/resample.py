"""Linear interpolation in the index coordinate: points stay where a model concentrates them."""

from __future__ import annotations

import numpy as np

from .arrays import Array, Integers

__all__ = ["Table", "resample", "table"]

#: Every target's two neighbours, and the weight of the upper one.
Table = tuple[Integers, Integers, Array]


def table(N_from: int, N_to: int) -> Table:
    """Return how `N_to` points, ends included, lie between `N_from` ones."""
    position = np.linspace(0.0, N_from - 1.0, N_to)
    lower = np.minimum(position.astype(np.intp), N_from - 2)
    return lower, lower + 1, position - lower


def resample(values: Array, table: Table) -> Array:
    """Return values, shape [N_from, ...], at a table's targets, shape [N_to, ...]."""
    lower, upper, weight = table
    if values.ndim > 1:
        weight = weight[:, None]
    left = values[lower]
    at_targets: Array = left + weight * (values[upper] - left)
    return at_targets
