"""How many modes a policy has, and how evenly it spreads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.signal import find_peaks
from scipy.stats import gaussian_kde

__all__ = ["PROMINENCE", "boltzmann_modes", "count_modes", "evenness"]

#: A mode rises this far above the lower of its neighbouring valleys, in units of the highest peak.
PROMINENCE = 0.15
_EDGE = 1.0 - 1e-5


def count_modes(actions: NDArray[np.float64]) -> int:
    """Return the largest number of modes that any component of the actions shows.

    The density of atanh(a) is estimated with Silverman's bandwidth, since in that coordinate SAC's
    squashed normal distribution has one mode whatever its width, and peaks of at least
    :data:`PROMINENCE` count. A distribution with modes that no single component tells apart is
    counted too low, never too high.

    Parameters
    ----------
    actions : ndarray [n, d]
        Draws in [-1, 1].
    """
    u = np.arctanh(np.clip(np.asarray(actions, float), -_EDGE, _EDGE))
    most = 1
    for component in u.T:
        spread = component.std()
        if spread < 1e-9:
            continue
        x = np.linspace(component.min() - spread, component.max() + spread, 200)
        density = gaussian_kde(component, "silverman")(x)
        peaks, _ = find_peaks(density, prominence=PROMINENCE * density.max())
        most = max(most, len(peaks))
    return most


def boltzmann_modes(Q: ArrayLike, alpha: float) -> int:
    """Return the number of modes of exp(Q / alpha) on a grid of actions, in any dimension.

    A mode counts if leaving it for a higher place means to go down by at least
    :data:`PROMINENCE` of the highest density. This is the distribution that an energy-based policy
    samples, whatever its sampler makes of it.

    Parameters
    ----------
    Q : array-like
        Action values on a regular grid.
    alpha : float
        Temperature.
    """
    values = np.asarray(Q, float)
    density = np.exp((values - values.max()) / alpha)
    tops = (density == ndimage.maximum_filter(density, 3, mode="nearest")) & (density > PROMINENCE)
    counted: list[tuple[int, ...]] = []
    for top in map(tuple, np.argwhere(tops)):
        parts, _ = ndimage.label(density > density[top] - PROMINENCE, np.ones((3,) * density.ndim))
        around = parts == parts[top]
        # Of a plateau one point stands for all.
        if density[around].max() <= density[top] and not any(around[other] for other in counted):
            counted.append(top)
    return len(counted)


def evenness(counts: Sequence[int]) -> float:
    """Return the entropy of counts over that of equal ones: 0 is all in one, 1 is even."""
    c = np.asarray(counts, float)
    if c.sum() == 0 or c.size < 2:
        return 0.0
    p = c[c > 0] / c.sum()
    return float(-(p * np.log(p)).sum() / np.log(c.size)) + 0.0
