"""Checkpoints: everything comes back, nothing is executed."""

from __future__ import annotations

import numpy as np
import pytest
from small_training import small_learner

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.errors import PolicyFileError
from lw_rl.training import checkpoint


def test_a_run_is_as_it_was(tmp_path):
    model = small_learner(steps=48).learn(48)
    spent = checkpoint.Spent(12.5, 99, (16,))
    checkpoint.save(tmp_path / "checkpoint.pt", model, {"seed": 1}, spent)
    state = checkpoint.load(tmp_path / "checkpoint.pt")
    assert state["arguments"] == {"seed": 1} and checkpoint.Spent(*state["spent"]) == spent
    again = small_learner(steps=48, seed=2)
    checkpoint.restore(again, state)
    assert again.num_timesteps == 48 and again._n_updates == model._n_updates > 0
    pairs = zip(model.policy.parameters(), again.policy.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    one, other = model.replay_buffer, again.replay_buffer
    assert (one.pos, one.full) == (other.pos, other.full)
    np.testing.assert_array_equal(one.reward_maps, other.reward_maps)
    assert one.visits.keys() == other.visits.keys()
    for name, visits in one.visits.items():
        assert len(visits) == len(other.visits[name])
        for k in range(len(visits)):
            for a, b in zip(visits[k], other.visits[name][k], strict=True):
                np.testing.assert_array_equal(a, b)
    # The next demonstrations and transitions are the same.
    for draw in (lambda buffer: buffer.demonstrations(4), lambda buffer: buffer.sample(4)):
        assert all(torch.equal(a, b) for a, b in zip(draw(one), draw(other), strict=True))


def test_a_checkpoint_that_is_not_one_is_refused(tmp_path):
    import pickle

    file = tmp_path / "checkpoint.pt"
    file.write_bytes(pickle.dumps(print))
    with pytest.raises(PolicyFileError, match="not a readable checkpoint"):
        checkpoint.load(file)
