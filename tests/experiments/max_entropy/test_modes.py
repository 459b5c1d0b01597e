"""How many modes a policy has, and how evenly it spreads."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lw_rl.experiments.max_entropy.modes import boltzmann_modes, count_modes, evenness


def test_modes_are_counted_where_a_squashed_normal_has_one():
    rng = np.random.default_rng(0)
    one = np.tanh(2.0 * rng.standard_normal((500, 2)))
    assert np.histogram(one[:, 0], 9)[0].argmax() != 4, "in the action itself it has two"
    assert count_modes(one) == 1
    sides = np.where(rng.random(500) < 0.5, 0.7, -0.7)[:, None]
    two = np.hstack((one[:, :1], sides + 0.1 * rng.standard_normal((500, 1))))
    assert count_modes(two) == 2
    assert count_modes(np.zeros((10, 3))) == 1


def test_modes_of_a_boltzmann_policy():
    x = np.linspace(-1.0, 1.0, 41)
    hill = -(x**2)
    assert boltzmann_modes(hill, 0.1) == boltzmann_modes(-hill, 10.0) == 1
    assert boltzmann_modes(-hill, 0.1) == 2, "both ends"
    assert boltzmann_modes(hill[:, None] + hill, 0.1) == 1
    assert boltzmann_modes(-hill[:, None] - hill, 0.1) == 4, "the corners"
    assert boltzmann_modes(np.zeros((9, 9)), 0.1) == 1, "a plateau is one"
    assert boltzmann_modes(-hill + 0.5 * x, 0.1) == 1, "the other end is too low to count"


def test_evenness():
    assert evenness([5, 5, 5, 5]) == pytest.approx(1.0)
    assert evenness([9, 0, 0, 0]) == 0.0
    assert evenness([5, 5, 0, 0]) == pytest.approx(math.log(2) / math.log(4))
    assert evenness([0, 0]) == 0.0
