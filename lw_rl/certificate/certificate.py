"""What is known of the error of the populations along a solve.

None of the estimates costs a formal solution. The certified stop (`lw_rl.certificate.convergence`)
takes the tightest that can be trusted in the present state:

``"policy"``
    A policy proposes a step to the solution, so the size of its step is an estimate of the error of
    the state it starts from. It is taken together with the distance to the best combination of
    visited states (next), divided by ``1 - rho``, where `rho` is the observed contraction of the
    residual, and multiplied by a factor that was calibrated on the validation stream and is in the
    policy's card (:data:`DEFAULT_FACTOR` without one).
``"combination"``
    At fixed opacity MALI's residual is linear in the source function (in the populations, close to
    the solution, for atoms with more levels). The combination of the visited states with the
    smallest residual is therefore far closer to the solution than the last of them, and its
    distance is the error of the last: the contraction of the plain residual, observed for every
    mode that is left, not only for the fastest (Eddy 1979, reduced rank extrapolation; Anderson
    1965). Times :data:`SAFETY`, :data:`POPULATIONS_SAFETY` where an atom has no operator, or
    :data:`PLAIN_SAFETY` where all steps are MALI's.
``"contraction"``
    Where there is no such combination: the residual over ``1 - rho`` (Auer, Fabiani Bendicho and
    Trujillo Bueno 1994, A&A 292, 599). Times the same.
``"operator"``
    The same as for a policy's steps for those of the operator (`lw_rl.operator`) alone, times
    :data:`DEFAULT_FACTOR`, or what a policy's card says for problems of this kind (learned on
    cubes, `lw_rl.training.finetune`). Of accelerated states that no such step led to, the
    operator's error, times :data:`SAFETY`, if that is less than the above. And the
    defect-correction estimate (`lw_rl.certificate.defect_correction`), whatever the scheme, where
    the iteration would stop otherwise. It counts if it is larger, times :data:`OPERATOR_SAFETY`, or
    :data:`DEFAULT_FACTOR` where the operator's own steps have removed what it sees and left what it
    does not; over ``1 - rho`` as well, where `rho` is what the last step left at the depth that is
    worst now: a mode that the operator hardly sees remains when all others are gone.
``"bound"``
    The rigorous bound with the source function as the weight (`lw_rl.certificate.bounds`), where
    every atom has an operator: the tightest where the residual is far below the thermal source
    term, as at the solution itself. :meth:`Certificate.bound` sharpens it at the end of a solve. It
    is widened where the operator, which interpolates as the host does, is not quite monotone.

**Limiter switches.** The host's interpolation has a limiter. Where the defect-correction estimate
saw it switch among the last states, or a plain step raised the residual, all of the above but the
bound, which is not given there, are multiplied by ten. Classical Lambda iteration of an atom
without an operator is taken to contract by 0.9999 per step, whatever is observed: it can stall far
from the solution.

**Atoms with many levels.** The steps of the coupled operator (`lw_rl.operator.multilevel`) are
taken for its estimate as those of a two-level line's are, times :data:`DEFAULT_FACTOR` and over
``1 - rho``. There is no bound.

**The radiation field.** Where an atom has no operator, and no coupled one makes the steps, the
scattered light of the background can be slower than the populations, which follow it: no estimate
is below the residual times ``rho / (1 - rho)``, with `rho` the contraction of the changes of the
radiation field.

**Which state is certified.** The estimates are of a state at which a formal solution was made, or
of its plain update. Where a scheme has moved on to a state that no formal solution has seen, the
stop puts the certified one back: populations, radiation field and rates of the context then belong
together, in complete redistribution; in partial redistribution the host has remade the latter two
for the next iteration, which is nearer to the solution. MALI's populations are left as they are.

**Partial redistribution.** The emission profile is iterated as well, beside the populations, and
lags behind them: `lw_rl.certificate.redistribution` tells what that hides. There is no bound.

What is proved is in `lw_rl.certificate.bounds`; the rest is measured by ``lw-rl soak``: how often
the estimate covers the error and how close it is, scheme by scheme.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..arrays import Array
from ..host.adapter import Adapter
from ..host.state import Block, Evaluation
from ..host.threads import blas_threads, on_the_contexts_threads
from ..norms import largest, relative, to_log
from ..result import UNKNOWN, ErrorEstimate
from .bounds import enclosure_bound, weight_bound
from .defect_correction import NARROWEST, DefectCorrection, Operators
from .history import MAX_RHO, History, contraction
from .redistribution import Redistribution

__all__ = [
    "DEFAULT_FACTOR",
    "OPERATOR_SAFETY",
    "PLAIN_SAFETY",
    "POPULATIONS_SAFETY",
    "SAFETY",
    "Certificate",
    "EstimateSettings",
]

#: Factor on a policy's estimate where its card has none.
DEFAULT_FACTOR = 2.5
#: Factor on the estimates that no policy takes part in, and on those of MALI left to itself.
SAFETY = 3.0
PLAIN_SAFETY = 1.5
#: The first where an atom has no operator: populations are not linear in each other.
POPULATIONS_SAFETY = 9.0
#: Factor on what the approximate operator takes for the error, where neither it nor a policy has
#: made the step: what it does not see of an error, its own steps leave.
OPERATOR_SAFETY = 1.5
#: No error is known to be smaller.
_ROUNDING = float(np.finfo(np.float64).eps)
#: Changes of the radiation field over which its contraction is observed.
_FIELD_MEMORY = 9
#: Plain steps in a row that are MALI left to itself.
_PLAIN_STEPS = 8
#: Accelerated steps over which their contraction is observed.
_LEFT = 2
#: Contraction beyond which a policy's step is not extrapolated.
_MAX_POLICY_RHO = 0.8
#: The same where it is observed at one depth.
_MAX_LEFT = 0.9


@dataclass(frozen=True)
class EstimateSettings:
    """What was calibrated of the estimates by counting how often they cover the error.

    Attributes
    ----------
    rough : float
        Factor on the estimates where the equations are rough (`History.rough`).
    small : float
        Residual, in the logarithm, below which a plain step that raises it, or another one that has
        to be undone, tells of a limiter switch.
    memory : int
        Steps for which switches of the limiter and raised residuals are remembered.
    leaves : float
        Share of an error that is left, as a rule at the least, of what an accelerated step has
        removed.
    near_start : float
        First residual from which on a policy's steps leave as much unseen as the operator's.
    forgotten : int
        Plain steps in a row after which what accelerated ones left does not count any more.
    lambda_rho : float
        What classical Lambda iteration is taken to contract by where no operator tells.
    """

    rough: float = 10.0
    small: float = 0.01
    memory: int = 40
    leaves: float = 0.03
    near_start: float = 0.025
    forgotten: int = 20
    lambda_rho: float = 0.9999


class Certificate:
    """Estimates and bounds of the error along a solve.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    operators : callable, optional
        Returns the approximate operators that a scheme has made, by atom.
    lambdaIterate : bool, optional
        Whether plain steps are classical Lambda iteration (default: False).
    settings : EstimateSettings, optional
        Calibrated values.

    Attributes
    ----------
    defect : DefectCorrection
        What the operators say.
    history : History
        The visited states.
    evaluation : Evaluation or None
        The last one that counts.
    at_floor : bool
        Whether a stop was made because residuals no longer fall, for rounding.
    """

    def __init__(
        self,
        adapter: Adapter,
        operators: Operators = dict,
        lambdaIterate: bool = False,
        settings: EstimateSettings | None = None,
    ):
        self.adapter = adapter
        self.settings = EstimateSettings() if settings is None else settings
        self._operators = operators
        self._lambda = lambdaIterate
        self.begin()

    def begin(self) -> None:
        """Begin a solve: forget all of another one, what the atoms were then included."""
        self.clear()
        self._log_b: dict[Block, Array] = {}
        self.defect = DefectCorrection(self.adapter, self._operators)
        self._settled = True
        self._dJ: deque[float] = deque(maxlen=_FIELD_MEMORY)
        self.at_floor = False

    def clear(self) -> None:
        """Forget the visited states."""
        self.evaluation: Evaluation | None = None
        self._before: Evaluation | None = None
        self.history = History(self.settings.small, self.settings.memory)
        # Size of the step that is proposed, and of the one that led here if it was accelerated.
        self._step = self._came = 0.0
        # What accelerated steps in a row left of each other's size.
        self._left: deque[float] = deque(maxlen=_LEFT)
        self._plain = True
        self._plain_steps = 0
        self._factor: float | None = None
        self._method = "policy"
        self._estimate: ErrorEstimate | None = None
        self._profile = Redistribution()

    def skip(self, undone: bool = False) -> None:
        """Note an iteration whose plain update is not known.

        Parameters
        ----------
        undone : bool, optional
            Whether it showed that the step before has to be undone (default: False).
        """
        by_policy = self._factor is not None and self._method == "policy"
        if undone and not by_policy:
            # A policy may be adversarial; steps of others raise residuals only across a switch.
            self.history.undone()
        self.evaluation = self._estimate = None

    def note_radiation(self, change: float) -> None:
        """Note the largest relative change of the radiation field in a formal solution."""
        self._dJ.append(change)

    @property
    def _radiation_error(self) -> float:
        """The error that a radiation field which is still changing leaves in the populations.

        Scattered light of the background is iterated by the host, and can be the slowest part of
        all: populations follow it, and their residual is what one of its changes does to them. With
        a contraction rho of these changes ``r rho / (1 - rho)`` is still to come. Zero where steps
        are those of operators: their estimates do not depend on the last radiation field.
        """
        if not self.radiation_settles:
            return 0.0
        if len(self._dJ) < 2:
            return float("inf")
        rho = min(contraction(self._dJ), MAX_RHO)
        return self.residual * rho / (1.0 - rho)

    @property
    def radiation_settles(self) -> bool:
        """Whether a stop needs a settled radiation field: some atom's steps come of no operator."""
        return not self.defect.complete and self._factor is None

    @property
    def floor_reached(self) -> bool:
        """Whether residuals no longer fall, for rounding."""
        return self.evaluation is not None and self.history.at_floor

    def settle_at_floor(self) -> None:
        """Put the visited state with the smallest residual into the context."""
        self.at_floor = True
        self.adapter.go_back(self.history.best())

    @on_the_contexts_threads
    def redistribute(self, change: float, mixed: Array | None = None) -> None:
        """Note a change of the emission profile (partial redistribution).

        Parameters
        ----------
        change : float
            The largest relative change.
        mixed : Array, optional
            The unknown that a combination with earlier iterations of unknown and profile leads to.
        """
        self._estimate = None
        if self.evaluation is None:
            return
        away = 0.0 if mixed is None else largest(mixed - self.evaluation.y)
        # Plain steps are too slow for their combination to tell.
        together = mixed is not None and self._factor is not None
        self._profile.step(max(self._step, away), together)
        errors = self.defect.errors(self.evaluation)
        if errors is None:
            self._profile.without_operator(self.residual, self._observed().value)
        else:
            self._profile.with_operator(self.evaluation.y, to_log(errors), change)

    def add(
        self,
        evaluation: Evaluation,
        y_next: Array | None,
        factor: float | None = None,
        method: str = "policy",
        size: float = 0.0,
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
        """
        self._estimate = None
        if not evaluation.valid:
            self.clear()
            return
        if not self._settled:
            # Residuals of other equations tell nothing of these.
            self.clear()
        self._settled = self.adapter.settled
        # After a step that was undone residuals are not compared.
        plainly = self.evaluation is not None and self._plain
        self._before, self.evaluation = self.evaluation, evaluation
        self.history.add(evaluation, plainly)
        before, after_plain = self._step, self._plain
        self._came = 0.0 if after_plain else before
        self._plain = y_next is None
        self._plain_steps = self._plain_steps + 1 if self._plain else 0
        if self._plain_steps > self.settings.forgotten:
            self._left.clear()
        self._factor, self._method = factor, method
        step = evaluation.residual_norm if y_next is None else largest(y_next - evaluation.y)
        self._step = max(step, evaluation.residual_norm)
        if factor is not None:
            self._step = max(self._step, math.log1p(size))
        if factor is not None and not after_plain:
            self._left.append(self._step / max(before, 1e-300))

    @property
    def state(self) -> Array:
        """The certified state: the last evaluated one, or its plain update if that was taken."""
        assert self.evaluation is not None
        return self.evaluation.y_plain if self._plain else self.evaluation.y

    @property
    def residual(self) -> float:
        """The largest relative change that a plain step makes, which no estimate is below."""
        return float("inf") if self.evaluation is None else relative(self.evaluation.residual_norm)

    @on_the_contexts_threads
    def estimate(self, within: float = float("inf")) -> ErrorEstimate:
        """Return the tightest estimate that can be trusted of the error of :attr:`state`.

        Parameters
        ----------
        within : float, optional
            What is of interest: an estimate that is sure to be above it is not made, and one below
            it is not believed where the last step seems to have left less than steps do.
        """
        if self.evaluation is None:
            return UNKNOWN
        if self._estimate is None:
            self._estimate = self._profile.estimate()
        if self._estimate is None:
            estimate = self._tightest(within)
            if estimate is UNKNOWN:
                return UNKNOWN
            if estimate.value < within:
                rough = self._rough
                seen = self._defect_correction()
                if self._rough != rough:
                    # A limiter switch that it has seen counts for the others as well.
                    estimate = self._tightest(within)
                estimate = max(estimate, seen, key=lambda e: e.value)
            self._estimate = _at_least(self._profile.at_least(), estimate)
        least = max(_ROUNDING, self._radiation_error)
        self._estimate = _at_least(least, self._estimate)
        left = self.settings.leaves * self._came if self._factor is not None else 0.0
        if self._estimate.value < within <= left:
            # That nothing was left is chance, or the limiter switched.
            return ErrorEstimate(left, "operator")
        return self._estimate

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
        if self.evaluation is None or not self._has_bound:
            return _no_bound
        seen = self.defect.worst(self.evaluation, plain=False)
        if seen is None:
            return _no_bound
        bounds = [self._bounds(block) for block in self.adapter.blocks]
        return partial(_smallest, bounds, seen, self.adapter.Nthreads)

    def settle(self) -> None:
        """Put the certified state into the context, if a scheme has moved on from it."""
        if self.evaluation is not None and not self._plain:
            self.adapter.go_back(self.evaluation.y)

    # ---- the estimates ----------------------------------------------------------------------

    @property
    def _rough(self) -> bool:
        """Whether linear estimates are worth little among the last states."""
        return not self._profile and self.history.rough

    def _tightest(self, within: float) -> ErrorEstimate:
        """Return the tightest of the estimates, before the defect-correction estimate."""
        assert self.evaluation is not None
        estimate = UNKNOWN
        if relative(self._step) < within:
            estimate = self._observed()
            seen = self.defect.worst(self.evaluation, self._plain)
            if seen is None and self._lambda:
                slow = PLAIN_SAFETY * relative(self._step / (1.0 - self.settings.lambda_rho))
                estimate = ErrorEstimate(slow, "contraction")
            elif seen is not None and self._factor is None and self._plain_steps < _PLAIN_STEPS:
                # Accelerated before: states between them tell less than the operator does.
                seen = SAFETY * (seen if self._plain else max(seen, self.residual))
                if seen < estimate.value:
                    estimate = ErrorEstimate(seen, "operator")
        if self._rough:
            estimate = replace(estimate, value=self.settings.rough * estimate.value)
        if not self._has_bound:
            return estimate
        bound = max(self._weight_bound(b, estimate.value) for b in self.adapter.blocks)
        return ErrorEstimate(bound, "bound", bound) if bound < estimate.value else estimate

    def _defect_correction(self) -> ErrorEstimate:
        """Return what the approximate operator says, zero where there is none.

        It is asked only where the iteration would stop otherwise: it takes some milliseconds.
        """
        assert self.evaluation is not None
        seen, switched = self.defect.two_steps(self.evaluation, self._plain)
        if switched:
            self.history.switch()
        if self._factor is None:
            # What it left of its own errors before, it does not see of this one.
            seen *= OPERATOR_SAFETY / (1.0 - self._accelerated())
        elif self._method == "policy":
            # What it has not seen of a large error is still there.
            safety = (
                OPERATOR_SAFETY if self.history.first < self.settings.near_start else DEFAULT_FACTOR
            )
            seen *= max(safety, self._stays())
        else:
            seen *= max(self._factor, OPERATOR_SAFETY, self._stays())
        return ErrorEstimate(self.settings.rough * seen if self._rough else seen, "operator")

    def _observed(self) -> ErrorEstimate:
        """Return the estimate from the step, the visited states and the contraction."""
        distance = self.history.distance(self.state, self.adapter.blocks)
        rho = self.history.contraction()
        accelerated = SAFETY if self.defect.complete else POPULATIONS_SAFETY
        safety = PLAIN_SAFETY if self._plain_steps >= _PLAIN_STEPS else accelerated
        if distance == float("inf"):
            if self._method == "operator" and self._factor is not None:
                # Calibrated on problems of this kind, it is worth more than the general one.
                safety = min(safety, self._factor) if self._factor < DEFAULT_FACTOR else safety
            step = self._step / (1.0 - min(rho, MAX_RHO))
            known = len(self.history) > 1
            return ErrorEstimate(safety * relative(step), "contraction") if known else UNKNOWN
        if self._factor is not None:
            rho = max(rho, self._accelerated())
            step = max(self._step, distance) / (1.0 - min(rho, _MAX_POLICY_RHO))
            return ErrorEstimate(self._factor * relative(step), self._method)
        if not self._plain:
            distance = max(self._step, distance)
        elif self._plain_steps >= _PLAIN_STEPS:
            distance = max(distance, self.history.remainder())
        return ErrorEstimate(safety * relative(distance), "combination")

    def _stays(self) -> float:
        """Return the factor on what the operator sees where some of it stays from step to step."""
        if self._before is None or self.evaluation is None:
            return OPERATOR_SAFETY
        left = self.defect.left(self._before, self.evaluation)
        return OPERATOR_SAFETY / (1.0 - min(left, _MAX_LEFT))

    def _accelerated(self) -> float:
        """Return the largest share that the last accelerated steps left of each other, bounded."""
        return min(max(self._left, default=0.0), _MAX_POLICY_RHO)

    # ---- the bounds -------------------------------------------------------------------------

    @property
    def _has_bound(self) -> bool:
        """Whether nothing that is known speaks against what bounds rest on."""
        if self._profile or not (self.adapter.settled and self.defect.complete):
            return False
        return self.history.monotone

    def _thermal(self, block: Block, y: Array) -> Array:
        """Return ln(eps B) in the unit of the unknown, shape [Nspace]."""
        if block not in self._log_b:
            thermal = self.defect.operator(block, y).thermal
            self._log_b[block] = np.log(np.maximum(thermal, 1e-300))
        return self._log_b[block]

    def _weight_bound(self, block: Block, within: float) -> float:
        """Return an atom's bound with the source function as the weight.

        Infinite where it is sure not to be within what is of interest.
        """
        assert self.evaluation is not None
        y, r = self.evaluation.y[block.span], self.evaluation.r[block.span]
        bound = weight_bound(y, r, self._thermal(block, y))
        if not NARROWEST * bound < within:
            return float("inf")
        widening = self.defect.widening(self.defect.operator(block, y))
        return _of_state(widening * bound, r, self._plain)

    def _bounds(self, block: Block) -> Callable[[], tuple[float, float]]:
        """Return a function that returns an atom's bounds, by weight and by enclosure."""
        assert self.evaluation is not None
        span, plain, state = block.span, self._plain, self.state[block.span]
        y, r = self.evaluation.y[span], self.evaluation.r[span]
        operator, thermal = self.defect.operator(block, y), self._thermal(block, y)
        ys, rs = self.history.settled(span)
        widening = self.defect.widening

        def bounds() -> tuple[float, float]:
            factor = widening(operator)
            if not factor < float("inf"):
                return factor, factor
            by_weight = _of_state(factor * weight_bound(y, r, thermal), r, plain)
            return by_weight, factor * enclosure_bound(ys, rs, thermal, state)

        return bounds


def _no_bound() -> None:
    """Return None."""


def _smallest(
    bounds: list[Callable[[], tuple[float, float]]], seen: float, Nthreads: int
) -> float | None:
    """Return the smaller of two kinds of bounds, the largest over atoms, if it is one."""
    with blas_threads(Nthreads):
        bound = min(map(max, zip(*(both() for both in bounds), strict=True)))
    return bound if seen < bound < float("inf") else None


def _of_state(bound: float, r: Array, plain: bool) -> float:
    """Return a bound at the last evaluation as one of the certified state."""
    # The plain update is no further from the solution than its step and the bound together.
    return bound + relative(largest(r)) * (1.0 + bound) if plain else bound


def _at_least(least: float, estimate: ErrorEstimate) -> ErrorEstimate:
    return replace(estimate, value=max(estimate.value, least))
