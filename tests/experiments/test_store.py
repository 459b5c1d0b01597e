"""Experiments that are run side by side and kept one by one."""

from __future__ import annotations

import json

import pytest
from workers import failing

from lw_rl.experiments.max_entropy.experiments import EntropyExperiment
from lw_rl.experiments.store import (
    experiment_path,
    finished,
    kept_experiments,
    outcome,
    run_experiments,
)

WORK = [EntropyExperiment("facts", name, 0, True) for name in ("gaussian-1", "mixture-1")]


def test_a_run_cut_short_goes_on_where_it_was(tmp_path):
    with pytest.raises(RuntimeError, match="stopped here"):
        run_experiments(tmp_path, WORK, failing, 1)
    assert finished(tmp_path, WORK[0]) and finished(tmp_path, WORK[1]) is None
    seen = []
    run_experiments(tmp_path, WORK[:1], failing, 1, lambda *a: seen.append(a))
    assert seen == [], "what is finished is not repeated"


def test_what_is_missing_is_named_unless_a_part_will_do(tmp_path):
    run_experiments(tmp_path, WORK[:1], failing, 1)
    with pytest.raises(FileNotFoundError, match="facts-mixture-1"):
        kept_experiments(tmp_path, WORK)
    later = EntropyExperiment("train", "pendulum-sac", 1, True)
    found = kept_experiments(tmp_path, [WORK[0], later], partial=True)
    assert [experiment for experiment, _ in found] == WORK[:1]
    with pytest.raises(FileNotFoundError, match="missing or of other settings"):
        kept_experiments(tmp_path, WORK, partial=True)


def test_half_a_file_and_other_settings_are_not_finished(tmp_path):
    run_experiments(tmp_path, WORK[:1], failing, 1)
    path = experiment_path(tmp_path, WORK[0])
    kept = path.read_text()
    path.write_text(kept.replace('"quick": true', '"quick": false'))
    assert finished(tmp_path, WORK[0]) is None
    path.write_text(kept[:20])
    assert finished(tmp_path, WORK[0]) is None


def test_an_outcome_is_plain_data_with_its_cost():
    kept = outcome(WORK[0], lambda experiment: {"n": (1, float("nan"))})
    assert kept["config"] == WORK[0].config and kept["outcome"] == {"n": [1, None]}
    assert kept["seconds"] >= 0.0 and kept["cpu_seconds"] >= 0.0
    json.dumps(kept)
