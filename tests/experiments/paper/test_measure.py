"""The paper's experiments, run: what is measured of each kind."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from lw_rl.experiments.paper.experiments import PaperExperiment
from lw_rl.experiments.paper.measure import run_experiment


def test_greedy_outcome_is_thinned_out():
    experiment = PaperExperiment("greedy", "greedy", 0, 400, True)
    kept = run_experiment(experiment)
    assert kept["config"] == json.loads(json.dumps(experiment.config))
    found = kept["outcome"]
    assert found["steps"] == list(range(0, 400, 2)) and len(found["loss"]) == 200
    assert np.all(np.array(found["tail_low"]) <= np.array(found["tail_high"]))
    low, median, high = found["tail_loss"]
    assert 0.0 < low <= median <= high


def test_sac_outcome_has_its_series_and_transfers(quick):
    kept = json.loads((quick[0] / "cells" / "sac-spline-0.json").read_text())["outcome"]
    assert len(kept["true_error"]) == len(kept["residual_mse"]) == 51
    assert len(kept["relative_change"]) == 50
    assert kept["transfer"]["eps=0.0001"]["true_error"] == kept["true_error"][-1]
    assert set(kept["warm_start"]) == {"ali", "anderson"}
    assert kept["settings"]["learning_starts"] == 200
