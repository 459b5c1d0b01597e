"""What the plugin costs: measured, never asserted to be fast."""

from __future__ import annotations

import math
import re
from dataclasses import asdict

from lw_rl.benchmark.overhead import describe, measure_overhead
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.problems import shipped_problem


def test_overhead_is_measured(monkeypatch, untrained):
    made, first = [], TwoLevelOperator.first
    monkeypatch.setattr(TwoLevelOperator, "first", lambda *args: made.append(args) or first(*args))
    problem = shipped_problem("CaII_K", "FALC", 34)
    cost = measure_overhead(problem, untrained, iterations=2, rounds=2)
    # Preparing includes the operator's own solution, once a round; the timed iterations begin with
    # other populations, which are compared with it.
    assert len(made) == 2 * 2 + 2
    assert cost.Nspace == 34
    assert all(math.isfinite(v) for v in asdict(cost).values())
    assert cost.formal_solution > 0.0 and cost.policy > 0.0 and cost.setup > 0.0
    assert re.match(r"at 34 depths a formal solution takes", describe(cost))
