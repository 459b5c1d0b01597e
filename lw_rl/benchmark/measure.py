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

Atoms with more than two levels take ten times as long: what a scheme does until its own stop is
watched and timed in one solve, and MALI's goes on from there. Beside each wall time stands that of
an iteration of MALI in the same minute, because solves of one table may be of different runs
(`lw_rl.benchmark.store`): it is their ratio that is compared.

The host's equations can have several solutions, because the limiter of its interpolation is not
linear in the source function. A solve that converges to another solution than the reference, at
which MALI stays too (to the same 1e-12), is measured against that solution and counted as converged
to *another fixed point*.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter
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
from ..schemes import Scheme
from . import sub_iterations
from .peers import NG_SETTINGS, Peer, depthwise_name, peers
from .reference import Never, reference, settle, true_error
from .solves import LEVELS_THRESHOLDS, TARGET, THRESHOLDS, PeerSolve, ProblemResult
from .store import Store, fingerprint
from .timing import iteration_seconds, timed

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

#: Formal solutions of a scheme's first solve on a kind of context, which is not measured: what is
#: compiled when it is first called is compiled then.
_COMPILING = 3

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
    measured, end = _run(ctx, n_ref, peer, prd)
    if end is not None and measured.failed:
        other = _other_fixed_point(end, n_ref, prd)
        if other is not None:
            measured, _ = _run(ctx, other, peer, prd)
            measured = replace(measured, other_fixed_point=true_error(other, n_ref))
    if measured.seconds is not None and repeats == 1:
        return measured
    return timed(ctx, [(peer, replace(measured, seconds=None))], repeats, prd)[0]


def _run(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, prd: bool
) -> tuple[PeerSolve, lw.Context | None]:
    """Measure a peer; where it was timed as well, a yardstick stands beside the wall time."""
    run = _solve_host if peer.scheme is None else _solve_scheme
    if Adapter(ctx).line_sources:
        return run(ctx, n_ref, peer, prd)
    if peer.scheme is not None:
        iterate_ctx_rl(
            copy.deepcopy(ctx), scheme=peer.scheme, NmaxIter=_COMPILING, quiet=True, prd=prd
        )
    before = iteration_seconds(ctx)
    measured, end = run(ctx, n_ref, peer, prd)
    return replace(measured, formal_seconds=min(before, iteration_seconds(ctx))), end


def _other_fixed_point(end: lw.Context, n_ref: Sequence[Array], prd: bool) -> list[Array] | None:
    """Return where MALI settles from the end of a solve, if that is not the reference."""
    try:
        other, _ = settle(copy.deepcopy(end), prd)
    except NoReferenceError:
        return None
    return other if true_error(other, n_ref) > TARGET else None


@dataclass
class _Watched:
    """What is noted of a scheme's solves of a context."""

    ctx: lw.Context
    n_ref: Sequence[Array]
    peer: Peer
    scheme: Scheme
    prd: bool
    errors: list[float] = field(default_factory=list)
    subs: list[int] = field(default_factory=list)
    rejected: int = 0
    stop: int | None = None
    stop_error: float | None = None
    stop_subs: int = 0
    seconds: float | None = None
    end: lw.Context | None = None

    @property
    def least(self) -> float:
        """The error down to which it is recorded."""
        two_level = Adapter(self.ctx).line_sources
        return _MARGIN * min(THRESHOLDS if two_level else LEVELS_THRESHOLDS)

    def record(self, ctx: lw.Context) -> None:
        """Go on from a context until the error is small, and note it after each step."""
        made, least = len(self.errors), self.least

        def note(accelerated: AcceleratedContext) -> None:
            self._note(accelerated, made)

        noted = self

        class Small(Never):
            def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
                noted._note_subs(prdUpdate)
                return noted.errors[-1] < least

        iterate_ctx_rl(
            ctx, scheme=self.scheme, NmaxIter=self.peer.NmaxIter - made, quiet=True,
            convergence=Small, callback=note, prd=self.prd, prdIterTol=self.peer.prdIterTol,
        )  # fmt: skip

    def solve(self, note: bool) -> None:
        """Solve as a user would, to the scheme's own stop; note the error on the way, too."""
        noted = self

        class Counted(Certified):
            def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
                noted.stop_subs += sub_iterations.made(prdUpdate)
                if note:
                    noted._note_subs(prdUpdate)
                return super().is_converged(JUpdate, popsUpdate, prdUpdate)

        stopped = copy.deepcopy(self.ctx)
        start = perf_counter()
        result = solve_context(
            stopped, scheme=self.scheme, NmaxIter=self.peer.NmaxIter, quiet=True,
            convergence=Counted, bound=False, prd=self.prd, prdIterTol=self.peer.prdIterTol,
            callback=(lambda accelerated: self._note(accelerated, 0)) if note else None,
        )  # fmt: skip
        if result.outcome == "interrupted":
            raise KeyboardInterrupt
        if result.converged:
            self.seconds = perf_counter() - start
            self.stop, self.end = result.Nformal, stopped
            self.stop_error = true_error(Adapter(stopped).populations(), self.n_ref)
        if note and len(self.errors) < self.peer.NmaxIter and self.errors[-1] >= self.least:
            self.record(copy.deepcopy(stopped))

    def _note(self, accelerated: AcceleratedContext, made: int) -> None:
        # One per formal solution: an iteration whose step is undone has made one as well.
        error = true_error(accelerated.adapter.populations(), self.n_ref)
        new = made + accelerated.report.Nformal - len(self.errors)
        self.errors.extend([error] * new)
        self.rejected = accelerated.report.rejected

    def _note_subs(self, update: Any) -> None:
        new = sub_iterations.made(update)
        self.subs.extend([0] * (len(self.errors) - len(self.subs) - 1) + [new])


def _solve_scheme(
    ctx: lw.Context, n_ref: Sequence[Array], peer: Peer, prd: bool
) -> tuple[PeerSolve, lw.Context | None]:
    """Measure a scheme of ours; return the context at its own stop as well, if it stopped."""
    assert peer.scheme is not None
    watched, failure = _Watched(ctx, n_ref, peer, peer.scheme, prd), ""
    levels = not Adapter(ctx).line_sources
    try:
        if peer.plain:
            watched.solve(note=True)
        else:
            watched.record(copy.deepcopy(ctx))
            rejected = watched.rejected
            # Where it stops by itself: a solve of its own, as a user would make it.
            watched.solve(note=False)
            watched.rejected = rejected
    except _FAILURES as err:
        failure = f"{type(err).__name__}: {err}"
    measured = PeerSolve(
        peer.name, peer.setting, tuple(watched.errors), watched.stop, watched.stop_error,
        watched.seconds if levels else None, watched.rejected, failure,
        sub_iterations=tuple(watched.subs), stop_sub_iterations=watched.stop_subs,
        swept=sub_iterations.share(ctx) if prd else 0.0, measured=_today(),
    )  # fmt: skip
    return measured, watched.end


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


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

    failure, start = "", perf_counter()
    try:
        iterate_ctx_se(
            watched, max_iter=peer.NmaxIter, quiet=True, convergence=Watch, prd=prd,
            prd_iter_tol=peer.prdIterTol,
        )  # fmt: skip
    except _FAILURES as err:
        failure = f"{type(err).__name__}: {err}"
    stopped = used is not None
    seconds = perf_counter() - start if stopped and not adapter.line_sources else None
    measured = PeerSolve(
        peer.name, "" if only or not stopped else f"popsTol {used:g}", tuple(errors),
        len(errors) if stopped else None, errors[-1] if stopped else None, seconds, failure=failure,
        popsTol=peer.tolerances[0] if used is None else used, sub_iterations=tuple(subs),
        stop_sub_iterations=sum(subs), swept=sub_iterations.share(ctx) if prd else 0.0,
        measured=_today(),
    )  # fmt: skip
    return measured, None if looser and not stopped else watched


def measure(
    problem: Problem,
    entries: Sequence[Peer],
    repeats: int = 1,
    watch: Callable[[str], object] | None = None,
    store: Store | None = None,
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
    store : Store, optional
        Where references and solves are kept, and taken from if they are known. The reference is
        then confirmed as well (:func:`lw_rl.benchmark.confirmed.confirmed_reference`).

    Raises
    ------
    NoReferenceError
        If the problem has no reference solution.
    """
    watch = watch or (lambda what: None)
    watch("reference")
    ctx, prd = problem.context(), problem.prd
    key, starts, plain = "", None, None
    if store is None:
        n_ref, change = reference(copy.deepcopy(ctx), prd)
    else:
        key = fingerprint(problem, ctx)
        confirmed = store.reference(key, ctx, prd)
        n_ref, change = list(confirmed.n), confirmed.change
        starts, plain = confirmed.starts, confirmed.plain
    best: dict[str, tuple[Peer, PeerSolve]] = {}
    for peer in entries:
        watch(f"{peer.name} {peer.setting}".strip())
        measured = None if store is None else store.known(key, peer)
        if measured is None:
            once = 1 if repeats == 1 and not problem.two_level else 0
            measured = solve(ctx, n_ref, peer, once, prd)
            if store is not None:
                store.keep(key, peer, measured)
        if peer.name not in best or _rank(measured) < _rank(best[peer.name][1]):
            best[peer.name] = peer, measured
    untimed = [entry for entry in best.values() if entry[1].seconds is None]
    for (peer, _), measured in zip(untimed, timed(ctx, untimed, repeats, prd), strict=True):
        best[peer.name] = peer, measured
        if store is not None and measured.seconds is not None:
            store.keep(key, peer, measured)
    solves = tuple(measured for _, measured in best.values())
    return ProblemResult(
        problem, Adapter(ctx).Nspace, change, solves, reference_starts=starts, reference_plain=plain
    )


def _rank(measured: PeerSolve) -> float:
    count = measured.to(TARGET)
    return np.inf if count is None else count
