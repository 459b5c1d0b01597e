"""The command `lw-rl study`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("stable_baselines3")

from lw_rl.cli import main
from lw_rl.experiments import study as studies

SCORES = {
    "error_after_1": 1e-2, "error_after_2": 1e-4, "mean_1e-03": 2.0, "mean_1e-06": 4.0,
    "worst_1e-06": 6.0, "formal_solutions": 100, "seconds": 60.0,
}  # fmt: skip


@pytest.fixture
def called(monkeypatch):
    """Arguments of the study, which is not run."""
    calls = []

    def run(name, args, seeds, out, watch):
        calls.append((name, args, list(seeds), out))
        watch("64 x 4, seed 1")
        run = {"seed": 1, "scores": [{**SCORES, "error_after_2": 1e-3}, SCORES], "end": SCORES}
        variant = {"name": "64 x 4", "forward_pass_s": 1e-4, "runs": [run]}
        return {
            "study": name, "seeds": list(seeds), "without_policy": SCORES, "variants": [variant],
        }  # fmt: skip

    monkeypatch.setattr(studies, "run", run)
    return calls


def invoke(*words):
    done = CliRunner().invoke(main, ["study", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_study_writes_its_result_its_figure_and_its_block(called, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- begin architecture -->\n<!-- end architecture -->\n")
    out = tmp_path / "runs"
    words = ("architecture", "--validation", "1", "--out", str(out), "--readme", str(readme))
    result = json.loads(invoke(*words, "--json", "--quiet"))
    assert result["command"].startswith("lw-rl study architecture --validation 1")
    assert json.loads((out / "architecture.json").read_text()) == result
    assert "| 64 x 4 | 1.0e-02 | 1.0e-04 | 2 | 4 | 6 | 100 | 1.0 min |" in readme.read_text()
    assert (out / "architecture.png").stat().st_size > 10_000


def test_seeds_and_steps_are_the_studys_unless_they_are_given(called, tmp_path):
    out = ("--out", str(tmp_path), "--quiet")
    invoke("architecture", *out)
    invoke("learner", "--seeds", "1", "--steps", "100", *out)
    (_, args, seeds, folder), (name, shorter, one, _) = called
    assert (args.steps, seeds, args.calibration) == (2000, [1, 2], 0) and folder == tmp_path
    assert (name, shorter.steps, one) == ("learner", 100, [1])


@pytest.mark.parametrize(("name", "trained"), [("lines", (2000, 400)), ("residue", (1000, 80))])
def test_lines_are_studied_by_an_experiment_of_their_own(tmp_path, monkeypatch, name, trained):
    from lw_rl.experiments import lines, lines_report

    calls = []

    def run(name, args, seeds, number, out, progress):
        calls.append((name, args, list(seeds), number))
        progress("CaII", 1, 2)
        return {"seeds": [1], "solves": []}

    monkeypatch.setattr(lines, "run", run)
    monkeypatch.setattr(lines_report, "markdown", lambda result: "| a table |")
    readme = tmp_path / "page.md"
    readme.write_text(f"<!-- begin {name} -->\n<!-- end {name} -->\n")
    words = (name, "--seeds", "1", "--validation", "3", "--out", str(tmp_path), "--quiet")
    invoke(*words, "--readme", str(readme))
    (called, args, seeds, number), *_ = calls
    assert called == name and (args.steps, args.problems) == trained
    assert (args.workers, seeds, number) == (False, [1], 3)
    assert "| a table |" in readme.read_text()
    command = json.loads((tmp_path / f"{name}.json").read_text())["command"]
    assert command == f"lw-rl study {name} --seeds 1 --validation 3"


def test_a_report_on_lines_needs_what_ships_to_be_finished(tmp_path):
    words = ["study", "lines", "--report-only", "--out", str(tmp_path), "--quiet"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1 and "too little is finished to report on" in done.output
