"""Slices through a trained policy."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3 import SAC

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.training.maps import action_values, boltzmann_slice, policy_maps, sampled_actions


@pytest.fixture(scope="module")
def model():
    return SAC(
        "MlpPolicy", "lw_rl/MultiGoal-v0", learning_starts=10, batch_size=8, buffer_size=100,
        policy_kwargs={"net_arch": [8]}, seed=0, device="cpu",
    ).learn(30)  # fmt: skip


def test_values_are_the_smaller_critics(model):
    states, actions = np.zeros((5, 2)), np.random.default_rng(0).uniform(-1, 1, (5, 2))
    found = action_values(model, states, actions)
    with torch.no_grad():
        both = model.critic(*(torch.as_tensor(a, dtype=torch.float32) for a in (states, actions)))
    np.testing.assert_allclose(found, np.minimum(*(q.numpy()[:, 0] for q in both)))


def test_draws_are_the_policys(model):
    draws = sampled_actions(model, np.zeros(2, np.float32), 500)
    assert draws.shape == (500, 2) and np.all(np.abs(draws) <= 1.0) and np.ptp(draws) > 0.5


def test_maps_are_plain_data_on_grids(model):
    maps = policy_maps(model)
    json.dumps(maps)
    assert maps["dimensions"] == [0, 1]
    shape = len(maps["axes"][0]), len(maps["axes"][1])
    assert np.shape(maps["value"]) == np.shape(maps["action"]) == shape
    # Where the state is on the grid, the map has the policy's own action.
    x, y = maps["axes"]
    action, _ = model.predict(np.array([x[3], y[5]], np.float32), deterministic=True)
    assert maps["action"][3][5] == pytest.approx(action[0], abs=1e-5)
    seen = model.replay_buffer.observations[:30, 0, 0]
    assert seen.min() <= x[0] < x[-1] <= seen.max()


def test_the_boltzmann_slice_has_the_critics_values(model):
    state = np.zeros(2, np.float32)
    cut = boltzmann_slice(model, state)
    axis = np.array(cut["axis"])
    found = action_values(model, state[None], np.array([[axis[4], axis[7]]]))
    assert cut["Q"][4][7] == pytest.approx(found[0], rel=1e-5)
    assert cut["alpha"] == pytest.approx(float(model.log_ent_coef.detach().exp()))
    assert np.shape(cut["draws"]) == (256, 2)
