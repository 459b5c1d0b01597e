"""Where the time of a solve goes: formal solutions, operator, policy, decisions, context, driver.

What the parts are made of is wrapped while it is measured. Time counts for the innermost part that
is at work, so that an operator which the certificate asks is the operator's. Of every part the
fastest of many rounds counts: others on the same machine only ever add to it. Watching takes a
microsecond of a call, of which there are some eighty in a solve, and is no part's; with processor
time it would be ten, which is what it takes to ask for it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import lightweaver as lw

from ..certificate.certificate import Certificate
from ..certificate.convergence import Certified
from ..certificate.defect_correction import DefectCorrection
from ..host import line_physics
from ..host.adapter import Adapter
from ..iterate import iterate_ctx_rl
from ..operator.lambda_1d import Plane1D
from ..operator.plane_2d import Transfer2D
from ..operator.two_level import TwoLevelOperator
from ..operator.two_level_2d import PlaneOperator
from ..problems import Problem
from ..schemes import Safeguarded, Scheme, depthwise
from ..schemes.multilevel import CoupledStep

__all__ = ["COUNTED", "PARTS", "Clock", "Profile", "measure_profile", "watched"]

#: The parts, in the order in which they are drawn; the last is what is left of the whole call.
PARTS = (
    "formal solutions",
    "statistical equilibrium",
    "operator",
    "policy",
    "scheme",
    "decision layer",
    "context",
    "driver",
)
#: Of the operator in two dimensions.
_OF_PLANES = ("__init__", "first", "start", "carry", "error", "solve", "residual")
#: Of what operators say of the error.
_OF_DEFECTS = ("errors", "left", "of_light", "switches", "two_steps", "worst")
#: Of the access to a context.
_OF_CONTEXTS = (
    "__init__", "atom", "go_back", "in_lte", "read", "report_change", "restore", "snapshot",
    "valid", "write", "write_line_radiation",
)  # fmt: skip
#: What the parts are made of: owner, name of the function, and the part.
_MADE_OF: tuple[tuple[Any, str, str], ...] = (
    (Adapter, "formal_solution", "formal solutions"),
    (Adapter, "plain_update", "statistical equilibrium"),
    (TwoLevelOperator, "__init__", "operator"),
    (TwoLevelOperator, "first", "operator"),
    (TwoLevelOperator, "settle", "operator"),
    (TwoLevelOperator, "solve", "operator"),
    (TwoLevelOperator, "residual", "operator"),
    (TwoLevelOperator, "error", "operator"),
    (TwoLevelOperator, "lit", "operator"),
    *((DefectCorrection, name, "operator") for name in _OF_DEFECTS),
    (line_physics, "of_line", "operator"),
    (line_physics, "profile_of_line", "operator"),
    (Plane1D, "rays", "operator"),
    (Plane1D, "lambda_operator", "operator"),
    *((PlaneOperator, name, "operator") for name in _OF_PLANES),
    (Transfer2D, "mean_intensity", "operator"),
    (CoupledStep, "propose", "operator"),
    (depthwise, "coupled_step", "operator"),
    (depthwise, "make_frame", "policy"),
    (depthwise, "propose", "policy"),
    *((depthwise.Depthwise, name, "scheme") for name in ("init", "start", "step")),
    *((Safeguarded, name, "decision layer") for name in ("init", "start", "step")),
    *((Certificate, name, "decision layer") for name in ("__init__", "add", "estimate", "settle")),
    (Certified, "is_converged", "decision layer"),
    *((Adapter, name, "context") for name in _OF_CONTEXTS),
)
#: Functions whose calls are reported, and what they are.
COUNTED = {
    "Adapter.formal_solution": "formal solutions",
    "Plane1D.rays": "sets of rays",
    "Plane1D.lambda_operator": "operators built",
    "TwoLevelOperator.settle": "sweeps at a start",
    "TwoLevelOperator.residual": "sweeps for residuals",
    "lw_rl.schemes.depthwise.propose": "answers of the policy",
    "Transfer2D.mean_intensity": "sweeps of a plane",
    "CoupledStep.propose": "steps of the coupled operator",
}


@dataclass
class Clock:
    """Time by part and calls by function, of what runs while it is :func:`watched`.

    Attributes
    ----------
    seconds : dict
        By part [s].
    calls : dict
        By function.
    watching : float
        What watching took besides [s].
    """

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    watching: float = 0.0
    _inner: list[float] = field(default_factory=list)

    def watch(self, function: Callable[..., Any], name: str, part: str) -> Callable[..., Any]:
        """Return a function that also notes its calls, and its time without that of others."""

        @functools.wraps(function)
        def watched_call(*args: Any, **kwargs: Any) -> Any:
            begun = perf_counter()
            self.calls[name] = self.calls.get(name, 0) + 1
            self._inner.append(0.0)
            start = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = perf_counter() - start
                own = took - self._inner.pop()
                self.seconds[part] = self.seconds.get(part, 0.0) + own
                whole = perf_counter() - begun
                self.watching += whole - took
                if self._inner:
                    self._inner[-1] += whole

        return watched_call


@contextmanager
def watched() -> Iterator[Clock]:
    """Watch all solves of this process meanwhile; not for several threads."""
    clock = Clock()
    before = []
    try:
        for owner, name, part in _MADE_OF:
            raw = vars(owner)[name]
            before.append((owner, name, raw))
            function = raw.__func__ if isinstance(raw, classmethod) else raw
            new = clock.watch(function, f"{owner.__name__}.{name}", part)
            setattr(owner, name, classmethod(new) if isinstance(raw, classmethod) else new)
        yield clock
    finally:
        for owner, name, raw in before:
            setattr(owner, name, raw)


@dataclass(frozen=True)
class Profile:
    """Where the time of one problem's default call goes, each the fastest of all rounds.

    Attributes
    ----------
    problem : str
        Its name.
    scheme : str
        What it was solved with.
    Nspace : int
        Depths.
    formal_solution : float
        Time of one formal solution of the host's alone [s].
    context : float
        Of making the context [s].
    total : float
        Of the call, its stop included [s], without being watched.
    seconds : dict
        Of its parts [s], as shares of which the total is divided.
    calls : dict
        How often what was called or made.
    """

    problem: str
    scheme: str
    Nspace: int
    formal_solution: float
    context: float
    total: float
    seconds: dict[str, float]
    calls: dict[str, int]

    def in_formal_solutions(self, seconds: float) -> float:
        """Return a time in those of a formal solution."""
        return seconds / self.formal_solution


def measure_profile(
    problem: Problem, schemes: dict[str, str | Scheme], rounds: int = 20
) -> list[Profile]:
    """Measure where the time of a problem's solves goes.

    Parameters
    ----------
    problem : Problem
        The problem.
    schemes : dict
        What it is solved with, by the names that reports give them; measured in turns.
    rounds : int, optional
        Rounds of which the fastest count (default: 20).
    """
    lte = problem.context()
    Nspace = Adapter(lte).Nspace
    contexts, formal = [], []
    totals: dict[str, list[float]] = {name: [] for name in schemes}
    parts: dict[str, list[dict[str, float]]] = {name: [] for name in schemes}
    calls: dict[str, dict[str, int]] = {}
    for k in range(rounds + 1):
        measured = [_seconds(problem.context), _formal_solution(lte)]
        # Whoever is first in a round finds the caches cold: each is in its turn.
        for name, scheme in list(schemes.items())[:: 1 if k % 2 else -1]:
            call = functools.partial(iterate_ctx_rl, quiet=True, prd=problem.prd, scheme=scheme)
            whole = _seconds(functools.partial(call, copy.deepcopy(lte)))
            ctx = copy.deepcopy(lte)
            with watched() as clock:
                seen = _seconds(functools.partial(call, ctx))
            rest = seen - sum(clock.seconds.values()) - clock.watching
            if k > 0:  # what is imported or compiled on first use
                totals[name].append(whole)
                parts[name].append({**clock.seconds, PARTS[-1]: rest})
                calls[name] = {
                    said: clock.calls[function]
                    for function, said in COUNTED.items()
                    if function in clock.calls
                }
        if k > 0:
            contexts.append(measured[0])
            formal.append(measured[1])
    profiles = []
    for name in schemes:
        total = min(totals[name])
        seconds = {part: min(p.get(part, 0.0) for p in parts[name]) for part in PARTS}
        scale = total / sum(seconds.values())
        profiles.append(
            Profile(
                problem=problem.name,
                scheme=name,
                Nspace=Nspace,
                formal_solution=min(formal),
                context=min(contexts),
                total=total,
                seconds={part: scale * value for part, value in seconds.items()},
                calls=calls[name],
            )
        )
    return profiles


def _formal_solution(lte: lw.Context) -> float:
    """Return the time [s] of a formal solution on a copy of a context, the fastest of three."""
    ctx, times = copy.deepcopy(lte), []
    for _ in range(3):
        times.append(_seconds(ctx.formal_sol_gamma_matrices))
        ctx.stat_equil()
    return min(times)


def _seconds(run: Callable[[], Any]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start
