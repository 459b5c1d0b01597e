"""What the plugin costs: measured, never asserted to be fast."""

import math
import re
from dataclasses import asdict

from lw_rl.benchmark import overhead
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.problems import shipped_problem


def test_overhead_is_measured(monkeypatch, untrained):
    monkeypatch.setattr(overhead, "_ITERATIONS", 2)
    monkeypatch.setattr(overhead, "_ROUNDS", 2)
    made, first = [], TwoLevelOperator.first
    monkeypatch.setattr(
        TwoLevelOperator, "first", lambda physics: made.append(physics) or first(physics)
    )
    cost = overhead.measure_overhead(shipped_problem("CaII_K", "FALC", 34), untrained)
    assert len(made) == 2 + 1, "preparing includes the operator's own solution, once a round"
    assert cost.Nspace == 34
    assert all(math.isfinite(v) for v in asdict(cost).values())
    assert cost.formal_solution > 0.0 and cost.policy > 0.0 and cost.setup > 0.0
    assert re.match(r"at 34 depths a formal solution takes", overhead.describe(cost))
