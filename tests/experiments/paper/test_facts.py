"""What is known about the paper's problem without training."""

from __future__ import annotations

import numpy as np

from lw_rl.experiments.paper import facts


def test_search_finds_a_known_minimum():
    target = np.array([0.3, -0.8])
    found = facts.search(lambda a: np.sum((a - target) ** 2, axis=-1), 2, seeds=1)
    np.testing.assert_allclose(found, target, atol=1e-6)


def test_a_small_residual_of_lambda_iteration_is_a_large_error():
    found = facts.lambda_iteration()
    assert found["residual_mse"] < 2.8e-6 and found["true_error"] > 5.0
