"""Endurance: a small soak in every run of the tests, and the bookkeeping of large ones."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import assert_physical
from hypothesis import given, settings
from hypothesis import strategies as st

import lw_rl
from lw_rl.benchmark import robustness as soak
from lw_rl.benchmark.reference import newton_correction
from lw_rl.benchmark.robustness import HOSTILE, Trial, run
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.benchmark.robustness_report import Entry, SoakFileError, Tally, load, markdown
from lw_rl.cli import main
from lw_rl.host.adapter import Adapter

GOOD = {
    "entry": "depthwise", "outcome": "converged", "Nformal": 12, "limit": 20.6, "estimate": 8e-4,
    "method": "policy", "bound": 2e-3, "error": 3e-4, "physical": True,
}  # fmt: skip


def test_two_hundred_hostile_problems(tmp_path):
    """No false stop beyond one in two hundred, nothing raised, nothing broken."""
    out = tmp_path / "soak.json"
    done = CliRunner().invoke(main, ["soak", "--n", "200", "--out", str(out), "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    tally = json.loads(out.read_bytes())
    assert tally["done"] == 200
    assert tally["command"].startswith("lw-rl soak --n 200")
    assert tally["no_reference"] < 20
    entries = tally["entries"].values()
    assert sum(e["raised"] + e["unphysical"] for e in entries) == 0
    assert sum(e["converged"] for e in entries) > 500
    judged = sum(e["judged"] for e in entries)
    assert sum(e["false"] for e in entries) <= 0.005 * judged
    assert sum(e["held"] for e in entries) >= 0.99 * judged
    assert all(e["bound_held"] == e["bounded"] for e in entries)
    assert sum(e["dear"] for e in entries) <= 0.01 * sum(e["compared"] for e in entries)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), index=st.integers(0, 10**6))
def test_hostile_problems_end_in_a_documented_way(seed, index):
    problem = HostileProblem(seed, index)
    assert 3 <= problem.Nspace <= 1000
    ctx = problem.context()
    result = lw_rl.solve(ctx, prd=problem.prd, NmaxIter=25, quiet=True)
    assert result.outcome in ("converged", "max_iterations", "diverged", "nonfinite")
    assert_physical(ctx, tol=1e-6)


def test_problems_come_from_their_seed():
    assert HostileProblem(3, 7) == HostileProblem(3, 7)
    a, b = HostileProblem(3, 7).atmosphere(), HostileProblem(3, 7).atmosphere()
    np.testing.assert_array_equal(a.temperature, b.temperature)
    assert HostileProblem(3, 7) != HostileProblem(3, 8)
    drawn = [HostileProblem(0, k) for k in range(2000)]
    assert {p.Nthreads for p in drawn} == {1, 2}
    for flag in ("prd", "switching", "conserve", "lambda_iterate"):
        assert 0 < sum(getattr(p, flag) for p in drawn) < 200
    assert min(p.Nspace for p in drawn) == 3
    assert max(p.Nspace for p in drawn) > 500


def test_charge_is_conserved_with_active_hydrogen():
    problem = next(p for p in (HostileProblem(0, k) for k in range(2000)) if p.conserve)
    ctx = problem.context()
    assert ctx.conserveCharge
    assert lw_rl.solve(ctx, NmaxIter=3, quiet=True).Nformal == 3
    assert_physical(ctx, tol=1e-6)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_policies_cost_no_more_than_mali(hostile):
    """... on the problem of the README."""
    trials, known = run(lw_rl.problems.shipped_problem("CaII_K", "FALC", 40), (), hostile=hostile)
    assert known
    mali, bad = trials
    assert bad.entry == f"hostile {hostile}"
    assert bad.converged and bad.physical and not bad.message
    assert bad.error < 1e-3
    assert bad.Nformal <= 1.1 * mali.Nformal + 3


def test_a_stop_at_another_solution_is_no_false_one():
    """MALI and the operator lead to solutions that are 10 % apart."""
    trials, known = run(HostileProblem(1, 71))
    assert known
    mali, ours = trials
    assert mali.converged and mali.elsewhere and mali.error < 1e-3
    assert ours.converged and not ours.elsewhere and ours.error < 1e-3


def test_an_equilibrium_that_mali_leaves_is_one(monkeypatch):
    """Plain steps more than double the distance from it, up to the next kink."""
    trials, known = run(HostileProblem(3, 607))
    assert known
    ours = trials[1]
    assert ours.converged and ours.elsewhere and ours.error < 1e-3
    monkeypatch.setattr(soak, "_REPELLING", 0)
    ours = run(HostileProblem(3, 607))[0][1]
    assert ours.converged and not ours.elsewhere and ours.error > 1e-3


def test_a_newton_step_tells_how_far_the_equilibrium_is(converged):
    ctx = copy.deepcopy(converged)
    adapter = Adapter(ctx)
    y = adapter.read()
    adapter.write(y + 1e-4)
    before = adapter.snapshot()
    assert newton_correction(ctx) == pytest.approx(1e-4, rel=0.05)
    after = adapter.snapshot()
    assert all(np.array_equal(a, b) for a, b in zip(before.n, after.n, strict=True))
    assert np.array_equal(before.J, after.J)


def test_what_is_wrong_is_counted():
    entry = Entry()
    assert entry.add(Trial(**GOOD), 1e-3) == []
    assert entry.add(Trial(**{**GOOD, "error": 5e-3}), 1e-3) == ["false", "above bound"]
    assert entry.add(Trial(**{**GOOD, "Nformal": 21}), 1e-3) == ["dear"]
    assert entry.add(Trial(**{**GOOD, "physical": False}), 1e-3) == ["unphysical"]
    failed = {**GOOD, "outcome": "ValueError", "message": "ValueError: x"}
    assert entry.add(Trial(**failed), 1e-3) == ["raised"]
    assert (entry.solves, entry.converged, entry.judged) == (5, 4, 4)
    assert (entry.false, entry.held, entry.within, entry.dear) == (1, 3, 4, 1)
    assert sum(entry.ratios) == 4
    entry.add(Trial(**{**GOOD, "elsewhere": True}), 1e-3)
    assert (entry.elsewhere, entry.false) == (1, 1)


def test_entries_add_up():
    a, b = Entry(), Entry()
    a.add(Trial(**GOOD), 1e-3)
    b.add(Trial(**{**GOOD, "error": 5e-3}), 1e-3)
    both = a + b
    assert (both.solves, both.false, both.held) == (2, 1, 1)
    assert both.outcomes == {"converged": 2} and sum(both.ratios) == 2


def test_a_soak_goes_on_where_it_ended_with_any_number_of_processes(tmp_path):
    arguments = ["soak", "--quiet"]
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    for out, runs in ((whole, [("6", "1")]), (parts, [("2", "1"), ("6", "2")])):
        for n, workers in runs:
            arguments[2:] = ["--n", n, "--workers", workers, "--no-hostile-policies"]
            done = CliRunner().invoke(main, [*arguments, "--out", str(out)])
            assert done.exit_code == 0, done.output
    a, b = (json.loads(p.read_bytes()) for p in (whole, parts))
    for fields in (a, b):
        del fields["seconds"]
    assert a == b
    assert a["command"] == "lw-rl soak --n 6 --no-hostile-policies"
    # One that is finished makes a README's table, and nothing else.
    readme = tmp_path / "README.md"
    readme.write_text("<!-- begin soak-hostile -->\n<!-- end soak-hostile -->\n")
    arguments += ["--out", str(whole), "--readme", str(readme)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(whole.read_bytes()) == {**a, "seconds": pytest.approx(0, abs=100)}
    assert "| mali | " in readme.read_text() and "6 problems" in readme.read_text()
    readme.write_text("<!-- begin soak-hostile-9 -->\n<!-- end soak-hostile-9 -->\n")
    of_its_own = ["soak", "--n", "1", "--seed", "9", "--out", str(tmp_path / "nine.json")]
    assert CliRunner().invoke(main, [*of_its_own, "--readme", str(readme)]).exit_code == 0
    assert "--seed 9`" in readme.read_text()


def test_a_result_file_of_another_soak_is_refused(tmp_path):
    out = tmp_path / "soak.json"
    Tally({"seed": 1, "popsTol": 1e-3}).save(out, {})
    with pytest.raises(SoakFileError, match="of another soak"):
        load(out, {"seed": 2, "popsTol": 1e-3})
    out.write_text("{}")
    with pytest.raises(SoakFileError, match="not the result file"):
        load(out, {"seed": 2})
    assert load(tmp_path / "none.json", {"seed": 2}).done == 0


def test_all_but_one_is_not_a_hundred_per_cent():
    entries = {"mali": Entry(judged=4060, held=4060, within=2030, bounded=4060, bound_held=4059)}
    row = next(line for line in markdown(Tally({}, entries=entries)).splitlines() if "mali" in line)
    assert (
        row == "| mali | 4,060 | 0 | 0 | 100.0 % of 4,060 | 50.0 % of 4,060 | 99.9 % of 4,060 | - |"
    )
