"""`lw-rl solve`: table, figure and JSON of one solve."""

from __future__ import annotations

import json
from importlib.resources import as_file, files

from lw_rl.result import Result

SOLVE = ["solve", "CaII_K", "FALC", "--depths", "24", "--repeats", "1"]


def test_solve_prints_a_table_and_draws_a_figure(command, policy, tmp_path):
    done = command(*SOLVE, "--policy", policy)
    assert done.exit_code == 0, done.output
    for name in ("lightweaver", "mali", "ng (", "anderson10", "depthwise (mine)", "1e-6"):
        assert name in done.stdout
    # What the columns mean stands below, and it can be read in a narrow window.
    words = " ".join(done.stdout.split())
    assert "after: formal solutions until it stops by itself" in words
    assert "times as long" in words and "MALI" not in words
    assert all(len(line.rstrip()) <= 60 for line in done.stdout.splitlines()[:9])
    assert "Iteration" not in done.stdout, "the host's own printing is off"
    figure = tmp_path / "CaII_K_FALC_24.png"
    assert figure.name in done.stdout and figure.stat().st_size > 10_000


def test_solve_json(command, tmp_path):
    done = command(*SOLVE, "--scheme", "anderson", "--json", "--no-figure")
    fields = json.loads(done.stdout)
    assert fields["problem"]["Nspace"] == 24 and fields["figure"] is None
    assert fields["solves"]["anderson10"]["formal_solutions"]["1e-3"] < 30
    assert fields["solves"]["lightweaver"]["stop_error"] > 1e-3
    assert fields["command"] == (
        "lw-rl solve CaII_K FALC --scheme anderson --depths 24 --repeats 1 --no-figure --json"
    )
    assert list(tmp_path.iterdir()) == []


def test_solve_quiet_into_a_figure_of_another_format(command, tmp_path):
    done = command(*SOLVE, "--scheme", "anderson", "--quiet", "--figure", "a.PDF")
    assert done.exit_code == 0 and done.output == ""
    assert (tmp_path / "a.PDF").read_bytes().startswith(b"%PDF")


def test_solve_of_an_atom_with_many_levels(command, tmp_path):
    """The table has MALI with its scattering solved, which wins on Ca II, and a figure is drawn."""
    done = command("solve", "CaII", "FALC", "--depths", "12", "--json")
    assert done.exit_code == 0, done.output
    fields = json.loads(done.stdout)
    assert fields["problem"]["atom"] == "CaII"
    assert list(fields["solves"]) == [
        "lightweaver", "mali", "mali_scattering", "anderson_scattering", "depthwise",
    ]  # fmt: skip
    counts = {k: v["formal_solutions"]["1e-3"] for k, v in fields["solves"].items()}
    assert counts["mali_scattering"] < 100 and counts["depthwise"] < 100
    assert counts["mali"] is None or counts["mali"] > 3 * counts["mali_scattering"]
    assert (tmp_path / "CaII_FALC_12.png").stat().st_size > 10_000


def test_a_figure_of_no_format_is_refused_before_any_work(command, tmp_path, monkeypatch):
    monkeypatch.setattr("lw_rl.benchmark.measure.measure", None)
    done = command(*SOLVE, "--figure", "a.xyz")
    assert done.exit_code == 2 and "no format of a figure" in done.stderr
    assert done.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_names_in_any_case_and_order(command):
    done = command("solve", "fal-c", "caii_k", *SOLVE[3:], "--no-figure", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["problem"]["name"] == "CaII_K FALC 24"


def test_an_atmosphere_of_ones_own(command, tmp_path):
    with as_file(files("lw_rl.atmospheres") / "FALC.atmos") as path:
        (tmp_path / "mine.atmos").write_bytes(path.read_bytes())
    words = ("CaII_K", "mine.atmos", *SOLVE[3:], "--scheme", "anderson")
    done = command("solve", *words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "CaII_K_mine_24.png").exists() and "CaII_K mine, 24 depths" in done.stdout

    (tmp_path / "mine.atmos").write_text("no atmosphere")
    done = command("solve", *words)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "mine.atmos cannot be read as an atmosphere in the MULTI format" in done.stderr


def test_solve_of_an_unknown_atom_is_one_line(command):
    done = command("solve", "H+CaIV", "FALC")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "'CaIV'" in done.stderr


def test_a_tampered_policy_is_one_line(command, policy, tmp_path):
    weights = policy.with_suffix(".safetensors").read_bytes()
    (tmp_path / "bad.safetensors").write_bytes(weights[:-1])
    (tmp_path / "bad.json").write_text(policy.read_text())
    done = command(*SOLVE, "--policy", "bad.json")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "truncated" in done.stderr


def test_a_solve_that_is_interrupted_ends_the_command(command, monkeypatch):
    def interrupted(*args, **kwargs):
        return Result(outcome="interrupted")

    monkeypatch.setattr("lw_rl.iterate.solve", interrupted)
    done = command(*SOLVE, "--no-figure")
    assert done.exit_code == 130 and done.stderr == "lw-rl: interrupted\n" and done.stdout == ""
