"""`lw-rl calibrate`: the entries are written into the card, and said."""

from __future__ import annotations

import json

import pytest

from lw_rl.benchmark.settings_calibration import QUANTILE
from lw_rl.policies import actor
from lw_rl.problems import shipped_problem


@pytest.fixture
def card(tmp_path):
    """A copy of the shipped policy's two files, whose card says nothing of its limits."""
    policy = actor.load_shipped("default").without_limits()
    network = policy.network
    return actor.save(
        tmp_path / "mine", network.architecture, network.weights, policy.gain, policy.card
    )


@pytest.fixture
def easy(monkeypatch):
    """Every random problem is an easy one."""
    monkeypatch.setattr(
        "lw_rl.benchmark.calibration.random_problem",
        lambda stream, k: shipped_problem("CaII_K", "FALC", 34 + k),
    )


def test_the_card_has_the_entries_that_are_printed(command, card, easy):
    done = command("calibrate", card, "--problems", "1", "--json", "--quiet")
    assert done.exit_code == 0, done.output
    entries = json.loads(done.stdout)
    assert set(entries) == {"observation_range", "error_estimate"}
    assert entries.items() <= json.loads(card.read_text()).items()


def test_what_is_said(command, card, easy):
    done = command("calibrate", card.with_suffix(".safetensors"), "--problems", "1")
    assert done.exit_code == 0, done.output
    assert "covers the error in 99.5 % of" in done.stdout
    assert "epsilon" in done.stdout and str(card) in done.stdout
    assert command("calibrate", card, "--problems", "1", "--quiet").output == ""


def test_a_file_that_is_no_policy_is_refused(command, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.safetensors").write_bytes(b"")
    done = command("calibrate", "a.json")
    assert done.exit_code == 2 and done.stderr.startswith("lw-rl: error: ")
    assert (tmp_path / "a.json").read_text() == "{}"


def test_the_settings_that_are_printed_are_written(command, tmp_path, monkeypatch):
    found = {"step": [1.2], "combination": [3.0], "plain": [0.9], "defect": [1.0], "rough": [1.0]}
    found |= {"moved": [(0.1, 1.0)], "allowance": [0.0]}
    monkeypatch.setattr("lw_rl.benchmark.settings_calibration.measure", lambda problem: found)
    out = tmp_path / "settings.json"
    done = command("calibrate", "--settings", out, "--problems", "2", "--json", "--quiet")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content == json.loads(out.read_text())
    assert content["origin"]["command"] == ("lw-rl calibrate --problems 2 --settings settings.json")
    done = command("calibrate", "--settings", out, "--problems", "2")
    assert f"the quantile {QUANTILE} of true error over estimate" in done.stdout


@pytest.mark.parametrize("both", [True, False])
def test_a_policy_or_settings_and_not_both(command, card, tmp_path, both):
    arguments = (card, "--settings", tmp_path / "s.json") if both else ()
    done = command("calibrate", *arguments)
    assert done.exit_code == 2 and "not both" in done.stderr
