"""The reward: the decrease of a logarithmic error."""

from __future__ import annotations

import numpy as np

from lw_rl.envs.reward import REWARD_CLIP, reward_map


def test_reward_is_positive_exactly_where_the_error_falls():
    before = np.array([1.0, -1.0, 0.5, 0.2])
    after = np.array([0.1, -2.0, 0.5, 0.0])
    reward = reward_map(before, after)
    assert reward[0] > 0.0 > reward[1] and reward[2] == 0.0 and reward[3] > 0.0
    # Scale-free: the same decrease is worth the same near the solution.
    assert np.allclose(reward, reward_map(1e-6 * before, 1e-6 * after))
    assert np.all(np.abs(reward_map(before, 1e9 * after + 1e9)) <= REWARD_CLIP)
