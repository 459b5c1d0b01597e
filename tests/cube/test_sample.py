"""A worker's sample: uniform, and bounded."""

from __future__ import annotations

import numpy as np

from lw_rl.cube.sample import Reservoir, offer, take


def test_a_sample_is_uniform_and_bounded():
    kept = np.zeros(60)
    for _ in range(300):
        reservoir = Reservoir(6, seed=int(kept.sum()))
        for k in range(60):
            reservoir.offer(k)
        taken = reservoir.take()
        assert len(taken) == len(set(taken)) == 6
        kept[taken] += 1
    # 30 expected each; five standard deviations.
    assert abs(kept - 30.0).max() < 26.0


def test_another_sample_begins_when_one_is_taken():
    reservoir = Reservoir(2)
    for k in range(5):
        reservoir.offer(k)
    assert len(reservoir.take()) == 2
    assert reservoir.take() == [] and reservoir.offered == 0


def test_a_process_has_one_sample():
    take()
    for k in range(3):
        offer(k)
    assert take() == [0, 1, 2] and take() == []
