"""Measure iteration schemes on problems: true error against formal solutions, and wall time.

How it is measured
------------------
Every scheme starts from LTE on a copy of the same context, through the one driver. The *true
error* of a state is the maximum over depths and levels of ``|n / n_ref - 1|``, where `n_ref` is
MALI to a relative change below 1e-12. Every formal solution counts, those of rejected steps
included. "Formal solutions to t" is the first count after which the error stays below t. Wall
time is that of a second solve of that many formal solutions without any bookkeeping, the set-up
of the scheme, its operator and its policy included. A scheme's own stop is that of
:func:`lw_rl.solve` at its default tolerance `popsTol`; it is a *false convergence* if the true
error there exceeds `popsTol`.

The host's equations can have several solutions, because the limiter of its interpolation is not
linear in the source function. A solve that converges to another solution than the reference, at
which MALI stays too (to the same 1e-12), is measured against that solution and counted as converged
to *another fixed point*.
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

from ..arrays import Array
from ..errors import NoReferenceError
from ..host.adapter import Adapter
from ..host.names import iterate_ctx_se
from ..iterate import AcceleratedContext, iterate_ctx_rl
from ..iterate import solve as solve_context
from ..policies import card_of
from ..policies.base import PolicyLike
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
from .solves import POPS_TOL, TARGET, THRESHOLDS, PeerSolve, ProblemResult

__all__ = ["NG_SETTINGS", "Peer", "depthwise_name", "fastest", "measure", "peers", "solve"]

#: (order, period, delay) of the Ng peers; the best on each problem stands for Ng.
NG_SETTINGS = ((2, 3, 5), (3, 4, 5), (3, 5, 10))

#: Recording goes on to this fraction of the smallest threshold, to see that the error stays below.
_MARGIN = 0.1

#: What the host raises when its equations have no solution.
_FAILURES = (lw.ExplodingMatrixError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class Peer:
    """An entry of the comparison.

    Attributes
    ----------
    name : str
        Its name in tables; peers of one name are settings of one method, of which the best counts.
    scheme : Scheme or None
        The iteration scheme; None stands for ``lightweaver.iterate_ctx_se`` itself.
    setting : str
        What distinguishes settings of one method.
    NmaxIter : int
        Formal solutions after which it has failed.
    """

    name: str
    scheme: Scheme | None
    setting: str = ""
    NmaxIter: int = 3000


def peers(policies: Iterable[PolicyLike] = ("default",)) -> list[Peer]:
    """Return the peers of every comparison, and the depth-wise scheme with each policy.

    The scheme without a policy, ``nonlocal``, is one of the peers.

    Parameters
    ----------
    policies : iterable of str, path-like or Policy, optional
        See `lw_rl.policies.make_policy` (default: the shipped ``"default"``).

    Raises
    ------
    UnknownNameError, PolicyFileError, SchemaError, TypeError
        If a policy cannot be used.
    """
    return [
        Peer("lightweaver", None, NmaxIter=2000),
        Peer("lambda", Lambda(), NmaxIter=300),
        Peer("mali", Mali()),
        *(Peer("ng", _unaided(Ng(*s)), setting=f"{s[0]},{s[1]},{s[2]}") for s in NG_SETTINGS),
        Peer("anderson5", _unaided(Anderson(window=5))),
        Peer("anderson10", _unaided(Anderson(window=10))),
        Peer("nonlocal", make_scheme("nonlocal")),
        *(Peer(depthwise_name(p), make_scheme(Depthwise(make_policy(p)))) for p in policies),
    ]


def _unaided(scheme: Scheme) -> Safeguarded:
    """Return a safeguarded peer that is never replaced by another scheme, however slow it is."""
    return Safeguarded(scheme, fallbacks=(), allowance=np.inf, in_foldings=True)


def depthwise_name(policy: PolicyLike) -> str:
    """Return the name in tables of the depth-wise scheme with a policy."""
    if isinstance(policy, str) and policy == "default":
        return "depthwise"
    if isinstance(policy, str | os.PathLike):
        return f"depthwise ({Path(policy).stem})"
    return f"depthwise ({card_of(policy).get('name', type(policy).__name__)})"


def solve(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, repeats: int = 1, prd: bool = False
) -> PeerSolve:
    """Measure one scheme on one context, of which copies are solved.

    Parameters
    ----------
    ctx : lightweaver.Context
        The start; it is not changed.
    n_ref : sequence of Array
        Reference populations [m-3], each [Nlevel, Nspace].
    peer : Peer
        The scheme.
    repeats : int, optional
        Timed solves, of which the fastest counts; with 0 no wall time is measured (default: 1).
    prd : bool, optional
        Whether emission profiles are iterated as well (default: False).
    """
    run = _solve_host if peer.scheme is None else _solve_scheme
    measured, end = run(ctx, n_ref, peer, repeats, prd)
    if end is not None and measured.failed:
        other = _other_fixed_point(end, n_ref, prd)
        if other is not None:
            measured, _ = run(ctx, other, peer, repeats, prd)
            measured = replace(measured, other_fixed_point=true_error(other, n_ref))
    return measured


def _other_fixed_point(end: lw.Context, n_ref: Sequence[Array], prd: bool) -> list[Array] | None:
    """Return where MALI settles from the end of a solve, if that is not the reference."""
    try:
        other, _ = settle(copy.deepcopy(end), prd)
    except NoReferenceError:
        return None
    return other if true_error(other, n_ref) > TARGET else None


def _solve_scheme(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, repeats: int, prd: bool
) -> tuple[PeerSolve, lw.Context | None]:
    """Measure a scheme of ours; return the context at its own stop as well, if it stopped."""
    scheme = peer.scheme
    assert scheme is not None
    errors: list[float] = []
    rejected = 0

    def record(accelerated: AcceleratedContext) -> None:
        nonlocal rejected
        # One per formal solution: an iteration whose step is undone has made one as well.
        error = true_error(accelerated.adapter.populations(), n_ref)
        errors.extend([error] * (accelerated.report.Nformal - len(errors)))
        rejected = accelerated.report.rejected

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
    except _FAILURES as err:
        failure = f"{type(err).__name__}: {err}"
    measured = PeerSolve(
        peer.name, peer.setting, tuple(errors), stop, stop_error, None, rejected, failure
    )
    count = measured.to(TARGET)
    if count is None or repeats < 1:
        return measured, end

    def timed(fresh: lw.Context) -> None:
        iterate_ctx_rl(fresh, scheme=scheme, NmaxIter=count, quiet=True, convergence=Never, prd=prd)

    return replace(measured, seconds=fastest(timed, ctx, repeats)), end


def _solve_host(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, repeats: int, prd: bool
) -> tuple[PeerSolve, lw.Context | None]:
    """Measure Lightweaver's own driver, as `_solve_scheme` does a scheme."""
    watched = copy.deepcopy(ctx)
    adapter = Adapter(watched)
    errors = [true_error(adapter.populations(), n_ref)] * 3  # the initial Lambda iterations

    class Watch(lw.DefaultConvergenceCriteria):
        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            errors.append(true_error(adapter.populations(), n_ref))
            return bool(super().is_converged(JUpdate, popsUpdate, prdUpdate))

    failure, stop, stop_error, seconds = "", None, None, None
    try:
        it = iterate_ctx_se(watched, max_iter=peer.NmaxIter, quiet=True, convergence=Watch, prd=prd)
        if it + 1 < peer.NmaxIter:
            stop, stop_error = it + 1, errors[-1]
    except _FAILURES as err:
        failure = f"{type(err).__name__}: {err}"
    if stop is not None and repeats > 0:
        seconds = fastest(lambda c: lw.iterate_ctx_se(c, quiet=True, prd=prd), ctx, repeats)
    measured = PeerSolve(peer.name, "", tuple(errors), stop, stop_error, seconds, failure=failure)
    return measured, None if stop is None else watched


def fastest(run: Callable[[lw.Context], Any], ctx: lw.Context, repeats: int) -> float:
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
    watch: Callable[[str], object] | None = None,
) -> ProblemResult:
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
    n_ref, change = reference(copy.deepcopy(ctx), problem.prd)
    best: dict[str, PeerSolve] = {}
    for peer in entries:
        watch(f"{peer.name} {peer.setting}".strip())
        measured = solve(ctx, n_ref, peer, repeats, problem.prd)
        if peer.name not in best or _rank(measured) < _rank(best[peer.name]):
            best[peer.name] = measured
    return ProblemResult(problem, Adapter(ctx).Nspace, change, tuple(best.values()))


def _rank(measured: PeerSolve) -> float:
    count = measured.to(TARGET)
    return np.inf if count is None else count
