"""The environment of the paper: an action replaces the whole source function of a slab.

`SourceStep` is the step itself, on a batch of episodes; `SigmoidSource` is that step with a
batch of one behind the Gymnasium interface, and `lw_rl.training.paper` puts the same step behind
the vectorised interface of Stable-Baselines3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from ..arrays import Array
from ..errors import UnknownNameError
from ..files import Json
from ..slab.peers import ali
from ..slab.slab import Slab, paper_slab
from ..slab.source_shapes import S_MAX, source_shape

__all__ = [
    "BONUS",
    "PAPER_MSE",
    "REWARD_FLOOR",
    "SigmoidSource",
    "SourceStep",
    "StepOutcome",
    "action_space",
    "converged_ali",
    "observation_space",
]

BONUS = 10.0
"""Reward of the paper on termination."""

PAPER_MSE = 1e-6
"""The paper stops below this mean square difference from a converged ALI solution."""

REWARD_FLOOR = 1e-3
"""Relative correction below which the logarithmic reward becomes a quadratic one."""


class StepOutcome(NamedTuple):
    """What one step returns for each of ``Nepisode`` episodes."""

    S: Array  # [Nepisode, Nspace]
    reward: Array  # [Nepisode]
    terminated: NDArray[np.bool_]  # [Nepisode]
    truncated: NDArray[np.bool_]  # [Nepisode]
    residual_mse: Array  # [Nepisode], mean (S - S_implied)**2
    relative_correction: Array  # [Nepisode], max |ALI correction / S|


@dataclass
class SourceStep:
    """The step of the environment on a batch of episodes of one problem.

    Parameters
    ----------
    slab : Slab
        The problem; ``B`` at most of order one, since the paper clips S at 1.5.
    shape : {"sigmoid", "spline"}
        Family of source functions (`lw_rl.slab.source_shapes`).
    reward : {"published", "preconditioned"}
        ``-mean((S - S_implied)**2)``, or ``-log10(1 + mean((dS / S)**2) / 1e-3**2) / 2`` with
        dS the ALI correction; the logarithm moves no optimum and spreads the decades evenly.
    stop : {"residual", "paper"}
        ``max |dS / S| < tolerance``, which needs no solution, or the paper's mean square
        difference from a converged ALI solution below 1e-6, which does.
    reward_every : int
        Every how many steps the reward is given; zero in between.  The bonus is always given.
    max_steps : int
        Steps after which an episode is truncated.
    tolerance : float
        Of the residual stop.  The best sigmoid reaches 2.3e-2 on the paper's slab, the best spline
        8.4e-3.
    formal_solver : {"matrix", "sweep"}
        Mean intensity by the precomputed operator, or by a short-characteristics sweep.  At
        fixed opacity they agree to rounding; the matrix is faster.

    Raises
    ------
    ValueError
        For an unknown name, or a number outside its bound.
    """

    slab: Slab
    shape: str = "sigmoid"
    reward: Literal["published", "preconditioned"] = "published"
    stop: Literal["residual", "paper"] = "residual"
    reward_every: int = 1
    max_steps: int = 50
    tolerance: float = 3e-2
    formal_solver: Literal["matrix", "sweep"] = "matrix"

    def __post_init__(self) -> None:
        """Check the choices and prepare the family of source functions."""
        for kind, value, known in (
            ("reward", self.reward, ("published", "preconditioned")),
            ("stop", self.stop, ("residual", "paper")),
            ("formal_solver", self.formal_solver, ("matrix", "sweep")),
        ):
            if value not in known:
                raise UnknownNameError(kind, value, known)
        for name in ("reward_every", "max_steps"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be >= 1, not {getattr(self, name)}")
        if not self.tolerance > 0:
            raise ValueError(f"tolerance must be > 0, not {self.tolerance}")
        if self.slab.B.ndim > 1 or self.slab.eps.ndim > 1:
            raise ValueError(f"an environment has one problem; B has shape {self.slab.B.shape}")
        self.source = source_shape(self.shape, np.log10(self.slab.tau))
        self.target = converged_ali(self.slab) if self.stop == "paper" else None

    def __call__(self, action: ArrayLike, count: NDArray[np.int_]) -> StepOutcome:
        """Replace ``S`` by the one that each action selects, and judge it.

        Parameters
        ----------
        action : array_like [Nepisode, Naction]
            In [-1, 1]; values beyond are clipped to it.
        count : ndarray of int [Nepisode]
            Number of this step in each episode, from 1.

        Returns
        -------
        StepOutcome

        Raises
        ------
        ValueError
            If the action has another shape or is not finite.
        """
        a = np.asarray(action, float)
        if a.ndim != 2 or a.shape[1] != self.source.Naction:
            raise ValueError(
                f"action must have shape (Nepisode, {self.source.Naction}), not {a.shape}"
            )
        if not np.all(np.isfinite(a)):
            raise ValueError(f"action must be finite in [-1, 1], not {a[~np.isfinite(a)][0]}")
        S = self.source(np.clip(a, -1.0, 1.0))
        Jbar = self.slab.sweep(S) if self.formal_solver == "sweep" else self.slab.mean_intensity(S)
        residual = self.slab.implied_source(S, Jbar) - S
        relative = residual * self.slab.preconditioner / S
        mse = np.mean(residual**2, axis=-1)
        largest = np.max(np.abs(relative), axis=-1)
        if self.target is None:
            terminated = largest < self.tolerance
        else:
            terminated = np.mean((S - self.target) ** 2, axis=-1) < PAPER_MSE
        truncated = ~terminated & (count >= self.max_steps)
        if self.reward == "published":
            reward = -mse
        else:
            reward = -0.5 * np.log10(1.0 + np.mean(relative**2, axis=-1) / REWARD_FLOOR**2)
        reward = np.where(count % self.reward_every == 0, reward, 0.0) + BONUS * terminated
        return StepOutcome(S, reward, terminated, truncated, mse, largest)


def converged_ali(slab: Slab, tolerance: float = 1e-4) -> Array:
    """Return the paper's ground truth: ALI from S = B until max |dS / S| < tolerance, [Nspace]."""
    S = slab.B
    for S_new in ali(slab, S):
        if np.max(np.abs(S_new / S - 1.0)) < tolerance:
            break
        S = S_new
    return S_new


class SigmoidSource(gym.Env[Any, Any]):
    """Find the source function of a two-level atom by choosing the parameters of a sigmoid.

    ## Description
    The problem of Panos & Milic (2025, arXiv:2504.15679): an isothermal slab with B = 1 and
    eps = 1e-4.  Each step replaces the whole source function by the sigmoid in log tau that the
    action selects, and costs one formal solution.

    ## Action Space
    `Box(-1, 1, (4,), float32)`, absolute:

    | Num | Parameter | Value | Range |
    |-----|-----------|-------|-------|
    | 0   | floor     | 0.5 + 0.5 a    | 0 .. 1      |
    | 1   | amplitude | 0.55 + 0.55 a  | 0 .. 1.1    |
    | 2   | centre    | -1.25 + 1.75 a | -3 .. 0.5 in log10 tau   |
    | 3   | width     | 1.25 + 1.05 a  | 0.2 .. 2.3 in log10 tau |

    With `shape="spline"`: `Box(-1, 1, (10,), float32)`, the rises of ln S between the
    coefficients of a monotone spline, and ln S at the bottom.

    ## Observation Space
    `Box(0, 1.5, (Nspace,), float32)`: the source function from the top inwards, in units of B.

    ## Rewards
    `reward="published"`: `-mean((S - S_implied)**2)` with
    `S_implied = (1 - eps) Jbar[S] + eps B`.  Its optimum is *not* the solution of the problem.
    `reward="preconditioned"`: `-log10(1 + mean((dS/S)**2) / 1e-3**2) / 2`, with dS the ALI
    correction.
    Both: +10 on termination, and zero but at every `reward_every`-th step.

    ## Starting State
    The sigmoid with parameters (0.9, 0.1, -2.5, 2.0), close to B; S = 1 for the spline.  It is
    always the same: this environment is deterministic.

    ## Episode End
    Terminated: `max|dS/S| < tolerance` (`stop="residual"`, no ground truth), or, with
    `stop="paper"`, a mean square difference from a converged ALI solution below 1e-6, which no
    sigmoid reaches.  Truncated: after `max_steps` steps (50).

    ## Arguments
    `slab`: the problem, by default `lw_rl.slab.paper_slab()`; the rest goes to `SourceStep`.

    ## Version History
    * v0: initial version
    """

    metadata: Json = {"render_modes": []}  # noqa: RUF012 -- Gymnasium's own type

    def __init__(self, slab: Slab | None = None, **options: Any):
        self.advance = SourceStep(slab if slab is not None else paper_slab(), **options)
        self.observation_space = observation_space(self.advance)
        self.action_space = action_space(self.advance)
        self._count = np.zeros(1, int)

    def reset(
        self, *, seed: int | None = None, options: Json | None = None
    ) -> tuple[NDArray[np.float32], Json]:
        """Return to the start; see Gymnasium."""
        super().reset(seed=seed)
        self._count[:] = 0
        return self.advance.source.start.astype(np.float32), {}

    def step(self, action: ArrayLike) -> tuple[NDArray[np.float32], float, bool, bool, Json]:
        """Replace the source function; see Gymnasium, and `SourceStep` for the errors."""
        a = np.asarray(action, float)
        expected = (self.advance.source.Naction,)
        if a.shape != expected:
            raise ValueError(f"action must have shape {expected}, not {a.shape}")
        self._count += 1
        out = self.advance(a[None], self._count)
        info = {
            "S": out.S[0],
            "residual_mse": float(out.residual_mse[0]),
            "relative_correction": float(out.relative_correction[0]),
            "formal_solutions": int(self._count[0]),
        }
        observation = out.S[0].astype(np.float32)
        return (
            observation,
            float(out.reward[0]),
            bool(out.terminated[0]),
            bool(out.truncated[0]),
            info,
        )


def observation_space(step: SourceStep) -> spaces.Box:
    """Space of the source function on the grid."""
    return spaces.Box(0.0, S_MAX, (step.slab.Nspace,), np.float32)


def action_space(step: SourceStep) -> spaces.Box:
    """Space of the parameters of the source function."""
    return spaces.Box(-1.0, 1.0, (step.source.Naction,), np.float32)
