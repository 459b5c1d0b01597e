"""How far a policy is on the problems of the validation stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from ..benchmark.reference import Never
from ..envs.prepared import solve_once
from ..host.adapter import Adapter
from ..host.state import Snapshot
from ..iterate import iterate_ctx_rl
from ..problems import Problem, random_problem
from ..schemes import Scheme

__all__ = ["ProblemSource", "Validation", "error_curve", "scores", "validation_problems"]

ProblemSource = Callable[[str, int], Problem]
"""Returns a problem of a stream, ``"train"`` or ``"validation"``, by its number."""

#: Formal solutions after which a solve is given up.
_BUDGET = 60
#: A solve ends below this true error.
_SMALL = 1e-7


@dataclass(frozen=True)
class Validation:
    """A problem of the validation stream whose solution is known.

    Attributes
    ----------
    adapter : Adapter
        Of its context, at the start.
    start : Snapshot
        That start.
    solution : Array
        The unknown at statistical equilibrium.
    Nformal : int
        Formal solutions that it took to find that, now or when it was found.
    """

    adapter: Adapter
    start: Snapshot
    solution: Array
    Nformal: int


def validation_problems(
    number: int, problem_of: ProblemSource = random_problem
) -> Iterator[Validation]:
    """Yield the first problems of the validation stream.

    Parameters
    ----------
    number : int
        How many.
    problem_of : callable, optional
        Returns a problem of a stream by name and number (default: the random family's).
    """
    for k in range(number):
        problem = problem_of("validation", k)
        adapter = Adapter(problem.context())
        start = adapter.snapshot()
        physics = adapter.line_physics(adapter.blocks[0])
        solution, Nformal = solve_once(adapter, physics, problem.atom)
        adapter.restore(start)
        yield Validation(adapter, start, solution, Nformal)


def error_curve(adapter: Adapter, solution: Array, scheme: Scheme) -> list[float]:
    """Return the largest true error of ln S after every formal solution of a solve.

    Parameters
    ----------
    adapter : Adapter
        Of one two-level atom, at the start; it is solved.
    solution : Array
        The unknown at statistical equilibrium.
    scheme : Scheme
        What solves it.
    """
    errors: list[float] = []

    class Small(Never):
        def is_converged(self, *updates: Any) -> bool:
            return errors[-1] < _SMALL

    iterate_ctx_rl(
        adapter.ctx,
        scheme=scheme,
        quiet=True,
        NmaxIter=_BUDGET,
        convergence=Small,
        callback=lambda _: errors.append(float(np.max(np.abs(adapter.read() - solution)))),
    )
    return errors


def scores(curves: Sequence[Sequence[float]]) -> dict[str, float]:
    """Summarise error curves.

    Returns
    -------
    scores : dict
        Formal solutions to a true error of 1e-3 and 1e-6 (mean, median, 90th percentile, worst),
        and the geometric mean of the error after one to four of them.
    """
    result = {}
    for tolerance in (1e-3, 1e-6):
        found = []
        for errors in curves:
            late = np.flatnonzero(np.array(errors) >= tolerance)
            found.append(int(late[-1]) + 2 if late.size else 1)
        for name, value in (
            ("mean", np.mean(found)),
            ("median", np.median(found)),
            ("p90", np.percentile(found, 90)),
            ("worst", np.max(found)),
        ):
            result[f"{name}_{tolerance:.0e}"] = float(value)
    for k in range(4):
        # A curve that has ended was below what counts.
        after = [errors[k] if k < len(errors) else _SMALL for errors in curves]
        result[f"error_after_{k + 1}"] = float(np.exp(np.mean(np.log(np.maximum(after, _SMALL)))))
    return result
