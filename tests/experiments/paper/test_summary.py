"""The summary of the paper's experiments."""

from __future__ import annotations

import copy
import json

from lw_rl.experiments.paper.summary import summarise


def test_committed_summary_follows_from_its_runs(committed):
    assert json.loads(json.dumps(summarise(committed))) == committed["summary"]


def test_sac_that_reaches_the_solution_is_counted(committed):
    good = copy.deepcopy(committed)
    for run in good["sac"]["published"]:
        run["mse_to_ali"] = [1.0] * 9 + [1e-8] * 42
    found = summarise(good)["fig4"]
    assert found["sac_seeds_at_solution"] == 5
    assert found["sac_iterations"]["median"] == 9


def test_training_that_saves_nothing_never_pays_off(committed):
    useless = copy.deepcopy(committed)
    for run in useless["sac"]["spline"]:
        run["warm_start"] = {"ali": 44, "anderson": None}
    peers = summarise(useless)["cost"]["spline"]["peers"]
    assert peers["ali"]["break_even_as_start"] is None
    assert peers["anderson"]["to_1e-3_from_policy"]["median"] is None
    assert peers["anderson"]["break_even_seconds"] is None
    assert summarise(committed)["cost"]["spline"]["peers"]["ali"]["break_even_as_start"] > 0
