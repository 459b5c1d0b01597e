"""The committed result of the paper, and a quick run."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from experiment_helpers import committed as of_examples

from lw_rl.cli.paper import paper


@pytest.fixture(scope="session")
def committed():
    return of_examples("paper")


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """One quick run through the command: its directory, and what it printed."""
    pytest.importorskip("stable_baselines3")
    out = tmp_path_factory.mktemp("paper")
    arguments = ["--quick", "--seeds", "1", "--out", str(out), "--json", "--quiet"]
    run = CliRunner().invoke(paper, arguments)
    assert run.exit_code == 0, run.output
    return out, run.stdout


@pytest.fixture
def result(quick):
    return json.loads((quick[0] / "paper_result.json").read_text())
