"""The states that a solve visited: what scheme, safeguard and certificate remember, once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..extrapolation import combine_positive
from ..host.state import Block, Evaluation
from ..norms import largest, relative
from .bounds import NEAR

__all__ = ["MAX_RHO", "MEMORY", "NOISE", "RUN", "History", "Iteration", "Visit", "contraction"]

#: States that are remembered, and combined by whoever combines: 10.4 formal solutions on 131
#: problems of hostile seed 72 with ten, 12.1 with eight.
MEMORY = 11
#: Steps over which a contraction is observed: with the largest over 2, 4 and 8 the stops of hostile
#: seed 74 are the same (25 problems).
_SPAN = 4
#: Steps in a row that tell something: that MALI is left to itself, that residuals fall no more,
#: that a profile settles. Without the first MALI takes 115 formal solutions instead of 110 on 25
#: problems of hostile seed 74.
RUN = 8
#: Residuals, in the logarithm, and corrections below this are rounding: they tell of nothing else.
#: A tolerance below is met or ends as rounding with 1e-10 as well (tests/test_tolerances.py).
NOISE = 1e-9
#: Contraction beyond which an iteration is not extrapolated: the slowest of MALI's that was
#: followed to its end, background scattering at 97 nm, contracts by 0.993.
MAX_RHO = 0.999


@dataclass(frozen=True)
class Iteration:
    """One iteration of unknown and emission profile together (partial redistribution).

    Attributes
    ----------
    by : str
        Which scheme made it.
    before, after : Array
        Unknown and profile, joined, shape [Nunknown + Nprofile].
    """

    by: str
    before: Array
    after: Array


class Visit(NamedTuple):
    """A state at which the host made a formal solution, and the step that was made from it.

    Attributes
    ----------
    evaluation : Evaluation
        The state and its residual.
    plain : bool
        Whether the step was the plain update.
    size : float
        Of the step, in the logarithm; at least the residual.
    factor : float or None
        On the size of the step as an estimate of the error, if it is one.
    method : str
        What that estimate is called.
    image : Array or None
        What an operator of its own makes of the state, if that was combined with earlier ones.
    follows : bool
        Whether the step of the visit before led here.
    number : int
        Which formal solution it was, from 1.
    undone : bool
        Whether the step led to where the residual is many times larger, and was undone.
    profile : float
        How much the emission profile changed afterwards, relatively.
    together : float or None
        Size of the step of unknown and profile together, if there was one.
    iteration : Iteration or None
        What became of unknown and emission profile, if that may be combined with others.
    """

    evaluation: Evaluation
    plain: bool = True
    size: float = 0.0
    factor: float | None = None
    method: str = "policy"
    image: Array | None = None
    follows: bool = True
    number: int = 0
    undone: bool = False
    profile: float = 0.0
    together: float | None = None
    iteration: Iteration | None = None

    @property
    def residual(self) -> float:
        """The largest residual, in the logarithm."""
        return self.evaluation.residual_norm


class History:
    """The last visits of a solve, oldest first.

    Attributes
    ----------
    made : int
        Formal solutions so far, those of steps that were undone included.
    first, least : float
        The first residual and the smallest, in the logarithm.
    idle : int
        Formal solutions since the smallest one.
    known : bool
        Whether the last visit is that of the last formal solution.
    settled : bool
        Whether the equations are those of the visits before: they change in collisional-radiative
        switching.
    """

    def __init__(self) -> None:
        self._radiation: deque[float] = deque(maxlen=_SPAN + 1)
        self.made = 0
        self.clear()

    def clear(self) -> None:
        """Forget all visits."""
        self._visits: deque[Visit] = deque(maxlen=MEMORY)
        self.idle = 0
        self.first = self.least = math.inf
        self.known = False

    def __len__(self) -> int:
        return len(self._visits)

    def __iter__(self) -> Iterator[Visit]:
        return iter(self._visits)

    def __getitem__(self, k: int) -> Visit:
        return self._visits[k]

    # ---- what happens -----

    def add(
        self,
        evaluation: Evaluation,
        plain: bool = True,
        size: float = 0.0,
        factor: float | None = None,
        method: str = "policy",
        image: Array | None = None,
    ) -> None:
        """Note a formal solution, and the step that is made from it: see `Visit`."""
        follows, number = self.known, self.made + 1
        self.append(Visit(evaluation, plain, size, factor, method, image, follows, number))

    def append(self, visit: Visit) -> None:
        """Note a visit that has its number already."""
        residual = visit.residual
        if not self._visits:
            self.first = residual
        self.made = visit.number
        self._visits.append(visit)
        self.known = True
        self.idle += 1
        if residual < self.least:
            self.least, self.idle = residual, 0

    def skip(self, undone: bool = False) -> None:
        """Note a formal solution of which nothing is known, or that the step to it was undone."""
        self.made += 1
        self.idle += 1
        self.known = False
        if undone and self._visits:
            self._visits[-1] = self._visits[-1]._replace(undone=True)

    def redistributed(self, change: float, together: float | None) -> None:
        """Note a change of the emission profile, and a step of unknown and profile together."""
        if self._visits and self.known:
            self._visits[-1] = self._visits[-1]._replace(profile=change, together=together)

    def iterated(self, iteration: Iteration) -> None:
        """Note what became of unknown and emission profile after the last visit."""
        self._visits[-1] = self._visits[-1]._replace(iteration=iteration)

    def radiated(self, change: float) -> None:
        """Note the largest relative change of the radiation field in a formal solution."""
        self._radiation.append(change)

    # ---- what can be combined -----

    def states(self, evaluation: Evaluation, since: float = 0) -> list[Evaluation]:
        """Return the states visited after formal solution `since`, and the present one."""
        return [*(v.evaluation for v in self._visits if v.number > since), evaluation]

    def plain_run(self) -> list[Evaluation]:
        """Return the last states of which each is the plain update of the one before."""
        found: list[Evaluation] = []
        for visit in reversed(self._visits if self.known else ()):
            if not visit.plain:
                break
            found.insert(0, visit.evaluation)
            if not visit.follows:
                break
        return found

    def images(self, within: float) -> tuple[list[Array], list[Array]]:
        """Return the last states without a gap that have an image as near as that, and the images.

        The distance is in the logarithm.
        """
        ys: list[Array] = []
        images: list[Array] = []
        for visit in reversed(self._visits):
            y, image = visit.evaluation.y, visit.image
            if image is None or largest(image - y) > within:
                break
            ys.insert(0, y)
            images.insert(0, image)
        return ys, images

    def iterations(self) -> list[Iteration]:
        """Return the last iterations of unknown and profile by one scheme, without a gap."""
        found: list[Iteration] = []
        for visit in reversed(self._visits):
            made = visit.iteration
            if made is None or (found and made.by != found[0].by):
                break
            found.insert(0, made)
        return found

    # ---- what it tells -----

    def until(self, visits: int) -> History:
        """Return what was known after so many of the visits that are kept."""
        earlier = History()
        earlier._radiation = self._radiation
        for visit in list(self._visits)[:visits]:
            earlier.append(visit)
        return earlier

    @property
    def last(self) -> Visit:
        """The last visit."""
        return self._visits[-1]

    @property
    def state(self) -> Array:
        """The last state, or its plain update if that was taken."""
        evaluation = self.last.evaluation
        return evaluation.y_plain if self.last.plain else evaluation.y

    @property
    def residuals(self) -> list[float]:
        """The largest residuals, in the logarithm."""
        return [v.residual for v in self._visits]

    @property
    def plain_steps(self) -> int:
        """How many plain steps were the last ones."""
        accelerated = (k for k, v in enumerate(reversed(self._visits)) if not v.plain)
        return next(accelerated, len(self._visits))

    @property
    def left(self) -> float:
        """The larger share that the last two accelerated steps left of the one before each."""
        left = [
            after.size / max(before.size, 1e-300)
            for before, after in pairwise(self._visits)
            if after.factor is not None and not before.plain
        ]
        return max(left[-2:], default=0.0)

    @property
    def together(self) -> list[float]:
        """The sizes of the last steps of unknown and emission profile together, without a gap."""
        sizes: list[float] = []
        for visit in reversed(self._visits):
            if visit.together is None:
                break
            sizes.insert(0, visit.together)
        return sizes

    def raised(self) -> list[float]:
        """Return the residuals that a plain step raised, or another that was undone."""
        raised = [
            before.residual
            for before, after in pairwise(self._visits)
            if before.plain and after.follows and before.residual < after.residual
        ]
        # A policy may be adversarial; steps of others raise residuals only across a switch.
        raised += [
            v.residual
            for v in self._visits
            if v.undone and not (v.factor is not None and v.method == "policy")
        ]
        return [r for r in raised if r > NOISE]

    def settled(self, span: slice) -> tuple[list[Array], list[Array]]:
        """Return an atom's unknowns and residuals, of states with their own background light."""
        near = [
            after.evaluation
            for before, after in pairwise(self._visits)
            if largest(after.evaluation.y - before.evaluation.y) <= NEAR
        ]
        return [e.y[span] for e in near], [e.r[span] for e in near]

    @property
    def is_settled(self) -> bool:
        """Whether the last state is close enough to the one before for its background light."""
        if len(self) < 2:
            return False
        return largest(self[-1].evaluation.y - self[-2].evaluation.y) <= NEAR

    @property
    def at_floor(self) -> bool:
        """Whether residuals are small, and no smaller any more: what is left is rounding."""
        return self.known and self.idle >= RUN and self.least < NOISE

    def best(self) -> Array:
        """Return the visited state with the smallest residual."""
        return min(self._visits, key=lambda v: v.residual).evaluation.y

    def distance(self, blocks: Sequence[Block]) -> float:
        """Return how far :attr:`state` is from the best combination of the states visited.

        In the logarithm; infinite where there is none.
        """
        if len(self) < 3:
            return float("inf")
        worst = 0.0
        for block in blocks:
            span = block.span
            combined = combine_positive(
                [v.evaluation.y[span] for v in self._visits],
                [v.evaluation.r[span] for v in self._visits],
            )
            if combined is None:
                return float("inf")
            worst = max(worst, largest(combined[0] - self.state[span]))
        return worst

    def remainder(self) -> float:
        """Return what is left after a plain step that followed another, in the logarithm.

        Where its residual `r` is largest and has shrunk by `rho` that is ``r rho / (1 - rho)``.
        Where it has grown, as one that alternates between two depths does, two steps tell.
        """
        r = np.abs(self.last.evaluation.r)
        worst = r.argmax()
        once, twice = (
            float(r[worst] / max(abs(self[-k].evaluation.r[worst]), 1e-300)) for k in (2, 3)
        )
        rho = min(once if once < 1.0 else math.sqrt(twice), MAX_RHO)
        return float(r[worst]) * rho / (1.0 - rho)

    def contraction(self) -> float:
        """Return the factor per step by which the residual fell over the last steps."""
        return contraction(self.residuals)

    def radiation_error(self) -> float:
        """Return the error that a radiation field which still changes leaves in the populations.

        Populations follow scattered light: their residual r is what one of its changes does to
        them, and with a contraction rho of these changes ``r rho / (1 - rho)`` is still to come.
        """
        if len(self._radiation) < 2:
            return float("inf")
        # In this order what is not a number, of changes without end, counts as the largest.
        rho = min(MAX_RHO, contraction(self._radiation))
        return relative(self.last.residual) * rho / (1.0 - rho)


def contraction(sizes: Sequence[float]) -> float:
    """Return the factor per step by which sizes fell over the last steps; one if unknown."""
    steps = min(_SPAN, len(sizes) - 1)
    if steps < 1:
        return 1.0
    return math.pow(sizes[-1] / max(sizes[-1 - steps], 1e-300), 1.0 / steps)
