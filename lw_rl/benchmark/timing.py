"""Wall times of the calls that users make, in turns and each on a fresh copy of a context."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import lightweaver as lw

from ..host.names import iterate_ctx_se
from ..iterate import iterate_ctx_rl
from .peers import Peer
from .solves import PeerSolve

__all__ = ["default_call", "fastest", "iteration_seconds", "timed"]

#: Iterations of MALI that are timed, of which the fastest counts.
_ITERATIONS = 5

Call = Callable[[lw.Context], Any]


def default_call(peer: Peer, popsTol: float, prd: bool) -> Call:
    """Return what a user calls to solve a context by a scheme, all else at its default.

    Parameters
    ----------
    peer : Peer
        The scheme.
    popsTol : float
        Tolerance of the stop.
    prd : bool
        Whether emission profiles are iterated as well.
    """
    scheme, most, tol = peer.scheme, peer.NmaxIter, peer.prdIterTol
    if scheme is None:
        return lambda ctx: iterate_ctx_se(
            ctx, max_iter=most, pops_tol=popsTol, prd=prd, prd_iter_tol=tol, quiet=True
        )
    return lambda ctx: iterate_ctx_rl(
        ctx, NmaxIter=most, popsTol=popsTol, prd=prd, prdIterTol=tol, quiet=True, scheme=scheme
    )


def timed(
    ctx: lw.Context, measured: Sequence[tuple[Peer, PeerSolve]], repeats: int, prd: bool
) -> list[PeerSolve]:
    """Return solves with the wall times of those that stop, measured in turns.

    Beside them stands that of an iteration of MALI, measured before and after: wall times of
    different runs are compared by their ratio to it.
    """
    calls = {
        k: default_call(peer, s.popsTol, prd)
        for k, (peer, s) in enumerate(measured)
        if s.stop is not None and not s.failure
    }
    if repeats < 1 or not calls:
        return [s for _, s in measured]
    before = iteration_seconds(ctx)
    seconds = dict(zip(calls, fastest(list(calls.values()), ctx, repeats), strict=True))
    unit = min(before, iteration_seconds(ctx))
    return [
        replace(s, seconds=seconds[k], formal_seconds=unit) if k in calls else s
        for k, (_, s) in enumerate(measured)
    ]


def iteration_seconds(ctx: lw.Context) -> float:
    """Return the shortest wall time [s] of an iteration of the host's on a copy of a context."""
    fresh = copy.deepcopy(ctx)
    times = []
    for _ in range(_ITERATIONS):
        start = perf_counter()
        fresh.formal_sol_gamma_matrices()
        fresh.stat_equil()
        times.append(perf_counter() - start)
    return min(times)


def fastest(calls: Sequence[Call], ctx: lw.Context, repeats: int) -> list[float]:
    """Return the shortest wall time [s] of each call on fresh copies of a context, in turns."""
    rounds = [[_seconds(call, ctx) for call in calls] for _ in range(repeats)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _seconds(call: Call, ctx: lw.Context) -> float:
    fresh = copy.deepcopy(ctx)
    gc.collect()
    start = perf_counter()
    call(fresh)
    return perf_counter() - start
