"""The one driver: Lightweaver's own loop over a context that an accelerated scheme steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lightweaver as lw

from .adapter import Adapter
from .schemes import Scheme, Step, make_scheme


@dataclass(frozen=True)
class Record:
    """What one iteration did.

    Attributes
    ----------
    Nformal : int
        Formal solutions so far, this one included.
    residual : float
        Largest absolute residual of the plain update (a relative change of the unknown).
    estimate : float
        Estimate of the largest relative error of the populations, before the step.
    by : str
        The scheme that made the step.
    accepted : bool
        False if the step before was undone.
    note : str
        What happened, where that is out of the ordinary: why a scheme handed over, say.
    """

    Nformal: int
    residual: float
    estimate: float
    by: str
    accepted: bool
    note: str = ""


@dataclass
class Report:
    """What a solve has done so far.

    Attributes
    ----------
    Nformal : int
        Formal solutions made.
    records : list of Record
        One per iteration.
    """

    Nformal: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Number of steps that were undone."""
        return sum(not r.accepted for r in self.records)

    @property
    def notes(self) -> list[str]:
        """What happened that was out of the ordinary, in order."""
        return [f"iteration {k}: {r.note}" for k, r in enumerate(self.records) if r.note]

    @property
    def steps_by(self) -> dict[str, int]:
        """How many steps each scheme made."""
        counts: dict[str, int] = {}
        for r in self.records:
            counts[r.by] = counts.get(r.by, 0) + 1
        return counts


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
    """

    def __init__(self, ctx: Any, scheme: Scheme, callback: Callback | None = None):
        self._ctx = ctx
        self._scheme = scheme
        self._callback = callback
        self.adapter = Adapter(ctx)
        self.report = Report()
        self._state = scheme.init(self.adapter)
        self._pending: lw.IterationUpdate | None = None
        self._failures = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_ctx":
            raise AttributeError(name)
        return getattr(self._ctx, name)

    def formal_sol_gamma_matrices(self, **kwargs: Any) -> lw.IterationUpdate:
        """Make the formal solution, as ``Context.formal_sol_gamma_matrices`` does.

        A formal solution that repeats the last one, with no update of the populations between, is
        not made again: the initial lambda iterations of ``iterate_ctx_se`` only settle the
        background's scattering, and the scheme takes J along anyway. The last report is returned.
        """
        if self._pending is not None:
            return self._pending
        if self._scheme.lambdaIterate:
            kwargs["lambdaIterate"] = True
        self._pending = self.adapter.formal_solution(**kwargs)
        self.report.Nformal += 1
        return self._pending

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
        self.report.records.append(
            Record(
                self.report.Nformal,
                evaluation.merit,
                step.estimate,
                step.by,
                step.accepted,
                step.note,
            )
        )
        if self._callback is not None:
            self._callback(self)
        return update


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
    holds finite, positive populations that sum to `nTotal`.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context; it is solved in place.
    policy, scheme, callback
        As for :func:`accelerate`.
    popsTol : float, optional
        Tolerance on the relative change of the populations *and* on the scheme's estimate of
        their relative error (default: 1e-3).
    Nscatter, NmaxIter, prd, JTol, rhoTol, prdIterTol, maxPrdSubIter, printInterval, quiet, \
convergence, returnFinalConvergence
        As for ``lightweaver.iterate_ctx_se``.

    Returns
    -------
    it : int
        The number of the last iteration.
    finalIterationUpdates : list of IterationUpdate
        Only if `returnFinalConvergence`.

    Raises
    ------
    ContextError, UnknownNameError, PolicyFileError, SchemaError, TypeError
        Before the first formal solution, with the context untouched.
    lightweaver.ExplodingMatrixError
        If the host's solver fails three times in a row.
    """
    return lw.iterate_ctx_se(
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
        returnFinalConvergence=returnFinalConvergence,
    )
