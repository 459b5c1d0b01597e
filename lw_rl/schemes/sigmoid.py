"""The paper's own method as an iteration scheme: the source function is always a sigmoid.

Panos & Milic (2025, arXiv:2504.15679) let a policy replace the source function of an isothermal
slab by a sigmoid in log tau. Here the same sigmoid stands for S / B of any two-level atom, so that
the method can be tried where B varies with depth. It cannot converge: what it leaves is the misfit
between S / B and the best sigmoid, and the safeguard hands over to a scheme without that limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import least_squares

from ..arrays import Array
from ..certificate.history import History
from ..errors import PolicyOutputError
from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..norms import largest, relative
from ..policies.base import Policy
from ..slab.slab import LINE_OPACITY_RATIO
from ..slab.source_shapes import S_MAX, S_MIN, SigmoidShape
from .base import Step

__all__ = ["PAPER_GRID", "BlockState", "Sigmoid"]

#: log10 of the continuum optical depths at which the paper's policy sees the source function.
PAPER_GRID = np.linspace(-7.0, 2.0, 31)

#: Line-centre optical depth over continuum optical depth in the paper: 1e3 / sqrt(pi).
_LINE_CENTRE = np.log10(LINE_OPACITY_RATIO / np.sqrt(np.pi))


@dataclass
class BlockState:
    """What is known of one two-level atom.

    Attributes
    ----------
    shape : SigmoidShape
        The sigmoid on the atom's own depths.
    log_B : Array
        Planck function in the unit of the unknown, shape [Nspace].
    action : Array
        The last action, shape [4].
    """

    shape: SigmoidShape
    log_B: Array
    action: Array


@dataclass(frozen=True)
class Sigmoid:
    """Replace S / B of every two-level atom by a sigmoid in log tau; others are left to MALI.

    Parameters
    ----------
    policy : Policy, optional
        Maps S / B on `PAPER_GRID`, float32 of shape [31], to the paper's action in [-1, 1]**4, as
        a model of `lw_rl.training.paper.train_sac` does. Without one, the sigmoid that is nearest
        to the plain update in log S is taken: a projected MALI, and what a perfect policy of this
        kind could do at each step.

    Raises
    ------
    TypeError
        If the policy has no ``predict`` method.
    """

    policy: Policy | None = None
    name: str = field(default="sigmoid")
    lambdaIterate: bool = False
    solves_scattering: bool = True

    def __post_init__(self) -> None:
        if self.policy is not None and not isinstance(self.policy, Policy):
            raise TypeError(
                "a policy needs a method predict(obs, deterministic=True); "
                f"{type(self.policy).__name__} has none"
            )

    def init(self, adapter: Adapter, history: History) -> list[BlockState | None]:
        """Note depth scale and Planck function of every two-level atom; None for the others."""
        states: list[BlockState | None] = []
        for block in adapter.blocks:
            line = adapter.line(block)
            if line is None:
                states.append(None)
                continue
            shape = SigmoidShape(line.log_tau / np.log(10.0) - _LINE_CENTRE)
            start = (
                SigmoidShape.start_parameters - SigmoidShape.midpoint
            ) / SigmoidShape.half_range
            states.append(BlockState(shape, line.log_B, start))
        return states

    def step(self, evaluation: Evaluation, state: list[BlockState | None]) -> Step:
        """Replace the source function of every two-level atom."""
        if not evaluation.valid or all(s is None for s in state):
            return Step(None, by="mali")
        y_next = evaluation.y_plain.copy()
        for block, s in zip(evaluation.blocks, state, strict=True):
            if s is None:
                continue
            if self.policy is None:
                s.action = _nearest(s, evaluation.y_plain[block.span] - s.log_B)
            else:
                s.action = _asked(self.policy, s, evaluation.y[block.span] - s.log_B)
            y_next[block.span] = s.log_B + np.log(s.shape(s.action))
        # The sigmoid soon repeats itself, so that its change is no measure of its error; the plain
        # update's residual is what remains to be done at least.
        estimate = relative(max(largest(y_next - evaluation.y), largest(evaluation.r)))
        return Step(y_next, estimate=estimate, by=self.name)


def _nearest(s: BlockState, log_ratio: Array) -> Array:
    """Return the action of the sigmoid nearest to ln(S / B) [Nspace] in the least-squares sense."""
    target = np.clip(log_ratio, np.log(S_MIN), np.log(S_MAX))

    def misfit(action: Array) -> Array:
        return np.log(s.shape(action)) - target

    # The start must lie strictly inside the bounds.
    start = np.clip(s.action, -0.99, 0.99)
    return np.asarray(least_squares(misfit, start, bounds=(-1.0, 1.0)).x)


def _asked(policy: Policy, s: BlockState, log_ratio: Array) -> Array:
    """Return the action that the policy gives for ln(S / B) [Nspace].

    Raises
    ------
    PolicyOutputError
        If the policy raises, or returns anything but four finite numbers.
    """
    ratio = np.exp(np.clip(log_ratio, np.log(S_MIN), np.log(S_MAX)))
    seen = np.interp(PAPER_GRID, s.shape.log_tau, ratio).astype(np.float32)
    try:
        action, _ = policy.predict(seen, deterministic=True)
        action = np.asarray(action, dtype=np.float64)
    except Exception as err:
        raise PolicyOutputError(f"the policy failed: {type(err).__name__}: {err}") from err
    if action.shape != (4,):
        raise PolicyOutputError(f"the policy returned an action of shape {action.shape}, not (4,)")
    if not np.all(np.isfinite(action)):
        raise PolicyOutputError("the policy returned an action that is not finite")
    clipped: Array = np.clip(action, -1.0, 1.0)
    return clipped
