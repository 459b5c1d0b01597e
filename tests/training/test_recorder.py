"""What a training run leaves behind, and that recording it changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.training import recorder as recording
from lw_rl.training.control import ControlSettings, train_control
from lw_rl.training.plots import read_log
from lw_rl.training.recorder import curve

SMALL = ControlSettings("sac", 40, learning_starts=10, batch_size=8, net=(8,))


def test_training_writes_log_figures_and_model(tmp_path):
    settings = ControlSettings(
        "s2ac", 40, temperature=0.3, sampler={"particles": 4, "steps": 2},
        learning_starts=10, batch_size=8, train_freq=4, net=(8,),
    )  # fmt: skip
    _, recorder = train_control("lw_rl/MultiGoal-v0", settings, 0, tmp_path, quiet=True, rows=4)
    assert {f.name for f in tmp_path.iterdir()} == {
        "progress.csv", "training.png", "policy.png", "maps.json", "model.zip",
    }  # fmt: skip
    columns = read_log(tmp_path)
    assert columns["time/total_timesteps"].tolist() == [10, 20, 30, 40]
    assert np.isfinite(columns["train/entropy"]).all()
    assert columns["train/ent_coef"][-1] == pytest.approx(0.3)
    assert columns["time/cpu"][-1] > 0 and len(recorder.rows) == 4


def test_recording_changes_no_run(tmp_path):
    often, seldom = (
        train_control("lw_rl/MultiGoal-v0", SMALL, 0, None, quiet=True, rows=rows)[0]
        for rows in (20, 1)
    )
    pairs = zip(often.policy.parameters(), seldom.policy.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_figures_are_renewed_while_it_trains(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(recording, "draw_run", lambda folder: drawn.append(folder))
    train_control("lw_rl/MultiGoal-v0", SMALL, 0, tmp_path, quiet=True, rows=4, redraw=0.0)
    assert len(drawn) == 5
    drawn.clear()
    train_control("lw_rl/MultiGoal-v0", SMALL, 0, tmp_path, quiet=True, rows=4, redraw=math.inf)
    assert len(drawn) == 1


@pytest.mark.slow
def test_drawing_changes_no_run_and_no_clock(tmp_path, monkeypatch):
    often, _ = train_control("lw_rl/MultiGoal-v0", SMALL, 0, tmp_path, True, 2, 0.0)
    once, _ = train_control("lw_rl/MultiGoal-v0", SMALL, 0, None, True, 2)
    pairs = zip(often.policy.parameters(), once.policy.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)

    clock = [0.0]
    monkeypatch.setattr(recording.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(
        recording, "draw_run", lambda folder: clock.__setitem__(0, clock[0] + 1000.0)
    )
    _, recorder = train_control("lw_rl/MultiGoal-v0", SMALL, 0, tmp_path, True, 4, -1.0)
    assert clock[0] >= 3000.0 and recorder.rows[-1]["time/time_elapsed"] == 0.0


def test_a_column_of_the_rows():
    assert curve([{"a": 1.0}, {}, {"a": 3.0}], "a") == [1.0, None, 3.0]
