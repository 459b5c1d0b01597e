"""Reproductions: what they need before they run, what they gather, and what they write."""

from __future__ import annotations

import json

import pytest
from experiment_helpers import keep_paper
from workers import failing

from lw_rl.errors import MissingExtraError
from lw_rl.experiments import reproduction as reproductions
from lw_rl.experiments.claims import Claim, Section, content
from lw_rl.experiments.max_entropy.experiments import EntropyExperiment
from lw_rl.experiments.paper.run import PAPER
from lw_rl.experiments.reproduction import Reproduction, origin

SMALL = Reproduction(
    command="small",
    name="small",
    packages=("numpy", "no_such_package"),
    experiments=lambda seeds, quick: [EntropyExperiment("facts", "gaussian-1", 0, quick)],
    run_one=failing,
    collect=lambda found: {"facts": {}, "summary": {"n": len(found)}},
    sections=(Section("Small", "drawn", (origin("small"), Claim("One ran.", "{n}"))),),
    save_figures=lambda result, directory: {"drawn": "drawn.png"},
)


@pytest.mark.parametrize("name", ["seeds", "workers"])
def test_counts_below_one(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1, not 0"):
        SMALL.run(tmp_path, **{name: 0})


def test_training_needs_its_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(reproductions, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="`lw-rl small` trains"):
        SMALL.run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_result_and_report_are_written(tmp_path):
    path = tmp_path / "cells" / "facts-gaussian-1.json"
    path.parent.mkdir()
    config = SMALL.experiments(1, True)[0].config
    path.write_text(json.dumps({"config": config, "outcome": {}, "cpu_seconds": 120.0}))
    result = SMALL.write(tmp_path, SMALL.gather(tmp_path, 1, True))
    assert json.loads((tmp_path / "small_result.json").read_text()) == result
    assert result["kept"] == {"done": 1, "all": 1} and result["cpu_seconds"] == 120.0
    assert "numpy" in result["versions"] and "no_such_package" not in result["versions"]
    text = (tmp_path / "small_report.md").read_text()
    assert text.startswith("# Small\n\n![Small](drawn.png)\n\nMade by `lw-rl small --seeds 1`")
    assert "| One ran. | 1 | - |" in text and "**A quick run" in text
    assert "All took 2.0 minutes, that is 1.0 on two cores" in text
    assert SMALL.verdicts(result) == [{"claim": "One ran.", "found": "1", "holds": None}]


def test_missing_experiments_are_named_and_a_partial_result_says_so(tmp_path):
    keep_paper(tmp_path, seeds=1)
    with pytest.raises(FileNotFoundError, match="greedy-greedy-1"):
        PAPER.gather(tmp_path, 2, False)
    result = PAPER.gather(tmp_path, 2, False, partial=True)
    kept = result["kept"]
    assert kept["done"] < kept["all"] == len(PAPER.experiments(2, False))
    told = origin("paper")(content(result))
    assert f"Not finished: {kept['done']} of {kept['all']} experiments" in told


def test_origin_names_what_was_left_out():
    result = {
        "seeds": 5, "quick": False, "kept": {"done": 2, "all": 2}, "cpu_seconds": 60.0,
        "versions": {"python": "3"}, "left_out": ["mujoco-sac"], "facts": {}, "summary": {},
    }  # fmt: skip
    told = origin("x")(content(result))
    assert "Left out, since a package is missing: mujoco-sac." in told
    assert "Not finished" not in told and "quick run" not in told
