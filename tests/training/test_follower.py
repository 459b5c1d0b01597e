"""What a run writes while it trains."""

from __future__ import annotations

import json

import pytest
from small_training import SMALL, quick_problem, small_learner
from stable_baselines3.common.logger import Logger

pytest.importorskip("torch")

from lw_rl.policies import actor as actors
from lw_rl.training import checkpoint
from lw_rl.training.follower import Follower


def test_scores_policy_and_checkpoint_at_equal_steps(tmp_path):
    model = small_learner()
    model.set_logger(Logger(None, []))
    before = checkpoint.Spent(seconds=100.0, Nformal=1000)
    follower = Follower(SMALL, tmp_path, before, quick_problem)
    model.learn(80, callback=follower)
    entries = json.loads((tmp_path / "scores.json").read_text())
    assert [e["environment_steps"] for e in entries] == [40, 80]
    assert entries[1]["gradient_steps"] > entries[0]["gradient_steps"]
    assert 1000 < entries[0]["formal_solutions"] < entries[1]["formal_solutions"]
    assert entries[0]["seconds"] > 100.0
    assert follower.scores["median_1e-03"] == entries[1]["median_1e-03"]
    assert checkpoint.load(tmp_path / "checkpoint.pt")["num_timesteps"] == 80
    assert actors.load(tmp_path / "latest").card["environment_steps"] == 80
    # A run that goes on from an earlier step writes over what came after it.
    model.num_timesteps = 40
    follower.finish(model)
    entries = json.loads((tmp_path / "scores.json").read_text())
    assert [e["environment_steps"] for e in entries] == [40]
