"""A policy of two-level lines, asked about every thick line of atoms with many levels.

One more agent for each line and depth, all of one policy: each sees of its own line what it would
see of a two-level atom's (`lw_rl.operator.equivalent_lines`), and what it answers is mapped to
populations by the equilibrium of all levels. No call of the package does so by itself: the study
`lw-rl study lines` says what it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..certificate.history import History
from ..errors import OutOfRangeError, PolicyOutputError
from ..host.adapter import Adapter
from ..host.equations import Rates
from ..host.state import Block, Evaluation
from ..norms import largest, relative, to_log
from ..operator.base import EquilibriumOperator, geometry_for
from ..operator.equivalent_lines import EquivalentLine, EquivalentLines
from ..operator.lambda_1d import Plane1D
from ..operator.two_level import TwoLevelOperator
from ..policies.base import Policy
from ..policies.card import card_of
from ..policies.drive import FIXED
from ..policies.observation import Frame, Previous, make_frame
from .base import Step
from .depthwise import ALONE, propose
from .multilevel import CoupledStep, combined, coupled_step

__all__ = ["LineByLine", "LinesState", "Look", "SeenLine", "lines_of"]


@dataclass(frozen=True)
class SeenLine:
    """What the agents of one line see.

    Attributes
    ----------
    line : EquivalentLine
        The line as that of a two-level atom.
    frame : Frame
        Of the observation.
    r : Array
        Residual of the plain update in ln S, [Nspace].
    estimate : Array
        The operator's correction of it, [Nspace].
    """

    line: EquivalentLine
    frame: Frame
    r: Array
    estimate: Array


@dataclass(frozen=True)
class Look:
    """What one formal solution tells of the lines, and where the operator leads.

    Attributes
    ----------
    rates : Rates
        Of the formal solution.
    y, image : Array, Array or None
        The next unknown by the coupled operator, or the host's plain update, and what that makes of
        the state where it is combined with earlier ones.
    size : float
        Size of that step.
    J : Array
        Mean intensity at the coupled equations' wavelengths there, [Nwave, Nspace].
    led : bool
        Whether the operator, if it is one of all atoms, had an answer.
    seen : mapping of int to SeenLine
        The thick lines, by their place among all transitions.
    """

    rates: Rates
    y: Array
    image: Array | None
    size: float
    J: Array
    led: bool
    seen: Mapping[int, SeenLine]


@dataclass
class LinesState:
    """What evolves along a solve.

    Attributes
    ----------
    adapter : Adapter
        Access to the context.
    coupled : CoupledStep
        The operator of all atoms together, and its equations.
    lines : EquivalentLines
        The lines.
    geometry : Plane1D
        Where they are.
    history : History
        The states visited.
    asks : bool
        Whether the policy may be asked.
    silent : set of int
        Lines that it knows nothing of.
    last : dict
        Its last correction of every line, and the estimate that it was made for.
    size : float
        Size of the last step.
    """

    adapter: Adapter
    coupled: CoupledStep
    lines: EquivalentLines
    geometry: Plane1D
    history: History
    asks: bool = True
    silent: set[int] = field(default_factory=set)
    last: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    size: float = np.inf

    def previous(self, k: int, seen: SeenLine) -> Previous | None:
        """Return what the last step did to a line, None if there was none."""
        return Previous(*self.last[k], seen.estimate) if k in self.last else None


def lines_of(adapter: Adapter, history: History) -> LinesState | None:
    """Return the lines of a context at the beginning of a solve.

    None in two dimensions, and where the coupled operator does not apply: policies are trained in
    one dimension.
    """
    geometry = geometry_for(adapter.grid)
    coupled = coupled_step(adapter, history) if isinstance(geometry, Plane1D) else None
    if coupled is None or not isinstance(geometry, Plane1D):
        return None
    lines = EquivalentLines(adapter, coupled.equations.transfer)
    return LinesState(adapter, coupled, lines, geometry, history)


@dataclass(frozen=True)
class LineByLine:
    """A policy corrects the source functions of thick lines beside an operator, or instead of one.

    Beside the coupled operator (`lw_rl.schemes.multilevel`) the estimate that a policy sees, and
    corrects, is that operator's step of the line. Instead of it, it is that of the line's own
    two-level operator, all other rates held fixed, after the host's plain update; near the end
    states are combined, as the coupled operator's are.

    It is asked as long as steps shrink, and in between as its card says (`Card.asked_within`,
    `Card.asked_after`). Where it fails the rest of the solve is the operator's; it is not asked
    again about a line that is unlike what it knows.

    Parameters
    ----------
    policy : Policy or None
        As for `Depthwise`; None leaves it to the operator.
    beside : bool, optional
        Beside the coupled operator or instead of it (default: True).
    """

    policy: Policy | None
    beside: bool = True
    name: str = field(default="linewise")
    lambdaIterate: bool = False
    solves_scattering: bool = True

    def init(self, adapter: Adapter, history: History) -> LinesState | None:
        """Prepare the lines."""
        return lines_of(adapter, history)

    def operators(self, state: LinesState | None) -> dict[Block, EquilibriumOperator]:
        """Return no operators: those of lines are of one formal solution only."""
        return {}

    def operator_factor(self, state: LinesState | None) -> float | None:
        """Return None: what the operator says of the error is as for `Depthwise`."""
        return None

    def couples(self, state: LinesState | None) -> bool:
        """Return whether its steps are those of an operator of all atoms."""
        return state is not None

    def foresees(self, state: LinesState | None) -> bool:
        """Return whether its steps foresee how emission profiles follow them."""
        return state is not None and self.beside and state.coupled.foresees

    def step(self, evaluation: Evaluation, state: LinesState | None) -> Step:
        """Correct the populations by what becomes of the lines."""
        if state is None or not evaluation.valid:
            return Step(None, by="mali")
        look = self.look(evaluation, state)
        if not look.led:
            return Step(None, by="mali")
        steps, by, note = self._asked(look, state)
        y_next, image, state.size = look.y, look.image, look.size
        away = self.lead(look, steps, state)
        if away is not None:
            y_next = y_next + away
            image = y_next if image is None else image + away
            # Beside the operator what its light does to rates counts as well.
            state.size = (
                look.size + largest(away) if self.beside else largest(y_next - evaluation.y)
            )
        if not self.beside:
            y_next = combined(state.history, evaluation.y, y_next, state.size)
        return Step(y_next, estimate=relative(state.size), by=by, image=image, note=note)

    def look(self, evaluation: Evaluation, state: LinesState) -> Look:
        """Return what a formal solution tells of the lines, and where the operator leads.

        Raises
        ------
        PolicyOutputError
            If the coupled operator's corrections have been in vain too often.
        """
        adapter, coupled, y = state.adapter, state.coupled, evaluation.y
        rates = coupled.equations.rates(adapter.populations(y), adapter.switched)
        plain = adapter.levels(evaluation.y_plain)
        y_next, size, J, led = evaluation.y_plain, largest(evaluation.r), rates.J, True
        image: Array | None = y_next
        if self.beside:
            proposed = coupled.propose(evaluation, FIXED)
            led = proposed is not None
            if proposed is not None:
                y_next, size, image = proposed
                J = adapter.radiation(coupled.equations.transfer.waves)
        ahead = adapter.levels(y_next) if self.beside else None
        return Look(rates, y_next, image, size, J, led, self._seen(rates, plain, ahead, state))

    @staticmethod
    def _seen(
        rates: Rates, plain: Array, ahead: Array | None, state: LinesState
    ) -> dict[int, SeenLine]:
        """Return what the agents of every thick line see.

        Parameters
        ----------
        rates : Rates
            Of the formal solution.
        plain, ahead : Array, Array or None
            Populations after the plain update and after the coupled operator's step [m-3],
            [Nlevel, Nspace]; without the latter lines have operators of their own.
        state : LinesState
            As it is.
        """
        if state.coupled.equations.redistributes:
            # Policies are trained at complete redistribution.
            return {}
        found = {}
        for k, line in state.lines.seen(rates).items():
            after = state.lines.source(k, plain)
            if not line.thick or after is None:
                continue
            there: Array | None
            if ahead is None:
                rays = state.geometry.rays(line.physics, line.profile)
                own = TwoLevelOperator(line.physics, line.y, state.geometry, rays, line.profile)
                there = line.y + to_log(own.error(line.y, line.lambda_residual))
                there = there if own.regular else None
            else:
                there = state.lines.source(k, ahead)
            if there is not None:
                frame = make_frame(line.physics)
                found[k] = SeenLine(line, frame, after - line.y, there - line.y)
        return found

    def _asked(self, look: Look, state: LinesState) -> tuple[dict[int, Array], str, str]:
        """Return the correction of every line, whose the step is, and what there is to say."""
        steps = {k: s.estimate for k, s in look.seen.items()}
        card = card_of(self.policy)
        if not look.size < min(state.size, card.asked_within or np.inf):
            state.asks = False
        if self.policy is None or not state.asks or look.size < card.asked_after * state.size:
            state.last.clear()
            return steps, ALONE, ""
        for k in sorted(look.seen.keys() - state.silent):
            s = look.seen[k]
            try:
                steps[k] = propose(
                    self.policy, s.frame, s.line.y, s.r, s.estimate, state.previous(k, s)
                )
            except OutOfRangeError:
                state.silent.add(k)
            except PolicyOutputError as err:
                state.asks = False
                state.last.clear()
                own = {k: s.estimate for k, s in look.seen.items()}
                return own, ALONE, f"left to the operator: {err}"
        answered = look.seen.keys() - state.silent
        state.last = {k: (steps[k], look.seen[k].estimate) for k in answered}
        return steps, self.name if answered else ALONE, ""

    def lead(self, look: Look, steps: Mapping[int, Array], state: LinesState) -> Array | None:
        """Return where corrections of lines lead from the operator's step, [Nunknown].

        None where it is nowhere else.

        Parameters
        ----------
        look : Look
            From :meth:`look`.
        steps : mapping of int to Array
            Correction of ln S of every line that was seen, the operator's included, [Nspace].
        state : LinesState
            As it is.
        """
        adapter, lines = state.adapter, state.lines
        n, factors = adapter.levels(look.y), {}
        for k, step in steps.items():
            seen = look.seen[k]
            there = lines.source(k, n)
            if there is None or (self.beside and step is seen.estimate):
                continue
            before = seen.line.brightness(there, state.geometry)
            after = seen.line.brightness(seen.line.y + step, state.geometry)
            # Rates are those of where the coupled operator leads, or of the formal solution.
            factors[k] = (np.ones_like(before), after / before) if self.beside else (before, after)
        if not factors:
            return None
        new = lines.corrected(n, look.rates, look.J, factors)
        parts = np.split(new, lines.transfer.first_level[1:])
        away: Array = adapter.unknown(parts) - look.y
        return away
