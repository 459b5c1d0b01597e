"""The study: everything is judged on the same problems, and it goes on where it was."""

from __future__ import annotations

from lw_rl.experiments.drive.study import read


def test_learners_are_judged_on_the_same_problems(small):
    result, again, out = small
    assert read(out / "drive.json") == again
    names = {"package", "fixed", "random", "bandit", "tree", "sac", "s2ac"}
    names |= {f"{name} on coarse lines" for name in ("fixed", "bandit", "tree", "sac")}
    assert names <= set(result["results"])
    for name in names:
        for rows in result["results"][name]:
            assert len(rows) == len(result["problems"]) == 3
    assert {r["relative"] for r in result["results"]["package"][0]} == {1.0}
    assert result["tests"]["fixed"]["all"]["ratio"] == 1.0
    assert result["tests"]["fixed"]["all"]["p"] == 1.0
    assert len(result["curves"]) == 2


def test_it_goes_on_where_it_was(small):
    result, again, _ = small
    assert again["solves of training"] <= result["solves of training"]
    assert again["results"]["sac"] == result["results"]["sac"]
