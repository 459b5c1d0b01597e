"""What a policy's card says of its limits: where it was trained, and how well it knows its error.

Two entries, made by :func:`card_entries`. The export of a training run writes them, and so does
``lw-rl calibrate`` for an existing policy:

``observation_range``
    Lowest and highest value of every channel of the observation on the training stream, along
    solves, widened by a quarter of their distance. A policy is not asked about an observation
    outside, and the solve is left to the approximate operator (`lw_rl.errors.OutOfRangeError`).
``operator_estimate``
    Only of policies that were fine-tuned on a cube: the factor on the operator's own estimate,
    and the range in which it was found of what does not change along the solves.
``error_estimate``
    The factor with which the policy's estimate of the error (`lw_rl.certificate`) covers the error
    in :data:`COVERAGE` of the stops on the validation stream, at the tolerances :data:`TOLERANCES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightweaver as lw
import numpy as np
import numpy.typing as npt

from ..arrays import Array, Single
from ..certificate.estimators import by_step
from ..errors import NoReferenceError
from ..files import Json, write_atomically
from ..host.adapter import Adapter
from ..iterate import AcceleratedContext, iterate_ctx_rl, solve
from ..policies import actor
from ..policies.observation import make_frame
from ..problems import Problem, random_problem
from ..schemes import Depthwise, Policy
from ..schemes.depthwise import ALONE
from .observed_range import ObservedRange
from .reference import true_error

__all__ = [
    "COVERAGE",
    "PROBLEMS",
    "TOLERANCES",
    "Stops",
    "calibrate",
    "card_entries",
    "error_factor",
    "factor_of",
    "observation_range",
    "stops",
]

#: Part of the stops in which the calibrated estimate covers the error.
COVERAGE = 0.995
#: Problems of the validation stream.
PROBLEMS = 60
#: Problems of the training stream for each of the validation stream: a range has no quantile.
_SHARE = 5
#: Tolerances at whose stops the estimate is compared with the error.
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_NMAX = 60

Watch = Callable[[], object]


def _nothing() -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class _Watched:
    """A policy whose observations are noted."""

    policy: Policy
    seen: ObservedRange

    def predict(
        self, observation: Single, *, deterministic: bool = True
    ) -> tuple[npt.NDArray[Any], Any]:
        """Note the observation and return the policy's action."""
        self.seen.note(observation)
        return self.policy.predict(observation, deterministic=deterministic)


def observation_range(policy: Policy, problems: Sequence[Problem], watch: Watch = _nothing) -> Json:
    """Return the card's entry ``observation_range``, from solves of problems.

    Parameters
    ----------
    policy : Policy
        If it has a card, one without these entries.
    problems : sequence of Problem
    watch : callable, optional
        Called after every problem.

    Raises
    ------
    NoReferenceError
        If the policy is asked in none of the solves.
    """
    seen = ObservedRange()
    watched = Depthwise(_Watched(policy, seen))
    for problem in problems:
        ctx = problem.context()
        adapter = Adapter(ctx)
        # A policy is not asked everywhere; training has seen those problems all the same.
        seen.note_static(make_frame(adapter.line_physics(adapter.blocks[0])))
        iterate_ctx_rl(ctx, scheme=watched, popsTol=1e-7, NmaxIter=_NMAX, quiet=True)
        watch()
    if not np.all(np.isfinite(seen.high)):
        raise NoReferenceError(f"the policy was asked in none of {len(problems)} problems")
    return seen.entry()


def error_factor(policy: Policy, problems: Sequence[Problem], watch: Watch = _nothing) -> Json:
    """Return the card's entry ``error_estimate``, from solves of problems.

    Parameters
    ----------
    policy, problems, watch
        As for :func:`observation_range`.

    Raises
    ------
    NoReferenceError
        If the policy's estimate stops none of the solves.
    """
    ratios: list[float] = []
    for problem in problems:
        ratios += stops(policy, problem.context()).ratios
        watch()
    if not ratios:
        raise NoReferenceError(f"the policy's estimate stopped none of {len(problems)} problems")
    return factor_of(ratios)


def factor_of(ratios: Sequence[float]) -> Json:
    """Return the factor with which the estimate covers the error, and from how many stops.

    Parameters
    ----------
    ratios : sequence of float
        From :func:`stops`, at least one.
    """
    factor = max(float(np.quantile(ratios, COVERAGE)), 1.0)
    within = np.array(ratios) * 5.0 >= factor
    return {
        "factor": round(factor, 3),
        "coverage": COVERAGE,
        "within_5x": round(float(within.mean()), 4),
        "stops": len(ratios),
    }


class Stops(NamedTuple):
    """How an estimate of the error compares with the error where it would have stopped a solve.

    Attributes
    ----------
    ratios : list of float
        The true error over the estimate with the factor one, one for each stop.
    solution : Array or None
        The unknown at the end of the solve (`lw_rl.host.unknown`); None if it did not converge.
    Nformal : int
        Formal solutions made.
    """

    ratios: list[float]
    solution: Array | None
    Nformal: int


def stops(
    policy: Policy | None,
    ctx: lw.Context,
    tolerances: Sequence[float] = TOLERANCES,
    NmaxIter: int = _NMAX,
) -> Stops:
    """Return the true error over the estimate with the factor one, at the stop of each tolerance.

    The stops are found with the factor one too; with a larger one they come later, where the
    estimate is no worse. What no estimate is below does not count, nor do steps by another.

    Parameters
    ----------
    policy : Policy or None
        Whose estimate it is; None for the operator's own.
    ctx : lightweaver.Context
        A problem in LTE; it is solved to a hundredth of the smallest tolerance.
    tolerances : sequence of float, optional
        Where the solve would stop (default: :data:`TOLERANCES`).
    NmaxIter : int, optional
        Formal solutions at most (default: 60).
    """
    states: list[tuple[float, Array]] = []
    alone = policy is None
    scheme = Depthwise(policy, name=ALONE if alone else "depthwise")

    def record(accelerated: AcceleratedContext) -> None:
        certificate = accelerated.certificate
        history = certificate.history
        if not history.known or history.last.factor is None:
            return
        if history.last.method == ("operator" if alone else "policy"):
            seen = by_step(history, certificate.defect, certificate.settings)
            states.append((seen.value / history.last.factor, certificate.state.copy()))

    last = 0.01 * min(tolerances)
    solved = solve(
        ctx, scheme=scheme, NmaxIter=NmaxIter, popsTol=last, JTol=np.inf, quiet=True,
        bound=False, callback=record,
    )  # fmt: skip
    if not solved.converged:
        return Stops([], None, solved.Nformal)
    adapter = Adapter(ctx)
    solution, n_ref = adapter.read(), adapter.populations()
    ratios = []
    for tolerance in tolerances:
        stop = next((s for s in states if s[0] < tolerance), None)
        if stop is not None:
            adapter.write(stop[1])
            ratios.append(true_error(adapter.populations(), n_ref) / stop[0])
    return Stops(ratios, solution, solved.Nformal)


def card_entries(policy: Policy, problems: int = PROBLEMS, watch: Watch = _nothing) -> Json:
    """Return both entries for the card of a policy.

    Parameters
    ----------
    policy : Policy
        The policy; if it has a card, one without these entries (`Actor.without_limits`).
    problems : int, optional
        Of the validation stream (default: :data:`PROBLEMS`); five times as many of the training
        stream.
    watch : callable, optional
        Called after every problem, six times as many times.

    Raises
    ------
    NoReferenceError
        If the policy has no limits to measure: it is not asked, or its estimate stops no solve.
    """
    train = [random_problem("train", k) for k in range(_SHARE * problems)]
    validation = [random_problem("validation", k) for k in range(problems)]
    origin = {"stream": "validation", "problems": problems}
    return {
        "observation_range": observation_range(policy, train, watch),
        "error_estimate": {**error_factor(policy, validation, watch), **origin},
    }


def calibrate(card: Path, problems: int = PROBLEMS, watch: Watch = _nothing) -> Json:
    """Write both entries into the card of an existing policy; its weights stay as they are.

    Parameters
    ----------
    card : Path
        The policy's card or its weights.
    problems, watch
        As for :func:`card_entries`.

    Returns
    -------
    entries : dict
        What was written.

    Raises
    ------
    PolicyFileError, SchemaError
        If that is not a policy.
    NoReferenceError
        As for :func:`card_entries`.
    """
    policy = actor.load(card)
    entries = card_entries(policy.without_limits(), problems, watch)
    card = card.with_suffix(".json")
    fields = {**json.loads(card.read_bytes()), **entries}
    write_atomically(card, (json.dumps(fields, indent=2) + "\n").encode())
    return entries
