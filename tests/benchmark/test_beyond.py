"""What is beyond one solve, measured on what is small."""

from __future__ import annotations

import pytest

from lw_rl.benchmark.beyond import refined, responses, sequence, time_series


def test_responses_are_cheap_and_right():
    pytest.importorskip("xarray")
    found = responses("CaII_K", "temperature", every=20)
    assert found["formal_solutions"] == 2
    assert found["error"] < 1e-2
    assert found["estimate"] < 1e-2
    assert found["differences_formal_solutions"] > 30 * found["formal_solutions"]


def test_refined_populations_take_one_more_at_most():
    found = refined("CaII_K")
    for name in ("3 %", "30 %", "ten", "upper"):
        assert found[name]["formal_solutions"] <= found["LTE"] + 1
        assert found[name]["error"] < 1e-3


def test_a_sequence_counts_every_member():
    found = sequence("CaII_K", 2)
    assert 1.0 <= found["in place"]["mean"] <= found["in place"]["most"]


@pytest.mark.slow
def test_steps_in_time_are_the_hosts():
    found = time_series(steps=2, finer=2)
    assert found["time_step"]["against host, tight"] < 1e-3
    assert found["time_step"]["formal_solutions"] < found["host"]["formal_solutions"]
