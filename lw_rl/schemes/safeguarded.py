"""A wrapper that keeps any scheme from hurting.

**It converges where MALI does, from the populations given.** MALI, the *plain* step, converges from
every positive start where its amplification matrix has a spectral radius below one, as for a
monotone formal solver at fixed opacity (a regular splitting of an M-matrix: Varga 1962, Matrix
Iterative Analysis, th. 3.29); for the nonlinear problem that is the hypothesis. A step that raises
the residual over `growth` times the lowest (for an operator of all atoms also over the error that
it saw, or the residual then) is undone, to the state *kept*: that after the last plain step, which
may have to raise residuals first, or a better one since. A scheme is asked while the budget lasts,
or after plain steps have earned another try, for longer each time. So the tolerance is met, or
there are ever more plain steps in a row, whatever the scheme. (Accelerated steps can lead to where
the host's limiter makes plain steps go round in circles: that is beyond the hypothesis.)

**It costs what its budget allows.** A formal solution is *earned* if it is a plain step, or if the
residual has clearly fallen since the last earned one; all others are *fruitless*, no more than
``allowance + share * earned`` of them:

    formal solutions  <=  (1 + share) * earned + allowance.

What is earned is at most what MALI takes if an earned state is no further from the stop, in plain
steps, than the plain iteration after as many. That is the hypothesis on cost: exact for a scheme
that never earns (noise, a policy that fails), not for every adversary, since a residual is less
than an error. ``lw-rl soak`` counts how often it fails. (An operator of all atoms that was given up
may cost a step or two more for every factor `growth` of the residual.)

In partial redistribution and collisional-radiative switching the map changes from step to step. A
residual counts for no less than the change of the profiles before it, so that profiles which go
round in circles are no progress; those before the first change do not count, and nothing is
accelerated before switching has come to its end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array
from ..certificate.history import NOISE, History
from ..errors import PolicyOutputError
from ..host.adapter import Adapter
from ..host.state import Block, Evaluation, Snapshot
from ..norms import largest, relative
from ..operator.base import EquilibriumOperator
from .anderson import Anderson
from .base import Scheme, Step, WithAbilities, with_abilities
from .budget import Account, Budget
from .coupled import mix_with_profiles

__all__ = ["SafeguardState", "Safeguarded"]


@dataclass
class SafeguardState:
    """What the safeguard remembers.

    Attributes
    ----------
    adapter : Adapter
        Access to the context.
    history : History
        The visited states, which the certificate looks at as well.
    account : Account
        What was spent.
    active : int
        Index of the scheme in use; past the last one, the plain update.
    scheme : object
        That scheme's own state.
    last : Step
        The last step.
    rest : float
        Plain steps to be made before a scheme is asked again; infinite for good.
    origin : Snapshot or None
        The context as the host would have begun, or after its first plain step.
    kept : tuple of Snapshot and float, or None
        The context to go back to, after the last plain step or an accelerated one since with a
        residual that is no larger, and its residual, infinite where that is of other equations.
    again : float or None
        Residual at which an operator of all atoms tries again that was given up, zero where none
        was; None until it is known.
    """

    adapter: Adapter
    history: History
    account: Account
    active: int
    scheme: Any
    last: Step = field(default_factory=lambda: Step(None, estimate=1.0))
    rest: float = 0
    origin: Snapshot | None = None
    kept: tuple[Snapshot, float] | None = None
    again: float | None = 0.0

    @property
    def plain(self) -> bool:
        """Whether the last step was the plain update, which is never undone."""
        return self.last.y is None

    def forget_residual(self) -> None:
        """Keep the state to go back to, but not its residual, which is of other equations."""
        self.account.lowest = math.inf
        if self.kept is not None:
            self.kept = self.kept[0], math.inf


@dataclass(frozen=True)
class Safeguarded:
    """Undo the steps that make things worse, and replace them by the plain update (MALI).

    A step is judged by the residual at the next formal solution (see the module). If it is undone,
    populations *and* J go back to the plain update of the last plain step, or of a better state
    since. A scheme that is undone, that uses up its budget, or whose policy fails (raises, or
    returns what is not an action) hands over to the next of `fallbacks`, which goes on from there;
    the step's note says so. The last, unless it asks a policy, is not dismissed but rests until
    plain steps have earned another try. An operator of all atoms, good only near the solution,
    tries again where the residual has fallen by `growth` since it was given up.

    The error reported is never below a plain step's: one that hardly moves does not stop.

    Parameters
    ----------
    scheme : Scheme
        What to guard.
    growth : float, optional
        Factor by which a residual may exceed the lowest in any case (default: 10; an accelerated
        step may raise the fast modes while it removes the slow ones).
    budget : Budget, optional
        What the solve may cost beyond MALI.
    fallbacks : tuple of Scheme, optional
        Schemes tried in turn after `scheme` (default: Anderson with 10 differences).

    Raises
    ------
    ValueError
        If a value is out of its range.
    TypeError
        If a scheme lacks what an ability needs that it has a part of.
    """

    scheme: Scheme
    growth: float = 10.0
    budget: Budget = field(default_factory=Budget)
    fallbacks: tuple[Scheme, ...] = (Anderson(),)

    def __post_init__(self) -> None:
        for scheme in (self.scheme, *self.fallbacks):
            with_abilities(scheme)
        if not self.growth >= 1.0:
            raise ValueError(f"Safeguarded needs growth >= 1; got growth={self.growth}")

    @property
    def name(self) -> str:
        """The guarded scheme's name."""
        return self.scheme.name

    @property
    def lambdaIterate(self) -> bool:
        """The guarded scheme's kind of formal solution."""
        return self.scheme.lambdaIterate

    @property
    def abilities(self) -> WithAbilities:
        """What the guarded scheme can do besides stepping."""
        return self._schemes[0]

    @cached_property
    def _schemes(self) -> tuple[WithAbilities, ...]:
        others = (f for f in self.fallbacks if f.name != self.scheme.name)
        return tuple(with_abilities(s) for s in (self.scheme, *others))

    def operators(self, state: SafeguardState) -> Mapping[Block, EquilibriumOperator]:
        """Return the approximate operators of the guarded scheme, by atom, while it is in use."""
        made = self.abilities.has_operators
        return {} if made is None or state.active > 0 else made.operators(state.scheme)

    def accelerates_profiles(self, state: SafeguardState) -> bool:
        """Whether emission profiles are accelerated with the guarded scheme, as long as that is."""
        return self.abilities.accelerates_profiles is not None and state.rest < math.inf

    def foresees(self, state: SafeguardState) -> bool:
        """Whether the last step foresaw how emission profiles follow it."""
        active = self._active(state)
        couples = None if active is None or state.plain else active.couples_atoms
        return couples is not None and couples.foresees(state.scheme)

    def _active(self, state: SafeguardState) -> WithAbilities | None:
        """Return the scheme in use, or None where that is the plain update."""
        return self._schemes[state.active] if state.active < len(self._schemes) else None

    def _asks_policy(self, state: SafeguardState) -> bool:
        """Whether a policy had a part in the last step; one that is dismissed has none."""
        asked = state.active == 0 and state.last.by == self.name
        return asked and self.abilities.policy is not None

    def init(self, adapter: Adapter, history: History | None = None) -> SafeguardState:
        """Start with the guarded scheme.

        Parameters
        ----------
        adapter : Adapter
            Access to the context.
        history : History, optional
            What is known of the solve, which the caller adds to (default: nothing, ever).
        """
        history = History() if history is None else history
        return SafeguardState(adapter, history, Account(), 0, self.scheme.init(adapter, history))

    def start(self, y: Array, state: SafeguardState) -> Array | None:
        """Return where the guarded scheme begins, or None to begin where the context is."""
        starts = self.abilities.starts
        y_start = None if starts is None else starts.start(y, state.scheme)
        if y_start is not None:
            state.origin = state.adapter.snapshot()
        return y_start

    def start_radiation(self, state: SafeguardState) -> Mapping[Block, Array]:
        """Return the radiation field of lines at the guarded scheme's start, by atom."""
        starts = self.abilities.starts_radiation
        return {} if starts is None else starts.start_radiation(state.scheme)

    def step(self, evaluation: Evaluation, state: SafeguardState) -> Step:
        """Accept or undo the step before, then propose the next."""
        # A plain step is never undone, unless it led from a good state to where no step is.
        spared = state.plain and (evaluation.valid or state.kept is None)
        if not spared and not (evaluation.valid and self._is_near(evaluation.residual_norm, state)):
            step = self._undo(evaluation, state)
        elif not evaluation.valid:
            # A plain step from an unphysical start (populations of zero, say): take the next.
            step = Step(None, estimate=state.last.estimate)
        else:
            step = self._go_on(evaluation, state)
        state.last = step
        return step

    def _is_near(self, residual: float, state: SafeguardState) -> bool:
        """Whether a residual is not too far above the lowest; rounding is not judged."""
        limit = self.growth * relative(max(state.account.lowest, NOISE))
        # Where the limiter switches residuals jump: one within an operator's error does no harm.
        seen = self._couples(state) and not self._asks_policy(state)
        return relative(residual) <= max(limit, state.last.estimate if seen else 0.0)

    def _go_on(self, evaluation: Evaluation, state: SafeguardState) -> Step:
        """Note an accepted evaluation and propose the next step."""
        residual, adapter = evaluation.residual_norm, state.adapter
        estimate = state.account.error(residual, state.last)
        spend = state.account.plain if state.plain else state.account.accelerated
        spend(residual)
        if adapter.valid() and (state.plain or state.kept is None or residual <= state.kept[1]):
            state.kept = adapter.snapshot(), residual
            if state.origin is None:
                state.origin = state.kept[0]
        if not adapter.settled:
            # The equations change from step to step: residuals are not comparable.
            state.forget_residual()
            return Step(None, estimate=estimate)
        note = ""
        if not state.plain and state.account.left(self.budget) < 1.0:
            if note := self._give_way(state):
                if state.kept is not None and residual > state.kept[1]:
                    return self._go_back(state, note)
                self._begin(state)
        note = note or self._try_again(residual, state)
        step = self._propose(evaluation, state, estimate)
        if step.y is not None and step.estimate < relative(residual):
            # A scheme that hardly moves, or a policy that says so, is no sign of equilibrium.
            step = replace(step, estimate=relative(residual))
        return step.noted(note)

    def _propose(self, evaluation: Evaluation, state: SafeguardState, estimate: float) -> Step:
        """Ask the scheme in use; one that fails hands over to the next at once."""
        note = ""
        while (active := self._active(state)) is not None and state.rest < math.inf:
            try:
                if state.rest > 0:
                    state.rest -= 1
                    break
                step = active.scheme.step(evaluation, state.scheme)
                if step.y is None or _usable(step.y, evaluation.y):
                    return step.noted(note)
                reason = "it proposed values that are not finite, or not one for each unknown"
            except PolicyOutputError as err:
                reason = str(err)
            except np.linalg.LinAlgError as err:
                reason = f"LinAlgError: {err}"
            note = self._hand_over(state, reason)
            self._begin(state)
        return Step(None, estimate=estimate, note=note)

    def _is_last(self, state: SafeguardState) -> bool:
        """Whether only the plain update is left to hand over to, and no policy is asked."""
        return state.active >= len(self._schemes) - 1 and not self._asks_policy(state)

    def _give_way(self, state: SafeguardState) -> str:
        """Let the next scheme take over, or the last one rest; return a note."""
        if self._is_last(state):
            state.rest = max(state.rest, state.account.rest(self.budget))
            return ""
        fruitless = state.account.fruitless + state.account.pending
        return self._hand_over(state, f"{fruitless} fruitless steps")

    def _hand_over(self, state: SafeguardState, reason: str) -> str:
        """Let the next scheme take over, which is still to begin; return a note."""
        if state.active >= len(self._schemes):
            return ""
        names = [*(s.scheme.name for s in self._schemes), "mali"]
        note = f"{names[state.active]} handed over to {names[state.active + 1]}: {reason}"
        state.account.hand_over()
        state.again = None if self._couples(state) else state.again
        state.active += 1
        return note

    def _try_again(self, residual: float, state: SafeguardState) -> str:
        """Let the operator of all atoms take over where the residual has fallen; return a note."""
        if state.again is None:
            state.again = residual / self.growth
        elif 0.0 < residual <= state.again and state.rest < math.inf:
            state.active, state.again, state.rest = 0, 0.0, 0
            self._begin(state)
            return f"{self.name} tries again"
        return ""

    def _begin(self, state: SafeguardState) -> None:
        """Begin anew with the scheme in use."""
        if (used := self._active(state)) is not None:
            state.scheme = used.scheme.init(state.adapter, state.history)

    def _couples(self, state: SafeguardState) -> bool:
        """Whether the scheme in use has one operator of all atoms."""
        active = self._active(state)
        couples = None if active is None else active.couples_atoms
        return couples is not None and couples.couples(state.scheme)

    def _undo(self, evaluation: Evaluation, state: SafeguardState) -> Step:
        """Go back to the state kept, and hand over; the last scheme goes on while it may."""
        note, spoilt = "", not state.last.accepted
        state.account.undone()
        left = state.account.left(self.budget)
        if not spoilt and self._couples(state) and left >= 1.0:
            # What the operator of all atoms makes of LTE can be too far off: a plain step helps.
            state.rest = max(state.rest, 1)
        elif spoilt or not (state.plain or self._is_last(state)):
            note = self._hand_over(state, "its step was undone")
        elif left < 1.0:
            note = self._give_way(state)
        if not evaluation.valid:
            state.last = replace(state.last, estimate=max(state.last.estimate, 1.0))
        if (spoilt or state.kept is None) and state.origin is not None:
            # What was restored and has failed in its turn is spoilt in something already.
            state.kept = state.origin, math.inf
        return self._go_back(state, note)

    def _go_back(self, state: SafeguardState, note: str) -> Step:
        """Put the context back to the state kept, and begin anew there."""
        assert state.kept is not None
        snapshot, residual = state.kept
        state.adapter.restore(snapshot)
        state.account.back(residual)
        self._begin(state)
        # What is known of the restored state: its error is no less than its residual.
        known = 0.0 if residual == math.inf else relative(residual)
        return Step(None, estimate=max(state.last.estimate, known), accepted=False, note=note)

    def redistribute(self, change: float, profiles: Array, state: SafeguardState) -> Array | None:
        """Note a change of the emission profiles, and accelerate them together with the unknown.

        Smaller residuals before it, of another map, do not count. Returns the next unknown, if any.

        Parameters
        ----------
        change : float
            The largest relative change.
        profiles : Array
            The emission profiles before, shape [Nprofile].
        state : SafeguardState
            It is updated.
        """
        first = state.history.made == 1
        if state.kept is not None and (first or relative(state.kept[1]) < change):
            state.forget_residual()
        state.account.redistributed(change, first)
        adapter, active = state.adapter, self._active(state)
        if (adapter.conserves_charge or not adapter.line_sources) and not self._couples(state):
            # Without an operator nothing would be gained for atoms with more levels, and no
            # estimate of the error of accelerated steps holds.
            state.rest = math.inf
        accelerates = None if active is None else active.accelerates_profiles
        if accelerates is not None:
            accelerates.redistribute(change, state.scheme)
        accelerated = accelerates is not None and state.rest < math.inf and not state.plain
        if not accelerated or self.foresees(state) or not adapter.valid():
            return None
        return mix_with_profiles(adapter, state.history, state.last.by, profiles)


def _usable(y_next: Any, y: Array) -> bool:
    return np.shape(y_next) == y.shape and largest(np.asarray(y_next, float)) < np.inf
