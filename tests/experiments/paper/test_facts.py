"""What is known about the paper's problem without training, in a quick run."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.experiments.paper import facts


def test_known_answers_are_in_the_result(result):
    v = result["facts"]["verification"]
    assert v["ali_iterations"] == 49
    assert v["ali_iterations_to_paper_mse"] > 25
    assert v["two_stream_plateau"]["5"] == pytest.approx(1.5e-2, rel=0.03)
    assert v["sweep_against_matrix"] < 1e-13
    assert result["facts"]["peers"]["costs"]["anderson"]["31"]["0.001"] == 10
    assert result["facts"]["throughput"]["matrix"] > 20_000


def test_the_published_reward_prefers_a_wrong_solution(result):
    optima = result["facts"]["optima"]
    assert optima["published"]["published_reward"] > 100 * optima["closest"]["published_reward"]
    assert optima["published"]["true_error"] > 0.5
    assert optima["preconditioned"]["true_error"] < 0.08
    low, high = optima["no_worse_than_closest"]["surface_error"]
    assert low < -0.9
    assert high > 1.0


def test_no_reward_beats_the_least_error_and_both_searches_agree(result):
    limits = result["facts"]["expressiveness"]
    for limit in limits.values():
        for family in ("sigmoid", "spline"):
            # Both are upper limits from a short search, so with some margin.
            assert limit[f"{family}_by_reward"] > 0.9 * limit[family]
    prefers = result["facts"]["optima"]["preconditioned"]["true_error"]
    assert limits["eps=0.0001"]["sigmoid_by_reward"] == pytest.approx(prefers, rel=0.05)


def test_search_finds_a_known_minimum():
    target = np.array([0.3, -0.8])
    found = facts.search(lambda a: np.sum((a - target) ** 2, axis=-1), 2, seeds=1)
    np.testing.assert_allclose(found, target, atol=1e-6)


def test_a_small_residual_of_lambda_iteration_is_a_large_error():
    found = facts.lambda_iteration()
    assert found["residual_mse"] < 2.8e-6 and found["true_error"] > 5.0
