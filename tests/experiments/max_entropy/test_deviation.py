"""How far a measured entropy is from its target."""

from __future__ import annotations

import pytest

from lw_rl.experiments.max_entropy.deviation import target_deviation


def test_target_deviation():
    steps, target = [0, 10, 20, 30, 40, 50], [-1.0] * 6
    good = target_deviation(steps, [0.0, -0.95, -1.05, -1.0, -1.2, -1.0], target)
    assert good == {"response": 10, "later": None, "within": 0.8, "worst": pytest.approx(0.2)}
    never = target_deviation(steps, [0.0] * 6, target)
    assert never["response"] is None and never["within"] == 0.0
    stairs = target_deviation(steps, [-1, -1, -1, -1, -2, -2], [-1.0] * 3 + [-2.0] * 3)
    assert stairs["response"] == stairs["later"] == 20 and stairs["within"] == 1.0
    assert target_deviation([0], [None], [-1.0])["response"] is None
    noisy = target_deviation(list(range(12)), [-1.0, -1.15, -0.85] * 4, [-1.0] * 12)
    assert noisy["response"] is None, "a mean that is right is not enough"
