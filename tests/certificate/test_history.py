"""What visited states and their residuals tell, without a context."""

from __future__ import annotations

import numpy as np
import pytest
from scheme_helpers import affine, evaluation_of

from lw_rl.certificate.history import NOISE, History, contraction
from lw_rl.host.state import Block


def history_of(residuals, plainly=True, **settings):
    """Return the history of states of one depth, each near the last, with these residuals."""
    history = History(**settings)
    for k, r in enumerate(residuals):
        history.add(evaluation_of([1e-3 * k], [r]), plainly)
    return history


# ---- limiter switches -----


def test_a_plain_step_that_raises_a_small_residual_tells_of_a_switch():
    assert not history_of([1e-1, 5e-3, 4e-3]).rough
    assert history_of([1e-1, 5e-3, 6e-3]).rough
    # Not a large one, not an accelerated step, and not rounding.
    assert not history_of([1e-1, 2e-2, 3e-2]).rough
    assert not history_of([1e-1, 5e-3, 6e-3], plainly=False).rough
    assert not history_of([1e-1, 0.5 * NOISE, 0.9 * NOISE]).rough
    # What counts as small can be told.
    assert history_of([1e-1, 2e-2, 3e-2], small=0.05).rough
    assert not history_of([1e-1, 5e-3, 6e-3], small=0.0).rough


def test_so_does_a_step_that_has_to_be_undone():
    history = history_of([1e-1, 5e-3])
    history.undone()
    assert history.rough
    # From a large residual one goes astray without.
    history = history_of([1e-1, 5e-2])
    history.undone()
    assert not history.rough


def test_and_so_does_a_switch_that_was_seen():
    history = history_of([1e-1, 5e-2])
    assert history.monotone
    history.switch()
    assert history.rough and not history.monotone


@pytest.mark.parametrize("memory", [40, 20])
def test_switches_are_remembered_for_long(memory):
    """Where the limiter switched plain steps may take a hundred for a factor of e."""
    history = history_of([1e-1, 5e-3], memory=memory)
    history.switch()
    rough = []
    for k in range(memory + 1):
        history.add(evaluation_of([0.0], [4e-3 * 0.99**k]), True)
        rough.append(history.rough)
    assert rough == [True] * (memory - 1) + [False] * 2


def test_forty_steps_unless_told():
    history = history_of([1e-1, 5e-3])
    history.switch()
    for _ in range(39):
        history.add(evaluation_of([0.0], [1e-3]), False)
    assert history.rough
    history.add(evaluation_of([0.0], [1e-3]), False)
    assert not history.rough


def test_no_maximum_principle_holds_where_a_residual_rose():
    """Whatever its size, and not where the solve has just moved far."""
    assert history_of([1e-1, 5e-2, 4e-2]).monotone
    assert not history_of([1e-1, 5e-2, 6e-2]).monotone
    history = history_of([1e-1, 5e-2])
    history.add(evaluation_of([0.5], [4e-2]), False)
    assert not history.monotone


# ---- states -----


def test_states_with_the_light_of_others_are_left_out():
    """The first, which began without scattered light, and those far from the one before."""
    history = History()
    for y in (0.0, 0.01, 1.0, 1.02):
        history.add(evaluation_of([y, -y], [0.1, 0.2]), False)
    ys, rs = history.settled(slice(0, 1))
    assert [y[0] for y in ys] == [0.01, 1.02]
    assert [r[0] for r in rs] == [0.1, 0.1]
    assert len(history) == 4


def test_the_first_residual_is_kept():
    history = history_of([0.3, 0.2, 0.1])
    assert history.first == 0.3
    assert History().first == np.inf


def test_the_best_state_is_that_of_the_smallest_residual():
    history = history_of([1e-3, 1e-12, 3e-12])
    np.testing.assert_array_equal(history.best(), [1e-3])


def test_a_combination_of_states_is_far_closer_to_the_solution():
    """On a linear map of few modes it is the solution, and its distance the error."""
    G, solution, _ = affine(12, 0.99, modes=2, positive=True)
    S = solution * np.exp(0.02 * np.random.default_rng(0).standard_normal(12))
    history, blocks = History(), (Block(0, 12, (12,)),)
    for k in range(4):
        image = G(S)
        y = np.log(S)
        history.add(evaluation_of(y, np.log(image) - y), True)
        if k < 2:
            assert history.distance(y, blocks) == np.inf
        S = image
    true = np.abs(np.log(solution) - y).max()
    assert true > 2e-3
    assert history.distance(y, blocks) == pytest.approx(true, rel=1e-3)


# ---- contraction -----


def test_contraction_is_the_largest_over_the_last_steps():
    assert contraction([1.0]) == 0.5
    assert contraction([1.0, 0.3]) == pytest.approx(0.3)
    geometric = [0.8**k for k in range(9)]
    assert contraction(geometric) == pytest.approx(0.8)
    # A fast mode hides a slow one for a while.
    assert contraction([*geometric[:-1], 1e-6]) < 0.8
    assert contraction([1.0, 0.9, 0.81, 0.1, 0.01]) == pytest.approx(0.01**0.25)
    assert history_of([0.8**k for k in range(9)]).contraction() == pytest.approx(0.8)


def test_plain_steps_leave_a_geometric_series():
    history = history_of([1e-3 * 0.9**k for k in range(4)])
    assert history.remainder() == pytest.approx(1e-3 * 0.9**3 * 0.9 / 0.1)


def test_the_worst_depth_counts():
    """All but one converge fast, and that one only begins to be the worst."""
    history = History()
    for k in range(6):
        history.add(evaluation_of([0.0, 0.0], [1e-2 * 0.3**k, 1e-4 * 0.99**k]), True)
    assert history.remainder() == pytest.approx(1e-4 * 0.99**5 * 99.0)
    assert history.contraction() < 0.7


def test_what_alternates_between_two_depths_is_not_taken_to_grow():
    seen = History()
    for k in range(12):
        r = 1e-3 * 0.5**k * np.array([1.0, 0.1] if k % 2 else [0.1, 1.0])
        seen.add(evaluation_of(np.zeros(2), r), plainly=True)
    # Each depth's residual falls to a quarter in two steps.
    assert seen.remainder() == pytest.approx(1e-3 * 0.5**11)


# ---- rounding -----


def test_residuals_that_no_longer_fall_are_at_the_floor_of_rounding():
    """Shared fault 02."""
    falling = [10.0 ** -(k + 3.0) for k in range(10)]
    assert not history_of(falling).at_floor
    assert not history_of([1e-12] * 3).at_floor, "a few tell nothing"
    assert history_of([*falling, *([1e-12, 2e-12] * 4)]).at_floor
    # A slow contraction is none, nor is a cycle of large residuals.
    assert not history_of([1e-10 * 0.85**k for k in range(20)]).at_floor
    assert not history_of([1e-5] * 30).at_floor


def test_residuals_that_vanish_are_at_the_floor():
    assert history_of([1e-3, 1e-10, *([0.0] * 12)]).at_floor
