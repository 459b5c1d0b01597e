"""Every solve is compared with the true solution: a small soak, and solves that need judgement."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lw_rl.benchmark import robustness
from lw_rl.benchmark.robustness import Soak, run
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.cli import main
from lw_rl.errors import PolicyFileError, UnknownNameError
from lw_rl.policies import actor
from lw_rl.problems import random_atoms, random_problem, shipped_problem


@pytest.mark.parametrize("n", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_hostile_problems(tmp_path, n):
    """No false convergence beyond one in two hundred, no exception, no unphysical populations."""
    out = tmp_path / "soak.json"
    done = CliRunner().invoke(main, ["soak", "--n", f"{n}", "--out", str(out), "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    tally = json.loads(out.read_bytes())
    assert tally["done"] == n
    assert tally["command"].startswith(f"lw-rl soak --n {n}")
    assert tally["no_reference"] < 0.1 * n
    entries = tally["entries"].values()
    assert sum(e["raised"] + e["unphysical"] for e in entries) == 0
    assert sum(e["converged"] for e in entries) > 2.5 * n
    judged = sum(e["judged"] for e in entries)
    assert sum(e["false_convergence"] for e in entries) <= 0.005 * judged
    assert sum(e["covered"] for e in entries) >= 0.99 * judged
    assert all(e["bound_covered"] == e["bounded"] for e in entries)
    assert sum(e["over_budget"] for e in entries) <= 0.01 * sum(e["compared"] for e in entries)


def test_a_stop_at_another_solution_is_no_false_convergence():
    """MALI and the operator lead to solutions that are 10 % apart; the reference is MALI's."""
    solves, known = run(HostileProblem(1, 71))
    assert known
    mali, ours = solves
    assert mali.converged and not mali.other_fixed_point and mali.error < 1e-3
    assert ours.converged and ours.other_fixed_point and ours.error < 1e-3


def test_where_mali_does_not_converge_the_reference_is_confirmed_from_another_solve():
    solves, known = run(shipped_problem("CaII_K", "FALC", 250))
    assert known
    mali, ours = solves
    assert not mali.converged and mali.error > 1e-3
    assert ours.converged and not ours.other_fixed_point and ours.error < 1e-3
    assert ours.budget == float("inf")


def test_with_many_levels_mali_has_the_scattering_solved():
    """Alone it is slow there; its own equilibrium is the reference nevertheless."""
    solves, known = run(random_atoms(20003), solve_scattering=True)
    assert known
    mali, ours = solves
    assert mali.entry == "mali_scattering" and mali.converged and mali.error < 1e-3
    assert mali.budget == float("inf") and ours.budget == 1.1 * mali.Nformal + 3
    assert ours.converged and ours.error < 1e-3 and ours.Nformal < mali.Nformal


def test_an_equilibrium_that_mali_leaves_is_one():
    """Plain steps more than double the distance from it, until the limiter switches."""
    problem = random_problem("test", 223)
    solves, known = run(problem)
    assert known
    ours = solves[1]
    assert ours.converged and ours.other_fixed_point and ours.error < 1e-3
    ours = run(problem, newton_unknowns=0)[0][1]
    assert ours.converged and not ours.other_fixed_point and ours.error > 1e-3


def test_a_policy_is_for_the_schemes_that_ask_one():
    problem = shipped_problem("CaII_K", "FALC", 40)
    policy = actor.load_shipped("default")
    solves, known = run(problem, ("mali", "depthwise", "anderson"), policy)
    assert known
    assert [s.entry for s in solves] == ["mali", "depthwise", "anderson"]
    assert all(s.converged and s.error < 1e-3 for s in solves)
    mali, ours, anderson = solves
    assert mali.budget == float("inf")
    assert ours.budget == anderson.budget == 1.1 * mali.Nformal + 3


def test_an_exception_is_recorded(monkeypatch):
    def failing(ctx, policy, scheme, **keywords):
        raise ZeroDivisionError("in a solve")

    monkeypatch.setattr("lw_rl.benchmark.robustness.solve", failing)
    solves, known = run(shipped_problem("CaII_K", "FALC", 24))
    assert not known
    for solve in solves:
        assert solve.outcome == "ZeroDivisionError" and not solve.converged
        assert solve.message == "ZeroDivisionError: in a solve"
        assert solve.error is None and solve.physical and not solve.over_budget


def soak(**changes):
    arguments = {
        "seed": 1, "family": "test", "schemes": ("depthwise",), "policy": "default",
        "adversarial": (), "popsTol": 1e-3,
    }  # fmt: skip
    return Soak(**{**arguments, **changes})


def test_problems_are_taken_in_order_and_adversarial_policies_in_turn():
    two = soak(schemes=(), adversarial=("zeros", "ones"))
    records = list(two.over(range(2)))
    assert [r.name.split()[:2] for r in records] == [["test", "0"], ["test", "1"]]
    assert [r.solves[-1].entry for r in records] == ["adversarial zeros", "adversarial ones"]
    assert all(r.seconds > 0.0 for r in records)


def test_atoms_with_many_levels_are_those_of_the_seed(monkeypatch):
    solved = []
    monkeypatch.setattr(
        robustness, "run", lambda problem, *_, **__: solved.append(problem) or ([], True)
    )
    list(soak(family="atoms", seed=2, adversarial=()).over([0, 6]))
    assert solved == [random_atoms(20000), random_atoms(20006)]


def test_names_are_checked_before_anything_is_solved():
    with pytest.raises(UnknownNameError, match="sor"):
        soak(schemes=("sor",))
    with pytest.raises(PolicyFileError):
        soak(policy="no/such/file.json")
    with pytest.raises(UnknownNameError, match="validation"):
        soak(family="none")(0)
