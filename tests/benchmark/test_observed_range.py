"""The range of the observations that a policy was shown."""

from __future__ import annotations

import numpy as np

from lw_rl.benchmark.observed_range import ObservedRange
from lw_rl.host.adapter import Adapter
from lw_rl.policies.observation import CHANGING, CHANNELS, NCHANNELS, make_frame


def test_an_observation_is_taken_in_channel_by_channel():
    seen = ObservedRange()
    seen.note(np.ones((NCHANNELS, 64), dtype=np.float32))
    np.testing.assert_array_equal(seen.low, 1.0)
    np.testing.assert_array_equal(seen.high, 1.0)
    more = np.ones((NCHANNELS, 64), dtype=np.float32)
    more[3, 5], more[4, 0] = 2.0, -1.0
    seen.note(more)
    assert seen.high[3] == 2.0 and seen.low[4] == -1.0
    assert seen.high.sum() == NCHANNELS + 1.0 and seen.low.sum() == NCHANNELS - 2.0


def test_what_does_not_change_along_a_solve_is_taken_in_from_the_start(ctx):
    adapter = Adapter(ctx)
    seen = ObservedRange()
    seen.note_static(make_frame(adapter.line_physics(adapter.blocks[0])))
    assert [np.isinf(v) for v in seen.low] == [c in CHANGING for c in CHANNELS]


def test_the_entry_of_a_card_is_wider_and_never_empty():
    seen = ObservedRange()
    observation = np.zeros((NCHANNELS, 2), dtype=np.float32)
    observation[0] = -2.0, 2.0
    seen.note(observation)
    entry = seen.entry()
    assert entry["channels"] == list(CHANNELS)
    assert (entry["low"][0], entry["high"][0]) == (-3.0, 3.0)
    assert (entry["low"][1], entry["high"][1]) == (-0.01, 0.01)
    # A channel that was never shown has a range around zero.
    assert ObservedRange().entry()["low"] == [-0.01] * NCHANNELS
