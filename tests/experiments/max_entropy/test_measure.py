"""Training runs of the entropy report: what is measured of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import SAC

from lw_rl.experiments.max_entropy.experiments import EntropyExperiment
from lw_rl.experiments.max_entropy.measure import (
    Resampled,
    environment,
    equal_weights,
    run_experiment,
)
from lw_rl.training.control import ControlSettings
from lw_rl.training.shared_weights import weights


def test_one_training_run(tmp_path):
    experiment = EntropyExperiment("train", "sigmoid-target", 0, True)
    kept = run_experiment(experiment, tmp_path)
    assert kept["config"] == json.loads(json.dumps(experiment.config))
    outcome = json.loads(json.dumps(kept["outcome"]))
    assert len(outcome["true_error"]) == 2 and outcome["curve"]["target"][-1] == -8.0
    assert set(outcome["deviation"]) == {"response", "later", "within", "worst"}
    assert (tmp_path / "runs" / "sigmoid-target-0" / "training.png").exists()


def test_shared_weights_and_perceptron_have_about_as_many():
    env = environment("shared-shared", problems=1)
    sizes = {}
    for name in ("shared-shared", "shared-monolith"):
        experiment = EntropyExperiment("train", name, 0, True)
        settings = equal_weights(experiment, ControlSettings(), env)
        model = SAC(settings.policy, env, buffer_size=1, policy_kwargs=settings.policy_kwargs)
        sizes[name] = np.array([weights(model.actor), weights(model.critic)])
    assert np.allclose(sizes["shared-shared"], sizes["shared-monolith"], rtol=0.1)


def test_a_policy_is_applied_to_other_points_by_interpolation():
    class Doubles:
        def predict(self, seen, deterministic):
            assert seen.shape == (2, 5) and deterministic
            return 2.0 * seen[0], None

    line = np.linspace(0.0, 1.0, 9)
    action, _ = Resampled(Doubles(), 5).predict(np.array([line, line]), deterministic=True)
    np.testing.assert_allclose(action, 2.0 * line, atol=1e-6)
