"""The summary of the experiments on maximum-entropy control."""

from __future__ import annotations

import copy
import json

from lw_rl.experiments.max_entropy.summary import summarise


def test_committed_summary_follows_from_its_runs(committed):
    assert json.loads(json.dumps(summarise(committed))) == committed["summary"]


def test_returns_are_compared_at_equal_steps_and_at_equal_time(made):
    summary = made[1]["summary"]
    assert summary["runs"]["pendulum-sac"]["return"]["median"] == -155.0
    assert summary["pendulum_solved"]["pendulum-sac"] == [True] * 3
    pendulum = summary["compared"]["pendulum"]
    assert pendulum["at_seconds"] == 4.0
    # At four seconds of its core S2AC has not yet recorded its last return; what else the machine
    # did, which the column "wall" has in it, does not count.
    assert pendulum["members"]["pendulum-s2ac"]["cpu"]["median"] == -5.0


def test_one_seed_that_misses_its_target_is_enough(made):
    result = copy.deepcopy(made[1])
    assert result["summary"]["target_entropy"]["temperature-target1"]["covered"]
    assert result["summary"]["covered"] == {"experiments": 6, "of": 6, "runs": 17}
    result["runs"]["temperature-target1"][1]["curve"]["entropy"] = [-1.0, -1.0, -1.0, -2.0]
    found = summarise(result)
    assert not found["target_entropy"]["temperature-target1"]["covered"]
    assert found["target_entropy"]["temperature-target1"]["least"] == 0.75
    assert found["covered"]["experiments"] == 5


def test_the_best_learner_is_the_one_of_the_least_error(made):
    result = copy.deepcopy(made[1])
    for run in result["runs"]["sigmoid-langevin"]:
        run["true_error"] = [0.01]
    found = summarise(result)["least_error"]["sigmoid"]
    assert found["name"] == "sigmoid-langevin" and found["label"] == "S2AC (Langevin)"
    assert found["found"]["median"] == 0.01 and found["told_apart"]
    assert not made[1]["summary"]["least_error"]["sigmoid"]["told_apart"], "all are alike"
