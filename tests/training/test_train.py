"""A run trains, resumes and exports."""

import json

import numpy as np
import pytest
from small_training import SMALL, quick_problem

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.errors import PolicyFileError, TrainingError
from lw_rl.policies import actor as actors
from lw_rl.policies.observation import (
    NCHANNELS,
)
from lw_rl.problems import shipped_problem
from lw_rl.training.train import Args, command, train


def test_a_run_trains_exports_and_resumes(tmp_path):
    args = Args(out=str(tmp_path / "run"), **SMALL)
    card = train(args, quiet=True, problem_of=quick_problem)
    fields = json.loads(card.read_text())
    assert fields["environment_steps"] == 80 and fields["gradient_steps"] > 0
    assert fields["training_formal_solutions"] > 80
    assert fields["command"] == command(args)
    policy = actors.load(card)
    observation = np.zeros((NCHANNELS, 64), dtype=np.float32)
    action, _ = policy.predict(observation)
    assert action.shape == (64,)

    # The checkpoint goes on where it stopped, with more steps.
    longer = Args(out=args.out, **{**SMALL, "steps": 120})
    fields_after = json.loads(train(longer, True, quick_problem).read_text())
    assert fields_after["environment_steps"] == 120
    assert fields_after["gradient_steps"] > fields["gradient_steps"]
    assert fields_after["training_formal_solutions"] > fields["training_formal_solutions"]
    assert fields["resumed_at_steps"] == [] and fields_after["resumed_at_steps"] == [80]

    with pytest.raises(PolicyFileError, match="gamma: 0.5 then, 0.9 now"):
        train(Args(out=args.out, **{**SMALL, "gamma": 0.9}), True, quick_problem)


def test_the_card_of_a_run_has_the_policys_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "lw_rl.benchmark.calibration.random_problem",
        lambda stream, k: shipped_problem("CaII_K", "FALC", 34 + 2 * (k % 2)),
    )
    args = Args(out=str(tmp_path), **{**SMALL, "calibration": 3})
    fields = json.loads(train(args, True, quick_problem).read_text())
    assert fields["error_estimate"]["factor"] >= 1.0
    assert len(fields["observation_range"]["low"]) == NCHANNELS
    # A policy as it is on the way has none: it costs time.
    assert "error_estimate" not in json.loads((tmp_path / "latest.json").read_text())


@pytest.mark.slow
def test_imitation_learns_from_hindsight_alone(tmp_path):
    args = {**SMALL, "steps": 240, "return_every": 0, "updates_per_step": 8.0, "width": 16}
    args["imitation_batch"] = 24
    train(Args(out=str(tmp_path / "run"), **args), True, quick_problem)
    log = np.genfromtxt(
        tmp_path / "run" / "log" / "from_step_0" / "progress.csv",
        delimiter=",",
        names=True,
        deletechars="",
    )
    loss = log["train/imitation_loss"]
    loss = loss[np.isfinite(loss)]
    # Of one batch it is noisy, and the operator leaves little to learn.
    assert loss[-5:].mean() < 0.93 * loss[:3].mean()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"envs": 0}, "envs must be at least 1, got 0"),
        ({"problems": 2, "envs": 4}, "problems must be at least 4, got 2"),
        ({"gamma": 1.0}, "gamma must be at least 0 and below 1, got 1.0"),
        ({"final_learning_rate": 1.0}, "must not rise"),
        ({"levels": 5}, "levels must be at most 4"),
        ({"noise": float("nan")}, "noise must be at least 0.0, got nan"),
    ],
)
def test_arguments_without_a_meaning_are_refused(arguments, says):
    with pytest.raises(TrainingError, match=says):
        Args(**arguments)
