"""`lw-rl control`: any gymnasium environment with a bounded box of actions."""

from __future__ import annotations

import json
import math

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.cli import main
from lw_rl.errors import CriticError, MissingExtraError, TrainingError
from lw_rl.experiments.max_entropy.deviation import target_deviation
from lw_rl.training import control as training
from lw_rl.training.control import ControlSettings, environment, train_control
from lw_rl.training.recorder import curve
from lw_rl.training.temperature import described
from lw_rl.training.tempered_sac import TemperedSAC

TINY = ["--steps", "40", "--learning-starts", "10", "--batch-size", "8", "--episodes", "2"]
SMALL = ControlSettings("sac", 40, learning_starts=10, batch_size=8, net=(8,))


def run(*args):
    return CliRunner().invoke(main, ["control", *map(str, args)], prog_name="lw-rl")


@pytest.mark.parametrize(
    ("learner", "temperature", "recorded"),
    [
        ("sac", ["--temperature", "auto", "--entropy", "-2"], "auto_0.1"),
        ("sac", ["--temperature", "target", "--entropy", "-1", "--entropy", "-2"],
         {"target": [-1.0, -2.0]}),
        ("s2ac", ["--temperature", "scheduled", "--last-alpha", "0.1"], {"schedule": [1.0, 0.1]}),
        ("s2ac-langevin", ["--temperature", "fixed", "--alpha", "0.3", "--particles", "4"], 0.3),
    ],
)  # fmt: skip
def test_leaves_log_figures_model_and_result(tmp_path, learner, temperature, recorded):
    env = "lw_rl/MultiGoal-v0"
    done = run(env, "--learner", learner, *temperature, *TINY, "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result == json.loads((tmp_path / "control.json").read_text())
    assert result["settings"]["temperature"] == recorded
    assert len(result["returns"]) == 2
    assert result["mean_return"] == pytest.approx(np.mean(result["returns"]), rel=1e-4)
    assert f"--learner {learner}" in result["command"] or learner == "sac"
    for name in ("progress.csv", "training.png", "policy.png", "model.zip"):
        assert (tmp_path / name).stat().st_size > 0


def test_old_spelling_of_a_target_entropy(tmp_path):
    with pytest.warns(DeprecationWarning, match="held is now spelled target"):
        done = run(
            "Pendulum-v1", "--temperature", "held", "--entropy", "-1", *TINY, "--out", tmp_path,
            "--json",
        )  # fmt: skip
    assert json.loads(done.stdout)["settings"]["temperature"] == {"target": -1.0}


def test_folder_by_default_and_what_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("Pendulum-v1", *TINY, "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "return of 2 episodes: mean -" in done.stdout
    assert (tmp_path / "runs/Pendulum-v1-sac-3/training.png").exists()
    assert run("Pendulum-v1", *TINY, "--quiet").output == ""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["Pendlum-v1"], "there is no environment 'Pendlum-v1'"),
        (["no_such_package:Any-v0"], "there is no environment 'no_such_package:Any-v0'"),
        (["CartPole-v1"], "actions must be a Box"),
        (["Pendulum-v1", "--learner", "s2ac", "--step-size", "3"], "too large for the bandwidth 1"),
        (["Pendulum-v1", "--learner", "s2ac", "--particles", "1"], "particles must be at least 2"),
        (["Pendulum-v1", "--alpha", "0"], "temperature must be positive"),
        (["Pendulum-v1", "--alpha", "-1", "--temperature", "scheduled"], "must be positive"),
        (["Pendulum-v1", "--temperature", "target", "--entropy", "1"], "below that of the uniform"),
        (["Pendulum-v1", "--entropy", "1"], "below that of the uniform"),
        (["Pendulum-v1", "--learning-starts", "50"], "below the 40 steps"),
        (["Pendulum-v1", "--temperature", "target"], "needs --entropy"),
        (["Pendulum-v1", "--temperature", "fixed", "--entropy", "-1"], "--entropy is for"),
        (["Pendulum-v1", "--entropy", "-1", "--entropy", "-2"], "several levels"),
        (["Pendulum-v1", "--last-alpha", "0.1"], "--last-alpha is for"),
        (["Pendulum-v1", "--bandwidth", "1"], "sac has no sampler"),
        (["Pendulum-v1", "--learner", "s2ac-langevin", "--bandwidth", "median"], "has no kernel"),
        (["Pendulum-v1", "--learner", "s2ac", "--bandwidth", "wide"], "'wide' is not a valid"),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(tmp_path, args, message):
    done = run(*TINY, *args, "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_old_name_of_the_settings():
    with pytest.warns(DeprecationWarning, match="now ControlSettings"):
        assert training.Settings is ControlSettings
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = training.Nothing


def test_observations_that_are_no_box():
    env = gym.make("lw_rl/MultiGoal-v0").unwrapped
    env.observation_space = gym.spaces.Dict({"a": env.observation_space})
    with pytest.raises(TrainingError, match="observations must be a Box"):
        environment(env)


def test_package_that_an_environment_needs(monkeypatch):
    def make(name):
        raise gym.error.DependencyNotInstalled("no mujoco.")

    monkeypatch.setattr(training.gym, "make", make)
    with pytest.raises(MissingExtraError, match=r"pip install 'gymnasium\[mujoco\]'"):
        environment("HalfCheetah-v5")


def test_package_that_an_environments_package_needs(monkeypatch):
    def make(name):
        raise ModuleNotFoundError("No module named 'imageio'", name="imageio")

    monkeypatch.setattr(training.gym, "make", make)
    with pytest.raises(MissingExtraError, match=r"HalfCheetah-v5 needs .* 'imageio'.*\[mujoco\]"):
        environment("HalfCheetah-v5")


class Broken(gym.Wrapper):
    """Rewards that are not finite, from some step on."""

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, math.nan, *rest


@pytest.mark.parametrize("learner", ["sac", "s2ac"])
def test_critics_that_become_nan_are_named_and_the_log_is_drawn(tmp_path, learner):
    env = Broken(gym.make("lw_rl/MultiGoal-v0"))
    settings = ControlSettings(learner, 40, learning_starts=20, batch_size=8, net=(8,))
    with pytest.raises(CriticError, match="critics' loss must be finite, got nan"):
        train_control(env, settings, 0, tmp_path, quiet=True, rows=20)
    assert (tmp_path / "training.png").exists(), "what there is of the run is shown"


def test_entropy_stays_within_a_tenth_of_its_target_through_training():
    """Every single measurement from the first update on, through two changes of the request."""
    settings = ControlSettings(
        steps=600, temperature=described({"target": [-0.5, -2.0, -1.0]}), learning_starts=60,
        batch_size=32, net=(32, 32),
    )  # fmt: skip
    _, recorder = train_control("Pendulum-v1", settings, 0, quiet=True, rows=100)
    steps, entropy, target = (
        curve(recorder.rows, name)
        for name in ("time/total_timesteps", "train/entropy", "train/target_entropy")
    )
    held = target_deviation(steps, entropy, target)
    assert held["within"] == 1.0 and held["response"] <= 72 and held["later"] <= 12
    assert sorted(set(target)) == [-2.0, -1.0, -0.5]


def test_a_model_is_loaded_again(tmp_path):
    model, _ = train_control("Pendulum-v1", SMALL, 0, tmp_path, quiet=True, rows=2)
    again = TemperedSAC.load(tmp_path / "model.zip")
    observation = np.ones((4, 3), np.float32)
    assert np.array_equal(again.predict(observation, deterministic=True)[0],
                          model.predict(observation, deterministic=True)[0])  # fmt: skip


@pytest.mark.slow
def test_pendulum_is_solved(tmp_path):
    done = run("Pendulum-v1", "--steps", 8000, "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["mean_return"] > -200.0
