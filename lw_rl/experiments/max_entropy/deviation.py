"""How far a measured entropy is from its target, and how soon it gets there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

__all__ = ["target_deviation"]


def target_deviation(
    steps: Sequence[float],
    entropy: Sequence[float | None],
    target: Sequence[float | None],
    tolerance: float = 0.1,
) -> dict[str, float | None]:
    """Return how far the entropy is from its target, and how soon it gets there.

    Parameters
    ----------
    steps : sequence of float
        When the entropy was measured.
    entropy, target : sequences of float or None
        Measured, and its target [nat].
    tolerance : float, optional
        Relative to the target (default: 0.1).

    Returns
    -------
    dict
        ``response``, the steps from a target (from step 0, or from the last measurement before it
        changed) to the first of three measurements in a row within the tolerance, the longest of
        all targets, None if one was never reached; ``later``, the longest of all but the first;
        ``within``, the fraction of measurements within the tolerance after each response;
        ``worst``, the largest relative deviation among those.
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
    reached = True
    for first, last in pairwise(bounds):
        off = [abs(h - t) / max(abs(t), 1e-9) for _, h, t in rows[first:last]]
        good = [x <= tolerance for x in off]
        hit = next((k for k in range(len(good)) if all(good[k : k + 3])), None)
        if hit is None:
            reached = False
            continue
        since = rows[first - 1][0] if first else 0.0
        responses.append(rows[first + hit][0] - since)
        after += off[hit:]
    return {
        "response": max(responses) if reached else None,
        "later": max(responses[1:], default=None) if reached else None,
        "within": float(np.mean([x <= tolerance for x in after])) if after else 0.0,
        "worst": float(max(after)) if after else None,
    }
