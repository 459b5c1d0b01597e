"""The study: everything is judged on the same problems, and it goes on where it was."""

from __future__ import annotations

from lw_rl.experiments.drive.learners import action
from lw_rl.experiments.drive.study import Table, _corrected, read
from lw_rl.problems import shipped_problem


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
    assert len(result["corrected"]) == 3


def test_a_perfect_correction_takes_one_more_formal_solution(tmp_path):
    """Where the start is not good enough: with a formal solution to come, or the one that was."""
    table = Table({"coarse": [shipped_problem("CaII_K", "FALC", 24)]}, tmp_path / "table.json")
    package = table.arm(0, 0)
    assert package.Nformal == 1 and _corrected(table, 0) <= 1.0
    table.env.reset()
    table.env.step(action(fidelity=-1.0))
    rough = table.env.node.cost + 1.0
    table.env.step(action())
    assert table.env.node.Nformal > 1, "which is not enough"
    assert _corrected(table, 0) * package.cost <= rough
