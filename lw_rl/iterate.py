"""The one driver: Lightweaver's own loop over a context that an accelerated scheme steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import lightweaver as lw
import numpy as np

from .arrays import Array
from .certificate.certificate import DEFAULT_FACTOR, Certificate
from .certificate.convergence import Certified
from .host.adapter import Adapter
from .host.names import Named, both_spellings, iterate_ctx_se, keywords
from .host.state import Block
from .host.threads import on_the_contexts_threads
from .operator.base import EquilibriumOperator
from .operator.scattering import SolvedScattering
from .policies.base import Policy, PolicyLike
from .policies.card import card_of
from .result import Outcome, Record, Report, Result
from .schemes import Safeguarded, Scheme, Step, make_scheme
from .schemes.depthwise import ALONE
from .schemes.safeguard_state import SafeguardState

__all__ = ["AcceleratedContext", "Callback", "accelerate", "iterate_ctx_rl", "solve"]


#: The host's solver may fail after a wild step, which is undone; more often than this it is over.
_MAX_FAILURES = 3

Callback = Callable[["AcceleratedContext"], None]


class _Running:
    """A scheme's state along a solve; None before the scheme has seen the context."""

    def __init__(self, scheme: Safeguarded):
        self.scheme = scheme
        self.state: SafeguardState | None = None

    def operators(self) -> Mapping[Block, EquilibriumOperator]:
        """Return the operators that the scheme has made."""
        return {} if self.state is None else self.scheme.operators(self.state)


class AcceleratedContext:
    """A context whose ``stat_equil`` is an accelerated scheme; everything else is the context's.

    Made by :func:`accelerate`. Attributes are read from and set on the context. Every formal
    solution that is asked for is made. What a scheme remembers belongs to one solve: it is
    forgotten, and a new one begins, where the populations or the atmosphere were changed by
    somebody else since the last call (``time_dep_update``, ``update_deps``, an edit in place).
    Pickles and deep copies hold the context and the scheme, and begin a new solve.

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

    #: What is the proxy's; all else is the context's.
    _OWN = frozenset(
        {
            "_callback",
            "_circumstances",
            "_ctx",
            "_factors",
            "_failures",
            "_left",
            "_note",
            "_restarted",
            "_running",
            "_scattering",
            "_scheme",
            "adapter",
            "certificate",
            "met",
            "report",
        }
    )

    def __init__(self, ctx: lw.Context, scheme: Safeguarded, callback: Callback | None = None):
        self._ctx = ctx
        self._scheme = scheme
        self._callback = callback
        self.adapter = Adapter(ctx)
        self.report = Report()
        self.met = False
        self._running = _Running(scheme)
        self._factors: dict[str, float] = {}
        self.certificate = Certificate(self.adapter, self._running.operators, scheme.lambdaIterate)
        solved = scheme.solves_scattering and self.certificate.radiation_settles
        one_dimension = self.adapter.grid.Ndim == 1
        self._scattering = SolvedScattering(self.adapter) if solved and one_dimension else None
        self._failures = 0
        # Whether the last step went back to where the host began.
        self._restarted = False
        # The unknown and the atmosphere as the last call left them, if a solve has begun.
        self._left: Array | None = None
        self._circumstances: tuple[Array, ...] = ()
        self._note = ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in self._OWN:
            raise AttributeError(name)
        return getattr(self._ctx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self._ctx, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return AcceleratedContext, (self._ctx, self._scheme, self._callback)

    @property
    def outcome(self) -> Outcome:
        """How the iteration stands, once the loop is over."""
        if self.certificate.at_floor:
            return "rounding"
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
    def begin(self) -> None:
        """Begin a solve, where the scheme begins it: this may change the populations.

        The loops of this package call it before their first formal solution. In any other loop a
        solve begins with the first ``stat_equil``, from the populations as they are.
        """
        if not self.adapter.valid():
            return
        state = self._init()
        y = self._scheme.start(self.adapter.read(), state)
        if y is not None:
            self.adapter.write(y)
        self._remember()

    def _init(self) -> SafeguardState:
        state = self._running.state = self._scheme.init(self.adapter)
        self._factors = _factors(self._scheme, self._scheme.operator_factor(state))
        return state

    def _remember(self) -> None:
        """Note how this leaves the context."""
        self._left = self.adapter.read()
        self._circumstances = self.adapter.circumstances()

    def _forget_if_changed(self) -> None:
        """Forget the solve if somebody else has changed populations or atmosphere."""
        if self._left is None:
            return
        same = np.array_equal(self._left, self.adapter.read(), equal_nan=True) and all(
            map(np.array_equal, self._circumstances, self.adapter.circumstances())
        )
        if not same:
            self._running.state = self._left = None
            self.certificate.clear()
            self._note = "populations or atmosphere were changed from outside: a new solve"

    @both_spellings
    @on_the_contexts_threads
    def formal_sol_gamma_matrices(
        self, *, lambda_iterate: bool = False, **kwargs: Any
    ) -> lw.IterationUpdate:
        """Make the formal solution, as ``Context.formal_sol_gamma_matrices`` does."""
        self._forget_if_changed()
        if lambda_iterate or self._scheme.lambdaIterate:
            kwargs["lambda_iterate"] = True
        update = (
            self.adapter.formal_solution(**kwargs)
            if self._scattering is None
            else self._scattering.formal_solution(**kwargs)
        )
        self.certificate.note_radiation(Named(update).dJ_max)
        self.report.Nformal += 1
        return update

    @both_spellings
    @on_the_contexts_threads
    def prd_redistribute(
        self, maxIter: int = 3, tol: float = 1e-2, **kwargs: Any
    ) -> lw.IterationUpdate | None:
        """Iterate the emission profile, as ``Context.prd_redistribute`` does, and accelerate it.

        Where a scheme accelerates it, the profile is iterated `maxIter` times whatever `tol` is:
        the iteration of profile and populations has to be one map, the same every time.
        """
        if self._restarted:
            # Populations and profile are the host's first, which begins with a formal solution.
            return None
        state = self._running.state
        before = self.adapter.profiles()
        if state is not None and self._scheme.accelerates_profiles(state):
            tol = 0.0
        redistribute = self._ctx.prd_redistribute
        update = redistribute(**keywords(redistribute, max_iter=maxIter, tol=tol), **kwargs)
        report = Named(update)
        if state is not None and update is not None and report.drho:
            mixed = self._scheme.redistribute(report.drho_max, before, state)
            self.certificate.redistribute(report.drho_max, mixed)
            self._remember()
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
        self._restarted = False
        adapter = self.adapter
        state = self._running.state
        if state is None and adapter.valid():
            state = self._init()
        # The radiation field does not change here, so that it need not be copied.
        before = adapter.snapshot(radiation=False)
        try:
            update, evaluation = adapter.plain_update(**kwargs)
            step = (
                Step(None, estimate=1.0, note="populations were not positive: a step of MALI")
                if state is None
                else self._scheme.step(evaluation, state)
            )
            if step.y is not None:
                adapter.write(step.y)
            self._failures = 0 if evaluation.valid or state is None else self._failures + 1
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
        elif step.restart:
            self._restarted = True
            self.certificate.clear()
        else:
            self.certificate.skip(undone=step.accepted is False)
        notes = "; ".join(note for note in (self._note, step.note) if note)
        self._note = ""
        self.report.records.append(
            Record(
                self.report.Nformal,
                evaluation.residual_norm,
                step.estimate,
                step.by,
                step.accepted,
                notes,
            )
        )
        if state is not None:
            self._remember()
        if self._callback is not None:
            self._callback(self)
        return update


def _factors(scheme: Safeguarded, operator: float | None) -> dict[str, float]:
    """Return by which factor steps estimate the error, by whose they are."""
    if not scheme.has_operators:
        return {}
    alone = DEFAULT_FACTOR if operator is None else operator
    known = None if scheme.policy is None else card_of(scheme.policy).error_factor
    return {ALONE: alone, scheme.name: DEFAULT_FACTOR if known is None else known}


def accelerate(
    ctx: lw.Context,
    policy: PolicyLike = "default",
    scheme: str | Scheme = "depthwise",
    callback: Callback | None = None,
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
    return AcceleratedContext(ctx, make_scheme(scheme, policy), callback)


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
    """Iterate a context to statistical equilibrium, driven by a policy.

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
        with the populations; with the others they are iterated `maxPrdSubIter` times every time.
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
        Also compute the bound on the error, some milliseconds after the solve (default: True).

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
    if bound:
        estimate = estimate.bounded(proxy.certificate.bound())
    result = Result(
        Nformal=proxy.report.Nformal,
        records=proxy.report.records,
        outcome=outcome,
        seconds=seconds,
        estimate=estimate,
    )
    if not quiet:
        print(result)
    return result


def _positions(
    Nscatter: Any, NmaxIter: Any, policy: PolicyLike, scheme: str | Scheme
) -> tuple[int, int, PolicyLike, str | Scheme]:
    """Return the arguments with policy and scheme where 0.1 had them: in the second and third."""
    if isinstance(Nscatter, str | Policy):
        warnings.warn(
            "policy and scheme are keyword arguments since 0.2: the second and third position are "
            "the host's Nscatter and NmaxIter",
            DeprecationWarning,
            stacklevel=3,
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
    criterion = Certified if convergence is None else convergence

    class Noted(lw.ConvergenceCriteria):  # type: ignore[misc]
        def __init__(self, *arguments: Any):
            self.criterion = criterion(*arguments)

        def is_converged(self, *updates: Any) -> bool:
            proxy.met = bool(self.criterion.is_converged(*updates))
            return proxy.met

    try:
        proxy.begin()
        it, updates = iterate_ctx_se(
            proxy,
            Nscatter=Nscatter,
            max_iter=NmaxIter,
            convergence=Noted,
            return_final_convergence=True,
            **settings,
        )
    except BaseException:
        # An interrupt may come while populations are written, one level after the other.
        proxy.adapter.renormalise()
        raise
    return it, updates
