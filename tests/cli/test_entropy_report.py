"""The command `lw-rl entropy-report`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from experiment_helpers import keep_entropy

from lw_rl.cli import main
from lw_rl.experiments.max_entropy.run import MAX_ENTROPY


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A directory as it is when three seeds of every experiment are finished."""
    out = tmp_path_factory.mktemp("entropy")
    keep_entropy(out, seeds=3)
    return out


def test_command_renews_the_readme(done, tmp_path, undrawn):
    readme = tmp_path / "README.md"
    arguments = ["--out", str(done), "--seeds", "3", "--report-only", "--readme", str(readme)]
    readme.write_text("nothing")
    run = CliRunner().invoke(main, ["entropy-report", *arguments])
    assert run.exit_code == 2 and "begin entropy" in run.stderr
    readme.write_text("<!-- begin entropy -->\n<!-- end entropy -->\nrest\n")
    run = CliRunner().invoke(main, ["entropy-report", *arguments])
    assert run.exit_code == 0, run.output
    assert "3 of 3 seeds; -155 [-155, -155]" in readme.read_text()


def test_a_report_needs_the_first_seed(tmp_path):
    keep_entropy(tmp_path, seeds=1)
    (tmp_path / "cells" / "facts-well.json").unlink()
    run = CliRunner().invoke(
        main, ["entropy-report", "--out", str(tmp_path), "--report-only", "--seeds", "3"]
    )
    assert run.exit_code == 1 and "too little is finished" in run.stderr


@pytest.mark.slow
def test_quick_run(tmp_path):
    pytest.importorskip("stable_baselines3")
    arguments = ["--quick", "--out", str(tmp_path), "--json", "--quiet"]
    run = CliRunner().invoke(main, ["entropy-report", *arguments])
    assert run.exit_code == 0, run.output
    result = json.loads((tmp_path / MAX_ENTROPY.result_name).read_text())
    claims = MAX_ENTROPY.verdicts(result)
    assert json.loads(run.stdout) == {**result["summary"], "claims": claims}
    text = (tmp_path / MAX_ENTROPY.report_name).read_text()
    assert "A quick run" in text and "nan" not in text
