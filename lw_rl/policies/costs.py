"""The calibrated cost model: what work inside a solve takes, in the time of a formal solution.

Every kind of work has a unit that is counted (`lw_rl.operator.effort`): a formal solution is one
per point, ray and wavelength, a dense operator's matrix one per pair of depths and ray. What a unit
takes, in nanoseconds, is in ``drivers/costs.json``, which ``lw-rl calibrate --costs`` writes with
its provenance by a fit to processor times of whole solves. Sums of products are deterministic,
clocks are not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["KINDS", "formal_units", "in_formal_solutions", "model", "predicted", "seconds"]

#: The kinds of work, and what one of each is.
KINDS = {
    "solve": "a solve",
    "iteration": "a formal solution, whatever its size",
    "formal": "a point, ray and wavelength of a formal solution",
    "formal_2d": "the same in two dimensions",
    "matrix": "a pair of depths and ray of an operator's matrix",
    "factors": "a depth to the third power of its factorisation",
    "light": "a point and ray of an operator's mean intensity",
    "plane": "a point and wavelength of an operator linearised in two dimensions",
    "applied": "the same of one that is applied",
    "linearised": "a point and wavelength of the coupled operator, linearised",
    "swept": "the same of a sweep of it",
    "complete": "a depth squared, level and wavelength of a complete linearisation",
}


@cache
def model() -> Mapping[str, float]:
    """Return the nanoseconds that one unit of every kind of work takes."""
    found = json.loads((files(__package__) / "drivers" / "costs.json").read_text(encoding="utf-8"))
    values: Mapping[str, float] = {kind: float(found["values"].get(kind, 0.0)) for kind in KINDS}
    return values


def formal_units(Nspace: int, Nwave: int, Nray: int, Ndim: int) -> dict[str, float]:
    """Return the work of one formal solution, and all that belongs to its iteration."""
    return {"iteration": 1.0, "formal" if Ndim == 1 else "formal_2d": float(Nspace * Nwave * Nray)}


def seconds(work: Mapping[str, float]) -> float:
    """Return what some work takes [s] by the model."""
    unit = model()
    return 1e-9 * sum(unit[kind] * amount for kind, amount in work.items())


def in_formal_solutions(
    work: Mapping[str, float], Nformal: int, Nspace: int, Nwave: int, Nray: int, Ndim: int
) -> float:
    """Return what a solve takes by the model, in the time of one of its formal solutions.

    Parameters
    ----------
    work : mapping of str to float
        What its operators did.
    Nformal : int
        Its formal solutions.
    Nspace, Nwave, Nray, Ndim : int
        Its size.
    """
    one = seconds(formal_units(Nspace, Nwave, Nray, Ndim))
    return Nformal + (seconds({"solve": 1.0}) + seconds(work)) / one


def predicted(
    one_line: bool, Nspace: int, Nunknown: int, Nwave: int, Nray: int
) -> tuple[float, float]:
    """Return what an operator and a complete linearisation will take, in formal solutions.

    Of an operator of one line it is that of one dimension: in two it is not made.
    """
    one = seconds(formal_units(Nspace, Nwave, Nray, 1))
    if one_line:
        operator = {"matrix": float(Nspace) ** 2 * Nwave * Nray, "factors": float(Nspace) ** 3}
    else:
        operator = {"swept": float(10 * Nspace * Nwave)}
    complete = {"complete": float(Nspace) * Nunknown * Nwave}
    return max(seconds(operator) / one, 1e-3), max(seconds(complete) / one, 1e-3)
