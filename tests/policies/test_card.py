"""A policy's card: which limits it sets, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

from lw_rl.errors import PolicyFileError
from lw_rl.policies.card import Card, Carded, card_of
from lw_rl.policies.observation import NCHANNELS, UNCHANGING

RANGE = {"low": [-1.0] * NCHANNELS, "high": [2.0] * NCHANNELS}


class Foreign:
    """A policy of somebody else's, with or without a card."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def predict(self, observation, deterministic=True):
        return np.zeros(observation.shape[1]), None


def test_an_empty_card_sets_no_limits():
    card = Card()
    assert card == {} and card.name == "unnamed"
    assert card.observation_range is card.asked_within is card.error_factor is None
    assert card.operator_factor(np.zeros((NCHANNELS, 32))) is None
    assert card.asked_after == 0.0 and not card.knows_operator


def test_limits_are_read():
    card = Card({
        "name": "p", "asked_within": 2, "asked_after": 0.1, "observation_range": RANGE,
        "error_estimate": {"factor": 1.5, "stops": 9}, "operator_estimate": {"factor": 3, **RANGE},
    })  # fmt: skip
    assert (card.name, card.asked_within, card.error_factor) == ("p", 2.0, 1.5)
    assert card.asked_after == 0.1 and card.knows_operator
    assert card.without_limits() == {"name": "p", "asked_within": 2}
    low, high = card.observation_range
    assert np.all(low == -1.0) and np.all(high == 2.0)
    assert card["error_estimate"]["stops"] == 9


def test_the_operators_factor_holds_where_it_was_found():
    card = Card({"operator_estimate": {"factor": 3, **RANGE}})
    static = np.zeros((NCHANNELS, 32), np.float32)
    assert card.operator_factor(static) == 3.0
    static[np.flatnonzero(~UNCHANGING)[0], 5] = 9.0
    assert card.operator_factor(static) == 3.0, "channels that change do not tell of the problem"
    static[np.flatnonzero(UNCHANGING)[0], 5] = 9.0
    assert card.operator_factor(static) is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"asked_within": 0.0}, "asked_within must be a number above 0, got 0.0"),
        ({"asked_after": 1.0}, "asked_after must be a number in \\[0, 1\\), got 1.0"),
        ({"asked_after": "0"}, "asked_after must be a number in \\[0, 1\\), got '0'"),
        ({"asked_within": True}, "asked_within must be a number above 0, got True"),
        ({"asked_within": "1"}, "asked_within must be a number above 0"),
        ({"asked_within": 10**400}, "asked_within must be a number above 0"),
        ({"observation_range": 3}, "observation_range is not valid"),
        ({"observation_range": {"low": [0.0]}}, "observation_range is not valid"),
        ({"observation_range": {"low": [0.0], "high": [1.0]}}, f"needs {NCHANNELS} values"),
        ({"observation_range": {**RANGE, "low": RANGE["high"]}}, f"needs {NCHANNELS} values"),
        ({"operator_estimate": RANGE}, "operator_estimate must be a number from 1 on, got None"),
        ({"operator_estimate": {"factor": 2.0}}, "operator_estimate is not valid"),
        ({"error_estimate": {"factor": 0.5}}, "error_estimate must be a number from 1 on, got 0.5"),
        ({"error_estimate": {"factor": "much"}}, "error_estimate must be a number from 1 on"),
        ({"error_estimate": 2.0}, "error_estimate must be a number from 1 on"),
    ],
)
def test_limits_that_are_not_of_their_kind(entries, message):
    with pytest.raises(PolicyFileError, match=message):
        Card(entries)


def test_without_limits():
    card = Card({"name": "p", "observation_range": RANGE, "error_estimate": {"factor": 2.0},
                 "operator_estimate": {"factor": 3, **RANGE}})  # fmt: skip
    assert card.without_limits() == {"name": "p"}
    assert card.without_limits().observation_range is None


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_a_copy_has_the_same_limits(again):
    card = Card({"asked_within": 0.2, "observation_range": RANGE})
    same = again(card)
    assert type(same) is Card and same == card and same.asked_within == 0.2
    np.testing.assert_array_equal(same.observation_range, card.observation_range)


def test_a_card_is_json():
    assert json.loads(json.dumps(Card({"asked_within": 0.2}))) == {"asked_within": 0.2}


def test_the_card_of_any_policy(untrained):
    assert isinstance(untrained, Carded) and card_of(untrained) is untrained.card
    assert card_of(Foreign()) == card_of(None) == {}
    assert card_of(Foreign(card={"asked_within": 0.3})).asked_within == 0.3
    with pytest.raises(PolicyFileError, match="asked_within"):
        card_of(Foreign(card={"asked_within": -1.0}))
