"""Exploration noise that is smooth along depth."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from lw_rl.training.noise import SmoothNoise


def test_noise_is_smooth_bounded_and_seeded():
    first, second = (SmoothNoise(96, 0.15, seed=3) for _ in range(2))
    draws = np.array([first() for _ in range(400)])
    assert draws.shape == (400, 96) and draws.dtype == np.float32
    np.testing.assert_array_equal(draws[0], second())
    # Neighbours of independent noise would differ by 1.4 standard deviations.
    assert np.std(np.diff(draws, axis=1)) < 0.2 * np.std(draws)
    size = np.abs(draws).max(axis=1)
    assert np.median(size) < 0.1 and size.max() < 10 * 0.15
    assert size.max() > 100 * size.min(), "amplitudes of two decades"
    assert "Npoints=96" in repr(first)
