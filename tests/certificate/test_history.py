"""What visited states and their residuals tell, without a context."""

from __future__ import annotations

import numpy as np
import pytest
from scheme_helpers import affine, evaluation_of

from lw_rl.certificate.history import MEMORY, NOISE, History, Iteration, contraction
from lw_rl.host.state import Block


def history_of(residuals, plain=True, **visit):
    """Return the history of states of one depth, each near the last, with these residuals."""
    history = History()
    for k, r in enumerate(residuals):
        history.add(evaluation_of([1e-3 * k], [r]), plain, abs(r), **visit)
    return history


# ---- what happened -----


def test_it_counts_what_was_made():
    history = history_of([0.3, 0.2, 0.1, 0.2])
    assert (history.made, history.first, history.least, history.idle) == (4, 0.3, 0.1, 1)
    history.skip()
    assert (history.made, history.idle, history.known, len(history)) == (5, 2, False, 4)
    history.clear()
    assert (history.made, history.first, history.least, len(history)) == (5, np.inf, np.inf, 0)


def test_old_visits_are_forgotten():
    assert len(history_of([0.1] * 50)) == MEMORY


def test_the_state_is_the_plain_update_or_the_one_evaluated():
    assert history_of([0.3]).state == pytest.approx([0.3])
    assert history_of([0.3], plain=False).state == [0.0]


def test_until_is_what_was_known_then():
    history = history_of([0.3, 0.2, 0.1])
    assert history.until(2).residuals == [0.3, 0.2] and len(history) == 3


def test_plain_steps_are_those_since_the_last_accelerated_one():
    history = history_of([0.1] * 3)
    assert history.plain_steps == 3
    history.add(evaluation_of([0.0], [0.1]), False, 0.4)
    assert history.plain_steps == 0
    history.add(evaluation_of([0.0], [0.1]))
    assert history.plain_steps == 1


def test_what_accelerated_steps_left_of_each_other_is_forgotten_in_time():
    history = History()
    for size in (0.1, 0.09, 0.02, 0.01):
        history.add(evaluation_of([0.0], [0.01]), False, size, 2.5)
    assert history.left == pytest.approx(0.5), "the larger of the last two"
    for _ in range(20):
        history.add(evaluation_of([0.0], [0.01]), True, 0.01)
    assert history.left == 0.0


# ---- limiter switches -----


def test_a_plain_step_that_raises_a_residual_is_known():
    assert history_of([1e-1, 5e-3, 4e-3]).raised() == []
    assert history_of([1e-1, 5e-3, 6e-3]).raised() == [5e-3]
    # Not an accelerated step, not rounding, not across a step that was undone.
    assert history_of([1e-1, 5e-3, 6e-3], plain=False).raised() == []
    assert history_of([1e-1, 0.5 * NOISE, 0.9 * NOISE]).raised() == []
    history = history_of([1e-1, 5e-3])
    history.skip()
    history.add(evaluation_of([0.0], [6e-3]))
    assert history.raised() == []


@pytest.mark.parametrize(
    ("visit", "raised"),
    [({}, [5e-3]), ({"factor": 2.5, "method": "operator"}, [5e-3]), ({"factor": 2.5}, [])],
)
def test_so_is_a_step_that_had_to_be_undone_unless_a_policy_made_it(visit, raised):
    """A policy may be adversarial; steps of others raise residuals only across a switch."""
    history = history_of([1e-1, 5e-3], plain=False, **visit)
    history.skip(undone=True)
    assert history.raised() == raised


# ---- states -----


def test_states_with_the_light_of_others_are_left_out():
    """The first, which began without scattered light, and those far from the one before."""
    history = History()
    for y in (0.0, 0.01, 1.0, 1.02):
        history.add(evaluation_of([y, -y], [0.1, 0.2]))
    ys, rs = history.settled(slice(0, 1))
    assert [y[0] for y in ys] == [0.01, 1.02]
    assert [r[0] for r in rs] == [0.1, 0.1]
    assert len(history) == 4 and history.is_settled
    assert not history.until(3).is_settled


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
        history.add(evaluation_of(y, np.log(image) - y), False)
        if k < 2:
            assert history.distance(blocks) == np.inf
        S = image
    true = np.abs(np.log(solution) - y).max()
    assert true > 2e-3
    assert history.distance(blocks) == pytest.approx(true, rel=1e-3)


# ---- contraction -----


def test_contraction_is_that_over_the_last_steps():
    assert contraction([1.0]) == 1.0
    assert contraction([1.0, 0.3]) == pytest.approx(0.3)
    geometric = [0.8**k for k in range(9)]
    assert contraction(geometric) == pytest.approx(0.8)
    assert contraction([1.0, 0.9, 0.81, 0.1, 0.01]) == pytest.approx(0.01**0.25)
    assert history_of([0.8**k for k in range(9)]).contraction() == pytest.approx(0.8)


def test_plain_steps_leave_a_geometric_series():
    history = history_of([1e-3 * 0.9**k for k in range(4)])
    assert history.remainder() == pytest.approx(1e-3 * 0.9**3 * 0.9 / 0.1)


def test_the_worst_depth_counts():
    """All but one converge fast, and that one only begins to be the worst."""
    history = History()
    for k in range(6):
        history.add(evaluation_of([0.0, 0.0], [1e-2 * 0.3**k, 1e-4 * 0.99**k]))
    assert history.remainder() == pytest.approx(1e-4 * 0.99**5 * 99.0)
    assert history.contraction() < 0.7


def test_what_alternates_between_two_depths_is_not_taken_to_grow():
    seen = History()
    for k in range(12):
        r = 1e-3 * 0.5**k * np.array([1.0, 0.1] if k % 2 else [0.1, 1.0])
        seen.add(evaluation_of(np.zeros(2), r))
    # Each depth's residual falls to a quarter in two steps.
    assert seen.remainder() == pytest.approx(1e-3 * 0.5**11)


def test_a_radiation_field_that_still_changes_is_an_error():
    history = history_of([1e-4])
    assert history.radiation_error() == np.inf, "before there are two changes nothing is known"
    for k in range(40):
        history.radiated(0.1 * 0.997**k)
    assert history.radiation_error() == pytest.approx(1e-4 * 0.997 / 0.003, rel=1e-2)


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


def test_states_are_remembered_for_whoever_combines_them():
    history = history_of([0.1 * 0.5**k for k in range(MEMORY + 3)])
    now = evaluation_of([1.0], [0.1])
    states = history.states(now)
    assert len(states) == MEMORY + 1 and states[-1] is now
    assert [e is now for e in history.states(now, since=history.made)] == [True]
    assert len(history.states(now, since=history.made - 2)) == 3


def test_a_run_of_plain_steps_ends_at_another_step_and_at_a_gap():
    history = History()
    for plain in (True, False, True, True):
        history.add(evaluation_of([0.0], [0.1]), plain)
    assert len(history.plain_run()) == 2
    history.skip()
    assert history.plain_run() == []
    history.add(evaluation_of([0.0], [0.1]))
    assert len(history.plain_run()) == 1


def test_images_are_of_the_last_states_that_have_one_nearby():
    history = History()
    for image in (0.1, None, 0.5, 0.2, 0.1):
        of = None if image is None else np.array([image])
        history.add(evaluation_of([0.0], [0.1]), image=of)
    ys, images = history.images(within=0.3)
    assert [y[0] for y in ys] == [0.0, 0.0] and [i[0] for i in images] == [0.2, 0.1]


def test_iterations_of_unknown_and_profile_are_by_one_scheme_and_without_a_gap():
    history = History()
    for by in ("a", "", "a", "b", "b"):
        history.add(evaluation_of([0.0], [0.1]))
        if by:
            history.iterated(Iteration(by, np.zeros(2), np.ones(2)))
    assert [i.by for i in history.iterations()] == ["b", "b"]
