"""Remember the states that a scheme visits, without taking part."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..adapter import Adapter
from ..schemes import Scheme, Step
from ..state import Evaluation

Array = np.ndarray


@dataclass(frozen=True)
class Visited:
    """The states visited on one column: what hindsight training needs.

    Attributes
    ----------
    column : dict
        The column, as keywords of :func:`lw_rl.atmospheres.from_arrays`.
    physics : dict
        Fields of the line's local physics (`lw_rl.state.LinePhysics`).
    y, r, implied : Array
        Unknown, MALI's residual and plain Lambda iteration's at every formal solution, shape
        [Nstate, Nspace].
    starts : Array
        Whether a trajectory begins at a state, shape [Nstate].
    """

    column: dict[str, Array]
    physics: dict[str, Any]
    y: Array
    r: Array
    implied: Array
    starts: Array


@dataclass
class Recorder:
    """A scheme that remembers what another one sees.

    Parameters
    ----------
    scheme : Scheme
        The scheme that does the work; whatever else is asked of this one is asked of it.
    """

    scheme: Scheme
    states: list[tuple[Array, Array, Array, bool]] = field(default_factory=list)
    physics: dict[str, Any] | None = None
    _starts: bool = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "scheme":
            raise AttributeError(name)
        return getattr(self.scheme, name)

    @property
    def name(self) -> str:
        """The scheme's name."""
        return self.scheme.name

    @property
    def lambdaIterate(self) -> bool:
        """The scheme's kind of formal solution."""
        return self.scheme.lambdaIterate

    def init(self, adapter: Adapter) -> Any:
        """Start the scheme; what follows is another trajectory."""
        self._starts = True
        if self.physics is None:
            self.physics = asdict(adapter.line_physics(adapter.blocks[0]))
        return self.scheme.init(adapter)

    def step(self, evaluation: Evaluation, state: Any) -> Step:
        """Remember the evaluation and ask the scheme."""
        if evaluation.valid:
            assert evaluation.implied is not None
            y, r, implied = evaluation.y, evaluation.r, evaluation.implied
            self.states.append((y.copy(), r.copy(), implied.copy(), self._starts))
            self._starts = False
        return self.scheme.step(evaluation, state)

    def visited(self, column: dict[str, Array]) -> Visited | None:
        """Return what was visited; None where nothing was."""
        if not self.states or self.physics is None:
            return None
        return Visited(column, self.physics, *(np.array(v) for v in zip(*self.states, strict=True)))
