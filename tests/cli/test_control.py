"""`lw-rl control`: what is refused before anything is trained (training: tests/training)."""

from __future__ import annotations

import importlib.util

import pytest


def test_without_torch_it_says_what_to_install(command, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "stable_baselines3" else there(name),
    )
    done = command("control", "Pendulum-v1")
    assert done.exit_code == 2 and "pip install 'torch>=" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--temperature", "warm"], "is not one of 'auto', 'fixed', 'scheduled', 'target'"),
        (["--steps", "0"], "--steps"),
        (["--gamma", "1.5"], "--gamma"),
        (["--learner", "ddpg"], "--learner"),
        (["--bandwidth", "wide"], "'wide' is not a valid"),
    ],
)
def test_values_out_of_range_are_refused(command, tmp_path, words, says):
    done = command("control", "Pendulum-v1", *words)
    assert done.exit_code == 2 and says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_temperatures_that_contradict_their_options_are_refused(command, tmp_path):
    pytest.importorskip("stable_baselines3")
    for words, says in (
        (["--temperature", "target"], "needs --entropy, the target entropy [nat]"),
        (["--last-alpha", "0.1"], "--last-alpha is for --temperature scheduled"),
        (["--temperature", "fixed", "--entropy", "-1"], "auto or target, not fixed"),
        (["--entropy", "-1", "--entropy", "-2"], "for --temperature target"),
        (["--particles", "8"], "sac has no sampler"),
    ):
        done = command("control", "Pendulum-v1", *words)
        assert done.exit_code == 2 and says in done.stderr
    assert list(tmp_path.iterdir()) == []
