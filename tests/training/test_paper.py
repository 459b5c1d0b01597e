"""The paper's training: Soft Actor-Critic on the slab."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from lw_rl.envs.sigmoid_source import SourceStep
from lw_rl.slab.slab import paper_slab
from lw_rl.training.paper import SACSettings, SlabVecEnv, train_sac


@pytest.mark.slow
def test_sac_improves_on_its_start_and_is_reproducible():
    step = SourceStep(paper_slab(), shape="spline", reward="preconditioned")
    settings = SACSettings(
        steps=1600, learning_starts=400, gamma=0.0, entropy="auto_0.01", learning_rate=3e-3
    )
    (_, one), (_, other) = (train_sac(step, settings, seed=1, evaluations=2) for _ in range(2))
    np.testing.assert_array_equal(one.S[-1], other.S[-1])
    assert np.mean(one.reward[-20:]) > np.mean(one.reward[:15]) + 0.3
    assert one.steps[-1] == 1600
    assert one.episodes >= 1600 // 50


def test_vectorised_environment_restarts_and_reports_the_end_of_an_episode():
    env = SlabVecEnv(SourceStep(paper_slab(), max_steps=3), 2)
    start = env.reset()
    for _ in range(2):
        _, _, done, _ = env.step(np.zeros((2, 4)))
        assert not done.any()
    observation, reward, done, infos = env.step(np.zeros((2, 4)))
    assert done.all()
    np.testing.assert_array_equal(observation, start)
    assert infos[0]["TimeLimit.truncated"]
    assert infos[0]["episode"]["r"] == pytest.approx(3 * reward[0], rel=1e-5)
    assert not np.array_equal(infos[0]["terminal_observation"], start[0])
