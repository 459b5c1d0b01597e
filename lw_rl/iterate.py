"""The one driver: Lightweaver's own loop over a context that an accelerated scheme steps."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import lightweaver as lw

from .certificate.certificate import DEFAULT_FACTOR, Certificate
from .certificate.convergence import Certified
from .host.adapter import Adapter
from .host.threads import blas_threads, on_the_contexts_threads
from .result import Outcome, Record, Report, Result
from .schemes import Depthwise, Safeguarded, Scheme, Step, make_scheme
from .schemes.depthwise import ALONE

#: The host's solver may fail after a wild step, which is undone; more often than this it is over.
_MAX_FAILURES = 3

Callback = Callable[["AcceleratedContext"], None]


class AcceleratedContext:
    """A context whose ``stat_equil`` is an accelerated scheme; everything else is the context's.

    Made by :func:`accelerate`. The scheme's history begins with the object, so make a new one for
    a new solve.

    Attributes
    ----------
    report : Report
        What has been done so far.
    adapter : Adapter
        Access to the context's insides.
    certificate : Certificate
        What is known of the error.
    met : bool
        Whether the convergence criterion of a loop of ours was met.
    """

    def __init__(self, ctx: Any, scheme: Safeguarded, callback: Callback | None = None):
        self._ctx = ctx
        self._scheme = scheme
        self._callback = callback
        self.adapter = Adapter(ctx)
        self.report = Report()
        self.met = False
        with blas_threads(self.adapter.Nthreads):
            state = scheme.init(self.adapter)
        self._state = state
        self._factors = _factors(scheme, scheme.operator_factor(state))
        # Not through this object: a cycle would keep the context until the garbage is collected.
        self.certificate = Certificate(
            self.adapter, lambda: scheme.operators(state), scheme.lambdaIterate
        )
        self._pending: lw.IterationUpdate | None = None
        self._failures = 0
        # Whether the last step went back to where the host began.
        self._anew = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_ctx":
            raise AttributeError(name)
        return getattr(self._ctx, name)

    @property
    def outcome(self) -> Outcome:
        """How the iteration stands, once the loop is over."""
        if self.met:
            return "converged"
        residuals = [r.residual for r in self.report.records]
        no_smaller = len(residuals) > 1 and not residuals[-1] < residuals[0]
        return "diverged" if no_smaller else "max_iterations"

    @property
    def policy_factor(self) -> float | None:
        """Factor on the size of the policy's steps as an estimate of the error, if there is one."""
        return self._factors.get(self._scheme.name)

    @property
    def operator_factor(self) -> float | None:
        """The same of the steps of the approximate operator that no policy had a part in."""
        return self._factors.get(ALONE)

    @on_the_contexts_threads
    def formal_sol_gamma_matrices(self, **kwargs: Any) -> lw.IterationUpdate:
        """Make the formal solution, as ``Context.formal_sol_gamma_matrices`` does.

        A formal solution that repeats the last one, with no update of the populations between, is
        not made again: the initial lambda iterations of ``iterate_ctx_se`` only settle the
        background's scattering, and the scheme takes J along anyway. The last report is returned.
        """
        if self._pending is not None:
            return self._pending
        if self.report.Nformal == 0:
            y = self._scheme.start(self.adapter.read(), self._state)
            if y is not None:
                self.adapter.write(y)
        if self._scheme.lambdaIterate:
            kwargs["lambdaIterate"] = True
        self._pending = self.adapter.formal_solution(**kwargs)
        self.report.Nformal += 1
        return self._pending

    @on_the_contexts_threads
    def prd_redistribute(
        self, maxIter: int = 3, tol: float = 1e-2, **kwargs: Any
    ) -> lw.IterationUpdate | None:
        """Iterate the emission profile, as ``Context.prd_redistribute`` does, and accelerate it.

        Where a scheme accelerates it, the profile is iterated `maxIter` times whatever `tol` is:
        the iteration of profile and populations has to be one map, the same every time.
        """
        if self._anew:
            # Populations and profile are the host's first, which begins with a formal solution.
            return None
        before = self.adapter.profiles()
        if self._scheme.accelerates_profiles(self._state):
            tol = 0.0
        update = self._ctx.prd_redistribute(maxIter=maxIter, tol=tol, **kwargs)
        if update is not None and update.dRho:
            mixed = self._scheme.redistribute(update.dRhoMax, before, self._state)
            self.certificate.redistribute(update.dRhoMax, mixed)
        return update

    @on_the_contexts_threads
    def stat_equil(self, **kwargs: Any) -> lw.IterationUpdate:
        """Update the populations by the scheme.

        The report's ``dPops`` is the larger of the relative change of the populations and of the
        scheme's estimate of their error: a tolerance on it is one on the error.

        Raises
        ------
        lightweaver.ExplodingMatrixError
            If the host's solver fails three times in a row; the populations are then those
            before the call.
        """
        self._pending = None
        self._anew = False
        adapter = self.adapter
        # The radiation field does not change here, so that it need not be copied.
        before = adapter.snapshot(radiation=False)
        try:
            update, evaluation = adapter.plain_update(**kwargs)
            step = self._scheme.step(evaluation, self._state)
            if step.y is not None:
                adapter.write(step.y)
            self._failures = 0 if evaluation.valid else self._failures + 1
            if self._failures >= _MAX_FAILURES:
                raise lw.ExplodingMatrixError(
                    f"{_MAX_FAILURES} times in a row, the statistical equilibrium equations had no "
                    "solution that is finite and positive; the populations are those before"
                )
        except BaseException:
            adapter.restore(before)
            raise
        if (update is None and step.accepted) or not adapter.valid():
            adapter.restore(before)
            note = "the statistical equilibrium equations could not be solved; nothing was changed"
            step = Step(
                None, estimate=max(step.estimate, 1.0), by="mali", accepted=False, note=note
            )
        if update is None:
            update = adapter.blank_update()
        if step.y is not None or not step.accepted or step.estimate > 0.0 or adapter.host_ng:
            adapter.report_change(update, list(before.n), step.estimate)
        if step.accepted and evaluation.valid:
            method = "operator" if step.by == ALONE else "policy"
            factor = self._factors.get(step.by)
            self.certificate.add(evaluation, step.y, factor, method, step.estimate)
        elif step.anew:
            self._anew = True
            self.certificate.clear()
        else:
            self.certificate.skip(undone=True)
        self.report.records.append(
            Record(
                self.report.Nformal,
                evaluation.residual_norm,
                step.estimate,
                step.by,
                step.accepted,
                step.note,
            )
        )
        if self._callback is not None:
            self._callback(self)
        return update


def _factors(scheme: Safeguarded, operator: float | None) -> dict[str, float]:
    """Return by which factor steps estimate the error, by whose they are."""
    inner = scheme.scheme
    if not isinstance(inner, Depthwise):
        return {}
    entry = getattr(inner.policy, "card", {}).get("error_estimate", {})
    alone = DEFAULT_FACTOR if operator is None else operator
    return {ALONE: alone, inner.name: float(entry.get("factor", DEFAULT_FACTOR))}


def accelerate(
    ctx: Any,
    policy: Any = "default",
    scheme: str | Scheme = "depthwise",
    callback: Callback | None = None,
) -> AcceleratedContext:
    """Return a thin proxy of a context whose ``stat_equil`` is an accelerated scheme.

    ``lw.iterate_ctx_se(lw_rl.accelerate(ctx))`` solves through Lightweaver's own driver.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context; it is solved in place.
    policy : str, path-like or object, optional
        A shipped policy's name, a file, or anything with ``predict(obs, deterministic=True)``
        (default: ``"default"``).
    scheme : str or Scheme, optional
        See `lw_rl.schemes` (default: ``"depthwise"``).
    callback : callable, optional
        Called with the proxy after every iteration.

    Returns
    -------
    ctx : AcceleratedContext

    Raises
    ------
    ContextError
        If the context has no active atoms or is not physical; it is not touched.
    UnknownNameError, PolicyFileError, SchemaError, TypeError
        If scheme or policy cannot be used.
    """
    return AcceleratedContext(ctx, make_scheme(scheme, policy), callback)


def iterate_ctx_rl(
    ctx: Any,
    policy: Any = "default",
    scheme: str | Scheme = "depthwise",
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
    callback: Callback | None = None,
) -> Any:
    """Iterate a context to statistical equilibrium, driven by a policy.

    A drop-in for ``lightweaver.iterate_ctx_se``: the same keywords, printing and return values;
    only `Nscatter` defaults to 0. Whether it returns, raises or is interrupted, the context then
    holds finite, positive populations that sum to `nTotal`. :func:`solve` does the same and
    returns what happened.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context; it is solved in place.
    policy, scheme, callback
        As for :func:`accelerate`.
    popsTol : float, optional
        Tolerance on the relative *error* of the populations (default: 1e-3).
    convergence : type of lightweaver.ConvergenceCriteria, optional
        When to stop (default: :class:`~lw_rl.certificate.convergence.Certified`, by an estimate of
        the error). With ``lightweaver.DefaultConvergenceCriteria`` it is the change of the
        populations and the size of the scheme's step that must be below `popsTol`: what
        ``iterate_ctx_se`` does.
    prdIterTol : float, optional
        As for ``lightweaver.iterate_ctx_se``, for schemes that do not accelerate emission profiles
        with the populations; with the others they are iterated `maxPrdSubIter` times every time.
    Nscatter, NmaxIter, prd, JTol, rhoTol, maxPrdSubIter, printInterval, quiet, \
returnFinalConvergence
        As for ``lightweaver.iterate_ctx_se``.

    Returns
    -------
    it : int
        The number of the last iteration.
    finalIterationUpdates : list of IterationUpdate
        Only if `returnFinalConvergence`.

    Raises
    ------
    ContextError, UnknownNameError, PolicyFileError, SchemaError, TypeError, ValueError
        Before the first formal solution, with the context untouched.
    lightweaver.ExplodingMatrixError
        If the host's solver fails three times in a row.
    """
    it, updates = _loop(
        accelerate(ctx, policy, scheme, callback),
        Nscatter=Nscatter,
        NmaxIter=NmaxIter,
        prd=prd,
        JTol=JTol,
        popsTol=popsTol,
        rhoTol=rhoTol,
        prdIterTol=prdIterTol,
        maxPrdSubIter=maxPrdSubIter,
        printInterval=printInterval,
        quiet=quiet,
        convergence=convergence,
    )
    return (it, updates) if returnFinalConvergence else it


def solve(
    ctx: Any,
    policy: Any = "default",
    scheme: str | Scheme = "depthwise",
    *,
    callback: Callback | None = None,
    bound: bool = True,
    **keywords: Any,
) -> Result:
    """Iterate a context to statistical equilibrium and say how it went.

    Parameters
    ----------
    ctx, policy, scheme, callback
        As for :func:`iterate_ctx_rl`.
    bound : bool, optional
        Also compute the bound on the error, some milliseconds after the solve (default: True).
    **keywords
        The others of :func:`iterate_ctx_rl`, with the same defaults, less
        `returnFinalConvergence`.

    Returns
    -------
    result : Result
        How it ended, formal solutions, wall time, error estimate, which scheme did what. An
        interrupt by the user (Ctrl-C) and a host solver that fails for good are outcomes too,
        not exceptions: test ``result.converged``.

    Raises
    ------
    ContextError, UnknownNameError, PolicyFileError, SchemaError, TypeError, ValueError
        Before the first formal solution, with the context untouched.
    """
    start = perf_counter()
    proxy = accelerate(ctx, policy, scheme, callback)
    outcome: Outcome
    try:
        _loop(proxy, **keywords)
        outcome = proxy.outcome
    except lw.ExplodingMatrixError:
        outcome = "nonfinite"
    except KeyboardInterrupt:
        outcome = "interrupted"
    seconds = perf_counter() - start
    estimate = proxy.certificate.estimate()
    if bound:
        estimate = estimate.bounded(proxy.certificate.bound())
    result = Result(
        Nformal=proxy.report.Nformal,
        records=proxy.report.records,
        outcome=outcome,
        seconds=seconds,
        estimate=estimate,
    )
    if not keywords.get("quiet", False):
        print(result)
    return result


def _loop(
    proxy: AcceleratedContext,
    Nscatter: int = 0,
    NmaxIter: int = 2000,
    convergence: type[lw.ConvergenceCriteria] | None = None,
    **keywords: Any,
) -> tuple[int, list[lw.IterationUpdate]]:
    """Run the host's own loop and note in the proxy whether its criterion was met."""
    if not 0 <= Nscatter < NmaxIter:
        raise ValueError(
            "the iterations NmaxIter include the Nscatter initial ones, so that "
            f"0 <= Nscatter < NmaxIter is needed; got Nscatter={Nscatter}, NmaxIter={NmaxIter}"
        )
    criterion = Certified if convergence is None else convergence

    class Noted(lw.ConvergenceCriteria):
        def __init__(self, *arguments: Any):
            self.criterion = criterion(*arguments)

        def is_converged(self, *updates: Any) -> bool:
            proxy.met = bool(self.criterion.is_converged(*updates))
            return proxy.met

    try:
        return lw.iterate_ctx_se(
            proxy,
            Nscatter=Nscatter,
            NmaxIter=NmaxIter,
            convergence=Noted,
            returnFinalConvergence=True,
            **keywords,
        )
    except BaseException:
        # An interrupt may come while populations are written, one level after the other.
        proxy.adapter.renormalise()
        raise
