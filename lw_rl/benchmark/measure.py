"""Measure iteration schemes on problems: true error against formal solutions, and wall time.

How it is measured
------------------
Every scheme starts from LTE on a copy of the same context, through the one driver. The *true
error* of a state is the maximum over depths and levels of ``|n / n_ref - 1|``, where `n_ref` is
MALI's (`lw_rl.benchmark.reference`). Every formal solution counts, those of rejected steps
included. "Formal solutions to t" is the first count after which the error stays below t.

A scheme's own stop is that of the default call, ``iterate_ctx_rl(ctx, popsTol=1e-3)``; it is a
*false convergence* if the true error there exceeds 1e-3. Wall time is what a user pays: that of
the default call, from a fresh copy of the context to its return, with the certified stop and the
set-up of the scheme, its operator and its policy (whose file is read once in a process). The
host's own call, ``lightweaver.iterate_ctx_se``, is measured twice, its initial Lambda iterations
(`Nscatter`) counted: ``lightweaver`` with its defaults, and ``lightweaver to 1e-3`` with the
loosest `popsTol` of a ladder (1e-3, 3e-4, 1e-4, ...) at which its own stop has a true error below
1e-3. A user does not know this tolerance beforehand; the time to find it is not counted. All
calls are timed in turns, in one process on copies of the same context, and the fastest of
`repeats` counts.

In partial redistribution every iteration makes sub-iterations, ours and the host's: three, and in
the row ``lightweaver`` up to three, by the host's default tolerance on the profile, with which MALI
ends in a cycle. They count as formal solutions on the share of the wavelengths that they sweep
(`lw_rl.benchmark.sub_iterations`); the counts to a true error leave them out, "with sub-iterations"
has them.

The host's equations can have several solutions, because the limiter of its interpolation is not
linear in the source function. A solve that converges to another solution than the reference, at
which MALI stays too (to the same 1e-12), is measured against that solution and counted as converged
to *another fixed point*.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..certificate.convergence import Certified
from ..errors import NoReferenceError
from ..host.adapter import Adapter
from ..host.names import iterate_ctx_se
from ..iterate import AcceleratedContext, iterate_ctx_rl
from ..iterate import solve as solve_context
from ..problems import Problem
from . import sub_iterations
from .peers import NG_SETTINGS, Peer, depthwise_name, peers
from .reference import Never, reference, settle, true_error
from .solves import TARGET, THRESHOLDS, PeerSolve, ProblemResult
from .timing import timed

__all__ = [
    "NG_SETTINGS",
    "Peer",
    "depthwise_name",
    "measure",
    "peers",
    "solve",
]

#: Recording goes on to this fraction of the smallest threshold, to see that the error stays below.
_MARGIN = 0.1

#: What the host raises when its equations have no solution.
_FAILURES = (lw.ExplodingMatrixError, ArithmeticError, RuntimeError)


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
    measured, end = run(ctx, n_ref, peer, prd)
    if end is not None and measured.failed:
        other = _other_fixed_point(end, n_ref, prd)
        if other is not None:
            measured, _ = run(ctx, other, peer, prd)
            measured = replace(measured, other_fixed_point=true_error(other, n_ref))
    return timed(ctx, [(peer, measured)], repeats, prd)[0]


def _other_fixed_point(end: lw.Context, n_ref: Sequence[Array], prd: bool) -> list[Array] | None:
    """Return where MALI settles from the end of a solve, if that is not the reference."""
    try:
        other, _ = settle(copy.deepcopy(end), prd)
    except NoReferenceError:
        return None
    return other if true_error(other, n_ref) > TARGET else None


def _solve_scheme(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, prd: bool
) -> tuple[PeerSolve, lw.Context | None]:
    """Measure a scheme of ours; return the context at its own stop as well, if it stopped."""
    scheme = peer.scheme
    assert scheme is not None
    errors: list[float] = []
    subs: list[int] = []
    stop_subs = rejected = 0

    def record(accelerated: AcceleratedContext) -> None:
        nonlocal rejected
        # One per formal solution: an iteration whose step is undone has made one as well.
        error = true_error(accelerated.adapter.populations(), n_ref)
        errors.extend([error] * (accelerated.report.Nformal - len(errors)))
        rejected = accelerated.report.rejected

    class Small(Never):
        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            subs.extend([0] * (len(errors) - len(subs) - 1) + [sub_iterations.made(prdUpdate)])
            return errors[-1] < _MARGIN * min(THRESHOLDS)

    class Counted(Certified):
        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            nonlocal stop_subs
            stop_subs += sub_iterations.made(prdUpdate)
            return super().is_converged(JUpdate, popsUpdate, prdUpdate)

    failure, stop, stop_error, end = "", None, None, None
    try:
        iterate_ctx_rl(
            copy.deepcopy(ctx), scheme=scheme, NmaxIter=peer.NmaxIter, quiet=True,
            convergence=Small, callback=record, prd=prd, prdIterTol=peer.prdIterTol,
        )  # fmt: skip
        # Where it stops by itself: a solve of its own, as a user would make it.
        stopped = copy.deepcopy(ctx)
        result = solve_context(
            stopped, scheme=scheme, NmaxIter=peer.NmaxIter, quiet=True, convergence=Counted,
            bound=False, prd=prd, prdIterTol=peer.prdIterTol,
        )  # fmt: skip
        if result.converged:
            stop, stop_error = result.Nformal, true_error(Adapter(stopped).populations(), n_ref)
            end = stopped
    except _FAILURES as err:
        failure = f"{type(err).__name__}: {err}"
    measured = PeerSolve(
        peer.name, peer.setting, tuple(errors), stop, stop_error, None, rejected, failure,
        sub_iterations=tuple(subs), stop_sub_iterations=stop_subs,
        swept=sub_iterations.share(ctx) if prd else 0.0,
    )  # fmt: skip
    return measured, end


def _solve_host(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, prd: bool
) -> tuple[PeerSolve, lw.Context | None]:
    """Measure Lightweaver's own driver, as `_solve_scheme` does a scheme.

    Its iterations do not depend on `popsTol`, so that one solve shows where it would stop with
    each of the peer's tolerances.
    """
    watched = copy.deepcopy(ctx)
    adapter = Adapter(watched)
    errors = [true_error(adapter.populations(), n_ref)] * 3  # the initial Lambda iterations
    subs = [0] * 3
    looser = list(peer.tolerances)
    only = len(looser) == 1
    used: float | None = None

    class Watch(lw.ConvergenceCriteria):
        def __init__(self, ctx: Any, JTol: float, popsTol: float, rhoTol: float | None):
            self.stops = {t: lw.DefaultConvergenceCriteria(ctx, JTol, t, rhoTol) for t in looser}

        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            nonlocal used
            errors.append(true_error(adapter.populations(), n_ref))
            subs.append(sub_iterations.made(prdUpdate))
            while looser and self.stops[looser[0]].is_converged(JUpdate, popsUpdate, prdUpdate):
                tolerance = looser.pop(0)
                if only or errors[-1] < TARGET:
                    used = tolerance
                    return True
            return not looser

    failure = ""
    try:
        iterate_ctx_se(
            watched, max_iter=peer.NmaxIter, quiet=True, convergence=Watch, prd=prd,
            prd_iter_tol=peer.prdIterTol,
        )  # fmt: skip
    except _FAILURES as err:
        failure = f"{type(err).__name__}: {err}"
    stopped = used is not None
    measured = PeerSolve(
        peer.name, "" if only or not stopped else f"popsTol {used:g}", tuple(errors),
        len(errors) if stopped else None, errors[-1] if stopped else None, None, failure=failure,
        popsTol=peer.tolerances[0] if used is None else used, sub_iterations=tuple(subs),
        stop_sub_iterations=sum(subs), swept=sub_iterations.share(ctx) if prd else 0.0,
    )  # fmt: skip
    return measured, None if looser and not stopped else watched


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
        See :func:`lw_rl.benchmark.peers.peers`.
    repeats : int, optional
        As for :func:`solve`; of several settings of one method only the best is timed.
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
    best: dict[str, tuple[Peer, PeerSolve]] = {}
    for peer in entries:
        watch(f"{peer.name} {peer.setting}".strip())
        measured = solve(ctx, n_ref, peer, 0, problem.prd)
        if peer.name not in best or _rank(measured) < _rank(best[peer.name][1]):
            best[peer.name] = peer, measured
    solves = timed(ctx, list(best.values()), repeats, problem.prd)
    return ProblemResult(problem, Adapter(ctx).Nspace, change, tuple(solves))


def _rank(measured: PeerSolve) -> float:
    count = measured.to(TARGET)
    return np.inf if count is None else count
