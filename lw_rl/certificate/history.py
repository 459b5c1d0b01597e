"""The states that a solve visited, and what their residuals say of the error."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import compress

import numpy as np

from ..arrays import Array
from ..extrapolation import combine_positive
from ..host.state import Block, Evaluation
from ..norms import largest
from .bounds import NEAR

__all__ = ["MAX_RHO", "NOISE", "History", "contraction"]


#: History states that are combined.
_WINDOW = 20
#: Steps over which the contraction of the residual is observed.
_SPANS = (2, 4, 8)
#: Below this residual, in the logarithm, rounding can be what is left: it is where a residual is
#: not smaller than this part of that so many steps before.
_ROUNDING, _SMALLER, _STEPS = 1e-9, 0.9, 6
#: Residuals, in the logarithm, and corrections below this are rounding: they tell of nothing else.
NOISE = 1e-10
#: Contraction beyond which a plain iteration is not extrapolated.
MAX_RHO = 0.999


class History:
    """The last states of a solve at which the host made a formal solution.

    Parameters
    ----------
    small : float, optional
        Residual, in the logarithm, below which a plain step that raises it, or another one that has
        to be undone, tells of a limiter switch (default: 0.01).
    memory : int, optional
        Steps for which switches of the limiter and raised residuals are remembered (default: 40).

    Attributes
    ----------
    first : float
        The first residual, in the logarithm.
    """

    def __init__(self, small: float = 0.01, memory: int = 40) -> None:
        self._small = small
        self.first = float("inf")
        self._ys: deque[Array] = deque(maxlen=_WINDOW + 1)
        self._rs: deque[Array] = deque(maxlen=_WINDOW + 1)
        self._settled: deque[bool] = deque(maxlen=_WINDOW + 1)
        self._residual_norms: deque[float] = deque(maxlen=max(_SPANS) + 1)
        # From which residual a plain step had raised it, or one that was undone, if it did.
        self._raised: deque[float] = deque(maxlen=memory)
        self._switches: deque[bool] = deque(maxlen=memory)

    def __len__(self) -> int:
        return len(self._ys)

    def add(self, evaluation: Evaluation, plainly: bool) -> None:
        """Note an evaluation.

        Parameters
        ----------
        evaluation : Evaluation
            A valid one.
        plainly : bool
            Whether a plain step led there from the last one, and the equations are the same.
        """
        residual_norm, before = (
            evaluation.residual_norm,
            self._residual_norms[-1] if self._residual_norms else float("inf"),
        )
        # The scattered background light in a residual is that of the populations before.
        self._settled.append(bool(self._ys) and largest(evaluation.y - self._ys[-1]) <= NEAR)
        if not self._ys:
            self.first = residual_norm
        self._ys.append(evaluation.y)
        self._rs.append(evaluation.r)
        self._residual_norms.append(residual_norm)
        raised = plainly and NOISE < before < residual_norm
        self._raised.append(before if raised else float("inf"))
        self._switches.append(False)

    def switch(self) -> None:
        """Note a switch of the host's limiter near the last state."""
        self._switches[-1] = True

    def undone(self) -> None:
        """Note that a step from the last state led to where the residual is many times larger."""
        if self._residual_norms and self._residual_norms[-1] > NOISE:
            self._raised[-1] = self._residual_norms[-1]

    @property
    def rough(self) -> bool:
        """Whether linear estimates are worth little: the limiter switched, or nothing contracts."""
        return any(self._switches) or min(self._raised) < self._small

    @property
    def monotone(self) -> bool:
        """Whether nothing in the last states speaks against a maximum principle."""
        smooth = not any(self._switches) and min(self._raised) == float("inf")
        return smooth and self._settled[-1]

    def settled(self, span: slice) -> tuple[list[Array], list[Array]]:
        """Return an atom's unknowns and residuals, of states with their own background light."""
        ys = [y[span] for y in compress(self._ys, self._settled)]
        return ys, [r[span] for r in compress(self._rs, self._settled)]

    @property
    def at_floor(self) -> bool:
        """Whether residuals are small, and no smaller any more: what is left is rounding."""
        norms = [largest(r) for r in self._rs]
        if len(norms) <= _STEPS or not min(norms) < _ROUNDING:
            return False
        return norms[-1] >= _SMALLER * norms[-1 - _STEPS]

    def best(self) -> Array:
        """Return the visited state with the smallest residual."""
        return min(zip(self._ys, self._rs, strict=True), key=lambda state: largest(state[1]))[0]

    def distance(self, state: Array, blocks: Sequence[Block]) -> float:
        """Return how far the best combination of the states is from one, in the logarithm.

        Infinite where there is none.
        """
        if len(self._ys) < 3:
            return float("inf")
        worst = 0.0
        for block in blocks:
            span = block.span
            combined = combine_positive([y[span] for y in self._ys], [r[span] for r in self._rs])
            if combined is None:
                return float("inf")
            worst = max(worst, largest(combined[0] - state[span]))
        return worst

    def remainder(self) -> float:
        """Return what is left after a plain step that followed another, in the logarithm.

        Where its residual `r` is largest and has shrunk by `rho` that is ``r rho / (1 - rho)``.
        Where it has grown, as one that alternates between two depths does, two steps tell.
        """
        r = np.abs(self._rs[-1])
        worst = r.argmax()
        once, twice = (float(r[worst] / max(abs(self._rs[-k][worst]), 1e-300)) for k in (2, 3))
        rho = min(once if once < 1.0 else math.sqrt(twice), MAX_RHO)
        return float(r[worst]) * rho / (1.0 - rho)

    def contraction(self) -> float:
        """Return the largest factor per step by which the residual fell over the last steps."""
        return contraction(self._residual_norms)


def contraction(sizes: Sequence[float], spans: Sequence[int] = _SPANS) -> float:
    """Return the largest factor per step by which sizes fell over so many steps; 0.5 if unknown."""
    if len(sizes) < 2:
        return 0.5
    within = [n for n in spans if n < len(sizes)] or [1]
    return max(math.pow(sizes[-1] / max(sizes[-1 - n], 1e-300), 1.0 / n) for n in within)
