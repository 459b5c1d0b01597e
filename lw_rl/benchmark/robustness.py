"""Endurance: many problems, every solve held against the true solution and against MALI's cost.

How it is measured
------------------
Every problem is solved to `popsTol` by MALI under the certified stop, within a budget of
iterations, by the schemes that are tested, and, in turn, by one of the hostile policies of
:data:`HOSTILE`. The *true error* is the largest ``|n / n_ref - 1|`` over levels and depths, where
`n_ref` comes from going on with the best of the solves until an independent MALI iteration shows a
residual that leaves less than a hundredth of the tolerance; a problem without such a reference
is counted as one. A stop is *false* if the true error is above the tolerance, *held* if it is not
above the estimate, and *dear* if it took more than 1.1 times MALI's formal solutions and 3. That is
judged where MALI did solve the problem: it ended within its budget, and its populations are
confirmed by the reference.

The host's equations can have several solutions (`lw_rl.benchmark.measure`): a stop that would be
false is judged against the solution that is found by going on from *its* end, if that is confirmed
in the same way and is another one. It is then counted as *elsewhere*. MALI leads away from some of
them: these are confirmed by a Newton step of the host's own equations, with derivatives by
differences.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, Protocol

import lightweaver as lw
import numpy as np

from ..certificate.certificate import Certificate
from ..errors import LwRlError
from ..host.adapter import Adapter
from ..iterate import accelerate, solve
from ..problems import random_problem
from ..processes import (
    processes,
)
from ..result import Result
from .reference import newton_correction, true_error
from .robustness_problems import HostileProblem

Array = np.ndarray

#: Formal solutions that MALI is given.
BUDGET = 250
#: Part of the tolerance within which a reference must be known.
REFERENCE_SHARE = 0.01
_REFERENCE_ITERATIONS = 300
#: Plain steps that confirm it.
_PLAIN_LEAST, _PLAIN_MOST = 10, 30
#: Unknowns up to which an equilibrium from which MALI leads away is looked for.
_REPELLING = 300
#: Problems that a process is given at once.
_CHUNK = 4
#: Dear is what exceeds `_FACTOR` times MALI and `_EXTRA`.
_FACTOR, _EXTRA = 1.1, 3


class Soaked(Protocol):
    """What a problem must have to be soaked; `Problem` and `HostileProblem` have it."""

    @property
    def name(self) -> str:
        """What lists call it."""
        ...

    def context(self) -> lw.Context:
        """Build a fresh context, the populations in LTE."""
        ...


@dataclass(frozen=True)
class Says:
    """A policy that says the same whatever it sees."""

    answer: Callable[[int], Any]

    def predict(self, observation: Array, deterministic: bool = True) -> tuple[Any, None]:
        """Return the answer for so many points."""
        return self.answer(observation.shape[1]), None


def _raises(N: int) -> Any:
    raise RuntimeError("a policy that raises")


def _noise(N: int) -> Array:
    return np.random.default_rng(N).uniform(-1.0, 1.0, N)


#: Policies that mean no good, by name.
HOSTILE: dict[str, Says] = {
    "zeros": Says(np.zeros),
    "ones": Says(np.ones),
    "minus ones": Says(lambda N: -np.ones(N)),
    "halves": Says(lambda N: np.full(N, 0.5)),
    "small": Says(lambda N: np.full(N, 0.1)),
    "jagged": Says(lambda N: (-1.0) ** np.arange(N)),
    "noise": Says(_noise),
    "huge": Says(lambda N: np.full(N, 1e300)),
    "nan": Says(lambda N: np.full(N, np.nan)),
    "shape": Says(lambda N: np.zeros(7)),
    "raises": Says(_raises),
}


@dataclass(frozen=True)
class Trial:
    """One solve of one problem.

    Attributes
    ----------
    entry : str
        What solved it.
    outcome : str
        As of `Result`, or the name of an exception.
    Nformal : int
        Formal solutions.
    limit : float
        More than this is dear.
    estimate, method, bound
        As of `ErrorEstimate`.
    error : float or None
        True error of the populations; None without a reference.
    physical : bool
        Whether the populations are finite, positive and sum to `nTotal`.
    elsewhere : bool
        Whether the true error is against another solution than the problem's reference.
    message : str
        Of an exception.
    """

    entry: str
    outcome: str
    Nformal: int
    limit: float
    estimate: float
    method: str
    bound: float | None
    error: float | None
    physical: bool
    elsewhere: bool = False
    message: str = ""

    @property
    def converged(self) -> bool:
        """Whether it claims to be."""
        return self.outcome == "converged"

    @property
    def dear(self) -> bool:
        """Whether it took more than MALI's formal solutions allow."""
        return self.Nformal > self.limit


@dataclass(frozen=True)
class Soak:
    """What is asked of every problem of a soak.

    Attributes
    ----------
    seed : int
        Of the hostile problems.
    family : str
        ``"hostile"``, or a stream of the random family.
    schemes : tuple of str
        Names of schemes, besides MALI.
    policy : str
        Of the schemes that have one.
    hostile : tuple of str
        Names of :data:`HOSTILE`, taken in turn.
    popsTol : float
        Tolerance on the error.
    """

    seed: int
    family: str
    schemes: tuple[str, ...]
    policy: str
    hostile: tuple[str, ...]
    popsTol: float

    def __call__(self, index: int) -> tuple[str, list[Trial], bool, float]:
        """Return a problem's name, what :func:`run` returns, and the processor time [s]."""
        start = process_time()
        problem: Soaked = (
            HostileProblem(self.seed, index)
            if self.family == "hostile"
            else random_problem(self.family, index)
        )
        hostile = self.hostile[index % len(self.hostile)] if self.hostile else None
        trials, known = run(problem, self.schemes, self.policy, hostile, self.popsTol)
        return problem.name, trials, known, process_time() - start

    def over(
        self, indices: Sequence[int], workers: int = 1
    ) -> Iterator[tuple[str, list[Trial], bool, float]]:
        """Go through problems in order, in so many processes, each on one thread."""
        if workers == 1:
            yield from map(self, indices)
            return
        with processes(workers) as pool:
            yield from pool.map(self, indices, chunksize=_CHUNK)


def run(
    problem: Soaked,
    schemes: tuple[str, ...] = ("depthwise",),
    policy: Any = "default",
    hostile: str | None = None,
    popsTol: float = 1e-3,
) -> tuple[list[Trial], bool]:
    """Solve one problem in every way that is asked for.

    Parameters
    ----------
    problem : Problem or HostileProblem
    schemes : tuple of str, optional
        Names of schemes, besides MALI (default: ``("depthwise",)``).
    policy : str, path-like or Policy, optional
        Of the schemes that have one.
    hostile : str, optional
        A name of :data:`HOSTILE`, to be tried as a policy too.
    popsTol : float, optional
        Tolerance on the error (default: 1e-3).

    Returns
    -------
    trials : list of Trial
    known : bool
        Whether there is a reference.
    """
    start = problem.context()
    prd = bool(getattr(problem, "prd", False))
    entries: list[tuple[str, str, Any]] = [("mali", "mali", None)]
    entries += [(s, s, policy) for s in schemes if s != "mali"]
    if getattr(problem, "lambda_iterate", False):
        entries.append(("lambda", "lambda", None))
    if hostile is not None:
        entries.append((f"hostile {hostile}", "depthwise", HOSTILE[hostile]))
    solves = []
    most = int(_FACTOR * BUDGET + _EXTRA)
    for entry, scheme, policy_used in entries:
        ctx = copy.deepcopy(start)
        NmaxIter = BUDGET if entry in ("mali", "lambda") else most
        outcome, result, message = _solve(ctx, policy_used, scheme, NmaxIter, prd, popsTol)
        solves.append((entry, ctx, outcome, result, message))
    n_ref = _reference([(c, r) for _, c, _, r, _ in solves], prd, popsTol)
    trials: list[Trial] = []
    limit = float("inf")
    for entry, ctx, outcome, result, message in solves:
        error, elsewhere = _judge(ctx, result, n_ref, prd, popsTol)
        if entry == "mali" and result.converged and error is not None and error <= popsTol:
            limit = _FACTOR * result.Nformal + _EXTRA
        trials.append(
            Trial(
                entry=entry,
                outcome=outcome,
                Nformal=result.Nformal,
                limit=limit if entry not in ("mali", "lambda") else float("inf"),
                estimate=result.estimate.value,
                method=result.estimate.method,
                bound=result.estimate.bound,
                error=error,
                physical=_physical(ctx),
                elsewhere=elsewhere,
                message=message,
            )
        )
    return trials, n_ref is not None


def _judge(
    ctx: lw.Context, result: Result, n_ref: list[Array] | None, prd: bool, popsTol: float
) -> tuple[float | None, bool]:
    """Return the true error of a solve's end, and whether it is that of another solution."""
    if n_ref is None:
        return None, False
    n = Adapter(ctx).populations()
    error = true_error(n, n_ref)
    if result.converged and not error <= popsTol:
        for find in (_reference, _repelling):
            own = find([(ctx, result)], prd, popsTol)
            if own is not None and true_error(own, n_ref) > popsTol:
                return true_error(n, own), True
    return error, False


def _solve(
    ctx: lw.Context, policy: Any, scheme: str, NmaxIter: int, prd: bool, popsTol: float
) -> tuple[str, Result, str]:
    try:
        result = solve(ctx, policy, scheme, NmaxIter=NmaxIter, prd=prd, popsTol=popsTol, quiet=True)
    except LwRlError:
        raise
    except Exception as err:  # which is what the soak is there to find
        return type(err).__name__, Result(), f"{type(err).__name__}: {err}"
    return result.outcome, result, ""


def _reference(
    solves: list[tuple[lw.Context, Result]], prd: bool, popsTol: float
) -> list[Array] | None:
    """Go on with the best solve until an independent iteration confirms it; None if it does not."""
    ended = [(c, r) for c, r in solves if r.converged]
    if not ended:
        return None
    best = min(ended, key=lambda entry: entry[1].estimate.value)[0]
    ctx = copy.deepcopy(best)
    goal = REFERENCE_SHARE * popsTol
    for scheme in ("depthwise", "anderson"):
        _go_on(ctx, scheme, prd, popsTol)
        # Ten plain steps know nothing of what led here. Where the host's limiter makes the last
        # digits jitter it takes some more to see that they contract.
        proxy = accelerate(ctx, scheme="mali")
        certificate: Certificate = proxy.certificate
        try:
            for k in range(_PLAIN_MOST):
                proxy.formal_sol_gamma_matrices()
                proxy.stat_equil()
                if prd:
                    # With the default tolerance the host can go round in circles.
                    proxy.prd_redistribute(maxIter=3, tol=0.0)
                if k + 1 >= _PLAIN_LEAST and certificate.estimate().value < goal:
                    return proxy.adapter.populations()
        except lw.ExplodingMatrixError:
            # A state in which the host's own equations cannot be solved is no reference.
            continue
    return None


def _repelling(
    solves: list[tuple[lw.Context, Result]], prd: bool, popsTol: float
) -> list[Array] | None:
    """Return the equilibrium that a solve led to, if it is one from which MALI leads away."""
    ctx = copy.deepcopy(solves[0][0])
    adapter = Adapter(ctx)
    if prd or adapter.read().size > _REPELLING:
        return None
    _go_on(ctx, "depthwise", prd, popsTol)
    return adapter.populations() if newton_correction(ctx) < REFERENCE_SHARE * popsTol else None


def _go_on(ctx: lw.Context, scheme: str, prd: bool, popsTol: float) -> None:
    """Solve a context far enough for a reference."""
    solve(
        ctx, scheme=scheme, NmaxIter=_REFERENCE_ITERATIONS, prd=prd, JTol=np.inf,
        popsTol=0.1 * REFERENCE_SHARE * popsTol, quiet=True, bound=False,
    )  # fmt: skip


def _physical(ctx: lw.Context) -> bool:
    # Not through an adapter, which refuses the broken contexts that this is there to find.
    for atom in ctx.activeAtoms:
        n = np.asarray(atom.n)
        total = np.abs(n.sum(axis=0) / np.asarray(atom.nTotal) - 1.0)
        if not (np.all(np.isfinite(n)) and np.all(n > 0.0) and np.all(total < 1e-6)):
            return False
    return True
