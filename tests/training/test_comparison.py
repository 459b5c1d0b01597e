"""Whether a policy became better."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from lw_rl.training.comparison import Cost, better, chosen_of, uncertainty


def cost(Nformal, failed=0, early=0):
    return Cost(np.full(20, float(Nformal)), failed, early)


@pytest.mark.parametrize(
    ("saved", "accepted"),
    [
        ([1] * 8, True),
        ([2, 1, 0, 1, 1, 2, 1, 0, 1], True),
        # One stuck column drowns nothing, but a mean that does not fall is no saving.
        ([1] * 30 + [-20], True),
        ([1] * 30 + [-40], False),
        ([0, 0, 0, 0], False),
        ([1, 0, 0, -1, 0, 1, 0, 0], False),
        ([-1, -1, -1, -1], False),
        ([3], False),
    ],
)
def test_a_saving_has_to_be_more_than_chance(saved, accepted):
    before = np.full(len(saved), 5.0)
    assert better(before, before - saved) is accepted


@pytest.mark.parametrize(
    ("costs", "chosen", "accepted"),
    [
        ({"tuned": cost(4)}, "tuned", True),
        ({"tuned": cost(6)}, "tuned", False),
        # Weights that became worse do not stand in the way of the operator's factor.
        ({"tuned": cost(6), "kept": cost(4)}, "kept", True),
        ({"tuned": cost(3), "kept": cost(4)}, "tuned", True),
        # The cheapest is not chosen if it stops too early or fails more often.
        ({"tuned": cost(3, early=1), "kept": cost(4)}, "kept", True),
        ({"tuned": cost(3, failed=1), "kept": cost(4)}, "kept", True),
        ({"tuned": cost(3, early=1)}, "tuned", False),
    ],
)
def test_which_candidate_is_taken(costs, chosen, accepted):
    assert chosen_of(cost(5), costs) == (chosen, accepted)


def test_standard_error():
    assert uncertainty(np.array([1.0, 3.0])) == pytest.approx(1.0)
    assert uncertainty(np.array([1.0])) == np.inf
