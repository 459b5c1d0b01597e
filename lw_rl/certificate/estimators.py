"""Estimates of the error: pure functions of the states visited and the operators.

Each takes a :class:`~lw_rl.certificate.history.History`, the
:class:`~lw_rl.certificate.defect_correction.DefectCorrection` of the active atoms and the
calibrated `Settings`, and returns an estimate of the largest relative error of ``history.state``,
``UNKNOWN`` where it does not apply. Asking changes nothing. :data:`ESTIMATORS` are those of which
the first that applies counts, :data:`FLOORS` those that no estimate is below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from ..arrays import Array
from ..norms import largest, relative, to_log
from ..result import NOTHING, UNKNOWN, ErrorEstimate
from .bounds import weight_bound
from .defect_correction import WIDENING, DefectCorrection
from .history import MAX_RHO, RUN, History, contraction
from .settings import Settings

__all__ = [
    "ESTIMATORS",
    "FLOORS",
    "Estimator",
    "by_combination",
    "by_contraction",
    "by_defect",
    "by_operator",
    "by_profile",
    "by_radiation",
    "by_step",
    "by_weight",
    "first_of",
    "of_state",
    "profile_floor",
]

Estimator = Callable[[History, DefectCorrection, Settings], ErrorEstimate]
"""An estimate from the states visited and the operators."""

#: Contraction beyond which no accelerated step and no emission profile is extrapolated: with 0.8
#: for the former and 0.95 for the latter the stops of 25 problems of hostile seed 74 are the same.
_MAX_STEP_RHO = 0.9


def by_step(history: History, operators: DefectCorrection, settings: Settings) -> ErrorEstimate:
    """Return the size of the step that a policy or an operator proposes.

    Or the distance to the best combination of visited states, if that is larger; over ``1 - rho``,
    with the contraction `rho` that was observed, of residuals or of such steps. Where populations
    and emission profiles are accelerated together it is such steps of both that count, the larger
    of two. Of a first formal solution only an operator tells that has the host's formal solver:
    the state is its solution, found without the host, and what the host's residual says is the
    error of both.
    """
    last = history.last
    if last.factor is None or (len(history) < 2 and not operators.copies_host):
        return UNKNOWN
    if len(history) < 2:
        return ErrorEstimate(last.factor * relative(last.size), last.method)
    together = history.together
    if not operators.complete and len(together) > 1:
        rho = min(contraction(together), _MAX_STEP_RHO)
        step = max(together[-2:]) / (1.0 - rho)
        return ErrorEstimate(last.factor * relative(step), last.method)
    distance = history.distance(operators.blocks)
    most = MAX_RHO if distance == math.inf else _MAX_STEP_RHO
    rho = max(history.contraction(), min(history.left, _MAX_STEP_RHO))
    step = last.size if distance == math.inf else max(last.size, distance)
    return ErrorEstimate(last.factor * relative(step / (1.0 - min(rho, most))), last.method)


def by_operator(history: History, operators: DefectCorrection, settings: Settings) -> ErrorEstimate:
    """Return the error by one Newton step of the operator, where others accelerate."""
    last = history.last
    if last.factor is not None or history.plain_steps >= RUN:
        return UNKNOWN
    seen = operators.worst(last.evaluation, last.plain)
    if seen is None:
        return UNKNOWN
    seen = seen if last.plain else max(seen, relative(last.residual))
    return ErrorEstimate(settings.combination * seen, "operator")


def by_combination(
    history: History, operators: DefectCorrection, settings: Settings
) -> ErrorEstimate:
    """Return the distance to the best combination of the states visited.

    At fixed opacity residuals are linear in the source function, so that the combination with the
    smallest residual is far closer to the solution than the last state: it shows the contraction
    of every mode that is left, not only of the fastest (Eddy 1979, reduced rank extrapolation).
    """
    last = history.last
    distance = history.distance(operators.blocks)
    if distance == math.inf:
        return UNKNOWN
    if not last.plain:
        distance = max(last.size, distance)
    elif history.plain_steps >= RUN:
        distance = max(distance, history.remainder())
    return ErrorEstimate(_safety(history, operators, settings) * relative(distance), "combination")


def by_contraction(
    history: History, operators: DefectCorrection, settings: Settings
) -> ErrorEstimate:
    """Return the size of the last step over ``1 - rho``.

    Auer, Fabiani Bendicho and Trujillo Bueno 1994, A&A 292, 599.
    """
    if len(history) < 2:
        return UNKNOWN
    step = history.last.size / (1.0 - min(history.contraction(), MAX_RHO))
    return ErrorEstimate(_safety(history, operators, settings) * relative(step), "contraction")


def _safety(history: History, operators: DefectCorrection, settings: Settings) -> float:
    # Where residuals rise, for the limiter, MALI is not what it is when left to itself.
    if history.plain_steps >= RUN and not history.raised():
        return settings.plain
    return settings.combination if operators.complete else settings.populations


# ---- what no estimate is below --------------------------------------------------------------


def by_defect(history: History, operators: DefectCorrection, settings: Settings) -> ErrorEstimate:
    """Return the defect-correction estimate: the error by two Newton steps of the operator.

    Divided by ``1 - rho``, with what the last step left at the depth that is worst now: a mode that
    the operator hardly sees remains when all others are gone. What light does to the error that was
    scattered since counts whichever way it goes: it is scattered again.
    """
    last = history.last
    if last.profile > 0.0:
        return NOTHING
    seen = operators.two_steps(last.evaluation, last.plain)
    seen += 2.0 * operators.of_light(last.evaluation)
    if last.factor is None:
        left = min(history.left, _MAX_STEP_RHO)
    elif len(history) > 1 and last.follows:
        left = operators.left(history[-2].evaluation, last.evaluation)
    else:
        left = 0.0
    factor = settings.defect / (1.0 - min(left, _MAX_STEP_RHO))
    if last.factor is not None:
        factor = max(factor, last.factor if last.method == "operator" else settings.step)
    return ErrorEstimate(factor * seen, "operator")


def by_radiation(
    history: History, operators: DefectCorrection, settings: Settings
) -> ErrorEstimate:
    """Return the error that a radiation field leaves which still changes, where it matters.

    Where all atoms have an operator, that knows (`lw_rl.operator.base.lit`); steps of operators of
    atoms with more levels do not wait for it.
    """
    if operators.complete or history.last.factor is not None:
        return NOTHING
    return ErrorEstimate(history.radiation_error(), "contraction")


# ---- partial redistribution -----------------------------------------------------------------


def by_profile(history: History, operators: DefectCorrection, settings: Settings) -> ErrorEstimate:
    """Return the error with what a lagging emission profile hides (partial redistribution).

    The profile follows the populations by an iteration, so that a residual can all but vanish while
    the profile still moves. What a change of the profile does to the populations is seen one
    iteration later, as the part of the error that the step before did not foresee; the ratio of
    the two, times what the profile has still to go, is what is hidden. Where profile and unknown
    are accelerated together (`lw_rl.schemes.coupled`) the size of such steps tells as well.
    """
    errors, changes = [], []
    for visit in list(history)[-RUN - 1 :]:
        seen = operators.errors(visit.evaluation) if visit.profile > 0.0 else None
        if seen is not None:
            errors.append((visit.evaluation.y, to_log(seen)))
            changes.append(visit.profile)
    effects = [
        largest(after - (before - (y_after - y_before))) / change
        for ((y_before, before), (y_after, after)), change in zip(
            pairwise(errors), changes, strict=False
        )
    ]
    if len(effects) < 2:
        return UNKNOWN
    rho = min(max(contraction(changes), changes[-1] / changes[-2]), _MAX_STEP_RHO)
    error = largest(errors[-1][1]) + max(effects) * changes[-1] / (1.0 - rho)
    lag = ErrorEstimate(settings.combination * relative(error), "operator")
    return min(lag, _together(history, settings), key=lambda e: e.value)


def _together(history: History, settings: Settings) -> ErrorEstimate:
    """Return the estimate from steps of unknown and emission profile together."""
    sizes = history.together[-RUN:]
    if len(sizes) < RUN:
        return UNKNOWN
    rho = max(after / max(before, 1e-300) for before, after in pairwise(sizes))
    step = relative(sizes[-1] / (1.0 - min(rho, MAX_RHO)))
    return ErrorEstimate(settings.step * step, "combination")


def profile_floor(
    history: History, operators: DefectCorrection, settings: Settings
) -> ErrorEstimate:
    """Return the largest ratio of estimate and residual of the last iterations, times a residual.

    For atoms without an operator whose emission profile is iterated: the larger residual of two.
    Steps of populations and profiles together tell by themselves (:func:`by_step`).
    """
    if operators.complete or not history.last.profile > 0.0:
        return NOTHING
    last = list(history)[-RUN:]
    if last[-1].factor is not None and len(history.together) > 1:
        return NOTHING
    ratios = [1.0]
    for k in range(len(last)):
        earlier = history.until(len(history) - k)
        seen = first_of((by_step, by_combination, by_contraction), earlier, operators, settings)
        # Of populations that change by their own size a ratio says nothing of small changes.
        if k < 2 or seen.value < 1.0:
            ratios.append(seen.value / max(earlier.last.residual, 1e-300))
    return ErrorEstimate(max(ratios) * max(v.residual for v in last[-2:]), "contraction")


# ---- bounds ---------------------------------------------------------------------------------


def by_weight(
    history: History, operators: DefectCorrection, settings: Settings, within: float = math.inf
) -> ErrorEstimate:
    """Return the rigorous bound with the source function as the weight (`bounds.weight_bound`).

    ``UNKNOWN`` as well where it is sure not to be below `within`, what is of interest.
    """
    last, worst = history.last, 0.0
    for block in operators.blocks:
        y, r = last.evaluation.y[block.span], last.evaluation.r[block.span]
        bound = weight_bound(y, r, operators.log_thermal(block, y))
        if not WIDENING * bound < within:
            return UNKNOWN
        bound *= operators.widening(operators.operator(block, y))
        worst = max(worst, of_state(bound, r, last.plain))
    return ErrorEstimate(worst, "bound", worst) if worst < np.inf else UNKNOWN


def of_state(bound: float, r: Array, plain: bool) -> float:
    """Return a bound on the last evaluated state as one on the certified state.

    Parameters
    ----------
    bound : float
        On the error of the evaluated state.
    r : Array
        Its residual.
    plain : bool
        Whether the certified state is its plain update.
    """
    # The plain update is no further from the solution than its step and the bound together.
    return bound + relative(largest(r)) * (1.0 + bound) if plain else bound


def first_of(
    estimators: Sequence[Estimator],
    history: History,
    operators: DefectCorrection,
    settings: Settings,
) -> ErrorEstimate:
    """Return the first estimate that applies."""
    for estimator in estimators:
        estimate = estimator(history, operators, settings)
        if estimate is not UNKNOWN:
            return estimate
    return UNKNOWN


#: The first that applies counts; an operator's, where there is one, takes the place of a larger.
ESTIMATORS: tuple[Estimator, ...] = (by_step, by_combination, by_contraction)
#: No estimate is below these.
FLOORS: tuple[Estimator, ...] = (by_radiation, profile_floor, by_defect)
