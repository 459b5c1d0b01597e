"""What a policy's card says of its limits: where it was trained, and how well it knows its error.

Two entries, made by :func:`card_entries` and written by the export of a training run:

``observation_range``
    Lowest and highest value of every channel of the observation along solves of the training
    stream, widened by :data:`MARGIN` of their distance. An observation outside is none that the
    policy was trained for: it is not asked, and the next scheme takes over
    (`lw_rl.errors.OutOfRangeError`).
``error_estimate``
    The factor on the policy's estimate of the error (`lw_rl.convergence`) with which it holds in
    :data:`COVERAGE` of the stops on the validation stream, at the tolerances :data:`TOLERANCES`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import lightweaver as lw
import numpy as np

from .convergence import DEFAULT_FACTOR
from .errors import NoReferenceError
from .iterate import AcceleratedContext, iterate_ctx_rl
from .observation import CHANNELS, NCHANNELS
from .problems import random_problem
from .reference import true_error
from .schemes import Depthwise, Policy

Array = np.ndarray

#: Part of a channel's range by which it is widened at either end.
MARGIN = 0.25
#: Part of the stops in which the error is not above the calibrated estimate.
COVERAGE = 0.995
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_NMAX = 60


class Range:
    """Lowest and highest value of every channel that a policy was shown.

    Parameters
    ----------
    policy : Policy
        What is asked; this object stands in its place.
    """

    def __init__(self, policy: Policy):
        self.policy = policy
        self.low = np.full(NCHANNELS, np.inf)
        self.high = np.full(NCHANNELS, -np.inf)

    def predict(self, observation: Array, *, deterministic: bool = True) -> tuple[Array, Any]:
        """Note the observation and return the policy's action."""
        self.low = np.minimum(self.low, observation.min(axis=1))
        self.high = np.maximum(self.high, observation.max(axis=1))
        return self.policy.predict(observation, deterministic=deterministic)

    def entry(self) -> dict[str, Any]:
        """Return the card's entry ``observation_range``."""
        margin = MARGIN * (self.high - self.low)
        return {
            "channels": list(CHANNELS),
            "low": [round(float(v), 4) for v in self.low - margin],
            "high": [round(float(v), 4) for v in self.high + margin],
        }


def observation_range(policy: Policy, problems: int = 100, stream: str = "train") -> dict[str, Any]:
    """Return the card's entry ``observation_range``, from solves of so many problems."""
    seen = Range(policy)
    for k in range(problems):
        iterate_ctx_rl(
            random_problem(stream, k).context(), scheme=Depthwise(seen), popsTol=1e-7,
            NmaxIter=_NMAX, quiet=True,
        )  # fmt: skip
    return seen.entry()


def error_factor(
    policy: Policy,
    problems: int = 60,
    stream: str = "validation",
    watch: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Return the card's entry ``error_estimate``, from solves of so many problems.

    Parameters
    ----------
    policy : Policy
        Its card, if there is one, takes no part.
    problems : int, optional
        From the beginning of the stream (default: 60).
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
        ratios += _ratios(policy, random_problem(stream, k).context())
        if watch is not None:
            watch()
    if not ratios:
        raise NoReferenceError(
            f"the policy's estimate stopped none of {problems} problems of stream {stream!r}"
        )
    factor = max(float(np.quantile(ratios, COVERAGE)), 1.0)
    within = np.array(ratios) * 5.0 >= factor
    return {
        "factor": round(factor, 3),
        "coverage": COVERAGE,
        "within_5x": round(float(within.mean()), 4),
        "stops": len(ratios),
        "stream": stream,
        "problems": problems,
    }


def _ratios(policy: Policy, ctx: lw.Context) -> list[float]:
    """Return the true error over the estimate with the factor one, at the stop of each tolerance.

    The stops are found with the factor one too; with a larger one they come later, where the
    estimate is no worse.
    """
    states: list[tuple[float, Array]] = []

    def record(accelerated: AcceleratedContext) -> None:
        certificate = accelerated.certificate
        estimate = certificate.estimate()
        if estimate.method == "policy":
            factor = accelerated.policy_factor or DEFAULT_FACTOR
            states.append((estimate.value / factor, certificate.state.copy()))

    solved = copy.deepcopy(ctx)
    holder: list[Any] = []

    def keep(accelerated: AcceleratedContext) -> None:
        holder[:] = [accelerated]
        record(accelerated)

    last = 0.01 * min(TOLERANCES)
    iterate_ctx_rl(
        solved, scheme=Depthwise(policy), NmaxIter=_NMAX, popsTol=last, JTol=np.inf, quiet=True,
        callback=keep,
    )  # fmt: skip
    adapter = holder[0].adapter
    if not holder[0].met:
        return []
    n_ref = adapter.populations()
    ratios = []
    for tolerance in TOLERANCES:
        stop = next((s for s in states if s[0] < tolerance), None)
        if stop is not None:
            adapter.write(stop[1])
            ratios.append(true_error(adapter.populations(), n_ref) / stop[0])
    return ratios


def card_entries(policy: Policy, training: int = 100, validation: int = 60) -> dict[str, Any]:
    """Return both entries for the card of a policy.

    Parameters
    ----------
    policy : Policy
        The policy, as it is exported.
    training, validation : int, optional
        Problems of the two streams (default: 100, 60).
    """
    return {
        "observation_range": observation_range(policy, training),
        "error_estimate": error_factor(policy, validation),
    }
