"""A policy of two-level lines, asked about every thick line of atoms with many levels.

One more agent for each line and depth, all of one policy: each sees of its own line what it would
see of a two-level atom's (`lw_rl.operator.equivalent_lines`), and what it answers is mapped to
populations by the equilibrium of all levels. No call of the package does so by itself:
`lw_rl.experiments.lines` says what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..certificate.history import History
from ..certificate.settings import shipped
from ..errors import OutOfRangeError, PolicyOutputError
from ..extrapolation import anderson_mix
from ..host.adapter import Adapter
from ..host.equations import Rates
from ..host.state import Evaluation
from ..norms import largest, limit_step, relative, to_log
from ..operator.base import geometry_for
from ..operator.equivalent_lines import EquivalentLine, EquivalentLines
from ..operator.lambda_1d import Plane1D
from ..operator.two_level import TwoLevelOperator
from ..policies.base import Policy
from ..policies.card import card_of
from ..policies.drive import FIXED
from ..policies.observation import Frame, Previous, make_frame
from .base import Step
from .depthwise import ALONE, propose
from .multilevel import CoupledStep, coupled_step

__all__ = ["LineByLine", "LinesState", "SeenLine"]


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
    asks: bool
    silent: set[int] = field(default_factory=set)
    last: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    size: float = np.inf


@dataclass(frozen=True)
class LineByLine:
    """A policy corrects the source functions of thick lines beside an operator, or instead of one.

    Beside the coupled operator (`lw_rl.schemes.multilevel`) the estimate that a policy sees, and
    corrects, is that operator's step of the line. Instead of it, it is that of the line's own
    two-level operator, all other rates held fixed, after the host's plain update.

    It is asked where a step is smaller than the one before, and in between these as its card says
    (`Card.asked_within`, `Card.asked_after`). Where it fails the rest of the solve is the
    operator's; of a line that is unlike what it knows it is not asked again.

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
        """Prepare the lines; None where the coupled operator does not apply."""
        coupled, geometry = coupled_step(adapter, history), geometry_for(adapter.grid)
        if coupled is None or not isinstance(geometry, Plane1D) or coupled.equations.redistributes:
            return None
        lines = EquivalentLines(adapter, coupled.equations.transfer)
        return LinesState(adapter, coupled, lines, geometry, history, asks=self.policy is not None)

    def couples(self, state: LinesState | None) -> bool:
        """Return whether its steps are those of an operator of all atoms."""
        return state is not None

    def foresees(self, state: LinesState | None) -> bool:
        """Return whether its steps foresee how emission profiles follow them."""
        return False

    def step(self, evaluation: Evaluation, state: LinesState | None) -> Step:
        """Correct the populations by what becomes of the lines."""
        if state is None or not evaluation.valid:
            return Step(None, by="mali")
        adapter, y = state.adapter, evaluation.y
        equations = state.coupled.equations
        rates = equations.rates(adapter.populations(y), adapter.switched)
        plain = _joined(adapter, evaluation.y_plain)
        if self.beside:
            proposed = state.coupled.propose(evaluation, FIXED)
            if proposed is None:
                return Step(None, by="mali")
            y_next, size, image = proposed
            J = adapter.radiation(equations.transfer.waves)
        else:
            y_next = image = evaluation.y_plain
            size, J = largest(evaluation.r), rates.J
        n = _joined(adapter, y_next)
        seen = self.seen(rates, plain, n if self.beside else None, state)
        factors, note = self._asked(seen, n, size, state)
        if factors:
            first_level = state.lines.transfer.first_level
            new = state.lines.corrected(n, rates, J, factors)
            away = adapter.unknown(np.split(new, first_level[1:])) - y_next
            y_next = y_next + away
            image = y_next if image is None else image + away
            size = largest(y_next - y)
        if not self.beside:
            y_next = self._mixed(y, y_next, size, state)
        state.size = size
        by = self.name if factors and self.policy is not None else ALONE
        return Step(y_next, estimate=relative(size), by=by, image=image, note=note)

    def seen(
        self, rates: Rates, plain: Array, ahead: Array | None, state: LinesState
    ) -> dict[int, SeenLine]:
        """Return what the agents of every thick line see.

        Parameters
        ----------
        rates : Rates
            Of the formal solution.
        plain : Array
            Populations after the plain update [m-3], [Nlevel, Nspace].
        ahead : Array or None
            Those after the coupled operator's step; None for the lines' own operators.
        state : LinesState
            As it is.
        """
        found = {}
        for k, line in state.lines.seen(rates).items():
            after = state.lines.source(k, plain)
            if not line.thick or after is None:
                continue
            if ahead is None:
                rays = state.geometry.rays(line.physics, line.profile)
                operator = TwoLevelOperator(
                    line.physics, line.y, state.geometry, rays, line.profile
                )
                if not operator.regular:
                    continue
                estimate = to_log(operator.error(line.y, line.lambda_residual))
            else:
                there = state.lines.source(k, ahead)
                if there is None:
                    continue
                estimate = there - line.y
            found[k] = SeenLine(line, make_frame(line.physics), after - line.y, estimate)
        return found

    def _asked(
        self, seen: dict[int, SeenLine], n: Array, size: float, state: LinesState
    ) -> tuple[dict[int, tuple[Array, Array]], str]:
        """Return how bright lines are in `n` and after their corrections, and what to say."""
        card = card_of(self.policy)
        if not size < state.size or not size < (card.asked_within or np.inf):
            state.asks = False
        asks = state.asks and not size < card.asked_after * state.size
        steps = {k: s.estimate for k, s in seen.items()}
        note = ""
        for k in sorted(seen.keys() - state.silent) if asks else ():
            s, last = seen[k], state.last.get(k)
            previous = None if last is None else Previous(*last, s.estimate)
            try:
                assert self.policy is not None
                steps[k] = propose(self.policy, s.frame, s.line.y, s.r, s.estimate, previous)
                state.last[k] = steps[k], s.estimate
            except OutOfRangeError:
                state.silent.add(k)
            except PolicyOutputError as err:
                state.asks, note = False, f"left to the operator: {err}"
                steps = {k: s.estimate for k, s in seen.items()}
                break
        if not asks or note:
            state.last.clear()
            if self.beside:
                return {}, note
        factors = {}
        for k, s in seen.items():
            there = state.lines.source(k, n)
            if there is not None and not (self.beside and steps[k] is s.estimate):
                before, after = (
                    s.line.brightness(y, state.geometry) for y in (there, s.line.y + steps[k])
                )
                # Rates are those of where the coupled operator leads, or of the formal solution.
                factors[k] = (
                    (np.ones_like(before), after / before) if self.beside else (before, after)
                )
        return factors, note

    @staticmethod
    def _mixed(y: Array, image: Array, size: float, state: LinesState) -> Array:
        """Return the image combined with those of states nearby, as the coupled operator's are."""
        within = shipped().moved
        ys, images = state.history.images(within)
        if not ys or size > within:
            return image
        return limit_step(y, anderson_mix([*ys, y], [*images, image]), within)


def _joined(adapter: Adapter, y: Array) -> Array:
    """Return the populations of an unknown, atom after atom [m-3], [Nlevel, Nspace]."""
    return np.concatenate(adapter.populations(y))
