"""The reproduction on maximum-entropy control: what it gathers and writes."""

from __future__ import annotations

import json

import pytest
from experiment_helpers import keep_entropy

from lw_rl.experiments.claims import render
from lw_rl.experiments.max_entropy.experiments import RUNS, experiments
from lw_rl.experiments.max_entropy.figures import FIGURES
from lw_rl.experiments.max_entropy.run import MAX_ENTROPY
from lw_rl.experiments.store import finished


def test_report_and_figures_come_from_the_result_file(made):
    out, gathered = made
    result = MAX_ENTROPY.write(out, gathered)
    assert result == gathered
    text = (out / MAX_ENTROPY.report_name).read_text()
    assert json.loads((out / MAX_ENTROPY.result_name).read_text()) == result
    for name in FIGURES:
        assert (out / f"{name}.png").stat().st_size > 10_000
        assert f"({name}.png)" in text
    assert "None" not in text and "nan" not in text
    assert "quick run" not in text and "Not finished" not in text


def test_partial_results_need_the_first_seed(tmp_path):
    keep_entropy(tmp_path, seeds=1)
    content = MAX_ENTROPY.gather(tmp_path, 3, False, partial=True)
    assert content["kept"]["done"] == len(experiments(1, False)) < content["kept"]["all"]
    assert "Not finished" in render(MAX_ENTROPY.sections, content, {name: "x" for name in FIGURES})
    with pytest.raises(FileNotFoundError, match="missing or of other settings"):
        MAX_ENTROPY.gather(tmp_path, 3, False)


def test_pictures_are_kept_of_the_first_seed_only(made):
    first, *others = made[1]["runs"]["multigoal-sac"]
    assert "example" in first["modes"] and "first_steps" in first
    assert not any("example" in r["modes"] or "first_steps" in r for r in others)
    assert all(r["modes"]["boltzmann"] == 1 for r in (first, *others))


def test_changed_settings_are_run_again(made, monkeypatch):
    experiment = next(e for e in experiments(1, False) if e.name == "pendulum-sac")
    assert finished(made[0], experiment)
    monkeypatch.setitem(RUNS[experiment.name].settings, "gamma", 0.5)
    assert finished(made[0], experiment) is None


def test_committed_result_is_of_todays_definition(committed):
    assert not committed["quick"] and committed["seeds"] == 5
    assert committed["kept"]["done"] == committed["kept"]["all"]
    assert committed["labels"] == {name: RUNS[name].label for name in committed["runs"]}
    for experiment in experiments(1, False):
        if experiment.kind == "train":
            settings = committed["runs"][experiment.name][0]["settings"]
            assert settings == json.loads(json.dumps(experiment.settings))
