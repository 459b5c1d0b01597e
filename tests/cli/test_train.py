"""`lw-rl train`: an option for every argument, and a policy's own arguments again."""

from __future__ import annotations

import json
import sys

import pytest
from conftest import random_weights
from small_training import SMALL, quick_problem

from lw_rl.policies import actor
from lw_rl.training.arguments import Args


def test_train_without_torch_says_what_to_install(command, monkeypatch):
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "lw_rl.cli.train", raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else there(name)
    )
    done = command("train")
    assert done.exit_code == 2
    assert "pip install 'torch>=" in done.stderr and "torch" in done.stderr


def test_train_has_an_option_for_every_argument(command):
    import dataclasses

    from lw_rl.training.arguments import Args

    done = command("train", "--help")
    assert done.exit_code == 0, done.output
    for field in dataclasses.fields(Args):
        assert f"--{field.name.replace('_', '-')}" in done.output
        assert field.metadata["help"].split()[0] in done.output


def test_train_reproduces_the_arguments_of_a_card(command, architecture, tmp_path, monkeypatch):
    pytest.importorskip("stable_baselines3")

    def save(name, **card):
        weights = random_weights(architecture)
        return actor.save(tmp_path / f"{name}.json", architecture, weights, 0.3, card)

    card = save("a", arguments={"seed": 5, "steps": 70, "out": "runs/first"})
    seen = []
    monkeypatch.setattr(
        "lw_rl.training.train.train", lambda args, quiet: (seen.append((args, quiet)), card)[1]
    )
    done = command("train", "--reproduce", card, "--out", "runs/again", "--json")
    assert done.exit_code == 0, done.output
    ((args, quiet),) = seen
    assert (args.seed, args.steps, args.out) == (5, 70, "runs/again") and quiet
    assert json.loads(done.stdout)["card"]["arguments"]["seed"] == 5

    done = command("train", "--reproduce", save("b", arguments={"width_of_yore": 3}))
    assert done.exit_code == 2 and "does not hold the arguments" in done.stderr
    assert len(seen) == 1


def test_a_run_is_taken_up_with_the_arguments_of_its_folder(command, tmp_path, monkeypatch):
    pytest.importorskip("stable_baselines3")
    from lw_rl.training.train import train

    monkeypatch.chdir(tmp_path)
    train(Args(**{**SMALL, "out": "run", "seed": 5}), quiet=True, problem_of=quick_problem)
    seen = []
    card = tmp_path / "run/policy.json"
    monkeypatch.setattr(
        "lw_rl.training.train.train", lambda args, quiet: (seen.append(args), card)[1]
    )
    for words in (("--out", "run"), ("--out", "run", "--steps", "90"), ("--out", "other")):
        done = command("train", *words, "--quiet")
        assert done.exit_code == 0, done.output
    assert [a.seed for a in seen] == [5, 5, 1] and [a.steps for a in seen] == [80, 90, 12000]
    assert seen[0].width == SMALL["width"] and seen[0].out == "run"
    # Of a release that kept them in the checkpoint alone.
    (tmp_path / "run/arguments.json").unlink()
    assert command("train", "--out", "run", "--quiet").exit_code == 0
    assert seen[-1] == seen[0]
