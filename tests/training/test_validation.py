"""How far a policy is on the problems of the validation stream."""

from __future__ import annotations

import numpy as np
import pytest
from small_training import quick_problem

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.schemes import Depthwise, Mali
from lw_rl.training.validation import error_curve, scores, validation_problems


def test_curves_end_near_the_solution():
    (problem,) = validation_problems(1, quick_problem)
    curves = {}
    for name, scheme in (("mali", Mali()), ("operator", Depthwise(None))):
        problem.adapter.restore(problem.start)
        curves[name] = error_curve(problem.adapter, problem.solution, scheme)
    assert curves["operator"][-1] < 1e-7 < curves["operator"][-2]
    assert len(curves["operator"]) < len(curves["mali"]) <= 60
    problem.adapter.restore(problem.start)
    again = error_curve(problem.adapter, problem.solution, Depthwise(None))
    np.testing.assert_array_equal(again, curves["operator"])


def test_scores_count_formal_solutions_to_an_error():
    found = scores([[1e-2, 1e-4, 1e-8], [1e-2, 1e-2, 1e-4, 1e-5, 1e-7]])
    assert found["mean_1e-03"] == 2.5 and found["worst_1e-03"] == 3.0
    assert found["median_1e-06"] == 4.0 and found["worst_1e-06"] == 5.0
    assert found["error_after_1"] == pytest.approx(1e-2)
    # A curve that has ended counts as the smallest error that is told apart.
    assert found["error_after_4"] == pytest.approx(np.sqrt(1e-7 * 1e-5))
    # An error that rises again above the tolerance is not below it yet.
    assert scores([[1e-4, 1e-2, 1e-4]])["mean_1e-03"] == 3.0
