"""What the plugin costs beside the formal solution: adapter, driver, scheme, policy."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import lightweaver as lw
import numpy as np

from .adapter import Adapter
from .iterate import accelerate, iterate_ctx_rl
from .observation import make_frame, observe
from .problems import Problem
from .reference import Never
from .schemes import Depthwise, Mali, make_policy

_ITERATIONS = 40
_ROUNDS = 15


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
        One iteration of ``lightweaver.iterate_ctx_se`` [s].
    driver : float
        One iteration of ``iterate_ctx_rl(scheme="mali")`` less the host's, over a formal solution.
    scheme : float
        The same of the depth-wise scheme, its policy left out.
    policy : float
        One forward pass of the policy [s].
    """

    Nspace: int
    formal_solution: float
    host: float
    driver: float
    scheme: float
    policy: float


def measure_overhead(problem: Problem, policy: Any = "default") -> Overhead:
    """Measure what the plugin costs on a problem of one two-level atom.

    Parameters
    ----------
    problem : Problem
        The problem; it is solved from LTE, again and again.
    policy : str, path-like or Policy, optional
        See `lw_rl.schemes.make_policy` (default: the shipped ``"default"``).
    """
    policy = make_policy(policy)
    start = problem.context()
    lw.iterate_ctx_se(start, quiet=True)
    adapter = Adapter(start)
    block = adapter.blocks[0]
    frame = make_frame(adapter.line_physics(block))
    evaluation = adapter.evaluate()
    observation = observe(frame, evaluation.y, evaluation.r)
    still = Depthwise(_Still(frame.Npoints))

    def loop(run: Any) -> float:
        ctx = copy.deepcopy(start)
        begin = perf_counter()
        run(ctx)
        return (perf_counter() - begin) / _ITERATIONS

    settings: dict[str, Any] = {"NmaxIter": _ITERATIONS, "quiet": True, "convergence": Never}
    runs = {
        "formal": lambda c: [c.formal_sol_gamma_matrices() for _ in range(_ITERATIONS)],
        "host": lambda c: lw.iterate_ctx_se(c, Nscatter=0, **settings),
        "driver": lambda c: iterate_ctx_rl(c, scheme=Mali(), **settings),
        "scheme": lambda c: iterate_ctx_rl(c, scheme=still, **settings),
        "policy": lambda c: [policy.predict(observation) for _ in range(_ITERATIONS)],
    }
    accelerate(copy.deepcopy(start), scheme=still)  # nothing is to be imported while timing
    rounds = [{name: loop(run) for name, run in runs.items()} for _ in range(_ROUNDS)]
    # Differences within a round, so that a machine that slows down does so for both.
    return Overhead(
        Nspace=adapter.Nspace,
        formal_solution=median(t["formal"] for t in rounds),
        host=median(t["host"] for t in rounds),
        driver=median((t["driver"] - t["host"]) / t["formal"] for t in rounds),
        scheme=median((t["scheme"] - t["host"]) / t["formal"] for t in rounds),
        policy=median(t["policy"] for t in rounds),
    )


def describe(cost: Overhead) -> str:
    """Return what was measured as a sentence."""
    return (
        f"at {cost.Nspace} depths a formal solution takes {1e3 * cost.formal_solution:.2f} ms; "
        f"of that, adapter and driver add {100 * cost.driver:.1f} %, with the depth-wise scheme "
        f"{100 * cost.scheme:.1f} %, and one pass of the policy takes {1e3 * cost.policy:.2f} ms"
    )
