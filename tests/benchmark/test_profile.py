"""Where the time goes: what is counted, and that nothing is made twice."""

from itertools import count

import pytest
from plane_helpers import plane_context

import lw_rl
from lw_rl.benchmark import profile
from lw_rl.benchmark.profile import COUNTED, PARTS, Clock, measure_profile, watched
from lw_rl.host.adapter import Adapter
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.problems import random_problem, shipped_problem


def test_nothing_is_made_twice(ctx):
    """One set of rays; one operator around what the rough one says; one sweep for its start.

    The certificate asks the operator that there is: two sweeps, at the state and one step on; one
    more says whether the start is close enough.
    """
    with watched() as clock:
        result = lw_rl.solve(ctx, quiet=True)
    counts = {said: clock.calls.get(function, 0) for function, said in COUNTED.items()}
    assert result.converged and counts["formal solutions"] == result.Nformal <= 3
    assert counts["sets of rays"] == 1
    assert 2 <= counts["operators built"] <= 3
    assert 1 <= counts["sweeps at a start"] < counts["operators built"]
    assert counts["sweeps for residuals"] == 3
    assert counts["answers of the policy"] == 0, "the operator leaves nothing for it to do"


@pytest.mark.parametrize("index", [0, 3])
def test_nor_where_something_moves(index):
    with watched() as clock:
        result = lw_rl.solve(random_problem("moving", index).context(), quiet=True)
    assert result.converged and clock.calls["Plane1D.rays"] == 1
    # A rough one and one around its solution, on fine grids on fewer depths, and one or two more.
    assert clock.calls["Plane1D.lambda_operator"] <= 4


def test_in_two_dimensions_sweeps_are_counted_and_are_the_operators():
    ctx = plane_context("corrugated", Nz=41, Nx=16)
    with watched() as clock:
        result = lw_rl.solve(ctx, quiet=True)
    assert result.Nformal == 1 and 20 < clock.calls["Transfer2D.mean_intensity"] < 70
    assert clock.seconds["operator"] > clock.seconds["decision layer"]


def test_what_was_watched_is_left_as_it_was(ctx):
    before = Adapter.formal_solution, vars(TwoLevelOperator)["first"]
    with pytest.raises(ZeroDivisionError), watched():
        assert Adapter.formal_solution is not before[0]
        raise ZeroDivisionError
    assert (Adapter.formal_solution, vars(TwoLevelOperator)["first"]) == before


def test_time_is_the_innermost_parts():
    clock = Clock()

    def work():
        return sum(range(200_000))

    inner = clock.watch(work, "inner", "b")
    outer = clock.watch(lambda: inner() + inner(), "outer", "a")
    assert outer() == 2 * work()
    assert clock.calls == {"inner": 2, "outer": 1}
    assert clock.seconds["a"] < 0.5 * clock.seconds["b"]


def test_watching_is_no_parts_time(monkeypatch):
    """By a clock that goes on by one whenever it is looked at."""
    ticks = count()
    monkeypatch.setattr(profile, "perf_counter", lambda: float(next(ticks)))
    clock = Clock()
    inner = clock.watch(lambda: None, "inner", "b")
    clock.watch(lambda: (inner(), inner()), "outer", "a")()
    # Looked at four times in a call; two in three of the time in between is what watching takes.
    assert clock.seconds == {"a": 3.0, "b": 2.0} and clock.watching == 6.0


def test_parts_sum_to_the_whole():
    problem = shipped_problem("CaII_K", "FALC", 20)
    profiles = measure_profile(problem, {"call": "depthwise", "mali": "mali"}, rounds=2)
    assert [p.scheme for p in profiles] == ["call", "mali"]
    for p in profiles:
        assert p.Nspace == 20 and set(p.seconds) == set(PARTS)
        assert sum(p.seconds.values()) == pytest.approx(p.total)
        assert p.in_formal_solutions(p.formal_solution) == 1.0 and p.context > 0.0
    ours, mali = profiles
    assert ours.calls["operators built"] >= 2 and mali.seconds["policy"] == 0.0
    assert mali.calls["formal solutions"] > ours.calls["formal solutions"]
