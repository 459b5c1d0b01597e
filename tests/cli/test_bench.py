"""`lw-rl bench`: tables, figures and result files of suites."""

from __future__ import annotations

import json


def test_bench_writes_table_figure_and_results(command, policy, tmp_path):
    args = ["bench", "--suite", "photosphere", "--problems", "2", "--policy", policy]
    done = command(*args, "--peer", "mali", "--peer", "anderson10", "--out", "new/b")
    assert done.exit_code == 0, done.output
    for text in (
        "photosphere, 2 problems: median",
        "mali",
        "anderson10",
        "depthwise (mine)",
        "worst",
    ):
        assert text in done.stdout
    assert "lambda" not in done.stdout
    document = json.loads((tmp_path / "new/b/bench.json").read_text())
    assert document["command"].startswith("lw-rl bench --suite photosphere --policy ")
    assert "--out" not in document["command"], "where it went changes no result"
    assert len(document["suites"]["photosphere"]["problems"]) == 2
    assert (tmp_path / "new/b/photosphere.png").stat().st_size > 10_000


def test_bench_tells_of_a_problem_without_a_reference(command, tmp_path, monkeypatch):
    from lw_rl.benchmark import measure as benchmark
    from lw_rl.errors import NoReferenceError

    measure, names = benchmark.measure, []

    def sometimes(problem, *rest):
        names.append(problem.name)
        if len(names) == 1:
            raise NoReferenceError("MALI does not settle")
        return measure(problem, *rest)

    monkeypatch.setattr(benchmark, "measure", sometimes)
    args = ["bench", "--suite", "photosphere", "--problems", "2", "--no-policy", "--peer"]
    done = command(*args, "anderson10", "--repeats", "0", "--out", "b")
    assert done.exit_code == 0, done.output
    assert f"{names[0]} is not in the tables: MALI does not settle" in done.stdout
    document = json.loads((tmp_path / "b/bench.json").read_text())
    assert document["no_reference"] == {names[0]: "MALI does not settle"}
    assert len(document["suites"]["photosphere"]["problems"]) == 1


def test_bench_reports_what_a_user_pays_beside_the_hosts_own_call(command, tmp_path):
    args = ["bench", "--suite", "photosphere", "--problems", "1", "--out", "b", "--json"]
    done = command(*args, "--peer", "lightweaver", "--peer", "mali_scattering")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["photosphere"]
    assert list(found) == ["lightweaver", "lightweaver to 1e-3", "mali_scattering", "depthwise"]
    for entry in found.values():
        assert entry["seconds"]["median"] > 0.0 and entry["stop"]["worst"] >= 1
    assert found["lightweaver to 1e-3"]["false_convergence"] == 0
    document = json.loads((tmp_path / "b/bench.json").read_text())
    assert document["seconds_of"] == "the default call, to its own stop"


def test_bench_json_and_quiet(command):
    args = ["bench", "--suite", "photosphere", "--problems", "1", "--no-policy", "--peer", "mali"]
    done = command(*args, "--repeats", "0", "--json")
    assert json.loads(done.stdout)["photosphere"]["mali"]["problems"] == 1
    done = command(*args, "--repeats", "0", "--quiet")
    assert done.exit_code == 0 and done.output == ""


def test_bench_refuses_a_readme_without_the_block_before_it_measures(command, tmp_path):
    (tmp_path / "R.md").write_text("nothing here\n")
    done = command("bench", "--no-policy", "--readme", "R.md")
    assert done.exit_code == 2 and "begin fal" in done.stderr


def test_an_interrupted_bench_goes_on_where_it_ended(command, tmp_path, monkeypatch):
    from lw_rl.benchmark import measure as benchmark

    solve, solved = benchmark.solve, []

    def until(ctx, n_ref, peer, *rest):
        solved.append(peer.name)
        if len(solved) == 4:
            raise KeyboardInterrupt
        return solve(ctx, n_ref, peer, *rest)

    monkeypatch.setattr(benchmark, "solve", until)
    args = ["bench", "--suite", "photosphere", "--problems", "2", "--no-policy", "--out", "b"]
    args += ["--peer", "anderson5", "--peer", "anderson10", "--repeats", "0"]
    done = command(*args)
    assert done.exit_code == 130
    assert "interrupted after 1 of 2 problems; the same command goes on" in done.stderr
    assert not (tmp_path / "b/bench.json").exists()
    assert command(*args).exit_code == 0
    assert solved == ["anderson5", "anderson10", "anderson5", "anderson10", "anderson10"]
    assert command(*args, "--again", "anderson5").exit_code == 0
    assert solved[5:] == ["anderson5"] * 2
    done = command(*args, "--again", "sor")
    assert done.exit_code == 2 and "unknown peer 'sor'" in done.stderr


def test_bench_of_atoms_with_more_levels(command, tmp_path, monkeypatch):
    from lw_rl import problems

    small = [problems.shipped_problem("CaII", "FALC", 12)]
    monkeypatch.setattr(problems, "suite", lambda name, number=None: small)
    args = ["bench", "--suite", "atoms", "--no-policy", "--out", "b", "--peer", "mali_scattering"]
    done = command(*args, "--peer", "anderson_scattering")
    assert done.exit_code == 0, done.output
    assert "iteration" in done.stdout and "1e-6" not in done.stdout
    found = json.loads((tmp_path / "b/bench.json").read_text())["suites"]["atoms"]
    entry = found["statistics"]["mali_scattering"]
    assert entry["seconds_in_iterations"]["median"] > 1.0 and entry["failed"] == 0
    (problem,) = found["problems"]
    assert problem["reference_starts"] < 1e-5 and problem["reference_plain"] < 1e-5
    solve = problem["solves"]["mali_scattering"]
    assert solve["stop"] < len(solve["errors"]), "it goes on after its stop"
    assert solve["formal_solutions"]["1e-4"] <= len(solve["errors"])


def test_a_profile_says_where_the_time_goes(command, tmp_path, monkeypatch):
    from lw_rl import problems

    small = [problems.shipped_problem("CaII_K", "FALC", 12)]
    monkeypatch.setattr(problems, "suite", lambda name, number=None: small)
    done = command("bench", "--profile", "--repeats", "0", "--out", "p")
    assert done.exit_code == 0, done.output
    assert "operators" in done.stdout and "default call" in done.stdout
    found = json.loads((tmp_path / "p/profile.json").read_text())["profiles"]
    assert [p["scheme"] for p in found] == ["default call", "operator alone"]
    assert found[0]["calls"]["answers of the policy"] > 0 and found[1]["seconds"]["policy"] == 0.0
    assert (tmp_path / "p/profile.png").stat().st_size > 1000
