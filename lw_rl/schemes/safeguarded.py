"""A wrapper that keeps any scheme from hurting.

Why it converges whenever MALI does
-----------------------------------
MALI, the *plain* step, converges from every positive start where its amplification matrix has a
spectral radius below one, as it has for a monotone formal solver at fixed opacity (a regular
splitting of an M-matrix: Varga 1962, Matrix Iterative Analysis, th. 3.29; for the nonlinear problem
that is the hypothesis "MALI converges"). The wrapped scheme is asked for a step at most while its
*fruitless* steps are within an allowance, or else only after ten more plain steps, and fruitful
steps divide the best residual by a fixed factor each, so there are finitely many of them before any
tolerance is met. Rejections are limited to `max_rejections`. So either the tolerance is met, or
from some state on there are plain steps in a share of at least ten in eleven, each of which
contracts, with steps between that cannot raise the residual over `growth` times the best without
being undone; in the worst case all are plain. No property of the wrapped scheme is used.

The host's limiter breaks the hypothesis: MALI may converge from one start and go round in circles
from another. Then it is enough that it converges from the populations given. Where accelerated
steps have led into a cycle, with no smaller residual in 150 formal solutions, the solve begins
again from there, with 250 plain steps, twice as many each time: at last as many as MALI needs.
Steady progress, however slow, is never thrown away. (In partial redistribution, where residuals
rise with the profile, this is left out.)

What it can cost
----------------
Every formal solution is either *earned* or *fruitless*. Earned are the plain steps, and the
accelerated steps up to one at which the residual has fallen at least as fast as `rate` per step
since the last earned one. The others are fruitless, and never more than ``allowance + share *
earned`` of them are made, with 3 and 10 % (`make_scheme` allows accelerations more, where they
were asked for). A scheme that uses them up hands over, and if none of its steps was earned the
next begins where MALI would: at the plain update of the start. So

    formal solutions  <=  1.1 * earned + 3,

and `earned` is at most what MALI takes to the same stop if an earned state is no further from the
stop, in plain steps, than the plain iteration after as many steps. That is the one hypothesis
about cost. It is exact for a scheme that never earns (noise, a policy that fails), and cannot
hold for every adversary: the residual of a state is less than its error, and a scheme that is
slower than MALI but faster than `rate` on a problem where MALI is fast, or that leads to a state
with a small residual and a large error, earns what it should not. ``lw-rl soak`` counts how often.
Against the second the next scheme begins at the first state unless the residual fell to a tenth,
and is given the states that were visited: at fixed opacity residuals are linear, so what a bad
step has shown is not lost.

A scheme that brings its own start passes an early-restart test first
(`lw_rl.schemes.early_restart`): where the operator predicts that MALI is fast, and three formal
solutions, a few more where MALI is not that fast, show that the scheme is not several times faster,
the solve begins again where the host began, with plain steps. It then takes what MALI takes and the
test: the hypothesis is not needed. The same where it goes wrong a little later at a small residual,
or in partial redistribution, as long as what was made is a small part of what MALI takes.

The last scheme that is left is not dismissed, but backs off, from the third time on for twice as
many plain steps as before: a try can throw plain steps back to where they were, and between the
tries they have all the time that they take.

Partial redistribution and collisional-radiative switching change the map from step to step:
residuals before a change of the profile do not count where they are smaller than it, and nothing is
accelerated before switching has come to its end. Populations and profile are one state, and
accelerated as one (`lw_rl.schemes.coupled`); where emission becomes absurdly negative, or the
host's solver fails while no residual counts, the scheme hands over, in the second case at the first
state, or begins again where the host began, if that is early.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import PolicyOutputError
from ..host.adapter import Adapter
from ..host.state import Block, Evaluation, Snapshot
from ..norms import relative
from ..operator.base import EquilibriumOperator
from ..policies.base import Policy
from .anderson import Anderson
from .base import Scheme, Step, WithAbilities, with_abilities
from .early_restart import EarlyRestart
from .safeguard_state import SafeguardState

__all__ = ["Safeguarded"]


#: Contraction of the residual in a plain step that no acceleration need better.
_FAST_CONTRACTION = 0.1
#: Factor per step by which the residual must fall where steps are combinations of plain updates.
_COMBINING = 0.99
#: Plain steps that are none to speak of.
_NOTHING = 2


@dataclass(frozen=True)
class Safeguarded:
    """Undo the steps that make things worse, and replace them by the plain update (MALI).

    A step is judged by the residual at the next formal solution. If that is not finite, or more
    than `growth` times the best so far, populations *and* J go back to what they were after the
    plain update of the best evaluation. A scheme that is rejected `max_rejections` times, that uses
    up its allowance of fruitless steps, or whose policy fails (raises, or returns what is not an
    action) hands over to the next of `fallbacks`, and the last one to MALI; the step's note says
    so. The last of them, unless it asks a policy, is not dismissed for being fruitless, but backs
    off until plain steps have earned it another try.

    The error that is reported is never below the change that a plain step would make: a scheme
    that hardly moves does not stop the iteration.

    The module's docstring says why this converges whenever MALI does, and what it can cost.

    Parameters
    ----------
    scheme : Scheme
        What to guard.
    growth : float, optional
        Factor by which an accepted residual may exceed the best one (default: 10; an accelerated
        step may raise the fast modes while it removes the slow ones).
    max_rejections : int, optional
        Rejections before a scheme hands over (default: 2).
    allowance, share : float, optional
        Fruitless formal solutions: so many, and so many for each that was not (default: 3, 0.1).
    rate : float, optional
        Factor per step by which the residual must fall for a policy's steps not to be fruitless
        (default: 0.8). For schemes that combine plain updates, as Anderson's, 0.99 will do.
    fallbacks : tuple of Scheme, optional
        Schemes tried in turn after `scheme` (default: Anderson with 10 differences).
    in_foldings : bool, optional
        Whether `growth` is that of the residual's logarithm, in which a step may do more at the
        start (default: False). Schemes that combine plain updates need it: Anderson acceleration
        takes up to twice as many formal solutions without.
    tests_start : bool, optional
        Whether a start that the scheme brings has to pass the early-restart test (default: True).
    stalled_after : int, optional
        Formal solutions without a smaller residual after which accelerated steps are taken to have
        led into a cycle (default: 150).
    backoff_growth : int, optional
        Factor on the length of the last scheme's backoffs, from the third on (default: 2).
    least_emission : float, optional
        An emission profile that is more negative than this, over the absorption profile, is absurd
        (default: -1).
    """

    scheme: Scheme
    growth: float = 10.0
    max_rejections: int = 2
    allowance: float = 3.0
    share: float = 0.1
    rate: float = 0.8
    fallbacks: tuple[Scheme, ...] = field(default=(Anderson(),))
    in_foldings: bool = False
    tests_start: bool = True
    stalled_after: int = 150
    backoff_growth: int = 2
    least_emission: float = -1.0

    def __post_init__(self) -> None:
        if not self.growth >= 1.0 or self.max_rejections < 1 or not 0.0 < self.rate <= 1.0:
            raise ValueError(
                "Safeguarded needs growth >= 1, max_rejections >= 1, 0 < rate <= 1; got "
                f"growth={self.growth}, max_rejections={self.max_rejections}, rate={self.rate}"
            )
        if not self.allowance >= 0.0 or not self.share > 0.0:
            raise ValueError(
                "Safeguarded needs allowance >= 0, share > 0; got "
                f"allowance={self.allowance}, share={self.share}"
            )

    @property
    def name(self) -> str:
        """The guarded scheme's name."""
        return self.scheme.name

    @property
    def lambdaIterate(self) -> bool:
        """The guarded scheme's kind of formal solution."""
        return self.scheme.lambdaIterate

    @cached_property
    def _schemes(self) -> tuple[WithAbilities, ...]:
        others = (f for f in self.fallbacks if f.name != self.scheme.name)
        return tuple(with_abilities(s) for s in (self.scheme, *others))

    @property
    def policy(self) -> Policy | None:
        """The policy that the guarded scheme asks, if it asks one."""
        return self._schemes[0].policy

    @property
    def solves_scattering(self) -> bool:
        """Whether the background's scattering is solved along with the guarded scheme."""
        return self._schemes[0].solves_scattering

    @property
    def has_operators(self) -> bool:
        """Whether the guarded scheme makes operators."""
        return self._schemes[0].has_operators is not None

    def init(self, adapter: Adapter) -> SafeguardState:
        """Start with the guarded scheme."""
        return SafeguardState(adapter, 0, self.scheme.init(adapter))

    def start(self, y: Array, state: SafeguardState) -> Array | None:
        """Return where the guarded scheme begins, or None to begin where the context is."""
        starts = self._schemes[0].starts
        y_start = None if starts is None else starts.start(y, state.state)
        if y_start is not None:
            state.origin = state.adapter.snapshot()
            state.early_restart = EarlyRestart() if self.tests_start else None
        return y_start

    def start_radiation(self, state: SafeguardState) -> Mapping[Block, Array]:
        """Return the radiation field of lines at the guarded scheme's start, by atom."""
        starts = self._schemes[0].starts_radiation
        return {} if starts is None else starts.start_radiation(state.state)

    def operators(self, state: SafeguardState) -> Mapping[Block, EquilibriumOperator]:
        """Return the approximate operators of the guarded scheme, by atom, while it is in use."""
        made = self._schemes[0].has_operators
        return {} if made is None or state.active > 0 else made.operators(state.state)

    def operator_factor(self, state: SafeguardState) -> float | None:
        """Return the factor on the operator's estimate of the error, if it was calibrated."""
        made = self._schemes[0].has_operators
        return None if made is None else made.operator_factor(state.state)

    def accelerates_profiles(self, state: SafeguardState) -> bool:
        """Whether the guarded scheme goes together with an acceleration of emission profiles.

        After a start that was given up the host iterates them as it does.
        """
        return self._schemes[0].accelerates_profiles is not None and state.plain_left == 0

    def redistribute(self, change: float, profiles: Array, state: SafeguardState) -> Array | None:
        """Note a change of the emission profiles, and accelerate them together with the unknown.

        Residuals before it are of another map: the best one does not count if it is smaller.

        Parameters
        ----------
        change : float
            The largest relative change.
        profiles : Array
            The emission profiles before, shape [Nprofile].
        state : SafeguardState

        Returns
        -------
        y : Array or None
            The unknown that the next formal solution is to be made at, if that is another one.
        """
        if state.best is not None and relative(state.best[1]) < change:
            state.best, state.base = None, max(state.base, math.log1p(change))
        if state.early_restart is not None and not state.early_restart.redistributed:
            # What MALI would take with the profile iterated as well is not known, unless there is
            # nothing but the profile to iterate.
            state.early_restart.redistributed = True
            state.plain_only = self._predicted(state, _NOTHING) is not None
        adapter, active = state.adapter, self._active(state)
        couples = None if active is None else active.couples_atoms
        coupled = couples is not None and couples.couples(state.state)
        if (adapter.conserves_charge or not adapter.line_sources) and not coupled:
            # Without an operator nothing would be gained for atoms with more levels, and no
            # estimate of the error of accelerated steps holds.
            state.plain_only = True
        if state.plain_only:
            state.early_restart = None
        accelerates = None if active is None else active.accelerates_profiles
        if accelerates is not None:
            accelerates.redistribute(change, state.state)
        plain = state.plain_only or state.plain or accelerates is None
        image = adapter.profiles()
        if plain or not image.size or not adapter.valid():
            state.coupled.clear()
            return None
        if not image.min() >= self.least_emission:
            # No emission is: the populations are nowhere near equilibrium. The radiation field is
            # that of the next formal solution; the populations are judged by its residual.
            adapter.write_profiles(profiles)
            state.coupled.clear()
            state.rejections += 1
            if state.early_restart is not None:
                state.early_restart.astray = True
            elif state.rejections >= self.max_rejections:
                self._hand_over(state, "it led to negative emission")
            return None
        y = state.visited[-1].y
        mixed = state.coupled.mix(state.by, y, profiles, adapter.read(), image)
        if mixed is None:
            return None
        # In this order: whatever an interrupt leaves, populations are positive and sum to nTotal.
        adapter.write_profiles(mixed[1])
        adapter.write(mixed[0])
        return mixed[0]

    def _active(self, state: SafeguardState) -> WithAbilities | None:
        """Return the scheme in use, or None where that is the plain update."""
        return self._schemes[state.active] if state.active < len(self._schemes) else None

    def step(self, evaluation: Evaluation, state: SafeguardState) -> Step:
        """Accept or undo the step before, then propose the next."""
        residual_norm = evaluation.residual_norm
        size = float if self.in_foldings else relative
        grown = state.best is not None and not size(residual_norm) <= self.growth * size(
            state.best[1]
        )
        undone = grown and not (state.plain and evaluation.valid)
        if state.early_restart is not None:
            predict = partial(self._predicted, state)
            steps = state.early_restart.verdict(residual_norm, undone, not state.plain, predict)
            if steps is not None:
                return self._restart(steps, state.early_restart.made, state)
            if state.early_restart.over:
                state.early_restart = None
        if undone:
            return self._reject(evaluation, state)
        if not evaluation.valid:
            if not state.plain and state.first is not None:
                # Its steps and the emission profile led where no residual is a measure any more.
                state.rejections = self.max_rejections
                state.best = state.first
                return self._reject(evaluation, state)
            # A plain step from an unphysical start (populations of zero, say): take the next.
            state.plain = True
            return Step(None, estimate=state.estimate)
        estimate = state.contraction_estimate(residual_norm)
        state.rejected_last = False
        # After a failure a plain step that does better than most accelerated ones has another.
        fast = (
            state.plain and state.fruitless > 0 and residual_norm < _FAST_CONTRACTION * state.base
        )
        self._account(residual_norm, state)
        state.visited.append(evaluation)
        self._remember(residual_norm, state)
        if self._has_stalled(residual_norm, state):
            if state.active < len(self._schemes) - 1:
                self._hand_over(state, "no residual was clearly smaller")
            return self._restart(state.stall(), state.idle, state)
        if not state.plain and self._next_is_too_much(state):
            back = self._exhausted(residual_norm, state)
            if back is not None:
                return back

        if not state.adapter.settled or state.plain_only:
            # The equations change from step to step: there is nothing to accelerate, nor are
            # residuals comparable.
            state.first = state.best = None
            state.visited.clear()
            return Step(None, estimate=estimate)
        if fast:
            state.backoff = max(state.backoff, 1)
        step = self._propose(evaluation, state, estimate)
        if step.y is not None:
            # A scheme that hardly moves, or a policy that says so, is no sign of equilibrium.
            step = replace(step, estimate=max(step.estimate, relative(residual_norm)))
        state.plain, state.by = step.y is None, step.by
        state.accelerated = state.accelerated or not state.plain
        state.estimate = step.estimate
        return self._annotate(step, state)

    def _predicted(self, state: SafeguardState, most: int) -> int | None:
        """Return the plain steps that MALI would take from the populations given, up to `most`."""
        made = self._schemes[0].has_operators
        return None if made is None or state.active > 0 else made.plain_steps(state.state, most)

    def _has_stalled(self, residual_norm: float, state: SafeguardState) -> bool:
        """Whether residuals that can be compared have hardly fallen for a long time."""
        if state.plain_left > 0 or state.plain_only or not state.adapter.settled:
            return False
        # In partial redistribution a change of the profile raises them.
        adapter = state.adapter
        return state.has_stalled(residual_norm, self.stalled_after) and not any(
            map(adapter.redistributes, adapter.blocks)
        )

    def _restart(self, steps: int, made: int, state: SafeguardState) -> Step:
        """Go back to where the host began, with so many plain steps, after `made` for nothing."""
        assert state.origin is not None
        state.adapter.restore(state.origin)
        state.early_restart = state.first = state.best = None
        state.visited.clear()
        state.plain_left = steps
        state.fruitless, state.pending = made, 0
        state.base, state.plain = float("inf"), True
        state.rejections = state.backoff = state.backoffs = 0
        state.least, state.idle, state.accelerated = float("inf"), 0, False
        state.coupled.clear()
        note = f"{made} formal solutions led nowhere: plain steps from the populations given"
        note = f"{state.note}; {note}" if state.note else note
        state.note = ""
        return Step(None, estimate=1.0, accepted=False, restart=True, note=note)

    def _next_is_too_much(self, state: SafeguardState) -> bool:
        """Whether one more fruitless formal solution would be beyond the allowance."""
        return state.pending + state.fruitless + 1 > self.allowance + self.share * state.earned

    def _account(self, residual_norm: float, state: SafeguardState) -> None:
        """Count the formal solution that was just made as earned or pending."""
        if state.plain:
            # An accelerated step that plain ones follow is judged by what they make of it.
            if residual_norm > state.base:
                state.fruitless += state.pending
            else:
                state.earned += state.pending
            state.earned += 1
            state.pending, state.base = 0, residual_norm
            return
        state.pending += 1
        policy = self._asks_policy(state)
        if residual_norm <= (self.rate if policy else _COMBINING) ** state.pending * state.base:
            # Plain steps that shrink the residual by `rate` each would have taken so many.
            least = 1e-300  # A residual that vanishes to rounding.
            worth = math.log(max(residual_norm, least) / max(state.base, least)) / math.log(
                self.rate
            )
            state.earned += max(state.pending, worth) if policy else state.pending
            state.pending, state.base = 0, residual_norm

    def _asks_policy(self, state: SafeguardState) -> bool:
        """Whether a policy had a part in the last step; one that is dismissed has none."""
        asked = state.active == 0 and state.by == self.scheme.name
        return asked and self.policy is not None

    @staticmethod
    def _remember(residual_norm: float, state: SafeguardState) -> None:
        if not state.adapter.valid() or (state.best is not None and residual_norm > state.best[1]):
            return
        state.best = (state.adapter.snapshot(), residual_norm)
        if state.first is None:
            state.first = state.best
        if state.origin is None:
            state.origin = state.best[0]

    def _exhausted(self, residual_norm: float, state: SafeguardState) -> Step | None:
        """Let the scheme in use back off or hand over; return the step back, if there is one."""
        state.fruitless += state.pending
        state.pending = 0
        if state.active == len(self._schemes) - 1 and not self._asks_policy(state):
            over = state.fruitless + 1 - self.allowance - self.share * state.earned
            longer = self.backoff_growth ** max(state.backoffs - 1, 0)
            state.backoff = math.ceil(over / self.share) * longer
            state.backoffs += 1
            return None
        self._hand_over(state, f"{state.fruitless} fruitless steps")
        fallback = state.fallback
        return (
            None
            if fallback is state.best and residual_norm <= fallback[1]
            else self._go_back(state, *fallback)
        )

    def _propose(self, evaluation: Evaluation, state: SafeguardState, estimate: float) -> Step:
        """Ask the scheme in use; one that fails hands over to the next at once."""
        if state.plain_left > 0:
            state.plain_left -= 1
            active = self._active(state)
            if state.plain_left == 0 and active is not None:
                state.state = active.scheme.init(state.adapter)
            return Step(None, estimate=estimate)
        while state.active < len(self._schemes):
            scheme = self._schemes[state.active].scheme
            try:
                step = scheme.step(evaluation, state.state)
                if state.backoff > 0:
                    # It has seen the evaluation, which is all that it is to do for now.
                    state.backoff -= 1
                    return Step(None, estimate=estimate)
                if step.y is None or _usable(step.y, evaluation.y):
                    return step
                reason = "it proposed values that are not finite, or not one for each unknown"
            except PolicyOutputError as err:
                reason = str(err)
            self._hand_over(state, reason)
        return Step(None, estimate=estimate)

    @staticmethod
    def _annotate(step: Step, state: SafeguardState) -> Step:
        note, state.note = state.note, ""
        return replace(step, note=note) if note else step

    def _reject(self, evaluation: Evaluation, state: SafeguardState) -> Step:
        assert state.best is not None and state.first is not None
        snapshot, least = state.best
        state.fruitless += state.pending + 1
        state.pending = 0
        if not state.plain:
            state.rejections += 1
        # What was restored and has failed in its turn is spoilt in something already.
        if state.rejections >= self.max_rejections or state.rejected_last:
            snapshot, least = state.first if state.rejected_last else state.fallback
            self._hand_over(state, "its steps were undone")
        elif state.active < len(self._schemes):
            state.state = self._schemes[state.active].scheme.init(state.adapter)
        if not evaluation.valid:
            state.estimate = max(state.estimate, 1.0)
        return self._go_back(state, snapshot, least)

    def _go_back(self, state: SafeguardState, snapshot: Snapshot, least: float) -> Step:
        state.adapter.restore(snapshot)
        state.base = least
        state.rejected_last = True
        # The restored populations are a plain update: what follows is judged as one.
        state.plain = True
        # What is known of the restored state: its error is no less than its residual.
        step = Step(None, estimate=max(state.estimate, relative(least)), accepted=False)
        return self._annotate(step, state)

    def _hand_over(self, state: SafeguardState, reason: str) -> None:
        if state.active < len(self._schemes):
            names = [*(s.scheme.name for s in self._schemes), "mali"]
            said = f"{names[state.active]} handed over to {names[state.active + 1]}: {reason}"
            state.note = f"{state.note}; {said}" if state.note else said
        state.active += 1
        state.rejections = state.backoff = state.backoffs = state.plain_left = 0
        if state.active < len(self._schemes):
            scheme = self._schemes[state.active].scheme
            state.state = scheme.init(state.adapter)
            for evaluation in state.visited:
                scheme.step(evaluation, state.state)


def _usable(y_next: Any, y: Array) -> bool:
    return np.shape(y_next) == y.shape and bool(np.all(np.isfinite(y_next)))
