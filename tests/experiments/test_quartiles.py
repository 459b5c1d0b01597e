"""Medians and quartiles, and when they tell two experiments apart."""

from __future__ import annotations

import pytest

from lw_rl.experiments.quartiles import apart, apart_from_all, quartiles

LOW, HIGH = quartiles([1.0, 1.1, 1.2]), quartiles([2.0, 2.1, 2.2])
WIDE, FEW = quartiles([1.0, 1.2, 3.0]), quartiles([9.0, 9.0])


def test_quartiles_leave_out_what_is_missing():
    s = quartiles([1.0, 2.0, None, 3.0, 4.0, 5.0])
    assert (s["median"], s["q25"], s["q75"], s["n"]) == (3.0, 2.0, 4.0, 5)
    assert quartiles([None])["median"] is None


def test_ranges_that_do_not_overlap_are_apart_in_either_order():
    assert apart(LOW, HIGH) is apart(HIGH, LOW) is True
    assert apart(LOW, WIDE) is False
    assert apart(LOW, FEW) is None


@pytest.mark.parametrize(
    ("others", "answer"),
    [([HIGH], True), ([HIGH, WIDE], False), ([HIGH, FEW], None), ([WIDE, FEW], False), ([], None)],
)
def test_apart_from_all(others, answer):
    assert apart_from_all(LOW, others) is answer
