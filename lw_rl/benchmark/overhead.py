"""What the plugin costs beside the formal solution: adapter, driver, scheme, policy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import lightweaver as lw

from ..host.adapter import Adapter
from ..iterate import AcceleratedContext, accelerate
from ..norms import to_log
from ..operator.two_level import TwoLevelOperator
from ..policies.base import PolicyLike
from ..policies.observation import make_frame, observe
from ..problems import Problem
from ..schemes import Depthwise, Mali, make_policy
from .adversarial import ADVERSARIAL

__all__ = ["Overhead", "describe", "measure_overhead"]


@dataclass(frozen=True)
class Overhead:
    """Medians of one problem, measured in turns in one process.

    Attributes
    ----------
    Nspace : int
        Depths.
    formal_solution : float
        One formal solution [s].
    host : float
        One iteration of the host: a formal solution and ``stat_equil`` [s].
    driver : float
        One iteration of ``accelerate(ctx, scheme="mali")`` less the host's, over a formal solution.
    scheme : float
        The same of the depth-wise scheme without its policy.
    setup : float
        Preparing the depth-wise scheme for populations in LTE, once a solve [s]: line physics,
        observation, the approximate operator and its own solution.
    policy : float
        One forward pass of the policy [s].
    """

    Nspace: int
    formal_solution: float
    host: float
    driver: float
    scheme: float
    setup: float
    policy: float


def measure_overhead(
    problem: Problem, policy: PolicyLike = "default", iterations: int = 16, rounds: int = 20
) -> Overhead:
    """Measure what the plugin costs on a problem of one two-level atom.

    Parameters
    ----------
    problem : Problem
        The problem; the timed iterations begin where the host stops.
    policy : str, path-like or Policy, optional
        See `lw_rl.policies.make_policy` (default: the shipped ``"default"``).
    iterations : int, optional
        Timed iterations of a round; not more than the safeguard allows a policy that does nothing
        (default: 16).
    rounds : int, optional
        Rounds of which medians are taken (default: 20).
    """
    policy = make_policy(policy)
    lte = problem.context()
    start = copy.deepcopy(lte)
    lw.iterate_ctx_se(start, quiet=True)
    adapter = Adapter(start)
    physics = adapter.line_physics(adapter.blocks[0])
    evaluation = adapter.evaluate()
    assert evaluation.lambda_residual is not None
    error = TwoLevelOperator(physics, evaluation.y).error(evaluation.y, evaluation.lambda_residual)
    observation = observe(make_frame(physics), evaluation.y, evaluation.r, to_log(error))
    # A policy that costs nothing and changes nothing.
    idle = Depthwise(ADVERSARIAL["zeros"])

    def once() -> dict[str, float]:
        formal, host = _iterate(copy.deepcopy(start), iterations)
        _, driver = _iterate(accelerate(copy.deepcopy(start), scheme=Mali()), iterations)
        _, scheme = _iterate(accelerate(copy.deepcopy(start), scheme=idle), iterations)
        # Differences within a round, so that a machine that slows down does so for both.
        return {
            "formal_solution": formal,
            "host": host,
            "driver": (driver - host) / formal,
            "scheme": (scheme - host) / formal,
            "setup": _seconds(accelerate(copy.deepcopy(lte), scheme=idle).begin),
            "policy": median(
                _seconds(lambda: policy.predict(observation)) for _ in range(iterations)
            ),
        }

    once()  # what is imported or compiled on first use
    measured = [once() for _ in range(rounds)]
    return Overhead(adapter.Nspace, **{k: median(m[k] for m in measured) for k in measured[0]})


def _iterate(ctx: lw.Context | AcceleratedContext, iterations: int) -> tuple[float, float]:
    """Return the medians of a formal solution and of a whole iteration [s]."""
    formal, whole = [], []
    for _ in range(iterations):
        formal.append(_seconds(ctx.formal_sol_gamma_matrices))
        whole.append(formal[-1] + _seconds(ctx.stat_equil))
    return median(formal), median(whole)


def _seconds(run: Callable[[], Any]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def describe(cost: Overhead) -> str:
    """Return what was measured as a sentence."""
    return (
        f"at {cost.Nspace} depths a formal solution takes {1e3 * cost.formal_solution:.2f} ms; "
        f"of that, adapter and driver add {100 * cost.driver:.1f} %, with the depth-wise scheme "
        f"{100 * cost.scheme:.1f} %; one pass of the policy takes {1e3 * cost.policy:.2f} ms, and "
        f"preparing a solve {1e3 * cost.setup:.2f} ms"
    )
