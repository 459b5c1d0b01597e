"""Medians and quartiles over seeds, and whether they tell two experiments apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..files import Json

__all__ = ["Quartiles", "apart", "apart_from_all", "quartiles"]

Quartiles = Json
"""``median``, ``q25``, ``q75`` (None without values) and ``n``, the number of values."""

_ENOUGH = 3


def quartiles(values: Sequence[float | None]) -> Quartiles:
    """Return median, quartiles and number of the values that are not None."""
    v = [float(x) for x in values if x is not None]
    if not v:
        return {"median": None, "q25": None, "q75": None, "n": 0}
    q25, median, q75 = np.quantile(v, [0.25, 0.5, 0.75])
    return {"median": float(median), "q25": float(q25), "q75": float(q75), "n": len(v)}


def apart(one: Quartiles, other: Quartiles) -> bool | None:
    """Return whether two quartile ranges do not overlap; None for fewer than three values."""
    if min(one["n"], other["n"]) < _ENOUGH:
        return None
    return bool(one["q75"] < other["q25"] or other["q75"] < one["q25"])


def apart_from_all(one: Quartiles, others: Iterable[Quartiles]) -> bool | None:
    """Return whether a range overlaps with none of the others; None for too few values."""
    found = [apart(one, other) for other in others]
    if False in found:
        return False
    return True if found and None not in found else None
