"""What an iteration scheme is: an immutable configuration with ``init`` and ``step``.

A scheme sees an :class:`~lw_rl.host.adapter.Evaluation` (the unknown at which a formal solution was
made, and the residual of the host's plain update) and proposes the next unknown. All that evolves
sits in the state that ``init`` returns and ``step`` is given; the one driver owns the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..host.adapter import Adapter
from ..host.state import Evaluation

Array = np.ndarray


@dataclass(frozen=True)
class Step:
    """A scheme's answer to one evaluation.

    Attributes
    ----------
    y : Array or None
        The next unknown; None leaves the context as it is, which after the host's plain update
        is that update.
    estimate : float
        Estimate of the largest relative error of the populations at which the formal solution was
        made; 0 where the scheme has no opinion beyond the change it makes.
    by : str
        Which scheme made the step.
    accepted : bool
        False if the step before was undone.
    anew : bool
        Whether the solve begins again where the host began: what was seen so far does not count.
    note : str
        What happened, where that is out of the ordinary.
    """

    y: Array | None
    estimate: float = 0.0
    by: str = "mali"
    accepted: bool = True
    anew: bool = False
    note: str = ""


@runtime_checkable
class Scheme(Protocol):
    """The signature that every iteration scheme has.

    A scheme that knows a better beginning than the populations as they are has one more method,
    ``start(y, state)``: it returns the unknown at which the first formal solution is to be made,
    or None.

    Attributes
    ----------
    name : str
        What reports call it.
    lambdaIterate : bool
        Whether the formal solution is to leave out the approximate operator.
    """

    @property
    def name(self) -> str:
        """What reports call the scheme."""
        ...

    @property
    def lambdaIterate(self) -> bool:
        """Whether the formal solution leaves out the approximate operator."""
        ...

    def init(self, adapter: Adapter) -> Any:
        """Return the state at the start of a solve, before the first formal solution."""
        ...

    def step(self, evaluation: Evaluation, state: Any) -> Step:
        """Propose the next unknown; `state` is updated in place."""
        ...
