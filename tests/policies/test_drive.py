"""Situations, decisions, and what an action stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lw_rl.errors import PolicyOutputError
from lw_rl.policies.drive import (
    DIALS,
    FIXED,
    NAMES,
    SCHEMA,
    Driver,
    FixedDriver,
    Kind,
    Situation,
    channels_of,
    decision_of,
    observe_situation,
    parts,
)

KIND = Kind(True, 1, False, False, False, 82, 82, 50, 5)


def test_zeros_are_the_fixed_setting():
    assert decision_of(np.zeros(len(DIALS))) == FIXED
    assert isinstance(FixedDriver(), Driver)
    assert FixedDriver().decide(Situation(KIND)) == FIXED


def test_an_action_is_clipped_and_thresholded():
    d = decision_of(np.array([-9.0, 9.0, 9.0, -9.0, 9.0, 9.0, 9.0]))
    assert (d.fidelity, d.tolerance, d.relaxation, d.weight) == (0.25, 10.0, 1.5, 0.0)
    assert d.renew and d.plain and d.hand_over and not d.stop
    d = decision_of(np.array([1.0, 0, 0, 0, -1.0, 0, -1.0]))
    assert d.fidelity == 1.0 and d.renew is False and d.stop and not d.hand_over


@pytest.mark.parametrize(
    "action", [np.zeros(6), np.full(7, np.nan), np.full(7, np.inf), np.array(["left"] * 7)]
)
def test_what_is_no_action_is_refused(action):
    with pytest.raises(PolicyOutputError, match="a driver's action"):
        decision_of(action)


def test_an_observation_is_finite_whatever_is_met():
    wild = Situation(KIND, (0.0, np.inf), np.inf, 10**6, 10**6, (np.nan, 0.0), np.nan)
    for situation in (Situation(KIND), wild, replace(wild, residuals=(np.nan,))):
        seen = observe_situation(situation)
        assert seen.shape == (len(NAMES),) and seen.dtype == np.float32
        assert np.all(np.isfinite(seen)) and np.abs(seen).max() < 20.0


def test_what_was_done_is_in_the_cost():
    a = Situation(KIND, made=2)
    b = replace(a, work={"matrix": 1e8})
    assert 2.0 <= a.cost < b.cost
    k = NAMES.index("spent")
    assert observe_situation(a)[k] < observe_situation(b)[k]


def test_the_parts_make_up_the_observation():
    assert sorted(k for p in parts() for k in channels_of(p)) == list(range(len(NAMES)))
    assert SCHEMA == 1, "a change of NAMES or DIALS raises the schema, and this number"
    assert len(NAMES) == 21
