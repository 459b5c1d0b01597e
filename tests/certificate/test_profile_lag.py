from __future__ import annotations

import numpy as np
import pytest

from lw_rl.certificate.profile_lag import ProfileLag


def follow(iterations, rho, effect, step_leaves=0.0):
    """Return a lag, and the true error, of a profile that settles by a factor `rho` a time.

    What the profile has still to go shifts the solution by `effect` times as much.
    """
    lag, y, change = ProfileLag(), 0.0, 1.0
    for _ in range(iterations):
        # The solution at the profile of the moment; the profile changes by `change` next.
        to_go = change / (1.0 - rho)
        error = -effect * to_go - y
        lag.add(np.array([y]), np.array([error]), change)
        true = abs(y)
        y += (1.0 - step_leaves) * error
        change *= rho
    return lag, true


@pytest.mark.parametrize("rho", [0.4, 0.6, 0.9])
@pytest.mark.parametrize("step_leaves", [0.0, 0.3])
def test_the_error_is_found_where_the_profile_settles_evenly(rho, step_leaves):
    lag, true = follow(12, rho, 0.2, step_leaves)
    assert true == pytest.approx(lag.error, rel=1.0)
    assert lag.error > 0.9 * true


def test_nothing_is_hidden_by_a_profile_without_effect():
    lag, true = follow(8, 0.5, 0.0)
    assert lag.error == true == 0.0


def test_one_change_of_the_profile_tells_nothing():
    lag = ProfileLag()
    assert not lag
    lag.add(np.zeros(3), np.full(3, 1e-9), 0.1)
    assert lag and lag.error == np.inf


def test_a_small_residual_does_not_hide_a_moving_profile():
    lag, _ = follow(6, 0.7, 0.2)
    lag.add(np.array([0.0]), np.array([1e-12]), 0.05)
    assert lag.error > 1e-2
