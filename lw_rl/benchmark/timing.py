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

__all__ = ["default_call", "fastest", "timed"]

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
    """Return solves with the wall times of those that stop, measured in turns."""
    calls = {
        k: default_call(peer, s.popsTol, prd)
        for k, (peer, s) in enumerate(measured)
        if s.stop is not None and not s.failure
    }
    if repeats < 1 or not calls:
        return [s for _, s in measured]
    seconds = dict(zip(calls, fastest(list(calls.values()), ctx, repeats), strict=True))
    return [replace(s, seconds=seconds.get(k)) for k, (_, s) in enumerate(measured)]


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
