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
