"""Exploration noise that is smooth along depth."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.noise import ActionNoise

__all__ = ["SmoothNoise"]


class SmoothNoise(ActionNoise):
    """Gaussian bumps of random width, height and amplitude on the action.

    Independent noise at every point averages out in the radiation field, which is an average over
    depth: only smooth changes explore the slow modes.

    Parameters
    ----------
    Npoints : int
        Points of the policy.
    amplitude : float
        Largest amplitude; each draw has one between a hundredth of it and it.
    seed : int
        Seed of the noise.
    """

    def __init__(self, Npoints: int, amplitude: float, seed: int = 0):
        super().__init__()
        self.x = np.linspace(0.0, 1.0, Npoints)
        self.amplitude = amplitude
        self.rng = np.random.default_rng(seed)

    def __call__(self) -> np.ndarray:
        """Return noise, shape [Npoints]."""
        length = 10.0 ** self.rng.uniform(-1.5, -0.3)
        knots = np.arange(0.0, 1.0 + length, length)
        bumps = np.exp(-0.5 * ((self.x[:, None] - knots) / length) ** 2)
        amplitude = self.amplitude * 10.0 ** self.rng.uniform(-2.0, 0.0)
        return (amplitude * (bumps @ self.rng.standard_normal(knots.size))).astype(np.float32)

    def __repr__(self) -> str:
        return f"SmoothNoise(Npoints={self.x.size}, amplitude={self.amplitude})"
