"""What a policy's card says of its limits: where it was trained, and how well it knows its error.

Two entries, made by :func:`card_entries`. The export of a training run writes them, and so does
``lw-rl calibrate`` for a policy that there is:

``observation_range``
    Lowest and highest value of every channel of the observation on the training stream, along
    solves, widened by :data:`MARGIN` of their distance. An observation outside is none that the
    policy was trained for: it is not asked, and the solve is left to the approximate operator
    (`lw_rl.errors.OutOfRangeError`).
``operator_estimate``
    Only of policies that were fine-tuned on a cube: the factor on the operator's own estimate,
    and the range of what does not change along the solves that it was found in.
``error_estimate``
    The factor on the policy's estimate of the error (`lw_rl.certificate`) with which it holds in
    :data:`COVERAGE` of the stops on the validation stream, at the tolerances :data:`TOLERANCES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightweaver as lw
import numpy as np

from ..certificate.certificate import DEFAULT_FACTOR
from ..errors import NoReferenceError
from ..files import write_atomically
from ..host.adapter import Adapter
from ..iterate import AcceleratedContext, iterate_ctx_rl, solve
from ..policies import actor
from ..policies.observation import CHANNELS, NCHANNELS, UNCHANGING, Frame, make_frame
from ..problems import random_problem
from ..schemes import Depthwise, Policy
from ..schemes.depthwise import ALONE
from .reference import true_error

Array = np.ndarray

#: Part of a channel's range by which it is widened at either end.
MARGIN = 0.25
#: And at least by this, of channels that are all of order one.
_LEAST_MARGIN = 0.01
#: Part of the stops in which the error is not above the calibrated estimate.
COVERAGE = 0.995
#: Problems of the validation stream.
PROBLEMS = 60
#: Problems of the training stream for each of the validation stream: a range has no quantile.
_SHARE = 5
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_NMAX = 60

Watch = Callable[[], None]


def _nothing() -> None:
    """Watch nothing."""


class Range:
    """Lowest and highest value of every channel that a policy was shown.

    Parameters
    ----------
    policy : Policy or None
        What is asked; this object stands in its place. None if nothing is.
    """

    def __init__(self, policy: Policy | None):
        self.policy = policy
        self.low = np.full(NCHANNELS, np.inf)
        self.high = np.full(NCHANNELS, -np.inf)

    def predict(self, observation: Array, *, deterministic: bool = True) -> tuple[Array, Any]:
        """Note the observation and return the policy's action."""
        assert self.policy is not None
        self._note(observation, np.full(NCHANNELS, True))
        return self.policy.predict(observation, deterministic=deterministic)

    def look_at(self, frame: Frame) -> None:
        """Note what does not change along the solve of a problem."""
        self._note(frame.static, UNCHANGING)

    def _note(self, observation: Array, channels: Array) -> None:
        low, high = observation.min(axis=1), observation.max(axis=1)
        self.low[channels] = np.minimum(self.low, low)[channels]
        self.high[channels] = np.maximum(self.high, high)[channels]

    def entry(self) -> dict[str, Any]:
        """Return the card's entry ``observation_range``; a channel that was not shown is zero."""
        shown = self.low <= self.high
        low, high = np.where(shown, self.low, 0.0), np.where(shown, self.high, 0.0)
        margin = np.maximum(MARGIN * (high - low), _LEAST_MARGIN)
        return {
            "channels": list(CHANNELS),
            "low": [round(float(v), 4) for v in low - margin],
            "high": [round(float(v), 4) for v in high + margin],
        }


def observation_range(
    policy: Policy,
    problems: int = _SHARE * PROBLEMS,
    stream: str = "train",
    watch: Watch = _nothing,
) -> dict[str, Any]:
    """Return the card's entry ``observation_range``, from solves of so many problems.

    Parameters
    ----------
    policy, problems, stream, watch
        As for :func:`error_factor`.

    Raises
    ------
    NoReferenceError
        If the policy is asked in none of the solves.
    """
    seen = Range(policy)
    for k in range(problems):
        ctx = random_problem(stream, k).context()
        adapter = Adapter(ctx)
        # A policy is not asked everywhere; training has seen those problems all the same.
        seen.look_at(make_frame(adapter.line_physics(adapter.blocks[0])))
        iterate_ctx_rl(ctx, scheme=Depthwise(seen), popsTol=1e-7, NmaxIter=_NMAX, quiet=True)
        watch()
    if not np.all(np.isfinite(seen.high)):
        raise NoReferenceError(
            f"the policy was asked in none of {problems} problems of stream {stream!r}"
        )
    return seen.entry()


def error_factor(
    policy: Policy, problems: int = PROBLEMS, stream: str = "validation", watch: Watch = _nothing
) -> dict[str, Any]:
    """Return the card's entry ``error_estimate``, from solves of so many problems.

    Parameters
    ----------
    policy : Policy
        If it has a card, one without these entries.
    problems : int, optional
        From the beginning of the stream (default: :data:`PROBLEMS`).
    stream : str, optional
        Of the random family (default: ``"validation"``).
    watch : callable, optional
        Called after every problem.

    Raises
    ------
    NoReferenceError
        If the policy stops on none of the problems.
    """
    ratios: list[float] = []
    for k in range(problems):
        ratios += stops(policy, random_problem(stream, k).context()).ratios
        watch()
    if not ratios:
        raise NoReferenceError(
            f"the policy's estimate stopped none of {problems} problems of stream {stream!r}"
        )
    return {**factor_of(ratios), "stream": stream, "problems": problems}


def factor_of(ratios: Sequence[float]) -> dict[str, Any]:
    """Return the factor that makes the estimate hold, and at how many stops that was found.

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
    """How a policy's estimate of the error stood where it would have stopped a solve.

    Attributes
    ----------
    ratios : list of float
        The true error over the estimate with the factor one, one for each stop.
    solution : Array or None
        Where the solve ended (`lw_rl.host.unknown`); None if that is no solution.
    Nformal : int
        Formal solutions that it took to find that out.
    """

    ratios: list[float]
    solution: Array | None
    Nformal: int


def stops(
    policy: Policy | None, ctx: lw.Context, tolerances: Sequence[float] = TOLERANCES
) -> Stops:
    """Return the true error over the estimate with the factor one, at the stop of each tolerance.

    The stops are found with the factor one too; with a larger one they come later, where the
    estimate is no worse. A stop by another estimate than the policy's does not count.

    Parameters
    ----------
    policy : Policy or None
        Whose estimate it is; None for the operator's own.
    ctx : lightweaver.Context
        A problem in LTE; it is solved to a hundredth of the smallest tolerance.
    tolerances : sequence of float, optional
        Where the solve would stop (default: :data:`TOLERANCES`).
    """
    states: list[tuple[float, Array]] = []
    method = "operator" if policy is None else "policy"
    scheme = Depthwise(policy, name=ALONE if policy is None else "depthwise")

    def record(accelerated: AcceleratedContext) -> None:
        certificate = accelerated.certificate
        estimate = certificate.estimate()
        if estimate.method == method:
            factor = getattr(accelerated, f"{method}_factor") or DEFAULT_FACTOR
            states.append((estimate.value / factor, certificate.state.copy()))

    last = 0.01 * min(tolerances)
    solved = solve(
        ctx, scheme=scheme, NmaxIter=_NMAX, popsTol=last, JTol=np.inf, quiet=True,
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


def card_entries(
    policy: Policy, problems: int = PROBLEMS, watch: Watch = _nothing
) -> dict[str, Any]:
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
        If the policy is of no use: it is not asked, or its estimate stops no solve.
    """
    return {
        "observation_range": observation_range(policy, _SHARE * problems, watch=watch),
        "error_estimate": error_factor(policy, problems, watch=watch),
    }


def calibrate(card: Path, problems: int = PROBLEMS, watch: Watch = _nothing) -> dict[str, Any]:
    """Write both entries into the card of a policy that there is; its weights stay as they are.

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
