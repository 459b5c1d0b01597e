"""The depth-wise environment through a few smooth modes, for learners of ordinary size."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ..arrays import Array, Single
from ..files import Json

__all__ = ["ReducedBasis", "cosine_basis"]


def cosine_basis(modes: int, Npoints: int) -> Array:
    """Return the first cosines over the points, [modes, Npoints], the first one constant.

    Scaled by 1 / sqrt(modes), so that no action of the box leaves [-1, 1] by more than sqrt(modes).
    """
    x = (np.arange(Npoints) + 0.5) / Npoints
    return np.asarray(np.cos(np.pi * np.arange(modes)[:, None] * x) / np.sqrt(modes))


class ReducedBasis(gym.Wrapper[Any, Any, Any, Any]):
    """Actions and observations of `lw_rl/StatEquil-v0` in the first few cosines of depth.

    Parameters
    ----------
    env : Env
        With observations [channels, Npoints] and actions [Npoints] in [-1, 1].
    modes : int, optional
        Numbers of an action, and of an observation for each channel (default: 6).

    Raises
    ------
    ValueError
        If the environment is not of that kind, or there are more modes than points.
    """

    def __init__(self, env: gym.Env[Any, Any], modes: int = 6):
        super().__init__(env)
        observed, acted = env.observation_space.shape or (), env.action_space.shape or ()
        if len(observed) != 2 or acted != observed[1:]:
            raise ValueError(
                f"needs observations [channels, Npoints] and actions [Npoints], got {observed} "
                f"and {acted}"
            )
        if not 1 <= modes <= acted[0]:
            raise ValueError(f"modes must lie between 1 and {acted[0]} points, got {modes!r}")
        self.basis = cosine_basis(modes, acted[0])
        self.action_space = spaces.Box(-1.0, 1.0, (modes,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (observed[0] * modes,), np.float32)

    def reset(self, *, seed: int | None = None, options: Json | None = None) -> tuple[Single, Json]:
        """See Gymnasium."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._reduce(observation), info

    def step(self, action: Any) -> tuple[Single, Any, bool, bool, Json]:
        """See Gymnasium."""
        full = np.clip(np.asarray(action, float) @ self.basis, -1.0, 1.0).astype(np.float32)
        observation, reward, terminated, truncated, info = self.env.step(full)
        return self._reduce(observation), reward, terminated, truncated, info

    def _reduce(self, observation: Any) -> Single:
        scale = np.sqrt(len(self.basis)) / self.basis.shape[1]
        return np.asarray(scale * np.asarray(observation) @ self.basis.T, np.float32).ravel()
