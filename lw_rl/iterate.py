"""The one driver: Lightweaver's own loop over a context that an accelerated scheme steps."""

from __future__ import annotations

import warnings
from time import perf_counter
from typing import Any

import lightweaver as lw
import numpy as np

from .accelerated_context import AcceleratedContext, Callback
from .certificate.convergence import Certified
from .host.names import both_spellings, iterate_ctx_se
from .host.threads import blas_threads
from .policies.base import Policy, PolicyLike
from .result import Outcome, Result
from .schemes import Scheme, make_scheme

__all__ = ["AcceleratedContext", "Callback", "accelerate", "iterate_ctx_rl", "solve"]


def accelerate(
    ctx: lw.Context,
    policy: PolicyLike = "default",
    scheme: str | Scheme = "depthwise",
    callback: Callback | None = None,
    *,
    time_dependent: bool = False,
) -> AcceleratedContext:
    """Return a thin proxy of a context whose ``stat_equil`` is an accelerated scheme.

    ``lw.iterate_ctx_se(lw_rl.accelerate(ctx))`` solves through Lightweaver's own driver.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context; it is solved in place.
    policy : str, path-like or Policy, optional
        A shipped policy's name, a file, or anything with ``predict(obs, deterministic=True)``
        (default: ``"default"``).
    scheme : str or Scheme, optional
        See `lw_rl.schemes` (default: ``"depthwise"``).
    callback : callable, optional
        Called with the proxy after every iteration.
    time_dependent : bool, optional
        Accelerate ``time_dep_update`` and ``nr_post_update`` too, in one dimension: a loop over
        them is at the end of a step in time after a few formal solutions, and its populations
        before that are not those of the host's iteration (default: False).

    Returns
    -------
    ctx : AcceleratedContext

    Raises
    ------
    ContextError
        If the context has no active atoms or is not physical; it is not touched.
    UnknownNameError, PolicyFileError, SchemaError, UnusedPolicyError, TypeError
        If scheme or policy cannot be used.
    """
    return AcceleratedContext(ctx, make_scheme(scheme, policy), callback, time_dependent)


@both_spellings
def iterate_ctx_rl(
    ctx: lw.Context,
    Nscatter: int = 0,
    NmaxIter: int = 2000,
    prd: bool = False,
    JTol: float = 5e-3,
    popsTol: float = 1e-3,
    rhoTol: float | None = None,
    prdIterTol: float = 1e-2,
    maxPrdSubIter: int = 3,
    printInterval: float = 0.2,
    quiet: bool = False,
    convergence: type[lw.ConvergenceCriteria] | None = None,
    returnFinalConvergence: bool = False,
    *,
    policy: PolicyLike = "default",
    scheme: str | Scheme = "depthwise",
    callback: Callback | None = None,
) -> int | tuple[int, list[lw.IterationUpdate]]:
    """Iterate a context to statistical equilibrium, accelerated and certified.

    A drop-in for ``lightweaver.iterate_ctx_se``: the same arguments in the same order, under the
    names of Lightweaver 0.17 or of 1.0 (``pops_tol``), the same printing and return values; only
    `Nscatter` defaults to 0. Whether it returns, raises or is interrupted, the context then holds
    finite, positive populations that sum to `nTotal`.
    :func:`solve` does the same and returns what happened.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context; it is solved in place.
    popsTol : float, optional
        Tolerance on the relative *error* of the populations (default: 1e-3).
    convergence : type of lightweaver.ConvergenceCriteria, optional
        When to stop (default: `Certified`, by an estimate of the error). With
        ``lightweaver.DefaultConvergenceCriteria`` it is the change of the populations and the size
        of the scheme's step that must be below `popsTol`: what ``iterate_ctx_se`` does.
    prdIterTol : float, optional
        As for ``lightweaver.iterate_ctx_se``, for schemes that do not accelerate emission profiles
        with the populations; with the others they are iterated once every time where the operator
        foresees them, else `maxPrdSubIter` times.
    Nscatter, NmaxIter, prd, JTol, rhoTol, maxPrdSubIter, printInterval, quiet, \
returnFinalConvergence
        As for ``lightweaver.iterate_ctx_se``.
    policy, scheme, callback
        As for :func:`accelerate`.

    Returns
    -------
    it : int
        The number of the last iteration.
    finalIterationUpdates : list of IterationUpdate
        Only if `returnFinalConvergence`.

    Raises
    ------
    ContextError, UnknownNameError, PolicyFileError, SchemaError, UnusedPolicyError, TypeError, \
ValueError
        Before the first formal solution, with the context untouched.
    lightweaver.ExplodingMatrixError
        If the host's solver fails three times in a row.
    """
    Nscatter, NmaxIter, policy, scheme = _positions(Nscatter, NmaxIter, policy, scheme)
    it, updates = _loop(
        accelerate(ctx, policy, scheme, callback),
        Nscatter=Nscatter,
        NmaxIter=NmaxIter,
        prd=prd,
        J_tol=JTol,
        pops_tol=popsTol,
        rho_tol=rhoTol,
        prd_iter_tol=prdIterTol,
        max_prd_sub_iter=maxPrdSubIter,
        print_interval=printInterval,
        quiet=quiet,
        convergence=convergence,
    )
    return (it, updates) if returnFinalConvergence else it


@both_spellings
def solve(
    ctx: lw.Context,
    Nscatter: int = 0,
    NmaxIter: int = 2000,
    prd: bool = False,
    JTol: float = 5e-3,
    popsTol: float = 1e-3,
    rhoTol: float | None = None,
    prdIterTol: float = 1e-2,
    maxPrdSubIter: int = 3,
    printInterval: float = 0.2,
    quiet: bool = False,
    convergence: type[lw.ConvergenceCriteria] | None = None,
    *,
    policy: PolicyLike = "default",
    scheme: str | Scheme = "depthwise",
    callback: Callback | None = None,
    bound: bool = True,
) -> Result:
    """Iterate a context to statistical equilibrium and say how it went.

    Parameters
    ----------
    ctx, Nscatter, NmaxIter, prd, JTol, popsTol, rhoTol, prdIterTol, maxPrdSubIter, \
printInterval, quiet, convergence, policy, scheme, callback
        As for :func:`iterate_ctx_rl`, with the same defaults.
    bound : bool, optional
        Also compute the bound on the error, some milliseconds when `Result.estimate` is first read
        (default: True). There is none where a solve stops at its first formal solution, whose
        scattered light is not yet known to belong to the state: a smaller `popsTol` asks for more.

    Returns
    -------
    result : Result
        How it ended, formal solutions, wall time, error estimate, which scheme did what. An
        interrupt by the user (Ctrl-C) and a host solver that fails for good are outcomes too,
        not exceptions: test ``result.converged``.

    Raises
    ------
    ContextError, UnknownNameError, PolicyFileError, SchemaError, UnusedPolicyError, TypeError, \
ValueError
        Before the first formal solution, with the context untouched.
    """
    Nscatter, NmaxIter, policy, scheme = _positions(Nscatter, NmaxIter, policy, scheme)
    start = perf_counter()
    proxy = accelerate(ctx, policy, scheme, callback)
    outcome: Outcome
    try:
        _loop(
            proxy,
            Nscatter=Nscatter,
            NmaxIter=NmaxIter,
            prd=prd,
            J_tol=JTol,
            pops_tol=popsTol,
            rho_tol=rhoTol,
            prd_iter_tol=prdIterTol,
            max_prd_sub_iter=maxPrdSubIter,
            print_interval=printInterval,
            quiet=quiet,
            convergence=convergence,
        )
        outcome = proxy.outcome
    except lw.ExplodingMatrixError:
        outcome = "nonfinite"
    except KeyboardInterrupt:
        outcome = "interrupted"
    seconds = perf_counter() - start
    estimate = proxy.certificate.estimate()
    bound_later = proxy.certificate.bound_later() if bound else None
    result = Result(
        Nformal=proxy.report.Nformal,
        records=proxy.report.records,
        outcome=outcome,
        seconds=seconds,
        estimate=estimate if bound_later is None else lambda: estimate.bounded(bound_later()),
        task=proxy.task(popsTol if convergence in (None, Certified) else None),
    )
    if not quiet:
        print(result)
    return result


def _positions(
    Nscatter: Any, NmaxIter: Any, policy: PolicyLike, scheme: str | Scheme
) -> tuple[int, int, PolicyLike, str | Scheme]:
    """Return the arguments with policy and scheme where 0.1 had them: in the second and third."""
    if not isinstance(Nscatter, int) and isinstance(Nscatter, str | Policy):
        warnings.warn(
            "policy and scheme are keyword arguments since 0.2: the second and third position are "
            "the host's Nscatter and NmaxIter",
            DeprecationWarning,
            stacklevel=4,
        )
        policy, Nscatter = Nscatter, 0
        if isinstance(NmaxIter, str | Scheme):
            scheme, NmaxIter = NmaxIter, 2000
    return Nscatter, NmaxIter, policy, scheme


def _loop(
    proxy: AcceleratedContext,
    *,
    Nscatter: int,
    NmaxIter: int,
    convergence: type[lw.ConvergenceCriteria] | None,
    **settings: Any,
) -> tuple[int, list[lw.IterationUpdate]]:
    """Run the host's own loop and note in the proxy whether its criterion was met.

    The other settings of the host's loop are under the names of 1.0.
    """
    if not 0 <= Nscatter < NmaxIter:
        raise ValueError(
            "the iterations NmaxIter include the Nscatter initial ones, so that "
            f"0 <= Nscatter < NmaxIter is needed; got Nscatter={Nscatter}, NmaxIter={NmaxIter}"
        )
    if np.isnan(settings["pops_tol"]):
        raise ValueError("popsTol is the error of the populations that is tolerated; got nan")
    criterion = Certified if convergence is None else convergence

    class Noted(lw.ConvergenceCriteria):  # type: ignore[misc]
        def __init__(self, *arguments: Any):
            self.criterion = criterion(*arguments)

        def is_converged(self, *updates: Any) -> bool:
            proxy.met = bool(self.criterion.is_converged(*updates))
            return proxy.met

    try:
        # Once for the whole solve: to set the threads takes as long as a step of the scheme.
        with blas_threads(proxy.adapter.Nthreads):
            proxy.begin()
            it, updates = iterate_ctx_se(
                proxy,
                Nscatter=Nscatter,
                max_iter=NmaxIter,
                convergence=Noted,
                return_final_convergence=True,
                **settings,
            )
    except BaseException as err:
        # An interrupt may come while populations are written, one level after the other.
        proxy.adapter.renormalise()
        if isinstance(err, SystemError) and _is_interrupt(err):
            raise KeyboardInterrupt from err
        raise
    return it, updates


def _is_interrupt(err: BaseException) -> bool:
    """Whether an interrupt is behind an error: inside compiled code it arrives as another one."""
    cause: BaseException | None = err
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
