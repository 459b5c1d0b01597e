"""Many problems, every solve compared with the true solution and with MALI's cost.

How it is measured
------------------
Every problem is solved to `popsTol` with the certified stop: by MALI, within a limited number of
iterations; by the schemes under test; and by one of the adversarial policies
(`lw_rl.benchmark.adversarial`), in turn. On the family of atoms with many levels MALI has the
background's scattering solved, because alone it rarely ends within those iterations.

The *true error* is the largest ``|n / n_ref - 1|`` over levels and depths. Where MALI converges,
`n_ref` is MALI's: its iteration goes on from the end of its solve until less than a hundredth of
the tolerance is left (:func:`lw_rl.benchmark.reference.mali_equilibrium`), and neither a scheme nor
an estimate under test has a part in it. Where MALI does not, `n_ref` comes from the best of the
other solves, continued until an independent MALI iteration shows a residual that leaves as little;
a problem without such a reference is counted as one.

A stop is a *false convergence* if the true error is above the tolerance; its *estimate covers the
error* if the true error is not above it. A solve is *over budget* if it took more than 1.1 times
MALI's formal solutions and 3. That is judged where MALI did solve the problem: it ended within its
iterations, and its populations are confirmed by the reference.

The host's equations can have several solutions (`lw_rl.benchmark.measure`). A stop that would be a
false convergence is judged against the solution found by continuing from *its* end, if plain steps
of MALI confirm that and it differs from the reference; it is then counted as converged to
*another fixed point*. MALI leaves some of these: they are confirmed by a Newton step of the host's
own equations, with derivatives by differences.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time
from typing import NamedTuple

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..errors import LwRlError
from ..host.adapter import Adapter
from ..host.names import Named
from ..iterate import solve
from ..policies.base import PolicyLike
from ..problems import Problem, random_atoms, random_problem
from ..processes import processes
from ..result import Result
from ..schemes import Depthwise, Scheme, make_scheme
from .adversarial import ADVERSARIAL, ADVERSARIAL_DRIVERS
from .reference import (
    confirmed_equilibrium,
    mali_equilibrium,
    repelling_equilibrium,
    true_error,
)
from .robustness_problems import HostileProblem
from .robustness_records import ProblemRecord, SolveRecord

__all__ = ["REFERENCE_SHARE", "Soak", "run"]

#: Formal solutions that MALI is given.
_MALI_ITERATIONS = 250
#: A solve is over budget with more than `_FACTOR` times MALI's formal solutions and `_EXTRA`.
_FACTOR, _EXTRA = 1.1, 3
#: Entries that have no budget.
_CLASSICAL = ("mali", "mali_scattering", "lambda")
#: Part of the tolerance to which a reference is known.
REFERENCE_SHARE = 0.01
#: Unknowns up to which an equilibrium that MALI leaves is looked for.
_NEWTON_UNKNOWNS = 300
#: Problems of atoms with many levels that belong to one seed.
_OF_A_SEED = 10000
#: Problems that a process is given at once.
_CHUNK = 4


@dataclass(frozen=True)
class Soak:
    """What is solved, and how, for every problem of a soak; called with a problem's index.

    Attributes
    ----------
    seed : int
        Of the hostile problems and those of atoms with many levels.
    family : str
        ``"hostile"``, ``"atoms"`` (`lw_rl.problems.random_atoms`, ten thousand of a seed), or a
        stream of the random family.
    schemes : tuple of str
        Names of schemes, besides MALI.
    policy : str
        Of the schemes that have one.
    adversarial : tuple of str
        Names of :data:`ADVERSARIAL` and of :data:`ADVERSARIAL_DRIVERS`, taken in turn.
    popsTol : float
        Tolerance on the error.

    Raises
    ------
    UnknownNameError, PolicyFileError, SchemaError
        If a scheme or the policy cannot be used.
    """

    seed: int
    family: str
    schemes: tuple[str, ...]
    policy: str
    adversarial: tuple[str, ...]
    popsTol: float

    def __post_init__(self) -> None:
        for scheme in self.schemes:
            make_scheme(scheme, _policy_of(scheme, self.policy))

    def __call__(self, index: int) -> ProblemRecord:
        """Solve the problem of an index, from 0."""
        start = process_time()
        problem: Problem | HostileProblem
        if self.family == "hostile":
            problem = HostileProblem(self.seed, index)
        elif self.family == "atoms":
            problem = random_atoms(_OF_A_SEED * self.seed + index)
        else:
            problem = random_problem(self.family, index)
        adversarial = None
        if self.adversarial:
            adversarial = self.adversarial[index % len(self.adversarial)]
        solves, known = run(
            problem, self.schemes, self.policy, adversarial, self.popsTol,
            solve_scattering=self.family == "atoms",
        )  # fmt: skip
        return ProblemRecord(problem.name, solves, known, process_time() - start)

    def over(self, indices: Sequence[int], workers: int = 1) -> Iterator[ProblemRecord]:
        """Go through problems in order, in so many processes, each on one thread."""
        if workers == 1:
            yield from map(self, indices)
            return
        with processes(workers) as pool:
            yield from pool.map(self, indices, chunksize=_CHUNK)


def _policy_of(scheme: str, policy: PolicyLike) -> PolicyLike:
    """Return the policy for a scheme; those that have none are refused any but the default."""
    return policy if scheme in ("depthwise", "sigmoid") else "default"


def run(
    problem: Problem | HostileProblem,
    schemes: tuple[str, ...] = ("depthwise",),
    policy: PolicyLike = "default",
    adversarial: str | None = None,
    popsTol: float = 1e-3,
    newton_unknowns: int = _NEWTON_UNKNOWNS,
    solve_scattering: bool = False,
) -> tuple[list[SolveRecord], bool]:
    """Solve one problem by MALI, by schemes, and by an adversarial policy.

    Parameters
    ----------
    problem : Problem or HostileProblem
    schemes : tuple of str, optional
        Names of schemes, besides MALI (default: ``("depthwise",)``).
    policy : str, path-like or Policy, optional
        Of the schemes that have one.
    adversarial : str, optional
        A name of :data:`ADVERSARIAL` or of :data:`ADVERSARIAL_DRIVERS` (default: none).
    popsTol : float, optional
        Tolerance on the error (default: 1e-3).
    newton_unknowns : int, optional
        Unknowns up to which an equilibrium that MALI leaves is looked for, which takes two formal
        solutions for each (default: 300).
    solve_scattering : bool, optional
        Whether MALI has the background's scattering solved (default: False).

    Returns
    -------
    solves : list of SolveRecord
        MALI's first.
    has_reference : bool
    """
    mali = "mali_scattering" if solve_scattering else "mali"
    entries: list[tuple[str, str | Scheme, PolicyLike]] = [(mali, mali, "default")]
    entries += [(s, s, _policy_of(s, policy)) for s in schemes if s != mali]
    if isinstance(problem, HostileProblem) and problem.lambda_iterate:
        entries.append(("lambda", "lambda", "default"))
    if adversarial in ADVERSARIAL_DRIVERS:
        driven = Depthwise(None, driver=ADVERSARIAL_DRIVERS[adversarial])
        entries.append((f"adversarial {adversarial}", driven, "default"))
    elif adversarial is not None:
        entries.append((f"adversarial {adversarial}", "depthwise", ADVERSARIAL[adversarial]))
    start = problem.context()
    ends = [
        _solve(entry, copy.deepcopy(start), scheme, used, problem.prd, popsTol)
        for entry, scheme, used in entries
    ]
    n_ref = _reference(ends, REFERENCE_SHARE * popsTol, problem.prd, solve_scattering)
    solves: list[SolveRecord] = []
    budget = float("inf")
    for end in ends:
        result = end.result
        error, other = _judge(end, n_ref, problem.prd, popsTol, newton_unknowns)
        if end.entry == mali and result.converged and error is not None and error <= popsTol:
            budget = _FACTOR * result.Nformal + _EXTRA
        solves.append(
            SolveRecord(
                entry=end.entry,
                outcome=end.error or result.outcome,
                Nformal=result.Nformal,
                budget=float("inf") if end.entry in _CLASSICAL else budget,
                estimate=result.estimate.value,
                method=result.estimate.method,
                bound=result.estimate.bound,
                error=error,
                physical=_physical(end.ctx),
                other_fixed_point=other,
                message=end.message,
            )
        )
    return solves, n_ref is not None


class _End(NamedTuple):
    """How a solve ended; `error` is the name of an exception, and `message` says what it was."""

    entry: str
    ctx: lw.Context
    result: Result
    error: str = ""
    message: str = ""


def _solve(
    entry: str,
    ctx: lw.Context,
    scheme: str | Scheme,
    policy: PolicyLike,
    prd: bool,
    popsTol: float,
) -> _End:
    most = _MALI_ITERATIONS
    if entry not in _CLASSICAL:
        most = int(_FACTOR * most + _EXTRA)
    try:
        result = solve(
            ctx, policy=policy, scheme=scheme, NmaxIter=most, prd=prd, popsTol=popsTol, quiet=True
        )
    except LwRlError:
        raise
    except Exception as err:  # to find these is what a soak is for
        name = type(err).__name__
        return _End(entry, ctx, Result(), name, f"{name}: {err}")
    return _End(entry, ctx, result)


def _reference(
    ends: Sequence[_End], tolerance: float, prd: bool, solve_scattering: bool
) -> list[Array] | None:
    """Return MALI's equilibrium, or else that which the best of the other solves leads to."""
    mali, *others = ends
    if mali.result.converged:
        n_ref = mali_equilibrium(mali.ctx, tolerance, prd, solve_scattering=solve_scattering)
        if n_ref is not None:
            return n_ref
    best = min(
        (e for e in [*others, mali] if e.result.converged),
        key=lambda e: e.result.estimate.value,
        default=None,
    )
    return None if best is None else confirmed_equilibrium(best.ctx, tolerance, prd)


def _judge(
    end: _End, n_ref: list[Array] | None, prd: bool, popsTol: float, newton_unknowns: int
) -> tuple[float | None, bool]:
    """Return the true error of a solve's end, and whether it is that of another solution."""
    if n_ref is None or not _physical(end.ctx):
        return None, False
    adapter = Adapter(end.ctx)
    n = adapter.populations()
    error = true_error(n, n_ref)
    if not end.result.converged or error <= popsTol:
        return error, False
    tolerance = REFERENCE_SHARE * popsTol
    own = confirmed_equilibrium(end.ctx, tolerance, prd)
    if own is not None and true_error(own, n_ref) > popsTol:
        return true_error(n, own), True
    if not prd and adapter.read().size <= newton_unknowns:
        own = repelling_equilibrium(end.ctx, tolerance)
        if own is not None and true_error(own, n_ref) > popsTol:
            return true_error(n, own), True
    return error, False


def _physical(ctx: lw.Context) -> bool:
    # Not through an adapter, which refuses the broken contexts that this is there to find.
    if not np.all(np.asarray(ctx.atmos.ne) > 0.0):
        return False
    for atom in map(Named, Named(ctx).active_atoms):
        n = np.asarray(atom.n)
        total = np.abs(n.sum(axis=0) / np.asarray(atom.n_total) - 1.0)
        if not (np.all(np.isfinite(n)) and np.all(n > 0.0) and np.all(total < 1e-6)):
            return False
    return True
