"""The cost model that ships: deterministic, with provenance, checked against the clock."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from lw_rl.policies import costs


def test_it_says_how_it_was_made():
    found = json.loads((files("lw_rl.policies") / "drivers" / "costs.json").read_text())
    assert found["command"].startswith("lw-rl calibrate --problems")
    assert set(found["values"]) <= set(costs.KINDS)
    low, mid, high = found["held out"]["model over clock, quantiles 10, 50, 90 %"]
    assert 0.3 < low <= mid <= high < 3.0
    assert 0.7 < mid < 1.4


def test_a_formal_solution_is_one_and_costs_add_up():
    size = (82, 50, 5, 1)
    one = costs.in_formal_solutions({}, 1, *size)
    two = costs.in_formal_solutions({}, 2, *size)
    assert two - one == pytest.approx(1.0)
    more = costs.in_formal_solutions({"light": 1e6}, 1, *size)
    assert more >= one
    assert costs.seconds({"formal": 2e6}) == pytest.approx(2.0 * costs.seconds({"formal": 1e6}))


def test_what_is_predicted_grows_with_the_problem():
    small = costs.predicted(True, 82, 82, 50, 5)
    large = costs.predicted(True, 656, 656, 50, 5)
    assert all(a < b for a, b in zip(small, large, strict=True))
