"""A wrapper that keeps any scheme from hurting."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..adapter import Adapter
from ..errors import PolicyOutputError
from ..state import Evaluation, Snapshot
from .anderson import Anderson
from .base import Scheme, Step, relative

Array = np.ndarray

#: A residual below this fraction of the first one is progress.
_PROGRESS = 0.1


@dataclass
class Guard:
    """What the safeguard remembers.

    Attributes
    ----------
    active : int
        Index of the scheme in use; past the last one, the plain update.
    state : object
        That scheme's own state.
    snapshot : Snapshot or None
        The context after the plain update of the last accepted evaluation.
    best_snapshot, first_snapshot : Snapshot or None
        The same, of the evaluation with the smallest residual so far, and of the first one.
    rejected_last : bool
        Whether the last step was undone.
    reference, best, best_merit, first_merit : float
        Residual of the last accepted evaluation, that when it last fell by half, the smallest, and
        the first.
    trusted : bool
        Whether the last step was the plain update, which is never undone.
    strikes : int
        Rejected steps of the scheme in use since the best residual last fell by half.
    since_best : int
        Accelerated steps since the best residual last fell by half.
    estimate : float
        The last estimate of the error.
    rejected : int
        Rejected steps in all.
    note : str
        What happened since the last step that is out of the ordinary.
    """

    adapter: Adapter
    active: int
    state: Any
    snapshot: Snapshot | None = None
    best_snapshot: Snapshot | None = None
    first_snapshot: Snapshot | None = None
    rejected_last: bool = False
    reference: float = float("inf")
    best: float = float("inf")
    best_merit: float = float("inf")
    first_merit: float = float("inf")
    trusted: bool = True
    strikes: int = 0
    since_best: int = 0
    estimate: float = 1.0
    rejected: int = 0
    note: str = ""


@dataclass(frozen=True)
class Safeguarded:
    """Undo the steps that make things worse, and replace them by the plain update (MALI).

    A step is judged by the residual at the next formal solution. If that is not finite, or after
    an accelerated step more than `growth` times the last accepted one, populations *and* J go
    back to what they were after the plain update of the last accepted evaluation. A scheme that
    is rejected `patience` times, that does not halve the best residual within `stall` of its
    steps, or whose policy fails (raises, or returns what is not an action) hands over to the next
    of `fallbacks`, and the last one to MALI for good; the step's note says so. The next scheme
    begins at the state with the smallest residual so far, so a bad scheme leaves no debt behind.

    The error that is reported is never below the change that a plain step would make: a scheme
    that hardly moves does not stop the iteration.

    So each scheme costs at most ``patience`` rejected and ``stall`` fruitless formal solutions
    per halving of the residual, after which the iteration is MALI from a state whose residual is
    within a factor 2 of the best: it converges whenever MALI converges from there.

    Parameters
    ----------
    scheme : Scheme
        What to guard.
    growth : float, optional
        Factor by which an accepted residual may exceed the last accepted one (default: 10; an
        accelerated step may raise the fast modes while it removes the slow ones).
    patience : int, optional
        Rejections before a scheme hands over (default: 2).
    stall : int, optional
        Steps without halving the best residual before a scheme hands over (default: 20).
    fallbacks : tuple of Scheme, optional
        Schemes tried in turn after `scheme` (default: Anderson with 10 differences).
    """

    scheme: Scheme
    growth: float = 10.0
    patience: int = 2
    stall: int = 20
    fallbacks: tuple[Scheme, ...] = field(default=(Anderson(),))

    def __post_init__(self) -> None:
        if not self.growth >= 1.0 or self.patience < 1 or self.stall < 1:
            raise ValueError(
                "Safeguarded needs growth >= 1, patience >= 1, stall >= 1; got "
                f"growth={self.growth}, patience={self.patience}, stall={self.stall}"
            )

    @property
    def name(self) -> str:
        """The guarded scheme's name."""
        return self.scheme.name

    @property
    def lambdaIterate(self) -> bool:
        """The guarded scheme's kind of formal solution."""
        return self.scheme.lambdaIterate

    @property
    def _schemes(self) -> tuple[Scheme, ...]:
        return (self.scheme, *(f for f in self.fallbacks if f.name != self.scheme.name))

    def init(self, adapter: Adapter) -> Guard:
        """Start with the guarded scheme."""
        return Guard(adapter, 0, self.scheme.init(adapter))

    def start(self, y: Array, state: Guard) -> Array | None:
        """Return where the guarded scheme begins, or None to begin where the context is."""
        begin = getattr(self.scheme, "start", None)
        return None if begin is None else begin(y, state.state)

    def step(self, evaluation: Evaluation, state: Guard) -> Step:
        """Accept or undo the step before, then propose the next."""
        adapter = state.adapter
        merit = evaluation.merit
        worse = not merit <= self.growth * state.reference
        failed = not (state.trusted and evaluation.valid)
        if worse and failed and state.snapshot is not None:
            return self._reject(evaluation, state)

        if evaluation.valid:
            estimate = _contraction_estimate(state, merit)
            state.rejected_last = False
            new_best = state.best_snapshot is None or merit <= state.best_merit
            if merit <= 0.5 * state.best:
                state.best, state.since_best, state.strikes = merit, 0, 0
            elif not state.trusted:
                state.since_best += 1
                if state.since_best >= self.stall:
                    self._hand_over(state, f"{self.stall} steps did not halve the residual")
                    refuge, refuge_merit = _refuge(state)
                    if refuge is not None and merit > 2.0 * refuge_merit:
                        return self._go_back(state, refuge, refuge_merit)
            state.reference = merit
            if adapter.valid():
                state.snapshot = adapter.snapshot()
                if new_best:
                    state.best_snapshot, state.best_merit = state.snapshot, merit
                if state.first_snapshot is None:
                    state.first_snapshot, state.first_merit = state.snapshot, merit
        else:
            # A plain step from an unphysical start (populations of zero, say): take the next.
            state.trusted = True
            return Step(None, estimate=state.estimate)

        step = self._propose(evaluation, state, estimate)
        if step.y is not None:
            # A scheme that hardly moves, or a policy that says so, is no sign of equilibrium.
            step = Step(step.y, max(step.estimate, relative(merit)), step.by)
        state.trusted = step.y is None
        state.estimate = step.estimate
        return self._annotate(step, state)

    def _propose(self, evaluation: Evaluation, state: Guard, estimate: float) -> Step:
        """Ask the scheme in use; one that fails hands over to the next at once."""
        while state.active < len(self._schemes):
            scheme = self._schemes[state.active]
            try:
                step = scheme.step(evaluation, state.state)
                if step.y is None or _usable(step.y, evaluation.y):
                    return step
                reason = "it proposed values that are not finite, or not one for each unknown"
            except PolicyOutputError as err:
                reason = str(err)
            self._hand_over(state, reason)
        return Step(None, estimate=estimate)

    @staticmethod
    def _annotate(step: Step, state: Guard) -> Step:
        note, state.note = state.note, ""
        return replace(step, note=note) if note else step

    def _reject(self, evaluation: Evaluation, state: Guard) -> Step:
        assert state.snapshot is not None
        snapshot, reference = state.snapshot, state.reference
        if not state.trusted:
            state.strikes += 1
        # What was restored and has failed in its turn is spoilt in something already.
        out = state.strikes >= self.patience or state.rejected_last
        refuge, refuge_merit = _refuge(state)
        if out and refuge is not None:
            snapshot, reference = refuge, refuge_merit
        if out:
            self._hand_over(state, "its steps were undone")
        elif state.active < len(self._schemes):
            state.state = self._schemes[state.active].init(state.adapter)
        if not evaluation.valid:
            state.estimate = max(state.estimate, 1.0)
        return self._go_back(state, snapshot, reference)

    def _go_back(self, state: Guard, snapshot: Snapshot, reference: float) -> Step:
        state.adapter.restore(snapshot)
        state.snapshot, state.reference = snapshot, reference
        state.rejected += 1
        state.rejected_last = True
        # The restored populations are a plain update: what follows is judged as one.
        state.trusted = True
        # What is known of the restored state: its error is no less than its residual.
        step = Step(None, estimate=max(state.estimate, relative(reference)), accepted=False)
        return self._annotate(step, state)

    def _hand_over(self, state: Guard, reason: str) -> None:
        if state.active < len(self._schemes):
            names = [*(s.name for s in self._schemes), "mali"]
            said = f"{names[state.active]} handed over to {names[state.active + 1]}: {reason}"
            state.note = f"{state.note}; {said}" if state.note else said
        state.active += 1
        state.strikes = state.since_best = 0
        if state.active < len(self._schemes):
            state.state = self._schemes[state.active].init(state.adapter)


def _refuge(state: Guard) -> tuple[Snapshot | None, float]:
    """Return where a hand-over begins: the best state, if it is clearly better than the first.

    A scheme that is lost leaves states behind that are far from the solution and have a residual
    no larger than the start's: plain steps take hundreds of iterations to come back from there.
    """
    if state.best_merit < _PROGRESS * state.first_merit:
        return state.best_snapshot, state.best_merit
    return state.first_snapshot, state.first_merit


def _usable(y_next: Any, y: Array) -> bool:
    return np.shape(y_next) == y.shape and bool(np.all(np.isfinite(y_next)))


def _contraction_estimate(state: Guard, merit: float) -> float:
    """Estimate the error from how fast plain steps shrink the residual.

    With a convergence factor rho the error is ``r / (1 - rho)`` (Auer, Fabiani Bendicho and
    Trujillo Bueno 1994, A&A 292, 599).
    """
    if not state.trusted or not 0.0 < state.reference < float("inf"):
        return max(state.estimate, relative(merit))
    rho = min(merit / state.reference, 0.999)
    return relative(merit / (1.0 - rho))
