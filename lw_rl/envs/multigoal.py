"""A plane with several equal goals: a policy with one mode has to choose."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from ..arrays import Single
from ..files import Json

__all__ = ["EXTENT", "REACHED", "MultiGoal"]

EXTENT = 7.0
"""Half of the plane's side."""

REACHED = 1.0
"""Distance within which a goal is reached."""


class MultiGoal(gym.Env[Any, Any]):
    """Reach one of several goals around the start.

    ## Description
    A point moves in the plane. The multi-goal task of Haarnoja et al. (2017, arXiv:1702.08165),
    on which Messaoud et al. (2024, arXiv:2405.00987) compare S2AC with SAC.

    ## Action Space
    `Box(-1, 1, (2,), float32)`: the step in x and y.

    ## Observation Space
    `Box(-1, 1, (2,), float32)`: x and y over 7.

    ## Rewards
    Minus the squared distance to the nearest goal over 25 (the start's is 1), minus 0.1 times the
    squared length of the action, plus 10 on reaching a goal.

    ## Starting State
    The centre, the same distance from every goal, plus a normal deviate of 0.1.

    ## Episode End
    Terminated within 1 of a goal; truncated by the registration's time limit of 20 steps.

    ## Info
    `goal`: number of the goal reached, or -1; `position`: x and y.

    ## Arguments
    `goals`: number of goals, equally spaced on a circle of radius 5, the first to the right
    (default 4).

    ## Version History
    * v0: initial version

    Raises
    ------
    ValueError
        For fewer than one goal.
    """

    metadata: Json = {"render_modes": []}  # noqa: RUF012 -- Gymnasium's own type

    def __init__(self, goals: int = 4):
        if goals < 1:
            raise ValueError(f"goals must be >= 1, not {goals}")
        angle = 2.0 * np.pi * np.arange(goals) / goals
        self.goals = 5.0 * np.stack((np.cos(angle), np.sin(angle)), axis=1)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.position = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: Json | None = None) -> tuple[Single, Json]:
        """Return to the centre; see Gymnasium."""
        super().reset(seed=seed)
        self.position = 0.1 * self.np_random.standard_normal(2)
        return self._observe(), {"goal": -1, "position": self.position.copy()}

    def step(self, action: ArrayLike) -> tuple[Single, SupportsFloat, bool, bool, Json]:
        """Move; see Gymnasium."""
        a = np.asarray(action, float)
        if a.shape != (2,) or not np.all(np.isfinite(a)):
            raise ValueError(f"action must be two finite numbers in [-1, 1], not {action!r}")
        a = np.clip(a, -1.0, 1.0)
        self.position = np.clip(self.position + a, -EXTENT, EXTENT)
        distance = np.linalg.norm(self.goals - self.position, axis=1)
        nearest = int(np.argmin(distance))
        reached = bool(distance[nearest] < REACHED)
        reward = -(distance[nearest] ** 2) / 25.0 - 0.1 * float(a @ a) + 10.0 * reached
        info = {"goal": nearest if reached else -1, "position": self.position.copy()}
        return self._observe(), float(reward), reached, False, info

    def _observe(self) -> Single:
        return (self.position / EXTENT).astype(np.float32)
