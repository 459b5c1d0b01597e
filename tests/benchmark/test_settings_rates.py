"""What other values of a setting would have done, from one solve."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from lw_rl.benchmark.settings_rates import ALLOWANCES, TRIED, Trial, tally, trials
from lw_rl.certificate.settings import shipped
from lw_rl.iterate import solve


@pytest.fixture
def seen(ctx, reference):
    return trials(ctx, [reference], 20.0, ["step", "defect"])


def test_a_larger_factor_stops_later_and_no_more_often_falsely(ctx, seen):
    before = np.array(ctx.activeAtoms[0].n)
    by_setting = {name: [t for t in seen if t.setting == name] for name in ("step", "allowance")}
    assert [t.value for t in by_setting["step"]] == list(TRIED)
    assert [t.value for t in by_setting["allowance"]] == list(ALLOWANCES)
    errors = [t.error for t in by_setting["step"]]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-3
    assert not any(t.over for t in seen)
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, before)


def test_with_the_value_in_use_it_is_the_solve_that_there_is(ctx, reference, monkeypatch):
    used = shipped().defect
    monkeypatch.setattr("lw_rl.benchmark.settings_rates.TRIED", (used,))
    (trial, *_) = trials(ctx, [reference], None, ["defect"])
    alone = copy.deepcopy(ctx)
    solve(alone, scheme="nonlocal", quiet=True, bound=False)
    error = np.abs(np.array(alone.activeAtoms[0].n) / reference - 1.0).max()
    assert trial.over is None and trial.error == pytest.approx(error, rel=1e-6)


def test_rates_are_counted_by_value():
    made = [
        Trial("step", 2.0, 2e-3, True),
        Trial("step", 2.0, 1e-4, False),
        Trial("step", 1.0, None, True),
        Trial("defect", 1.0, 1e-4, None),
    ]
    assert tally(made, "step") == [
        {"value": 1.0, "stops": 0, "false": 0, "compared": 1, "over_budget": 1},
        {"value": 2.0, "stops": 2, "false": 1, "compared": 2, "over_budget": 1},
    ]
    assert tally(made, "defect")[0]["compared"] == 0
