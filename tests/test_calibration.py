"""What a card says of a policy's limits.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
an observation outside the training range hands     test_an_observation_out_of_range_hands_over
over (Actor._check_range)
a card's range is checked when it is read           test_a_range_that_is_none_is_refused
(actor._observation_range)
=================================================== ==========================================
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import error

import lw_rl
from lw_rl.actor import Actor
from lw_rl.calibration import Range, error_factor, observation_range
from lw_rl.errors import OutOfRangeError, PolicyFileError
from lw_rl.observation import CHANNELS, NCHANNELS
from lw_rl.problems import shipped_problem

WIDE = {"low": [-1e6] * NCHANNELS, "high": [1e6] * NCHANNELS}


def with_range(policy, entry):
    return Actor(policy.network, policy.gain, {**policy.card, "observation_range": entry})


def test_an_observation_out_of_range_hands_over(ctx, untrained, reference):
    k = CHANNELS.index("epsilon")
    entry = {"low": list(WIDE["low"]), "high": list(WIDE["high"])}
    entry["low"][k], entry["high"][k] = 5.0, 6.0
    result = lw_rl.solve(ctx, with_range(untrained, entry), quiet=True)
    assert result.converged
    assert error(ctx, reference) < 1e-3
    assert "depthwise" not in result.steps_by
    assert "handed over to anderson" in result.notes[0]
    assert "'epsilon'" in result.notes[0] and "training range 5 .. 6" in result.notes[0]


def test_an_observation_in_range_is_answered(untrained):
    observation = np.zeros((NCHANNELS, 64), dtype=np.float32)
    expected, _ = untrained.predict(observation)
    found, _ = with_range(untrained, WIDE).predict(observation)
    np.testing.assert_array_equal(found, expected)
    observation[3, 5] = np.nan
    with pytest.raises(OutOfRangeError, match=CHANNELS[3]):
        with_range(untrained, WIDE).predict(observation)


@pytest.mark.parametrize(
    "entry",
    [3, {}, {"low": [0.0], "high": [1.0]}, {"low": WIDE["high"], "high": WIDE["low"]},
     {"low": ["x"] * NCHANNELS, "high": WIDE["high"]}],
)  # fmt: skip
def test_a_range_that_is_none_is_refused(entry, untrained):
    with pytest.raises(PolicyFileError, match="observation_range"):
        with_range(untrained, entry)


@pytest.fixture
def quick_problems(monkeypatch):
    monkeypatch.setattr(
        "lw_rl.calibration.random_problem",
        lambda stream, k: shipped_problem("CaII_K", "FALC", 34 + 4 * k),
    )


def test_the_range_is_what_was_seen(quick_problems, untrained):
    entry = observation_range(untrained, problems=1)
    assert entry["channels"] == list(CHANNELS)
    low, high = np.array(entry["low"]), np.array(entry["high"])
    assert np.all(low <= high)
    seen = Range(untrained)
    seen.predict(np.ones((NCHANNELS, 64), dtype=np.float32))
    np.testing.assert_array_equal(seen.low, 1.0)
    np.testing.assert_array_equal(seen.high, 1.0)


def test_the_factor_makes_the_estimate_hold(quick_problems):
    policy = lw_rl.schemes.make_policy("default")
    entry = error_factor(policy, problems=2)
    assert 1.0 <= entry["factor"] < 20.0
    assert entry["stops"] >= 5
    assert 0.0 <= entry["within_5x"] <= 1.0
