"""Remember the states that a solve visits, without taking part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import lightweaver as lw
import numpy as np

from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..iterate import AcceleratedContext

Array = np.ndarray


@dataclass(frozen=True)
class Visited:
    """The states visited on one column: what hindsight training needs.

    Attributes
    ----------
    column : dict
        The column, as keywords of :func:`lw_rl.atmospheres.from_arrays`.
    physics : dict
        Fields of the line's local physics (`lw_rl.host.state.LinePhysics`).
    y, r, lambda_residual : Array
        Unknown, MALI's residual and plain Lambda iteration's at every formal solution, shape
        [Nstate, Nspace].
    starts : Array
        Whether a trajectory begins at a state, shape [Nstate].
    """

    column: dict[str, Array]
    physics: dict[str, Any]
    y: Array
    r: Array
    lambda_residual: Array
    starts: Array


class Recorder:
    """A callback of :func:`lw_rl.solve` that remembers every accepted evaluation.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context that is about to be solved, with one active two-level atom.
    """

    def __init__(self, ctx: lw.Context):
        adapter = Adapter(ctx)
        self._physics = asdict(adapter.line_physics(adapter.blocks[0]))
        self._states: list[tuple[Array, Array, Array, bool]] = []
        self._last: Evaluation | None = None
        self._starts = True

    def __call__(self, proxy: AcceleratedContext) -> None:
        """Remember the evaluation of an iteration, unless it was undone."""
        evaluation = proxy.certificate.evaluation
        if evaluation is None or evaluation is self._last:
            # What follows does not follow from the state before.
            self._starts = True
            return
        assert evaluation.lambda_residual is not None
        state = (evaluation.y.copy(), evaluation.r.copy(), evaluation.lambda_residual.copy())
        self._states.append((*state, self._starts))
        self._last, self._starts = evaluation, False

    def visited(self, column: dict[str, Array]) -> Visited | None:
        """Return what was visited; None where nothing was.

        Parameters
        ----------
        column : dict
            The column, as keywords of :func:`lw_rl.atmospheres.from_arrays`.
        """
        if not self._states:
            return None
        return Visited(
            column, self._physics, *(np.array(values) for values in zip(*self._states, strict=True))
        )
