"""Ng acceleration on sequences without radiation (`tests/test_extrapolation.py`: the formula)."""

from __future__ import annotations

import numpy as np
import pytest
from scheme_helpers import Driver, evaluation_of

from lw_rl.schemes import Ng


def test_it_accelerates_when_it_says():
    driver = Driver(Ng(order=2, period=3), None)
    y, accelerated = np.ones(4), []
    for _ in range(12):
        step = driver.step(evaluation_of(y, -0.1 * y))
        accelerated.append(step.y is not None)
        y = 0.9 * y if step.y is None else step.y
    assert [k for k, a in enumerate(accelerated) if a] == [2, 5, 8, 11]
    assert np.max(np.abs(y)) < 1e-3 < 0.9**12, "one geometric sequence, cut short four times"


def test_an_accelerated_step_is_limited():
    driver = Driver(Ng(order=1, period=2, max_step=0.5), None)
    y = np.zeros(3)
    for r in (1.0, 0.999):
        step = driver.step(evaluation_of(y, np.full(3, r)))
        y_before, y = y, y + r
    assert step.by == "ng"
    np.testing.assert_allclose(np.abs(step.y - y_before), 0.5)


def test_what_is_not_finite_is_left_to_the_plain_update():
    driver = Driver(Ng(order=1, period=2), None)
    for r in (0.1, np.nan, 0.1):
        step = driver.step(evaluation_of(np.zeros(3), np.full(3, r)))
        assert step.y is None and step.by == "mali", "a sequence with a gap is none"


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"order": 0}, "order=0"), ({"period": 0}, "period=0")],
)
def test_settings_without_a_meaning_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Ng(**settings)
