"""What an emission profile that is iterated as well hides of the error."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.certificate.redistribution import LAG_SAFETY, Redistribution


def test_without_an_iteration_of_the_profile_nothing_is_known():
    profile = Redistribution()
    assert not profile and profile.estimate() is None and profile.at_least() == 0.0


@pytest.mark.parametrize(
    ("steps", "at_least"),
    [
        ([1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8], 1e-8),
        ([1.0e-4, 9.6e-5, 9.2e-5, 8.8e-5, 8.5e-5, 8.1e-5], 1.9e-3),  # 0.96 per step
        ([1.3e-4, 8e-5, 1.4e-4, 1.2e-4, 8e-5, 6e-5], 6e-2),
    ],
)
def test_coupled_steps_that_stagnate_are_no_estimate(steps, at_least):
    profile = Redistribution()
    for size in steps:
        profile.step(size, together=True)
    # One iteration, whose lag is not known.
    profile.with_operator(np.zeros(2), np.zeros(2), 0.1)
    estimate = profile.estimate()
    assert estimate.method == "combination"
    assert at_least < estimate.value < 10.0 * at_least


def test_steps_of_populations_alone_tell_nothing_of_the_profile():
    profile = Redistribution()
    for size in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        profile.step(size, together=True)
    profile.step(1e-8, together=False)
    profile.with_operator(np.zeros(2), np.zeros(2), 0.1)
    assert profile.estimate().value > 1e9


def test_the_lag_counts_with_its_safety():
    """The profile moves by half as much each time, and the solution by 0.2 of that."""
    profile, y, change = Redistribution(), 0.0, 1.0
    for _ in range(8):
        error = -0.2 * change / 0.5 - y
        profile.with_operator(np.array([y]), np.array([error]), change)
        true = abs(y)
        y, change = y + error, 0.5 * change
    assert profile
    estimate = profile.estimate()
    assert estimate.method == "operator"
    assert true <= estimate.value / LAG_SAFETY * 1.1 and estimate.value < 10.0 * true


def test_of_other_atoms_the_largest_ratio_to_the_residual_counts():
    profile = Redistribution()
    for residual, estimate in ((1e-2, 3e-2), (1e-3, 2e-2), (1e-4, 4e-4)):
        profile.without_operator(residual, estimate)
    # 20 residuals, times the largest of the last three.
    assert profile.estimate() is None and profile.at_least() == pytest.approx(0.2)
    for _ in range(6):
        profile.without_operator(1e-5, 3e-5)
    assert profile.at_least() == pytest.approx(3e-5), "old ones are forgotten"
