"""Measure iteration schemes on problems: true error against formal solutions, and wall time.

How it is measured
------------------
Every scheme starts from LTE on a copy of the same context, through the one driver. The *true
error* of a state is the maximum over depths and levels of ``|n / n_ref - 1|``, where `n_ref` is
MALI to a relative change below 1e-12. Every formal solution counts, those of rejected steps
included. "Formal solutions to t" is the first count after which the error stays below t. Wall
time is that of a second solve of that many formal solutions without any bookkeeping, the set-up
of the scheme, its operator and its policy included. A scheme's own stop is that of
:func:`lw_rl.solve` at its default tolerance; a *false stop* is one whose true error exceeds the
tolerance that was asked for (`popsTol`).

The host's equations can have several solutions: the limiter of its interpolation is not linear in
the source function. A solve that leads to another one than the reference, which MALI then does not
leave (to the same 1e-12), is measured against that one, and counted as *elsewhere*.
"""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import lightweaver as lw
import numpy as np

from ..errors import NoReferenceError
from ..host.adapter import Adapter
from ..iterate import AcceleratedContext, iterate_ctx_rl
from ..iterate import solve as solve_context
from ..problems import Problem
from ..schemes import (
    Anderson,
    Depthwise,
    Lambda,
    Mali,
    Ng,
    Safeguarded,
    Scheme,
    make_policy,
    make_scheme,
)
from .reference import Never, reference, settle, true_error
from .solves import POPS_TOL, TARGET, THRESHOLDS, Result, Solve

Array = np.ndarray

#: (order, period, delay) of the Ng peers; the best on each problem stands for Ng.
NG_SETTINGS = ((2, 3, 5), (3, 4, 5), (3, 5, 10))

#: Recording goes on to this fraction of the smallest threshold, to see that the error stays below.
_MARGIN = 0.1


@dataclass(frozen=True)
class Peer:
    """An entry of the comparison.

    Attributes
    ----------
    name : str
        What tables call it; peers of one name are settings of one method, of which the best counts.
    scheme : Scheme or None
        The iteration scheme; None stands for ``lightweaver.iterate_ctx_se`` itself.
    setting : str
        What tells settings of one method apart.
    NmaxIter : int
        Formal solutions after which it has failed.
    """

    name: str
    scheme: Scheme | None
    setting: str = ""
    NmaxIter: int = 3000


def peers(policies: Iterable[Any] = ("default",)) -> list[Peer]:
    """Return the peers of every comparison, and the depth-wise scheme with each policy.

    The scheme without a policy, ``nonlocal``, is one of the peers.

    Parameters
    ----------
    policies : iterable of str, path-like or Policy, optional
        See `lw_rl.schemes.make_policy` (default: the shipped ``"default"``).

    Raises
    ------
    UnknownNameError, PolicyFileError, SchemaError, TypeError
        If a policy cannot be used.
    """
    entries = [
        Peer("lightweaver", None, NmaxIter=2000),
        Peer("lambda", Lambda(), NmaxIter=300),
        Peer("mali", Mali()),
        *(Peer("ng", _alone(Ng(*s)), setting=f"{s[0]},{s[1]},{s[2]}") for s in NG_SETTINGS),
        Peer("anderson5", _alone(Anderson(window=5))),
        Peer("anderson10", _alone(Anderson(window=10))),
        Peer("nonlocal", make_scheme("nonlocal")),
    ]
    for policy in policies:
        entries.append(Peer(depthwise_name(policy), make_scheme(Depthwise(make_policy(policy)))))
    return entries


def _alone(scheme: Scheme) -> Safeguarded:
    """Return a guarded peer: it does not turn into another one, and has all the time it takes."""
    return Safeguarded(scheme, fallbacks=(), allowance=np.inf, in_foldings=True)


def depthwise_name(policy: Any) -> str:
    """Return what tables call the depth-wise scheme with a policy."""
    if isinstance(policy, str) and policy == "default":
        return "depthwise"
    if isinstance(policy, str | os.PathLike):
        return f"depthwise ({Path(policy).stem})"
    return f"depthwise ({getattr(policy, 'name', type(policy).__name__)})"


def solve(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, repeats: int = 1, prd: bool = False
) -> Solve:
    """Measure one scheme on one context, of which copies are solved.

    Parameters
    ----------
    ctx : lightweaver.Context
        The start; it is not changed.
    n_ref : sequence of Array
        Reference populations.
    peer : Peer
        The scheme.
    repeats : int, optional
        Timed solves, of which the fastest counts; 0 leaves wall time out (default: 1).
    prd : bool, optional
        Whether emission profiles are iterated as well (default: False).
    """
    run = _solve_host if peer.scheme is None else _solve_scheme
    measured, end = run(ctx, n_ref, peer, repeats, prd)
    if end is not None and measured.failed:
        other = _other_equilibrium(end, n_ref, prd)
        if other is not None:
            measured, _ = run(ctx, other, peer, repeats, prd)
            measured = replace(measured, elsewhere=true_error(other, n_ref))
    return measured


def _other_equilibrium(end: lw.Context, n_ref: Sequence[Array], prd: bool) -> list[Array] | None:
    """Return where MALI settles from the end of a solve, if that is not the reference."""
    try:
        other, _ = settle(copy.deepcopy(end), prd)
    except NoReferenceError:
        return None
    return other if true_error(other, n_ref) > TARGET else None


def _solve_scheme(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, repeats: int, prd: bool
) -> tuple[Solve, lw.Context | None]:
    scheme = peer.scheme
    assert scheme is not None
    errors: list[float] = []
    rejected = [0]

    def record(accelerated: AcceleratedContext) -> None:
        # One per formal solution: an iteration whose step is undone has made one as well.
        error = true_error(accelerated.adapter.populations(), n_ref)
        errors.extend([error] * (accelerated.report.Nformal - len(errors)))
        rejected[0] = accelerated.report.rejected

    class Small(Never):
        def is_converged(self, *updates: Any) -> bool:
            return errors[-1] < _MARGIN * min(THRESHOLDS)

    failure, stop, stop_error, end = "", None, None, None
    try:
        iterate_ctx_rl(
            copy.deepcopy(ctx), scheme=scheme, NmaxIter=peer.NmaxIter, quiet=True,
            convergence=Small, callback=record, prd=prd,
        )  # fmt: skip
        # Where it stops by itself: a solve of its own, as a user would make it.
        stopped = copy.deepcopy(ctx)
        result = solve_context(
            stopped, scheme=scheme, popsTol=POPS_TOL, JTol=np.inf, NmaxIter=peer.NmaxIter,
            quiet=True, bound=False, prd=prd,
        )  # fmt: skip
        if result.converged:
            stop, stop_error = result.Nformal, true_error(Adapter(stopped).populations(), n_ref)
            end = stopped
    except (lw.ExplodingMatrixError, ArithmeticError, RuntimeError) as err:
        failure = f"{type(err).__name__}: {err}"
    measured = Solve(
        peer.name, peer.setting, tuple(errors), stop, stop_error, None, rejected[0], failure,
    )  # fmt: skip
    count = measured.to(TARGET)
    if count is None or repeats < 1:
        return measured, end
    seconds = fastest(
        lambda c: iterate_ctx_rl(
            c, scheme=scheme, NmaxIter=count, quiet=True, convergence=Never, prd=prd
        ),
        ctx,
        repeats,
    )
    return replace(measured, seconds=seconds), end


def _solve_host(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, repeats: int, prd: bool
) -> tuple[Solve, lw.Context | None]:
    watched = copy.deepcopy(ctx)
    adapter = Adapter(watched)
    errors = [true_error(adapter.populations(), n_ref)] * 3  # the initial Lambda iterations

    class Watch(lw.DefaultConvergenceCriteria):
        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            errors.append(true_error(adapter.populations(), n_ref))
            return super().is_converged(JUpdate, popsUpdate, prdUpdate)

    failure, stop = "", None
    try:
        it = lw.iterate_ctx_se(
            watched, NmaxIter=peer.NmaxIter, quiet=True, convergence=Watch, prd=prd
        )
        stop = it + 1
        if stop == peer.NmaxIter:
            stop = None
    except (lw.ExplodingMatrixError, ArithmeticError, RuntimeError) as err:
        failure = f"{type(err).__name__}: {err}"
    seconds = None
    if stop is not None and repeats > 0:
        seconds = fastest(lambda c: lw.iterate_ctx_se(c, quiet=True, prd=prd), ctx, repeats)
    error = None if stop is None else errors[-1]
    measured = Solve(peer.name, "", tuple(errors), stop, error, seconds, failure=failure)
    return measured, None if stop is None else watched


def fastest(run: Callable[[Any], Any], ctx: lw.Context, repeats: int) -> float:
    """Return the shortest wall time [s] of `run` on fresh copies of a context."""
    times = []
    for _ in range(repeats):
        fresh = copy.deepcopy(ctx)
        gc.collect()
        start = perf_counter()
        run(fresh)
        times.append(perf_counter() - start)
    return min(times)


def measure(
    problem: Problem,
    entries: Sequence[Peer],
    repeats: int = 1,
    watch: Callable[[str], None] | None = None,
) -> Result:
    """Measure every peer on one problem.

    Parameters
    ----------
    problem : Problem
    entries : sequence of Peer
        See :func:`peers`.
    repeats : int, optional
        As for :func:`solve`.
    watch : callable, optional
        Called with what is done next, ``1 + len(entries)`` times.

    Raises
    ------
    NoReferenceError
        If the problem has no reference solution.
    """
    watch = watch or (lambda what: None)
    watch("reference")
    ctx = problem.context()
    converged = copy.deepcopy(ctx)
    n_ref, change = reference(converged, problem.prd)
    best: dict[str, Solve] = {}
    for peer in entries:
        watch(f"{peer.name} {peer.setting}".strip())
        measured = solve(ctx, n_ref, peer, repeats, problem.prd)
        if peer.name not in best or _rank(measured) < _rank(best[peer.name]):
            best[peer.name] = measured
    return Result(problem, Adapter(ctx).Nspace, change, tuple(best.values()))


def _rank(measured: Solve) -> float:
    count = measured.to(TARGET)
    return np.inf if count is None else count
