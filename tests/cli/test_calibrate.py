"""`lw-rl calibrate`: the entries are written into the card, and said."""

from __future__ import annotations

import json

import pytest

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
