"""Record the states that a solve visits, without taking part, and pack them into a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..files import Json
from ..host.adapter import Adapter
from ..host.state import Evaluation, LinePhysics
from ..iterate import AcceleratedContext

__all__ = ["StateRecorder", "VisitedStates", "pack", "unpack"]


#: Fields of :class:`VisitedStates` that are arrays.
_ARRAYS = ("y", "r", "lambda_residual", "starts")


@dataclass(frozen=True)
class VisitedStates:
    """The states visited on one column: what hindsight training needs.

    Attributes
    ----------
    column : dict
        The column, as keywords of :func:`lw_rl.atmospheres.from_arrays`.
    physics : LinePhysics
        The line's local physics, in LTE.
    y, r, lambda_residual : Array
        Unknown, MALI's residual and plain Lambda iteration's at every formal solution, shape
        [Nstate, Nspace].
    starts : Array
        Whether a trajectory begins at a state, shape [Nstate].
    """

    column: dict[str, Array]
    physics: LinePhysics
    y: Array
    r: Array
    lambda_residual: Array
    starts: Array


class StateRecorder:
    """A callback of :func:`lw_rl.solve` that records every accepted evaluation.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context that is about to be solved, with one active two-level atom.
    """

    def __init__(self, ctx: lw.Context):
        adapter = Adapter(ctx)
        self._physics = adapter.line_physics(adapter.blocks[0])
        self._states: list[tuple[Array, Array, Array, bool]] = []
        self._last: Evaluation | None = None
        self._starts = True

    def __call__(self, proxy: AcceleratedContext) -> None:
        """Record the evaluation of an iteration, unless it was undone."""
        evaluation = proxy.certificate.evaluation
        if evaluation is None or evaluation is self._last:
            # What follows does not follow from the state before.
            self._starts = True
            return
        assert evaluation.lambda_residual is not None
        state = (evaluation.y.copy(), evaluation.r.copy(), evaluation.lambda_residual.copy())
        self._states.append((*state, self._starts))
        self._last, self._starts = evaluation, False

    def visited(self, column: dict[str, Array]) -> VisitedStates | None:
        """Return what was visited; None where nothing was.

        Parameters
        ----------
        column : dict
            The column, as keywords of :func:`lw_rl.atmospheres.from_arrays`.
        """
        if not self._states:
            return None
        return VisitedStates(
            column, self._physics, *(np.array(values) for values in zip(*self._states, strict=True))
        )


def pack(columns: Sequence[VisitedStates]) -> bytes:
    """Return the visited states of columns as the contents of an npz file, without pickle."""
    arrays: dict[str, Array] = {}
    for k, visited in enumerate(columns):
        for part, values in (("column", visited.column), ("physics", asdict(visited.physics))):
            arrays |= {f"{k}/{part}/{name}": value for name, value in values.items()}
        arrays |= {f"{k}/{name}": getattr(visited, name) for name in _ARRAYS}
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(path: Path) -> list[VisitedStates]:
    """Read the visited states of columns from a file with what :func:`pack` returned."""
    parts: dict[int, dict[str, Json]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            number, *folder, name = key.split("/")
            part = parts.setdefault(int(number), {}).setdefault("".join(folder), {})
            values = arrays[key]
            part[name] = values if values.ndim else values.item()
    return [
        VisitedStates(one["column"], LinePhysics(**one["physics"]), **one[""])
        for _, one in sorted(parts.items())
    ]
