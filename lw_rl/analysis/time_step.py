"""One step in time of the populations of all active atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from time import perf_counter

import lightweaver as lw
import numpy as np

from ..accelerated_context import AcceleratedContext
from ..arrays import Array
from ..errors import ContextError, PopulationsError, TimeStepError
from ..host.adapter import Adapter
from ..host.threads import blas_threads
from ..norms import largest, relative
from ..schemes.time_dependent import TimeDependentStep

__all__ = ["TimeStep", "time_step"]

#: By how much the next step is longer or shorter at most, and the share of the tolerance aimed at.
_LONGER, _SHORTER, _SAFETY = 2.0, 0.2, 0.8
#: Populations must sum to the host's totals to this.
_SUM = 1e-6
#: The first guess is not further than this from the last populations, in the logarithm.
_FURTHEST = 2.0
#: Populations below this share of an atom do not count in the error of a step.
_SMALL = 1e-12


@dataclass(frozen=True)
class TimeStep:
    """A step in time that was made; :func:`time_step` takes it for the next one.

    Attributes
    ----------
    dt : float
        Its length [s].
    converged : bool
        Whether the estimate is below the tolerance.
    estimate : float
        Estimated relative error of the solution of the implicit equations.
    truncation : float
        Estimated relative error of the step itself, half the second difference in time; infinite
        for a step without one before.
    next_dt : float
        The length of the next step that meets the tolerance on that error [s].
    Nformal : int
        Formal solutions made.
    seconds : float
        Wall time [s].
    before, after : tuple of Array
        Populations of every active atom at its beginning and end [m-3], each [Nlevel, Nspace].
    """

    dt: float
    converged: bool
    estimate: float
    truncation: float
    next_dt: float
    Nformal: int
    seconds: float
    before: tuple[Array, ...] = field(repr=False)
    after: tuple[Array, ...] = field(repr=False)
    _scheme: TimeDependentStep | None = field(repr=False, default=None, compare=False)


def time_step(
    ctx: lw.Context,
    dt: float,
    previous: TimeStep | None = None,
    *,
    before: Sequence[Array] | None = None,
    popsTol: float = 1e-3,
    timeTol: float = 1e-2,
    NmaxIter: int = 100,
) -> TimeStep:
    """Step the populations of all active atoms in time, with the radiation at the end of the step.

    The fully implicit step of the host's ``time_dep_update`` (and ``nr_post_update`` where the
    context conserves charge), solved by the coupled operator of all lines and continua with ``1 /
    dt`` in it. Call ``ctx.update_deps()`` before it where the atmosphere has changed.

    Parameters
    ----------
    ctx : lightweaver.Context
        A context in one dimension, its populations those at the beginning of the step; it is
        stepped in place.
    dt : float
        Length of the step [s].
    previous : TimeStep, optional
        The step before this one: the first guess goes on from it, and it gives the error of the
        step in time (default: none).
    before : sequence of Array, optional
        Populations at the beginning of the step [m-3], each [Nlevel, Nspace], those in the context
        being a first guess for its end (default: those in the context).
    popsTol : float, optional
        Tolerance on the relative error of the populations as a solution of the implicit equations
        (default: 1e-3).
    timeTol : float, optional
        Tolerance on the relative error of a step in time that ``next_dt`` meets; with an adaptive
        ``dt`` pass that on (default: 1e-2).
    NmaxIter : int, optional
        Formal solutions at most (default: 100).

    Returns
    -------
    step : TimeStep

    Raises
    ------
    TimeStepError
        If `dt` or a tolerance is not positive and finite, there is no room for an iteration, or
        `previous` is a step of other atoms or depths.
    PopulationsError
        If the populations at the beginning have another shape than the context's, are not finite
        and positive, or do not sum to `nTotal`.
    ContextError
        If the context cannot be iterated, or is not one-dimensional.
    lightweaver.ExplodingMatrixError
        If the host's solver fails; the populations are then those before the call.

    In all but the last case the context is not touched.
    """
    start = perf_counter()
    if isinstance(ctx, AcceleratedContext):
        ctx = ctx.adapter.ctx
    adapter = Adapter(ctx)
    _check(dt, popsTol, timeTol, NmaxIter)
    if adapter.grid.Ndim != 1:
        raise ContextError(f"the atmosphere has {adapter.grid.Ndim} dimensions; steps take one")
    beginning = _beginning(adapter, before)
    _check_previous(beginning, previous)
    snapshot = adapter.snapshot()
    with blas_threads(adapter.Nthreads):
        try:
            if before is None and previous is not None:
                _guess(adapter, beginning, previous, dt)
            step = TimeDependentStep(
                adapter, dt, beginning, None if previous is None else previous._scheme
            )
            estimate = _solve(step, popsTol, NmaxIter)
        except BaseException:
            adapter.restore(snapshot)
            raise
    after = adapter.populations()
    truncation = np.inf
    if previous is not None:
        truncation = _truncation(beginning, after, previous, dt)
    growth = _SAFETY * np.sqrt(timeTol / max(truncation, 1e-300))
    factor = 1.0 if not np.isfinite(truncation) else min(max(growth, _SHORTER), _LONGER)
    return TimeStep(
        dt=float(dt),
        converged=estimate < popsTol,
        estimate=estimate,
        truncation=truncation,
        next_dt=float(dt * factor),
        Nformal=adapter.Nformal,
        seconds=perf_counter() - start,
        before=tuple(beginning),
        after=tuple(after),
        _scheme=step,
    )


def _check(dt: float, popsTol: float, timeTol: float, NmaxIter: int) -> None:
    for name, value in (("dt", dt), ("popsTol", popsTol), ("timeTol", timeTol)):
        if not (isinstance(value, Real) and 0.0 < value < np.inf):
            raise TimeStepError(f"{name} must be positive and finite; got {value!r}")
    if not (isinstance(NmaxIter, Integral) and NmaxIter >= 1):
        raise TimeStepError(f"NmaxIter must be an integer of at least 1; got {NmaxIter!r}")


def _check_previous(beginning: list[Array], previous: TimeStep | None) -> None:
    """Check that the step before is one of the same atoms at as many depths."""
    if previous is None:
        return
    if not isinstance(previous, TimeStep):
        raise TimeStepError(
            f"previous is what time_step returned for the step before; got {previous!r}"
        )
    mine, other = ([n.shape for n in ns] for ns in (beginning, previous.after))
    if mine != other:
        raise TimeStepError(
            f"previous is a step of other atoms or depths, of populations {other}; those of the "
            f"context are {mine}: begin with previous=None"
        )


def _beginning(adapter: Adapter, before: Sequence[Array] | None) -> list[Array]:
    """Return the populations at the beginning of the step, checked."""
    now = adapter.populations()
    found = now if before is None else [np.array(n, dtype=np.float64) for n in before]
    shapes = [n.shape for n in found]
    if shapes != [n.shape for n in now]:
        raise PopulationsError(
            f"populations at the beginning of a step are one array [Nlevel, Nspace] for every "
            f"active atom, here {[n.shape for n in now]}; got {shapes}"
        )
    totals = adapter.totals()
    for n, total in zip(found, totals, strict=True):
        if not (np.all(np.isfinite(n)) and np.all(n > 0.0)):
            bad = float(n[~(np.isfinite(n) & (n > 0.0))][0])
            raise PopulationsError(f"populations must be finite and positive; they hold {bad!r}")
        off = largest(n.sum(axis=0) / total - 1.0)
        if off > _SUM:
            raise PopulationsError(
                f"populations at the beginning of a step sum to nTotal but for {off:.1e}: where "
                "the density has changed, multiply them by the ratio of the new total to the old"
            )
    return found


def _guess(adapter: Adapter, beginning: list[Array], previous: TimeStep, dt: float) -> None:
    """Set the populations to what the last step's change, in the logarithm, leads to."""
    n = []
    for now, old, new in zip(beginning, previous.before, previous.after, strict=True):
        change = np.log(new / old) * (dt / previous.dt)
        guess = now * np.exp(np.clip(change, -_FURTHEST, _FURTHEST))
        n.append(guess * (now.sum(axis=0) / guess.sum(axis=0)))
    adapter.write(adapter.unknown(n))


def _solve(step: TimeDependentStep, tolerance: float, most: int) -> float:
    """Solve the implicit equations and return the estimated error."""
    adapter, dt, beginning = step.adapter, step.dt, step.before
    estimate = np.inf
    for _ in range(most):
        adapter.formal_solution()
        at = adapter.populations()
        proposed = step.propose(at)
        adapter.time_dependent_update(dt, beginning)
        plain = max(
            largest(new / old - 1.0) for new, old in zip(adapter.populations(), at, strict=True)
        )
        if proposed is None:
            estimate = plain
        else:
            adapter.write(adapter.unknown(proposed))
            # A correction that is smaller than the host's own is not trusted.
            estimate = relative(step.left) * max(1.0, plain / relative(step.size))
        if estimate < tolerance:
            break
    return estimate


def _truncation(beginning: list[Array], after: list[Array], previous: TimeStep, dt: float) -> float:
    """Return the relative error of an implicit step, ``dt^2 n'' / 2``, from the change before."""
    worst = 0.0
    for old, new, first, second in zip(
        beginning, after, previous.before, previous.after, strict=True
    ):
        curvature = (new - old) / dt - (second - first) / previous.dt
        error = dt**2 / (dt + previous.dt) * np.abs(curvature) / new
        worst = max(worst, float(error[new > _SMALL * new.sum(axis=0)].max()))
    return worst
