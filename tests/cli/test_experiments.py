"""What the commands share that reproduce published claims."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import click
import pytest
from click.testing import CliRunner

from lw_rl.cli.experiments import experiment_options, run_or_report


@dataclass
class Recorded:
    """A reproduction that runs nothing and records what it is called with."""

    result_name: str = "x_result.json"
    report_name: str = "x_report.md"
    calls: list[Any] = field(default_factory=list)

    def run(self, out, seeds, quick, workers, progress):
        progress("one", 1, 1)
        self.calls.append((seeds, quick, workers))
        return {"summary": {"n": 1}}

    def verdicts(self, result):
        return [{"claim": "It runs.", "found": "1", "holds": True}]


@pytest.fixture
def command():
    """Return a command on a recorded reproduction, and that reproduction."""
    recorded = Recorded()

    @click.command()
    @experiment_options("here", "Seeds.", "Quick.")
    def run(**options):
        run_or_report(recorded, **options)

    return run, recorded


@pytest.mark.parametrize(
    ("arguments", "seeds"),
    [([], 5), (["--quick"], 1), (["--quick", "--seeds", "3"], 3), (["--seeds", "2"], 2)],
)
def test_a_quick_run_has_one_seed_unless_more_are_wanted(command, arguments, seeds):
    run, recorded = command
    done = CliRunner().invoke(run, [*arguments, "--quiet"])
    assert done.exit_code == 0 and done.output == ""
    assert recorded.calls == [(seeds, "--quick" in arguments, 2)]


def test_json_has_the_summary_and_every_claim(command):
    done = CliRunner().invoke(command[0], ["--json", "--quiet"])
    claim = {"claim": "It runs.", "found": "1", "holds": True}
    assert json.loads(done.stdout) == {"n": 1, "claims": [claim]}


def test_closing_lines_say_where_the_files_are(command):
    printed = CliRunner().invoke(command[0], ["--out", "there"]).output
    assert "there/x_report.md: the report" in printed
    assert "there/x_result.json: every number in it" in printed
