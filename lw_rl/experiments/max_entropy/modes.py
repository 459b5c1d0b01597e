"""How many modes a policy has, how evenly it spreads, and how well it holds an entropy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.signal import find_peaks
from scipy.stats import gaussian_kde

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
    :data:`PROMINENCE` of the highest density. This is what an energy-based policy aims at, whatever
    the sampler makes of it.

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


def held_within(
    steps: Sequence[float],
    entropy: Sequence[float | None],
    target: Sequence[float | None],
    tolerance: float = 0.1,
) -> dict[str, float | None]:
    """Return how well a requested entropy is held, and how soon.

    Parameters
    ----------
    steps : sequence of float
        When the entropy was measured.
    entropy, target : sequences of float or None
        Measured and requested [nat].
    tolerance : float, optional
        Relative to the requested value (default: 0.1).

    Returns
    -------
    dict
        ``response``, the steps from a request (step 0, or the last measurement before the target
        changed) to the first of three measurements in a row within the tolerance, the longest of
        all requests, None if one was never met; ``later``, the longest of all but the first
        request; ``within``, the fraction of measurements inside after each response; ``worst``,
        the largest relative deviation among those.
    """
    rows = [
        (s, h, t) for s, h, t in zip(steps, entropy, target, strict=True)
        if h is not None and t is not None
    ]  # fmt: skip
    if not rows:
        return {"response": None, "later": None, "within": None, "worst": None}
    changes = [k for k in range(1, len(rows)) if rows[k][2] != rows[k - 1][2]]
    bounds = [0, *changes, len(rows)]
    responses: list[float] = []
    after: list[float] = []
    met = True
    for first, last in pairwise(bounds):
        off = [abs(h - t) / max(abs(t), 1e-9) for _, h, t in rows[first:last]]
        good = [x <= tolerance for x in off]
        hit = next((k for k in range(len(good)) if all(good[k : k + 3])), None)
        if hit is None:
            met = False
            continue
        since = rows[first - 1][0] if first else 0.0
        responses.append(rows[first + hit][0] - since)
        after += off[hit:]
    return {
        "response": max(responses) if met else None,
        "later": max(responses[1:], default=None) if met else None,
        "within": float(np.mean([x <= tolerance for x in after])) if after else 0.0,
        "worst": float(max(after)) if after else None,
    }
