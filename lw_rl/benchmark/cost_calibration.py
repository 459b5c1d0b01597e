"""What work inside a solve takes: the cost model of `lw_rl.policies.costs`, fitted to the clock.

Solves of problems of all kinds, at several settings each, are run one after the other; the
processor time of each is a sum over kinds of work, whose factors are found by non-negative least
squares of relative deviations. Every other problem is left out of the fit and is what the model is
checked against.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

import lightweaver as lw
import numpy as np
from scipy.optimize import nnls

from ..arrays import Array
from ..files import Json, versions, write_json
from ..iterate import solve
from ..policies.costs import KINDS, formal_units
from ..policies.drive import FIXED, Decision, Situation
from ..problems import Problem, RandomModel, random_problem, shipped_problem
from ..schemes import Depthwise

__all__ = ["calibrate_costs", "cost_problems", "fitted", "write_costs"]

#: How often a solve is timed; the fastest counts.
_REPEATS = 2
#: Settings that are timed: they differ in what work they need.
_SETTINGS = (
    FIXED,
    Decision(fidelity=0.5, tolerance=0.3),
    Decision(tolerance=4.0, renew=False),
    Decision(renew=True),
)


@dataclass
class _Watching:
    """A driver that always decides the same and keeps the last situation."""

    decision: Decision
    situation: Situation | None = None

    def decide(self, situation: Situation) -> Decision:
        self.situation = situation
        return self.decision


def cost_problems(number: int) -> list[Problem]:
    """Return problems of all kinds, the same number of each."""
    depths = (41, 82, 164, 328, 656)
    problems = []
    for k in range(number):
        problems += [
            shipped_problem(("CaII_K", "MgII_k")[k % 2], "FALC", depths[k % len(depths)]),
            finer(random_problem("train", 2000 + k), depths[(k + 2) % len(depths)]),
            random_problem("atoms", 7000 + k),
            random_problem("2d", 700 + k),
        ]
    return problems


def finer(problem: Problem, Nspace: int) -> Problem:
    """Return a random problem on so many depths."""
    assert isinstance(problem.atmosphere, RandomModel)
    model = replace(problem.atmosphere, Nspace=Nspace)
    return replace(problem, name=f"{problem.name} {Nspace} depths", atmosphere=model)


def _timed(run: Callable[[], object]) -> float:
    start = process_time()
    run()
    return process_time() - start


def _solved(ctx: lw.Context, decision: Decision) -> tuple[float, dict[str, float]]:
    """Return the processor time [s] of a solve, and its work."""
    fastest, work = np.inf, {}
    for _ in range(_REPEATS):
        driver, fresh = _Watching(decision), copy.deepcopy(ctx)
        start = process_time()
        result = solve(
            fresh, scheme=Depthwise(None, driver=driver), NmaxIter=12, quiet=True, bound=False
        )
        seconds = process_time() - start
        s = driver.situation
        assert s is not None
        if seconds < fastest:
            k = s.kind
            fastest = seconds
            formal = formal_units(k.Nspace, k.Nwave, k.Nray, k.Ndim)
            work = {
                "solve": 1.0,
                **s.work,
                **{name: result.Nformal * amount for name, amount in formal.items()},
            }
    return fastest, work


def _formal(ctx: lw.Context, work: dict[str, float], Nformal: float) -> tuple[float, Json]:
    """Return the processor time [s] of an iteration of the host's own, and its work."""

    def run() -> None:
        fresh.formal_sol_gamma_matrices()
        fresh.stat_equil()

    fresh = copy.deepcopy(ctx)
    seconds = min(_timed(run) for _ in range(2 * _REPEATS))
    formal = ("iteration", "formal", "formal_2d")
    return seconds, {k: work[k] / Nformal for k in formal if k in work}


def fitted(samples: list[tuple[float, Json]]) -> dict[str, float]:
    """Return the nanoseconds per unit of every kind of work, of samples of (seconds, work)."""
    kinds = [k for k in KINDS if any(k in work for _, work in samples)]
    rows = np.array([[work.get(k, 0.0) for k in kinds] for _, work in samples], dtype=float)
    seconds: Array = np.array([s for s, _ in samples])
    rows *= 1e-9 / seconds[:, None]
    scale = np.maximum(rows.max(axis=0), 1e-300)
    found, _ = nnls(rows / scale, np.ones(len(samples)))
    return dict(zip(kinds, (found / scale).tolist(), strict=True))


def _deviations(samples: list[tuple[float, Json]], unit: Json) -> Array:
    """Return model over clock of every sample."""
    return np.array(
        [1e-9 * sum(unit[k] * v for k, v in work.items() if k in unit) / s for s, work in samples]
    )


def calibrate_costs(number: int, watch: Callable[[], None], command: str) -> Json:
    """Return the content of the cost file.

    Parameters
    ----------
    number : int
        Problems of every kind.
    watch : callable
        Called after every problem.
    command : str
        What is noted as the command.
    """
    groups: list[list[tuple[float, Json]]] = []
    for problem in cost_problems(number):
        ctx = problem.context()
        samples: list[tuple[float, Json]] = []
        for decision in _SETTINGS:
            seconds, work = _solved(ctx, decision)
            samples.append((seconds, work))
        samples.append(_formal(ctx, work, work["iteration"]))
        groups.append(samples)
        watch()
    # Neighbouring problems are of different kinds: halves of every kind.
    half = [g for k, g in enumerate(groups) if (k // 4) % 2 == 0]
    other = [g for k, g in enumerate(groups) if (k // 4) % 2 == 1]
    unit = fitted([s for g in half for s in g])
    held = _deviations([s for g in (other or half) for s in g], unit)
    values = fitted([s for g in groups for s in g])
    return {
        "command": command,
        "versions": versions(),
        "problems": len(groups),
        "samples": sum(map(len, groups)),
        "unit": "nanoseconds of processor time per unit of work",
        "kinds": dict(KINDS),
        "values": {k: float(f"{v:.3g}") for k, v in values.items()},
        "held out": {
            "model over clock, quantiles 10, 50, 90 %": [
                round(float(q), 3) for q in np.quantile(held, [0.1, 0.5, 0.9])
            ],
            "samples": len(held),
        },
    }


def write_costs(path: Path, content: Json) -> None:
    """Write a cost file in one step."""
    write_json(path, content, readable=True)
