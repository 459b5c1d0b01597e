"""What is known of the error of the populations along a solve.

The certified stop (`lw_rl.certificate.convergence`) takes the tightest estimate that can be trusted
in the present state. None costs a formal solution. An estimate is a pure function of the states
visited and the operators (`lw_rl.certificate.estimators`):

``"policy"``, ``"operator"``
    The step to the solution that a policy or an operator proposes is an estimate of the error of
    the state that it starts from. Of a first formal solution only an operator tells that has the
    host's formal solver (`copies_host` of `lw_rl.operator.base`), and what light still changes that
    the background scatters counts whichever way it goes.
``"combination"``
    The distance to the combination of the visited states with the smallest residual.
``"contraction"``
    The residual over ``1 - rho``, where there is no such combination.
``"bound"``
    The rigorous bound with the source function as the weight (`lw_rl.certificate.bounds`), where
    every atom has an operator and nothing in the last states speaks against a maximum principle.
    :meth:`Certificate.bound` sharpens it at the end of a solve.

They are multiplied by safety factors that were calibrated by how often they cover the error
(`lw_rl.certificate.settings`; a policy's card has its own). No estimate but the bound is below what
the operators say by defect correction (`lw_rl.certificate.defect_correction`), whatever the scheme,
nor what a radiation field leaves that still changes, where no operator makes the steps. Where the
limiter of the host's interpolation switches between a state and the solution, linear estimates are
worth little: all but the bound, which is not given there, have a safety factor of their own.

In partial redistribution the emission profile is iterated as well and lags behind the populations;
there is no bound.

The estimates are of a state at which a formal solution was made, or of its plain update. Where a
scheme has moved on to a state that no formal solution has seen, the stop puts the certified one
back: populations, radiation field and rates of the context then belong together, in complete
redistribution; in partial redistribution the host has remade the latter two for the next iteration,
which is nearer to the solution. MALI's populations are left as they are.

What is proved is in `lw_rl.certificate.bounds`; the rest is measured by ``lw-rl soak``: how often
the estimate covers the error and how close it is, scheme by scheme.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from ..arrays import Array
from ..host.adapter import Adapter
from ..host.state import Block, Evaluation
from ..host.threads import blas_threads, on_the_contexts_threads
from ..norms import largest, relative
from ..result import NOTHING, UNKNOWN, ErrorEstimate
from .bounds import enclosure_bound, weight_bound
from .defect_correction import DefectCorrection, Operators
from .estimators import (
    ESTIMATORS,
    FLOORS,
    by_operator,
    by_profile,
    by_weight,
    first_of,
    of_state,
)
from .history import History, Visit
from .settings import Settings, shipped

__all__ = ["Certificate"]

#: No error is known to be smaller.
_ROUNDING = float(np.finfo(np.float64).eps)


class Certificate:
    """Estimates and bounds of the error along a solve.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    operators : callable, optional
        Returns the operators that a scheme has made, by atom, so that none is made twice.
    lambdaIterate : bool, optional
        Whether the steps are those of classical Lambda iteration (default: False).
    settings : Settings, optional
        Calibrated values (default: those that ship).

    Attributes
    ----------
    history : History
        The visited states, shared with the safeguard.
    defect : DefectCorrection
        What the operators say.
    at_floor : bool
        Whether a stop was made because residuals no longer fall, for rounding.
    """

    def __init__(
        self,
        adapter: Adapter,
        operators: Operators = dict,
        lambdaIterate: bool = False,
        settings: Settings | None = None,
    ):
        self.adapter = adapter
        self.settings = shipped() if settings is None else settings
        self._operators = operators
        self._lambda = lambdaIterate
        self.begin()

    def begin(self) -> None:
        """Begin a solve: forget all of another one, what the atoms were then included."""
        self.history = History()
        self.defect = DefectCorrection(self.adapter, self._operators)
        self._settled = True
        self._known: tuple[Visit, ErrorEstimate] | None = None
        self.at_floor = False

    # ---- what happens -----

    def add(
        self,
        evaluation: Evaluation,
        y_next: Array | None,
        factor: float | None = None,
        method: str = "policy",
        size: float = 0.0,
        image: Array | None = None,
    ) -> None:
        """Note an evaluation and the step that was made from it.

        Parameters
        ----------
        evaluation : Evaluation
            What the last formal solution told.
        y_next : Array or None
            The next unknown; None if it is the plain update.
        factor : float, optional
            Factor on the size of the step as an estimate of the error, if it is one.
        method : str, optional
            What that estimate is called (default: ``"policy"``).
        size : float, optional
            What the scheme takes for the error of the evaluated state, which is not the size of
            the step where that begins at a combination of states (default: 0).
        image : Array, optional
            As of `lw_rl.certificate.history.Visit`.
        """
        if not (evaluation.valid and self._settled):
            # Residuals of other equations tell nothing of these.
            self.history.clear()
        self._settled = self.adapter.settled
        if not evaluation.valid:
            return
        step = evaluation.residual_norm if y_next is None else largest(y_next - evaluation.y)
        step = max(step, evaluation.residual_norm, 0.0 if factor is None else math.log1p(size))
        self.history.add(evaluation, y_next is None, step, factor, method, image)

    def redistribute(self, change: float, mixed: Array | None = None) -> None:
        """Note a change of the emission profile (partial redistribution).

        Parameters
        ----------
        change : float
            The largest relative change.
        mixed : Array, optional
            The unknown that a combination with earlier iterations of unknown and profile leads to.
        """
        if not self.history.known:
            return
        last, together = self.history.last, None
        if mixed is not None and last.factor is not None:
            # Plain steps are too slow for their combination to tell.
            together = max(last.size, largest(mixed - last.evaluation.y))
        self.history.redistributed(change, together)

    # ---- what is known -----

    @property
    def evaluation(self) -> Evaluation | None:
        """The last evaluation, None if the last formal solution did not lead to one."""
        return self.history.last.evaluation if self.history.known else None

    @property
    def state(self) -> Array:
        """The certified state: the last evaluated one, or its plain update if that was taken."""
        return self.history.state

    @property
    def residual(self) -> float:
        """The largest relative change that a plain step makes, which no estimate is below."""
        return relative(self.history.last.residual) if self.history.known else math.inf

    @property
    def radiation_settles(self) -> bool:
        """Whether a stop needs a settled radiation field: some atom's steps come of no operator."""
        made = len(self.history) > 0 and self.history.last.factor is not None
        return not self.defect.complete and not made

    @on_the_contexts_threads
    def estimate(self, within: float = math.inf) -> ErrorEstimate:
        """Return the tightest estimate that can be trusted of the error of :attr:`state`.

        Parameters
        ----------
        within : float, optional
            What is of interest: an estimate that is sure to be above it is not made, or not in
            full.
        """
        history = self.history
        if not history.known:
            return UNKNOWN
        if self._known is not None and self._known[0] is history.last:
            return self._known[1]
        estimate = self._tightest(within)
        if not estimate.value < within:
            return estimate
        estimate = self._not_below(estimate)
        self._known = self.history.last, estimate
        return estimate

    def _tightest(self, within: float) -> ErrorEstimate:
        """Return the tightest estimate, before what it may not be below."""
        known = self.history, self.defect, self.settings
        last = self.history.last
        if last.profile > 0.0 and self.defect.complete:
            return by_profile(*known)
        estimate = UNKNOWN
        if relative(last.size) < within:
            # Classical Lambda iteration can stall far from the solution.
            stalls = self._lambda and not self.defect.complete
            of_others = UNKNOWN if stalls else first_of(ESTIMATORS, *known)
            estimate = min(of_others, by_operator(*known), key=lambda e: e.value)
        if self._is_monotone:
            of_interest = min(estimate.value, within)
            estimate = min(estimate, by_weight(*known, of_interest), key=lambda e: e.value)
        return estimate

    def _not_below(self, estimate: ErrorEstimate) -> ErrorEstimate:
        """Return an estimate that is not below what it may not be."""
        known = self.history, self.defect, self.settings
        last = self.history.last
        least = NOTHING
        for floor in FLOORS:
            of_this = floor(*known)
            least = of_this if of_this.value > least.value else least
        if not last.profile > 0.0:
            if self.defect.switches(last.evaluation):
                least = _times(self.settings.rough, least)
                # Linear estimates are worth little, and there is no maximum principle.
                others = first_of(ESTIMATORS, *known)
                estimate = _times(self.settings.rough, others)
        if least.value > estimate.value:
            return least
        if estimate.value >= _ROUNDING:
            return estimate
        return ErrorEstimate(_ROUNDING, estimate.method, estimate.bound)

    def bound(self) -> float | None:
        """Return the bound on the error of :attr:`state`, or None where there is none.

        It takes some milliseconds, a linear programme for each two-level atom. What it rests on
        (`lw_rl.certificate.bounds`) does not hold where the approximate operator, which
        interpolates as the host does, takes the error for larger: there is none then.
        """
        bound: float | None = self.bound_later()()
        return bound

    @on_the_contexts_threads
    def bound_later(self) -> Callable[[], float | None]:
        """Return a function that returns :meth:`bound` of now; it keeps no context alive."""
        if not self.history.known or not self._is_monotone:
            return _no_bound
        last = self.history.last
        if self.defect.switches(last.evaluation):
            return _no_bound
        seen = self.defect.worst(last.evaluation, plain=False)
        if seen is None:
            return _no_bound
        bounds = [self._bounds(block) for block in self.defect.blocks]
        return partial(_smallest, bounds, seen, self.adapter.Nthreads)

    def _bounds(self, block: Block) -> Callable[[], tuple[float, float]]:
        """Return a function that returns an atom's bounds, by weight and by enclosure."""
        last, state = self.history.last, self.state[block.span]
        y, r = last.evaluation.y[block.span], last.evaluation.r[block.span]
        operator, thermal = self.defect.operator(block, y), self.defect.log_thermal(block, y)
        ys, rs = self.history.settled(block.span)
        widening, plain = self.defect.widening, last.plain

        def bounds() -> tuple[float, float]:
            factor = widening(operator)
            if factor == np.inf:
                return factor, factor
            by_weight = of_state(factor * weight_bound(y, r, thermal), r, plain)
            return by_weight, factor * enclosure_bound(ys, rs, thermal, state)

        return bounds

    @property
    def _is_monotone(self) -> bool:
        """Whether nothing in the last states speaks against a maximum principle."""
        return (
            self.history.is_settled
            and self.defect.complete
            and self.adapter.settled
            and not self.history.last.profile > 0.0
            and not self.history.raised()
        )

    # ---- the end of a solve -----

    def settle(self) -> None:
        """Put the certified state into the context, if a scheme has moved on from it."""
        if self.history.known and not self.history.last.plain:
            self.adapter.go_back(self.history.last.evaluation.y)

    @property
    def floor_reached(self) -> bool:
        """Whether residuals no longer fall, for rounding."""
        return self.history.at_floor

    def settle_at_floor(self) -> None:
        """Put the visited state with the smallest residual into the context."""
        self.at_floor = True
        self.adapter.go_back(self.history.best())


def _no_bound() -> None:
    """Return None."""


def _smallest(
    bounds: list[Callable[[], tuple[float, float]]], seen: float, Nthreads: int
) -> float | None:
    """Return the smaller of two kinds of bounds, the largest over atoms, if it is one."""
    with blas_threads(Nthreads):
        bound = min(map(max, zip(*(both() for both in bounds), strict=True)))
    return bound if seen < bound < np.inf else None


def _times(factor: float, estimate: ErrorEstimate) -> ErrorEstimate:
    return ErrorEstimate(factor * estimate.value, estimate.method, estimate.bound)
