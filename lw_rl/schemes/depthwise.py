"""The policy as an iteration scheme: a correction at every depth, with Anderson around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..adapter import Adapter
from ..errors import PolicyOutputError
from ..observation import Frame, Previous, correction, make_frame, observe
from ..state import Block, Evaluation
from .anderson import Anderson, History
from .base import Step, largest, relative
from .history import combine_positive

Array = np.ndarray

#: What atoms get that are not two-level atoms.
_OTHERS = Anderson()


@runtime_checkable
class Policy(Protocol):
    """Anything that maps an observation to an action, as stable-baselines3's models do."""

    def predict(self, observation: Array, *, deterministic: bool = True) -> tuple[Array, Any]:
        """Return the action in [-1, 1], shape [Npoints], and a recurrent state (ignored)."""
        ...


@dataclass
class BlockState:
    """What evolves for one active atom."""

    block: Block
    history: History
    frame: Frame | None = None
    previous: Previous | None = None
    made: int = 0


def propose(policy: Policy, frame: Frame, y: Array, r: Array, previous: Previous | None) -> Array:
    """Return the correction that a policy proposes, shape [Nspace].

    This is the step that environment, training and solver share.

    Raises
    ------
    PolicyOutputError
        If the policy raises, or returns anything but one finite number per point.
    """
    observation = observe(frame, y, r, previous)
    try:
        action, _ = policy.predict(observation, deterministic=True)
        action = np.asarray(action)
        if action.dtype.kind not in "fiu":
            raise TypeError(f"an action is an array of real numbers, got {action.dtype}")
    except Exception as err:
        raise PolicyOutputError(f"the policy failed: {type(err).__name__}: {err}") from err
    if action.shape != (frame.Npoints,):
        raise PolicyOutputError(
            f"the policy returned an action of shape {action.shape}, expected ({frame.Npoints},)"
        )
    if not np.isfinite(action.sum()):
        raise PolicyOutputError("the policy returned an action that is not finite")
    return correction(frame, np.minimum(np.maximum(action, -1.0), 1.0), r)


@dataclass(frozen=True)
class Depthwise:
    """A depth-wise policy corrects the best combination of the states visited so far.

    At fixed opacity the residual is linear in the source function, so the residual of any
    combination of visited states is known without a formal solution. The policy is asked about
    the combination with the smallest residual: a flexible, nonlinear preconditioner of a minimal
    residual method (Saad 1993, SIAM J. Sci. Comput. 14, 461). The fixed point is exact whatever
    the policy says, and where it is out of its depth the combination still converges.

    Two-level atoms get the policy; all others get Anderson acceleration of the plain update.

    Parameters
    ----------
    policy : Policy
        Maps an observation (`lw_rl.observation`) to one number per point.
    window : int, optional
        States besides the last one that are combined; 0 turns it off (default: 8).
    opens : int, optional
        Step from which states are combined (default: 3).
    """

    policy: Policy
    window: int = 8
    opens: int = 3
    name: str = field(default="depthwise")
    lambdaIterate: bool = False

    def __post_init__(self) -> None:
        if not hasattr(self.policy, "predict"):
            raise TypeError(
                f"a policy needs a method predict(obs, deterministic=True); "
                f"{type(self.policy).__name__} has none"
            )
        if self.window < 0 or self.opens < 1:
            raise ValueError(
                "Depthwise needs window >= 0, opens >= 1; got "
                f"window={self.window}, opens={self.opens}"
            )

    def init(self, adapter: Adapter) -> list[BlockState]:
        """Prepare the observation of every two-level atom."""
        states = []
        for block in adapter.blocks:
            frame = make_frame(adapter.line_physics(block)) if block.two_level else None
            size = self.window if block.two_level else _OTHERS.window
            states.append(BlockState(block, History.empty(size), frame))
        return states

    def step(self, evaluation: Evaluation, state: list[BlockState]) -> Step:
        """Correct every atom's block."""
        if not evaluation.valid:
            for s in state:
                s.history.clear()
                s.previous = None
            return Step(None, by="mali")
        y_next = np.empty_like(evaluation.y)
        estimate = 0.0
        for s in state:
            y, r = evaluation.y[s.block.span], evaluation.r[s.block.span]
            if s.frame is None:
                proposal = _OTHERS.mix(y, y + r, s.history)
            else:
                proposal = self._correct(y, r, s, s.frame)
            estimate = max(estimate, relative(largest(proposal - y)))
            y_next[s.block.span] = proposal
        return Step(y_next, estimate=estimate, by=self.name)

    def _correct(self, y: Array, r: Array, s: BlockState, frame: Frame) -> Array:
        """Return the next unknown of a two-level atom."""
        s.made += 1
        s.history.add(y, r)
        start, residual, previous = y, r, s.previous
        if self.window > 0 and s.made >= self.opens:
            combined = combine_positive(s.history.xs, s.history.gs)
            if combined is not None:
                start, residual = combined
                # What led there, as far as the policy is concerned: a step from here.
                previous = Previous(start - y, r)
        proposal = start + propose(self.policy, frame, start, residual, previous)
        s.previous = Previous(proposal - y, r)
        return proposal
