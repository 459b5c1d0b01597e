"""The policy as an iteration scheme: a correction at every depth, from the best state visited."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from ..arrays import Array
from ..certificate.history import MEMORY, History
from ..certificate.settings import shipped
from ..errors import OutOfRangeError, PolicyOutputError
from ..extrapolation import combine_linear
from ..host.adapter import Adapter
from ..host.state import Block, Evaluation
from ..norms import largest, relative, to_log
from ..operator.base import (
    CarriesLight,
    EquilibriumOperator,
    KnowsRadiation,
    able,
    geometry_for,
    operator_for,
)
from ..operator.lambda_1d import Plane1D
from ..operator.plane_2d import Plane2D
from ..operator.two_level import TwoLevelOperator
from ..policies.base import Policy
from ..policies.card import card_of
from ..policies.drive import Driver, FixedDriver
from ..policies.observation import Frame, Previous, correction, make_frame, observe
from .anderson import Anderson, AndersonState
from .base import Step
from .driving import Driving
from .multilevel import CoupledStep, coupled_step

__all__ = ["ALONE", "BlockState", "Depthwise", "propose"]

#: What atoms get that have no operator, or one that cannot be inverted.
_OTHERS = Anderson()
#: Whose the steps are that no policy had a part in.
ALONE = "nonlocal"
#: Populations that differ from the operator's own solution by more than this, in the logarithm of
#: the source function, are further off than that is: a solve that begins with them, 3 % wrong,
#: takes four formal solutions where one from LTE takes two.
_ELSEWHERE = 0.02


@dataclass
class BlockState:
    """What evolves for one active atom.

    Attributes
    ----------
    block : Block
        Which one it is.
    others : AndersonState
        For atoms without an operator.
    history : History
        The states visited.
    driving : Driving
        What drives the solve.
    coupled : CoupledStep or None
        The operator of all atoms together, the same for all of them, if one has more levels.
    near, after : float
        Estimated error from which on the policy is not asked, and share of it that the step before
        must have left.
    operator : EquilibriumOperator or None
        Of a two-level atom.
    carries : bool
        Whether it carries scattered light along.
    asks : bool
        Whether a policy may be asked.
    frame : Frame or None
        Of its observations, once it was asked.
    by_policy : bool
        Whether the last step was the policy's.
    factor : float or None
        With which the operator's own estimate of the error holds, if the policy's card knows that.
    first, lte : Array or None
        The operator's own solution, if that is where the solve is to begin, and the unknown that it
        takes the place of.
    since : int
        Formal solutions, of all of the solve, whose states are not combined.
    last : tuple of Array, or None
        The policy's last correction, and the estimated error that it was made for.
    made : int
        Steps made.
    size : float
        Largest estimated error at the last step.
    redistributed : bool
        Whether the emission profile is iterated too.
    note : str
        What the next step is to say.
    """

    block: Block
    others: AndersonState
    history: History
    driving: Driving
    near: float
    after: float = 0.0
    coupled: CoupledStep | None = None
    operator: EquilibriumOperator | None = None
    carries: bool = False
    asks: bool = False
    frame: Frame | None = None
    by_policy: bool = False
    factor: float | None = None
    first: Array | None = None
    lte: Array | None = None
    since: int = 0
    last: tuple[Array, Array] | None = None
    made: int = 0
    size: float = np.inf
    redistributed: bool = False
    note: str = ""

    def clear(self) -> None:
        """Forget the states visited."""
        self.since = self.history.made
        self.others.clear()
        self.last = None


def propose(
    policy: Policy, frame: Frame, y: Array, r: Array, estimate: Array, previous: Previous | None
) -> Array:
    """Return the correction that a policy proposes, shape [Nspace].

    In two dimensions it is asked for one number per point of every column.

    This is the step that environment, training and solver share.

    Raises
    ------
    OutOfRangeError
        If the policy says that it knows nothing of the kind.
    PolicyOutputError
        If the policy raises anything else, or returns anything but one finite number per point.
    """
    observation = observe(frame, y, r, estimate, previous)
    try:
        action, _ = policy.predict(observation, deterministic=True)
        action = np.asarray(action)
        if action.dtype.kind not in "fiu":
            raise TypeError(f"an action is an array of real numbers, got {action.dtype}")
    except OutOfRangeError:
        raise
    except Exception as err:
        raise PolicyOutputError(f"the policy failed: {type(err).__name__}: {err}") from err
    if action.shape != frame.shape:
        raise PolicyOutputError(
            f"the policy returned an action of shape {action.shape}, expected {frame.shape}"
        )
    if not np.isfinite(action.sum()):
        raise PolicyOutputError("the policy returned an action that is not finite")
    return correction(frame, np.minimum(np.maximum(action, -1.0), 1.0), estimate)


def _couples(adapter: Adapter) -> bool:
    """Whether the operator of all lines and continua is to be used.

    It foresees how emission profiles follow the mean intensity, so that two-level atoms in partial
    redistribution get it as well, where nothing moves: in a flow it takes longer than iterating
    the profiles does.
    """
    at_rest = adapter.grid.Ndim == 1 and not adapter.moves
    return not adapter.line_sources or (at_rest and adapter.any_redistributes)


@dataclass(frozen=True)
class Depthwise:
    """A non-local approximate operator and a depth-wise policy correct the best state visited.

    The operator (`lw_rl.operator.two_level`) turns the residual of a formal solution into an
    estimate of the error at every depth; the policy, which sees it, says what it leaves (residual
    policy learning: Silver et al. 2018, arXiv 1812.06298). At fixed opacity both residual and
    estimate are linear in the source function, so those of any combination of visited states are
    known without a formal solution: it is the combination with the smallest estimated error that
    is corrected, a flexible, nonlinearly preconditioned method of minimal residuals (Saad 1993,
    SIAM J. Sci. Comput. 14, 461). The fixed point is exact whatever operator and policy say.

    Where the solve has moved away from what the operator was linearised around, further than
    `Settings.moved`, it is relinearised.

    Populations in LTE carry no information about the radiation field, nor do those of another
    atmosphere: the operator's own solution is the zeroth step, before the first formal solution,
    where they differ from it by more than a few per cent.

    A policy is asked where the operator's last step left enough to do, as its card says
    (`Card.asked_after`), for as long as its steps lower the estimated error: after one that does
    not, where the operator's first guess is further off than its card allows, where it fails, and
    where it says that it knows nothing of the kind (:class:`~lw_rl.errors.OutOfRangeError`), the
    rest of the solve is the operator's alone.

    Two-level atoms get this, in two dimensions with an operator that is applied without being made
    (`lw_rl.operator.two_level_2d`) and without a policy. Where an atom has more levels, all of them
    get the equilibrium of their coupled lines and continua (`lw_rl.schemes.multilevel`) and, where
    that does not apply, what `Anderson` does. In a column at rest two-level atoms in partial
    redistribution get that equilibrium as well.

    Parameters
    ----------
    policy : Policy or None
        Maps an observation (`lw_rl.policies.observation`) to one number per point; None leaves it
        all to the operator.
    window : int, optional
        States that are combined; 1 turns it off (default: 11, all that are remembered).
    driver : Driver, optional
        Decides what is spent (default: the fixed setting).
    """

    policy: Policy | None
    window: int = MEMORY
    driver: Driver = field(default_factory=FixedDriver)
    name: str = field(default="depthwise")
    lambdaIterate: bool = False
    solves_scattering: bool = True

    def __post_init__(self) -> None:
        if self.policy is not None and not isinstance(self.policy, Policy):
            raise TypeError(
                f"a policy needs a method predict(obs, deterministic=True); "
                f"{type(self.policy).__name__} has none"
            )
        if not isinstance(self.driver, Driver):
            raise TypeError(
                f"a driver needs a method decide(situation); {type(self.driver).__name__} has none"
            )
        if self.window < 1:
            raise ValueError(f"Depthwise needs window >= 1, got {self.window}")

    def init(self, adapter: Adapter, history: History) -> list[BlockState]:
        """Prepare operator and observation of every two-level atom."""
        geometry = geometry_for(adapter.grid)
        driving = Driving(self.driver, adapter, history)
        driving.decide()
        coupled = coupled_step(adapter, history, driving.effort) if _couples(adapter) else None
        return [
            self._prepared(adapter, driving, block, geometry, coupled) for block in adapter.blocks
        ]

    def _prepared(
        self,
        adapter: Adapter,
        driving: Driving,
        block: Block,
        geometry: Plane1D | Plane2D | None,
        coupled: CoupledStep | None,
    ) -> BlockState:
        history, effort = driving.history, driving.effort
        others = _OTHERS.init(adapter, history)
        # The first formal solution begins without scattered background light.
        since = history.made + 1
        s = BlockState(block, others, history, driving, np.inf, coupled=coupled, since=since)
        if coupled is not None:
            return s
        atom, y = adapter.atom(block), adapter.read()[block.span]
        lte = adapter.in_lte(block)
        # With a profile that is not that of complete redistribution they are worth more.
        kept = not lte and adapter.redistributes(block)
        operator = operator_for(atom, geometry, y if kept else None, effort)
        if operator is None or not operator.regular:
            return s
        first = None if kept else operator.start()
        if first is not None and not lte:
            if largest(first - y) > _ELSEWHERE:
                s.note = "the populations that it began with are far off: begun as from LTE"
            else:
                operator, first = operator_for(atom, geometry, y, effort), None
                if operator is None or not operator.regular:
                    return s
        s.operator, s.carries = operator, able(operator, CarriesLight)
        if first is not None:
            s.first = first
            # Collisional-radiative switching begins as another problem, from LTE.
            s.lte = y if adapter.settled else None
        # Policies are trained in one dimension, at complete redistribution.
        trained = adapter.grid.Ndim == 1 and not adapter.redistributes(block)
        if self.policy is not None and atom.source and trained:
            card = card_of(self.policy)
            s.asks, s.near, s.after = True, card.asked_within or np.inf, card.asked_after
            if card.knows_operator:
                s.frame = make_frame(atom.source.physics())
                s.factor = card.operator_factor(s.frame.static)
        return s

    def operators(self, state: list[BlockState]) -> dict[Block, EquilibriumOperator]:
        """Return the approximate operators that there are, by atom."""
        return {s.block: s.operator for s in state if s.operator is not None}

    def operator_factor(self, state: list[BlockState]) -> float | None:
        """Return the factor on the operator's own estimate of the error, if it was calibrated."""
        factors = [s.factor for s in state]
        known = [f for f in factors if f is not None]
        return max(known) if known and len(known) == len(factors) else None

    def redistribute(self, change: float, state: list[BlockState]) -> None:
        """Forget the states visited: their residuals are of another emission profile.

        Policies are trained at complete redistribution: they are not asked any more.
        """
        for s in state:
            s.clear()
            s.asks = False
            s.redistributed = True

    def couples(self, state: list[BlockState]) -> bool:
        """Return whether the next step is one of the operator of all atoms together."""
        return state[0].coupled is not None

    def foresees(self, state: list[BlockState]) -> bool:
        """Return whether its steps foresee how emission profiles follow them."""
        coupled = state[0].coupled
        return coupled is not None and coupled.foresees

    def start(self, y: Array, state: list[BlockState]) -> Array | None:
        """Return where the solve is to begin, or None to begin where it is."""
        # Populations that were set since :meth:`init` are a beginning of somebody's own.
        start = y.copy()
        for s in state:
            if s.lte is not None and np.array_equal(y[s.block.span], s.lte):
                start[s.block.span] = s.first
                if s.carries:
                    cast(CarriesLight, s.operator).carry(start[s.block.span])
        return None if np.array_equal(start, y) else start

    def start_radiation(self, state: list[BlockState]) -> dict[Block, Array]:
        """Return the mean intensity of lines at :meth:`start`, by atom.

        The host takes it for the source of scattered background light in the first formal solution.
        """
        known: dict[Block, Array | None] = {}
        for s in state:
            if s.first is not None and s.operator is not None and able(s.operator, KnowsRadiation):
                known[s.block] = cast(KnowsRadiation, s.operator).start_radiation()
        return {block: J for block, J in known.items() if J is not None}

    def step(self, evaluation: Evaluation, state: list[BlockState]) -> Step:
        """Correct every atom's block."""
        if not evaluation.valid:
            for s in state:
                s.clear()
            return Step(None, by="mali")
        driving = state[0].driving
        moved = self._moved(evaluation, state) if driving.looks else 0.0
        decision = driving.decide(evaluation, moved)
        if decision.hand_over:
            raise PolicyOutputError("the driver decided so")
        if decision.plain:
            return Step(None, by="mali", note=driving.noted())
        coupled = state[0].coupled
        if coupled is not None:
            try:
                proposed = coupled.propose(evaluation, decision)
            except PolicyOutputError:
                if not coupled.adapter.line_sources:
                    raise
                self._part(coupled.adapter, state)
                return Step(None, by="mali", note="every line goes on by an operator of its own")
            if proposed is None:
                return Step(None, by="mali", note=driving.noted())
            y_next, size, image = proposed
            driving.stepped(size)
            note = driving.noted()
            return Step(y_next, estimate=relative(size), by=ALONE, image=image, note=note)
        if all(s.operator is None and s.others.waits for s in state):
            return Step(None, by="mali")
        assert evaluation.lambda_residual is not None
        y_next = np.empty_like(evaluation.y)
        estimate = 0.0
        for s in state:
            if s.operator is not None:
                proposal, error = self._correct(evaluation, s)
                if s.carries:
                    cast(CarriesLight, s.operator).carry(proposal)
            else:
                proposal = _OTHERS.mix(evaluation, s.block.span, s.others)
                error = relative(largest(proposal - evaluation.y[s.block.span]))
            estimate = max(estimate, error)
            y_next[s.block.span] = proposal
        driving.stepped(estimate)
        note = "; ".join(n for n in (driving.noted(), *(s.note for s in state)) if n)
        for s in state:
            s.note = ""
        if any(s.by_policy for s in state):
            by = self.name
        else:
            by = ALONE if any(s.operator is not None for s in state) else _OTHERS.name
        return Step(y_next, estimate=estimate, by=by, note=note)

    def _part(self, adapter: Adapter, state: list[BlockState]) -> None:
        """Go on with an operator of every line instead of that of all of them."""
        geometry = geometry_for(adapter.grid)
        for k, s in enumerate(state):
            state[k] = self._prepared(adapter, s.driving, s.block, geometry, None)
            state[k].redistributed = True

    @staticmethod
    def _moved(evaluation: Evaluation, state: list[BlockState]) -> float:
        """Return how far the state is from what operators were linearised around."""
        moved = 0.0
        for s in state:
            if s.operator is not None and s.operator.y is not None:
                moved = max(moved, largest(s.operator.y - evaluation.y[s.block.span]))
        return moved

    def _combined(self, evaluation: Evaluation, s: BlockState) -> tuple[Array, Array, Array, Array]:
        """Return the error of the last state, and the best combination of the states visited.

        Returns
        -------
        error : Array
            The relative error of the last state by the operator, shape [Nspace].
        start, left, plain : Array
            The combination's unknown, its relative error by the operator, and MALI's relative
            residual.
        """
        assert s.operator is not None
        span, ys, errors, plains = s.block.span, [], [], []
        for e in s.history.states(evaluation, s.since)[-self.window :]:
            assert e.lambda_residual is not None
            ys.append(e.y[span])
            errors.append(s.operator.error(e.y[span], e.lambda_residual[span]))
            plains.append(np.expm1(e.r[span]))
        combined = combine_linear(ys, errors, plains) if len(ys) > 1 else None
        return errors[-1], *((ys[-1], errors[-1], plains[-1]) if combined is None else combined)

    def _outdated(self, start: Array, s: BlockState) -> bool:
        """Whether the operator is to be relinearised, around where its step is to begin.

        The host's interpolation is not linear: where its limiter switches between here and what the
        operator was linearised around, the operator's steps lead astray. In partial redistribution
        it stays, since what is accelerated there has to be one map (`lw_rl.schemes.coupled`).
        """
        assert s.operator is not None and s.operator.y is not None
        renew = s.driving.decision.renew
        if s.redistributed or (s.made == 1 if renew is None else not renew):
            return False
        if renew:
            return True
        return largest(s.operator.y - start) > shipped().moved

    def _correct(self, evaluation: Evaluation, s: BlockState) -> tuple[Array, float]:
        """Return the next unknown of a two-level atom and the estimated error of the present."""
        assert s.operator is not None
        s.made += 1
        error, start, left, plain = self._combined(evaluation, s)
        if self._outdated(start, s):
            relinearised = s.operator.relinearised(start)
            if relinearised.regular:
                s.operator = relinearised
                error, start, left, plain = self._combined(evaluation, s)
        estimate = to_log(left)
        size = largest(error)
        if not size < min(s.size, s.near):
            s.asks = False
        s.by_policy = s.asks and not size < s.after * s.size
        s.size = size
        decision = s.driving.decision
        if self.policy is None or not s.by_policy:
            s.last = None
            return start + decision.relaxation * estimate, size
        if s.frame is None:
            assert isinstance(s.operator, TwoLevelOperator)
            s.frame = make_frame(s.operator.line)
        previous = None if s.last is None else Previous(*s.last, to_log(error))
        try:
            step = propose(self.policy, s.frame, start, to_log(plain), estimate, previous)
        except PolicyOutputError as err:
            # It fails, or knows nothing of the kind; the operator is no worse for that.
            s.asks, s.by_policy, s.note = False, False, f"left to the operator: {err}"
            return start + estimate, size
        s.last = step, estimate
        if decision.weight != 1.0:
            step = estimate + decision.weight * (step - estimate)
        return start + decision.relaxation * step, size
