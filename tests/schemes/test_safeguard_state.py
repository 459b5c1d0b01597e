"""What a safeguard remembers: stalls, where a hand-over begins, what plain steps tell."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.host.state import Snapshot
from lw_rl.schemes.safeguard_state import SafeguardState


@pytest.fixture
def state():
    return SafeguardState(None, 0, None)


def snapshot():
    return Snapshot((), None, (), (), ())


def test_accelerated_steps_that_lead_into_a_cycle_are_a_stall(state):
    state.accelerated = True
    assert not any(state.has_stalled(0.5**k) for k in range(20))
    least = 0.5**19
    cycle = [state.has_stalled((1.0 + 0.5 * (k % 3)) * least) for k in range(150)]
    assert cycle == [False] * 149 + [True]
    assert state.has_stalled(2.0 * least, after=200) is False


@pytest.mark.parametrize("rho", [0.9, 0.99, 0.998, 0.9999])
def test_steady_contraction_is_none_however_slow(state, rho):
    """Shared faults 02 and 10: slower than 0.9976 a step was taken for stalled."""
    state.accelerated = True
    assert not any(state.has_stalled(rho**k) for k in range(2000))


def test_nor_is_anything_with_plain_steps_only(state):
    assert not any(state.has_stalled(1.0) for _ in range(1000))


def test_nor_what_rounding_leaves(state):
    state.accelerated = True
    assert not any(state.has_stalled(1e-9) for _ in range(1000))


def test_each_stall_is_followed_by_more_plain_steps(state):
    assert [state.stall() for _ in range(3)] == [250, 500, 1000]


def test_a_hand_over_begins_at_the_first_state_unless_the_best_is_clearly_better(state):
    state.first, state.best = (snapshot(), 1.0), (snapshot(), 0.2)
    assert state.fallback is state.first
    state.best = (snapshot(), 0.05)
    assert state.fallback is state.best


def test_plain_steps_tell_the_error_by_their_contraction(state):
    """r / (1 - rho), the geometric series."""
    state.plain, state.base = True, 1e-3
    assert state.contraction_estimate(0.9e-3) == pytest.approx(9e-3, rel=0.01)
    # The rate is bounded where residuals do not fall.
    assert state.contraction_estimate(2e-3) == pytest.approx(np.expm1(2.0))


def test_after_another_step_the_estimate_is_kept(state):
    state.plain, state.base, state.estimate = False, 1e-3, 0.4
    assert state.contraction_estimate(0.9e-3) == 0.4
    assert state.contraction_estimate(3.0) == pytest.approx(np.expm1(3.0))


def test_states_are_remembered_up_to_a_number(state):
    for k in range(20):
        state.visited.append(k)
    assert list(state.visited) == list(range(12, 20))
