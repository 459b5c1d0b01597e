"""The command `lw-rl paper`; its quick run is in tests/experiments/paper."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from experiment_helpers import keep_paper

from lw_rl.cli.paper import paper
from lw_rl.experiments.paper.run import PAPER


def test_report_only_runs_nothing_and_needs_the_first_seed(tmp_path, undrawn):
    keep_paper(tmp_path / "done", seeds=1)
    arguments = ["--seeds", "1", "--report-only", "--out"]
    run = CliRunner().invoke(paper, [*arguments, str(tmp_path / "done")])
    assert run.exit_code == 0, run.output
    assert "the report, with its figures beside it" in run.output
    first = (tmp_path / "done" / PAPER.report_name).read_text()
    run = CliRunner().invoke(paper, [*arguments, str(tmp_path / "done"), "--quiet"])
    assert run.exit_code == 0 and run.output == ""
    assert (tmp_path / "done" / PAPER.report_name).read_text() == first
    empty = tmp_path / "empty"
    empty.mkdir()
    run = CliRunner().invoke(paper, [*arguments, str(empty)])
    assert run.exit_code == 1
    assert "too little is finished" in run.output
    assert not list(empty.iterdir())


@pytest.mark.parametrize("option", ["seeds", "workers"])
def test_bad_numbers(option):
    run = CliRunner().invoke(paper, [f"--{option}", "0"])
    assert run.exit_code == 2
    assert "x>=1" in run.output


def test_help_has_examples():
    text = CliRunner().invoke(paper, ["--help"]).output
    assert "lw-rl paper --seeds 5 --out paper" in text
