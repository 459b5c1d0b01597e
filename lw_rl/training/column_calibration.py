"""What columns say of a policy: its factors on estimates of the error, and what it costs there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..benchmark.calibration import factor_of, stops
from ..benchmark.observed_range import ObservedRange
from ..certificate.settings import shipped
from ..cube.column import Workshop
from ..cube.recorder import VisitedStates
from ..files import Json
from ..policies.actor import Actor
from ..policies.observation import make_frame
from .comparison import Cost

__all__ = ["calibrated", "column_costs", "operator_estimate", "policy_factor"]

#: Tolerances, in units of the cube's, at whose stops the estimates are compared with the error.
_TOLERANCES = (10.0, 1.0, 0.1, 0.01)


def policy_factor(policy: Actor) -> float:
    """Return the factor on the policy's estimate of the error."""
    return policy.card.error_factor or shipped().step


def operator_estimate(shop: Workshop, columns: Sequence[VisitedStates]) -> tuple[Json | None, int]:
    """Return a card's entry ``operator_estimate`` from columns.

    Parameters
    ----------
    shop : Workshop
        Solves columns as the cube does.
    columns : sequence of VisitedStates

    Returns
    -------
    entry : dict or None
        The factor on the operator's own estimate of the error, and the range of what does not
        change along a solve; None if that estimate stops no column.
    Nformal : int
        Formal solutions that it took.
    """
    tolerances = [shop.settings.popsTol * share for share in _TOLERANCES]
    found = [stops(None, shop.context(c.column), tolerances) for c in columns]
    Nformal = sum(s.Nformal for s in found)
    ratios = [ratio for s in found for ratio in s.ratios]
    if not ratios:
        return None, Nformal
    seen = ObservedRange()
    for visited in columns:
        seen.note_static(make_frame(visited.physics))
    origin = {"stream": "cube", "problems": len(columns)}
    return {**factor_of(ratios), **seen.entry(), **origin}, Nformal


def calibrated(
    shop: Workshop, columns: Sequence[VisitedStates], policy: Actor
) -> tuple[Actor, list[Array | None], int]:
    """Return the policy with a factor that makes its estimate cover the error on columns.

    The factor never falls: what these columns allow may be too little for others.

    Parameters
    ----------
    shop, columns
        As for :func:`operator_estimate`.
    policy : Actor

    Returns
    -------
    policy : Actor
    solutions : list of Array or None
        The columns' solutions, shape [Nspace] each; None where none was found.
    Nformal : int
        Formal solutions that it took.
    """
    tolerances = [shop.settings.popsTol * share for share in _TOLERANCES]
    found = [stops(policy, shop.context(c.column), tolerances) for c in columns]
    solutions, Nformal = [s.solution for s in found], sum(s.Nformal for s in found)
    ratios = [ratio for s in found for ratio in s.ratios]
    if ratios and (entry := factor_of(ratios))["factor"] > policy_factor(policy):
        entry |= {"stream": "cube", "problems": len(columns)}
        policy = Actor(policy.network, policy.gain, {**policy.card, "error_estimate": entry})
    return policy, solutions, Nformal


def column_costs(
    shop: Workshop,
    columns: Sequence[VisitedStates],
    policy: Actor,
    solutions: Sequence[Array | None],
) -> Cost:
    """Return what columns, whose solutions are known, cost with a policy.

    Parameters
    ----------
    shop, columns, policy
        As for :func:`calibrated`.
    solutions : sequence of Array or None
        From :func:`calibrated`.
    """
    solved = [shop.solve(c.column, policy, record=True) for c in columns]
    failed = sum(s.attempts != 1 or s.outcome != "converged" for s in solved)
    early = 0
    for s, solution in zip(solved, solutions, strict=True):
        if s.visited is not None and solution is not None:
            error = np.abs(np.expm1(s.visited.y[-1] - solution)).max()
            early += bool(error > shop.settings.popsTol)
    return Cost(np.array([s.Nformal for s in solved], float), failed, early)
