"""A context that an accelerated scheme steps: the proxy that `lw_rl.accelerate` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightweaver as lw
import numpy as np

from .arrays import Array
from .certificate.certificate import Certificate
from .certificate.convergence import HasCertificate
from .certificate.settings import shipped
from .host.adapter import Adapter
from .host.names import Named, both_spellings, keywords
from .host.state import Block
from .host.threads import on_the_contexts_threads
from .norms import largest, relative
from .operator.base import CarriesLight, EquilibriumOperator, able, lit
from .operator.scattering import SolvedScattering
from .policies.card import card_of
from .result import Outcome, Record, Report, Task
from .schemes import Safeguarded, Step
from .schemes.depthwise import ALONE
from .schemes.safeguarded import SafeguardState
from .schemes.time_dependent import TimeDependentStep

__all__ = ["AcceleratedContext", "Callback"]

#: The host's solver may fail after a wild step, which is undone; more often than this it is over.
_MAX_FAILURES = 3

Callback = Callable[["AcceleratedContext"], None]
"""Called with the proxy after every iteration."""


class _Running:
    """A scheme's state along a solve; None before the scheme has seen the context."""

    def __init__(self, scheme: Safeguarded):
        self.scheme = scheme
        self.state: SafeguardState | None = None

    def operators(self) -> Mapping[Block, EquilibriumOperator]:
        """Return the operators that the scheme has made."""
        return {} if self.state is None else self.scheme.operators(self.state)


class AcceleratedContext(HasCertificate):
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
            "_running",
            "_scattering",
            "_scheme",
            "_time_dependent",
            "_time_report",
            "_time_step",
            "adapter",
            "certificate",
            "met",
            "report",
        }
    )

    def __init__(
        self,
        ctx: lw.Context,
        scheme: Safeguarded,
        callback: Callback | None = None,
        time_dependent: bool = False,
    ):
        self._ctx = ctx
        self._scheme = scheme
        self._callback = callback
        self.adapter = Adapter(ctx)
        self.report = Report()
        self.met = False
        self._running = _Running(scheme)
        self._factors: dict[str, float] = {}
        self.certificate = Certificate(self.adapter, self._running.operators, scheme.lambdaIterate)
        self._scattering = self._solved_scattering()
        self._failures = 0
        # The populations as the last call left them, and the atmosphere in which the solve began.
        self._left: bytes | None = None
        self._circumstances = b""
        self._note = ""
        # A step in time, the populations at its beginning, and what its last correction reported.
        self._time_step: TimeDependentStep | None = None
        self._time_report: lw.IterationUpdate | None = None
        self._time_dependent = time_dependent

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
        return AcceleratedContext, (self._ctx, self._scheme, self._callback, self._time_dependent)

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

    def task(self, tolerance: float | None) -> Task:
        """Return what is to be done, in the words of a result.

        Parameters
        ----------
        tolerance : float or None
            Tolerance on the error; None where another criterion ends the solve.
        """
        adapter = self.adapter
        return Task(
            atoms=adapter.labels,
            scheme=self._scheme.name,
            tolerance=tolerance,
            two_level=adapter.line_sources,
            has_policy=self._scheme.abilities.policy is not None,
            Ndim=adapter.grid.Ndim,
            redistribution=adapter.any_redistributes,
            switching=not adapter.settled,
        )

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
            for block, J in self._scheme.start_radiation(state).items():
                self.adapter.write_line_radiation(block, J)
        self._remember()

    def _solved_scattering(self) -> SolvedScattering | None:
        wanted = self._scheme.abilities.solves_scattering and self.certificate.radiation_settles
        at_home = self.adapter.grid.Ndim <= 2
        return SolvedScattering(self.adapter) if wanted and at_home else None

    def _init(self) -> SafeguardState:
        self._circumstances = self.adapter.imprint()
        state = self._running.state = self._scheme.init(self.adapter, self.certificate.history)
        self._factors = _factors(self._scheme, state)
        return state

    def _remember(self) -> None:
        """Note how this leaves the populations."""
        self._left = self.adapter.imprint(populations=True)

    def _forget_if_changed(self) -> None:
        """Forget the solve if somebody else has changed populations or atmosphere."""
        if self._left is None:
            return
        adapter = self.adapter
        same = self._left == adapter.imprint(populations=True)
        if not (same and self._circumstances == adapter.imprint()):
            self._running.state = self._left = None
            self.certificate.begin()
            self._scattering = self._solved_scattering()
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
        self.certificate.history.radiated(Named(update).dJ_max)
        self.report.Nformal += 1
        return update

    @both_spellings
    @on_the_contexts_threads
    def prd_redistribute(
        self, maxIter: int = 3, tol: float = 1e-2, **kwargs: Any
    ) -> lw.IterationUpdate | None:
        """Iterate the emission profile, as ``Context.prd_redistribute`` does, and accelerate it.

        Where a scheme accelerates it, the profile is iterated `maxIter` times whatever `tol` is:
        the iteration of profile and populations has to be one map, the same every time. Where a
        step has foreseen the profile, once is enough.
        """
        state = self._running.state
        before = self.adapter.profiles()
        if state is not None and self._scheme.accelerates_profiles(state):
            tol = 0.0
            maxIter = min(maxIter, 1) if self._scheme.foresees(state) else maxIter
        redistribute = self._ctx.prd_redistribute
        update = redistribute(**keywords(redistribute, max_iter=maxIter, tol=tol), **kwargs)
        report = Named(update)
        if update is not None and report.drho:
            self.adapter.keep_ahead()
        if state is not None and update is not None and report.drho:
            mixed = self._scheme.redistribute(report.drho_max, before, state)
            if self._scheme.foresees(state):
                self.adapter.write_foreseen_profiles()
            else:
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
        adapter = self.adapter
        state = self._running.state
        if state is None and adapter.valid():
            state = self._init()
        # The radiation field does not change here, so that it need not be copied.
        before = adapter.snapshot(radiation=False)
        try:
            update, evaluation = adapter.plain_update(**kwargs)
            evaluation = lit(evaluation, self._running.operators())
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
            self.certificate.add(evaluation, step.y, factor, method, step.estimate, step.image)
        else:
            self.certificate.history.skip(undone=not step.accepted)
        notes = "; ".join(note for note in (self._note, evaluation.note, step.note) if note)
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

    @on_the_contexts_threads
    def time_dep_update(
        self, dt: float, prevTimePops: list[Array] | None = None, *args: Any, **kwargs: Any
    ) -> tuple[lw.IterationUpdate, list[Array]]:
        """Update the populations for a step in time, as ``Context.time_dep_update`` does.

        It is the host's own, unless the proxy was made with ``time_dependent=True``: then the step
        is made by the coupled operator, in one dimension, and the report's ``dPops`` is the larger
        of the change by the host's own update and of the operator's correction. Where charge is
        conserved the electrons follow at once, and ``nr_post_update`` only reports.
        """
        adapter = self.adapter
        at = adapter.populations()
        before = at if prevTimePops is None else prevTimePops
        step = self._time_step
        if step is None or step.dt != dt or step.before is not before:
            has_operators = self._scheme.abilities.has_operators is not None
            at_home = self._time_dependent and has_operators and adapter.grid.Ndim == 1
            self._time_step = step = (
                TimeDependentStep(adapter, dt, before, step) if at_home else None
            )
        proposed = None if step is None or not adapter.valid() else step.propose(at)
        self._time_report = None
        if proposed is None:
            found: tuple[lw.IterationUpdate, list[Array]] = self._ctx.time_dep_update(
                dt, before, *args, **kwargs
            )
            return found
        assert step is not None
        adapter.time_dependent_update(dt, before)
        plain = max(largest(n / m - 1.0) for n, m in zip(adapter.populations(), at, strict=True))
        adapter.write(adapter.unknown(proposed))
        update = self._time_report = adapter.blank_update()
        adapter.report_change(update, at, max(plain, relative(step.size)))
        return update, before

    def nr_post_update(self, *args: Any, **kwargs: Any) -> lw.IterationUpdate:
        """Update the electron density, as ``Context.nr_post_update`` does.

        After a step in time by the operator, which did so, it only reports.
        """
        update, self._time_report = self._time_report, None
        if update is None:
            return self._ctx.nr_post_update(*args, **kwargs)
        change = np.asarray(self._ctx.atmos.ne) / self.adapter.electrons - 1.0
        report = Named(update)
        report.updated_ne = True
        report.dne_max = float(np.abs(change).max())
        report.dne_max_idx = int(np.abs(change).argmax())
        return update


def _factors(scheme: Safeguarded, state: SafeguardState) -> dict[str, float]:
    """Return by which factor steps estimate the error, by whose they are."""
    made, policy = scheme.abilities.has_operators, scheme.abilities.policy
    if made is None:
        return {}
    alone = made.operator_factor(state.scheme)
    known = None if policy is None else card_of(policy).error_factor
    settings = shipped()
    step, operators = settings.step, made.operators(state.scheme).values()
    if alone is None:
        # With all of the host's light a step is what the defect correction estimate is.
        copied = len(operators) > 0 and all(able(o, CarriesLight) for o in operators)
        alone = settings.defect if copied else step
    return {
        ALONE: alone,
        scheme.name: step if known is None else known,
    }
