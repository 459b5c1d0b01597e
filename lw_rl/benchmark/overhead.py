"""What the plugin costs beside the formal solution: adapter, driver, scheme, policy."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import lightweaver as lw
import numpy as np

from ..host.adapter import Adapter
from ..iterate import accelerate
from ..operator.two_level import TwoLevelOperator
from ..policies.observation import make_frame, observe, to_log
from ..problems import Problem
from ..schemes import Depthwise, Mali, make_policy

# No more than the safeguard grants a policy that does nothing before it hands over.
_ITERATIONS = 16
_ROUNDS = 20


class _Still:
    """A policy that costs nothing and changes nothing."""

    def __init__(self, Npoints: int):
        self._action = np.zeros(Npoints)

    def predict(self, observation: Any, *, deterministic: bool = True) -> tuple[Any, None]:
        return self._action, None


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
        The same of the depth-wise scheme, its policy left out.
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


def measure_overhead(problem: Problem, policy: Any = "default") -> Overhead:
    """Measure what the plugin costs on a problem of one two-level atom.

    Parameters
    ----------
    problem : Problem
        The problem; what is iterated, again and again, begins where the host stops.
    policy : str, path-like or Policy, optional
        See `lw_rl.schemes.make_policy` (default: the shipped ``"default"``).
    """
    policy = make_policy(policy)
    lte = problem.context()
    start = copy.deepcopy(lte)
    lw.iterate_ctx_se(start, quiet=True)
    adapter = Adapter(start)
    physics = adapter.line_physics(adapter.blocks[0])
    frame = make_frame(physics)
    evaluation = adapter.evaluate()
    assert evaluation.lambda_residual is not None
    error = TwoLevelOperator(physics, evaluation.y).error(evaluation.y, evaluation.lambda_residual)
    observation = observe(frame, evaluation.y, evaluation.r, to_log(error))
    still = Depthwise(_Still(frame.Npoints))

    def iterations(ctx: Any) -> tuple[float, float]:
        """Return the medians of a formal solution and of a whole iteration."""
        formal, whole = [], []
        for _ in range(_ITERATIONS):
            begin = perf_counter()
            ctx.formal_sol_gamma_matrices()
            between = perf_counter()
            ctx.stat_equil()
            formal.append(between - begin)
            whole.append(perf_counter() - begin)
        return median(formal), median(whole)

    def once() -> dict[str, float]:
        fresh = [copy.deepcopy(start) for _ in range(3)]
        formal, host = iterations(fresh[0])
        driver = iterations(accelerate(fresh[1], scheme=Mali()))[1]
        scheme = iterations(accelerate(fresh[2], scheme=still))[1]
        unsolved = copy.deepcopy(lte)
        begin = perf_counter()
        accelerate(unsolved, scheme=still)
        setup = perf_counter() - begin
        passes = []
        for _ in range(_ITERATIONS):
            begin = perf_counter()
            policy.predict(observation)
            passes.append(perf_counter() - begin)
        return {
            "formal": formal, "host": host, "driver": (driver - host) / formal,
            "scheme": (scheme - host) / formal, "setup": setup,
            "policy": median(passes),
        }  # fmt: skip

    once()  # what is imported or compiled on first use
    rounds = [once() for _ in range(_ROUNDS)]
    # Differences within a round, so that a machine that slows down does so for both.
    return Overhead(
        Nspace=adapter.Nspace,
        formal_solution=median(t["formal"] for t in rounds),
        host=median(t["host"] for t in rounds),
        driver=median(t["driver"] for t in rounds),
        scheme=median(t["scheme"] for t in rounds),
        setup=median(t["setup"] for t in rounds),
        policy=median(t["policy"] for t in rounds),
    )


def describe(cost: Overhead) -> str:
    """Return what was measured as a sentence."""
    return (
        f"at {cost.Nspace} depths a formal solution takes {1e3 * cost.formal_solution:.2f} ms; "
        f"of that, adapter and driver add {100 * cost.driver:.1f} %, with the depth-wise scheme "
        f"{100 * cost.scheme:.1f} %; one pass of the policy takes {1e3 * cost.policy:.2f} ms, and "
        f"preparing a solve {1e3 * cost.setup:.2f} ms"
    )
