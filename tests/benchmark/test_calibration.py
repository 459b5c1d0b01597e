"""What a card says of a policy's limits.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
an observation outside the training range hands     test_an_observation_out_of_range_hands_over
over (Actor._check_range)
a card's range is checked when it is read           test_a_range_that_is_none_is_refused
(actor._observation_range)
so is how far off a policy is asked                 test_a_policy_is_asked_within_a_number
(actor._asked_within)
=================================================== ==========================================
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import error

import lw_rl
from lw_rl.benchmark.calibration import (
    calibrate,
    card_entries,
    error_factor,
    factor_of,
    observation_range,
    stops,
)
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.errors import NoReferenceError, OutOfRangeError, PolicyFileError
from lw_rl.host.adapter import Adapter
from lw_rl.policies import actor
from lw_rl.policies.actor import Actor
from lw_rl.policies.observation import CHANNELS, NCHANNELS, make_frame
from lw_rl.problems import random_problem, shipped_problem, suite

WIDE = {"low": [-1e6] * NCHANNELS, "high": [1e6] * NCHANNELS}


def physics_of(problem):
    adapter = Adapter(problem.context())
    return adapter.line_physics(adapter.blocks[0])


def with_range(policy, entry):
    return Actor(policy.network, policy.gain, {**policy.card, "observation_range": entry})


def test_an_observation_out_of_range_is_left_to_the_operator(ctx, untrained, reference):
    k = CHANNELS.index("epsilon")
    entry = {"low": list(WIDE["low"]), "high": list(WIDE["high"])}
    entry["low"][k], entry["high"][k] = 5.0, 6.0
    result = lw_rl.solve(ctx, policy=with_range(untrained, entry), quiet=True)
    assert result.converged
    assert error(ctx, reference) < 1e-3
    assert set(result.steps_by) == {"nonlocal"}
    assert "left to the operator" in result.notes[0]
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


@pytest.mark.parametrize("entry", ["1", True, 0.0, -1.0, float("nan"), [0.1]])
def test_a_policy_is_asked_within_a_number(entry, untrained):
    with pytest.raises(PolicyFileError, match="asked_within"):
        Actor(untrained.network, untrained.gain, {"asked_within": entry})


def test_how_far_off_a_policy_is_asked_is_its_cards_to_say(untrained):
    assert untrained.card.asked_within is None
    assert Actor(untrained.network, untrained.gain, {"asked_within": 2}).card.asked_within == 2.0


EASY = [shipped_problem("CaII_K", "FALC", 34 + 4 * k) for k in range(2)]


def test_the_range_is_what_was_seen(untrained):
    entry = observation_range(untrained, EASY[:1])
    assert entry["channels"] == list(CHANNELS)
    low, high = np.array(entry["low"]), np.array(entry["high"])
    # Nothing moves in FAL-C, and a range is a range all the same.
    assert np.all(low < high)


def test_the_factor_makes_the_estimate_cover_the_error():
    policy = actor.load_shipped("default").without_limits()
    watched = []
    entry = error_factor(policy, EASY, lambda: watched.append(1))
    assert len(watched) == 2
    assert 1.0 <= entry["factor"] < 20.0
    assert entry["stops"] >= 4
    assert 0.0 <= entry["within_5x"] <= 1.0


def test_a_factor_is_a_quantile_and_never_below_one():
    assert factor_of([0.1, 0.2, 0.4])["factor"] == 1.0
    entry = factor_of([*[0.5] * 999, *[3.0] * 21])
    assert entry["factor"] == 3.0 and entry["stops"] == 1020
    # Five times 0.5 is below 3, and five times 3 is not.
    assert entry["within_5x"] == round(21 / 1020, 4)


def test_ratios_are_of_the_stops_by_the_policy(ctx, reference):
    policy = actor.load_shipped("default").without_limits()
    found = stops(policy, shipped_problem("CaII_K", "FALC", 34).context())
    assert 1 <= len(found.ratios) <= 5 and all(0.0 <= r < 3.0 for r in found.ratios)
    assert 4 <= found.Nformal <= 15
    # Who is not asked does not stop, and the solution is found all the same.
    nobody = Actor(policy.network, policy.gain, {"asked_within": 1e-12})
    found = stops(nobody, ctx)
    assert found.ratios == []
    Adapter(ctx).write(found.solution)
    assert error(ctx, reference) < 1e-7


def test_what_is_not_solved_has_no_solution(ctx):
    found = stops(actor.load_shipped("default"), ctx, NmaxIter=2)
    assert found == ([], None, 2)


def test_a_policy_that_is_not_asked_has_no_range(untrained):
    # Policies are trained in complete redistribution.
    with pytest.raises(NoReferenceError, match="asked in none of 1 problems"):
        observation_range(untrained, [replace(EASY[0], prd=True)])


def test_a_policy_that_stops_no_solve_has_no_factor(untrained):
    nobody = Actor(untrained.network, untrained.gain, {"asked_within": 1e-12})
    with pytest.raises(NoReferenceError, match="stopped none of 2 problems"):
        error_factor(nobody, EASY)


@pytest.fixture
def quick_problems(monkeypatch):
    """Every random problem is an easy one; return which were drawn."""
    drawn = []
    monkeypatch.setattr(
        "lw_rl.benchmark.calibration.random_problem",
        lambda stream, k: drawn.append((stream, k)) or EASY[k % 2],
    )
    return drawn


def test_ranges_come_from_the_training_stream_and_factors_from_the_validation_stream(
    quick_problems,
):
    entries = card_entries(actor.load_shipped("default").without_limits(), problems=1)
    assert quick_problems == [*(("train", k) for k in range(5)), ("validation", 0)]
    assert entries["error_estimate"]["stream"] == "validation"
    assert entries["observation_range"]["channels"] == list(CHANNELS)


@pytest.fixture
def shipped(tmp_path):
    """A copy of the shipped policy's two files, whose card says nothing of its limits."""
    policy = actor.load_shipped("default").without_limits()
    network = policy.network
    return actor.save(
        tmp_path / "default", network.architecture, network.weights, policy.gain, policy.card
    )


def test_a_card_is_completed_and_the_weights_stay(quick_problems, shipped):
    before, weights = actor.load(shipped), shipped.with_suffix(".safetensors").read_bytes()
    assert not {"observation_range", "error_estimate"} & before.card.keys()
    problems = []
    entries = calibrate(shipped, 1, lambda: problems.append(1))
    after = actor.load(shipped)
    assert after.card == {**before.card, **entries}
    assert entries["error_estimate"]["problems"] == 1 and len(problems) == 6
    assert shipped.with_suffix(".safetensors").read_bytes() == weights
    # Limits that a card has take no part in new ones.
    spoilt = {**entries["observation_range"], "low": [-2.0] * NCHANNELS, "high": [-1.0] * NCHANNELS}
    actor.save(shipped, after.network.architecture, after.network.weights, after.gain,
               {**after.card, "observation_range": spoilt})  # fmt: skip
    assert calibrate(shipped, 1) == entries


def outside(problems):
    """Return how many problems the shipped policy does not know, whatever the solve does."""
    entry = actor.load_shipped("default").card["observation_range"]
    low, high = np.array(entry["low"]), np.array(entry["high"])
    statics = [make_frame(physics_of(p)).static for p in problems]
    return sum(not np.all((s.min(axis=1) >= low) & (s.max(axis=1) <= high)) for s in statics)


def test_the_shipped_policy_knows_what_it_is_for():
    assert outside(suite("fal")) == 0
    assert outside([random_problem("test", k) for k in range(12)]) <= 1


def test_the_shipped_policy_does_not_know_shocks():
    shocks = [p for k in range(60) if (p := HostileProblem(1, k)).kind in ("shock", "steps")]
    assert outside(shocks) > 0.6 * len(shocks) > 6


def test_the_shipped_factor_is_a_calibrated_one():
    entry = actor.load_shipped("default").card["error_estimate"]
    assert 1.0 <= entry["factor"] < 2.5
    assert entry["coverage"] >= 0.99 and entry["within_5x"] >= 0.9 and entry["stops"] >= 150
