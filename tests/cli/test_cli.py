"""The commands: what they print, what they refuse, and how quiet they can be."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from conftest import random_weights

from lw_rl import atmospheres, atoms, problems, schemes
from lw_rl.cli import main
from lw_rl.policies import actor

SOLVE = ["solve", "CaII_K", "FALC", "--depths", "24", "--repeats", "1"]


@pytest.fixture
def lw_rl(tmp_path, monkeypatch):
    """Run `lw-rl` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        return CliRunner().invoke(main, [str(a) for a in args], prog_name="lw-rl")

    return run


@pytest.fixture(scope="module")
def policy(tmp_path_factory, architecture):
    path = tmp_path_factory.mktemp("policy") / "mine.json"
    return actor.save(path, architecture, random_weights(architecture, scale=0.1), 0.3, {})


@pytest.mark.parametrize("command", [c for c in main.list_commands(None) if c != "train"])
def test_help_has_examples(lw_rl, command):
    done = lw_rl(command, "--help")
    assert done.exit_code == 0, done.output
    assert "Examples:" in done.output and f"lw-rl {command}" in done.output
    for option in ("--json", "--quiet"):
        assert option in done.output


def test_help_of_the_group_lists_every_command_and_imports_none(lw_rl):
    done = lw_rl("--help")
    assert done.exit_code == 0
    assert all(command in done.output for command in main.list_commands(None))
    code = (
        "import sys; from click.testing import CliRunner; from lw_rl.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print({'lightweaver', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "set()", printed.stderr


def test_version(lw_rl):
    assert lw_rl("--version").output.startswith("lw-rl, version 0.")


def test_solve_prints_a_table_and_draws_a_figure(lw_rl, policy, tmp_path):
    done = lw_rl(*SOLVE, "--policy", policy)
    assert done.exit_code == 0, done.output
    for name in ("lightweaver", "mali", "ng (", "anderson10", "depthwise (mine)", "1e-6"):
        assert name in done.stdout
    assert "Iteration" not in done.stdout, "the host's own printing is off"
    figure = tmp_path / "CaII_K_FALC_24.png"
    assert figure.name in done.stdout and figure.stat().st_size > 10_000


def test_solve_json(lw_rl, tmp_path):
    done = lw_rl(*SOLVE, "--scheme", "anderson", "--json", "--no-figure")
    fields = json.loads(done.stdout)
    assert fields["problem"]["Nspace"] == 24 and fields["figure"] is None
    assert fields["solves"]["anderson10"]["formal_solutions"]["1e-3"] < 30
    assert fields["solves"]["lightweaver"]["stop_error"] > 1e-3
    assert fields["command"] == (
        "lw-rl solve CaII_K FALC --scheme anderson --depths 24 --repeats 1 --no-figure --json"
    )
    assert list(tmp_path.iterdir()) == []


def test_solve_quiet(lw_rl):
    done = lw_rl(*SOLVE, "--scheme", "anderson", "--quiet", "--figure", "a.png")
    assert done.exit_code == 0 and done.output == ""


@pytest.mark.parametrize(
    ("args", "known"),
    [
        (["solve", "FeI", "FALC"], atoms.known()),
        (["solve", "CaII_K", "VALC"], atmospheres.known()),
        (["solve", "CaII_K", "FALC", "--scheme", "sor"], schemes.known()),
        (["solve", "CaII_K", "FALC", "--policy", "mine"], actor.known()),
        (["bench", "--no-policy", "--suite", "fall"], problems.known()),
        (["bench", "--no-policy", "--peer", "sor"], ["anderson10", "lightweaver"]),
        (["bench", "--policy", "mine"], actor.known()),
    ],
)
def test_unknown_names_list_the_known_ones_in_one_line(lw_rl, tmp_path, args, known):
    done = lw_rl(*args)
    assert done.exit_code == 2
    assert done.stdout == ""
    line = done.stderr.strip()
    assert line.startswith("lw-rl: error: unknown ") and "\n" not in line
    assert all(name in line for name in known)
    assert list(tmp_path.iterdir()) == []


def test_a_tampered_policy_is_one_line(lw_rl, policy, tmp_path):
    weights = policy.with_suffix(".safetensors").read_bytes()
    (tmp_path / "bad.safetensors").write_bytes(weights[:-1])
    (tmp_path / "bad.json").write_text(policy.read_text())
    done = lw_rl(*SOLVE, "--policy", "bad.json")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "truncated" in done.stderr


def test_bench_writes_table_figure_and_results(lw_rl, policy, tmp_path):
    args = ["bench", "--suite", "photosphere", "--problems", "2", "--policy", policy]
    done = lw_rl(*args, "--peer", "mali", "--peer", "anderson10", "--out", "new/b")
    assert done.exit_code == 0, done.output
    for text in ("photosphere (2 problems)", "mali", "anderson10", "depthwise (mine)", "worst"):
        assert text in done.stdout
    assert "lambda" not in done.stdout
    document = json.loads((tmp_path / "new/b/bench.json").read_text())
    assert document["command"].startswith("lw-rl bench --suite photosphere --policy ")
    assert len(document["suites"]["photosphere"]["problems"]) == 2
    assert (tmp_path / "new/b/photosphere.png").stat().st_size > 10_000


def test_bench_tells_of_a_problem_without_a_reference(lw_rl, tmp_path, monkeypatch):
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
    done = lw_rl(*args, "anderson10", "--repeats", "0", "--out", "b")
    assert done.exit_code == 0, done.output
    assert f"{names[0]} is not in the tables: MALI does not settle" in done.stdout
    document = json.loads((tmp_path / "b/bench.json").read_text())
    assert document["no_reference"] == {names[0]: "MALI does not settle"}
    assert len(document["suites"]["photosphere"]["problems"]) == 1


def test_bench_json_and_quiet(lw_rl):
    args = ["bench", "--suite", "photosphere", "--problems", "1", "--no-policy", "--peer", "mali"]
    done = lw_rl(*args, "--repeats", "0", "--json")
    assert json.loads(done.stdout)["photosphere"]["mali"]["problems"] == 1
    done = lw_rl(*args, "--repeats", "0", "--quiet")
    assert done.exit_code == 0 and done.output == ""


def test_bench_refuses_a_readme_without_the_block_before_it_measures(lw_rl, tmp_path):
    (tmp_path / "R.md").write_text("nothing here\n")
    done = lw_rl("bench", "--no-policy", "--readme", "R.md")
    assert done.exit_code == 2 and "begin fal" in done.stderr


def test_info(lw_rl):
    done = lw_rl("info")
    assert done.exit_code == 0
    for name in (*atoms.known(), *atmospheres.known(), *schemes.known(), *problems.known()):
        assert name in done.stdout
    fields = json.loads(lw_rl("info", "--json").stdout)
    assert fields["atoms"] == atoms.known()
    assert set(fields["policies"]) == set(actor.known())
    assert len(lw_rl("info", "--quiet").stdout.splitlines()) == 5


def test_train_without_torch_says_what_to_install(lw_rl, monkeypatch):
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "lw_rl.cli.train", raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else there(name)
    )
    done = lw_rl("train")
    assert done.exit_code == 2
    assert "pip install 'lw-rl[train]'" in done.stderr and "torch" in done.stderr


def test_train_has_an_option_for_every_argument(lw_rl):
    pytest.importorskip("stable_baselines3")
    import dataclasses

    from lw_rl.training.train import Args

    done = lw_rl("train", "--help")
    assert done.exit_code == 0, done.output
    for field in dataclasses.fields(Args):
        assert f"--{field.name.replace('_', '-')}" in done.output
        assert field.metadata["help"].split()[0] in done.output


def test_train_reproduces_the_arguments_of_a_card(lw_rl, architecture, tmp_path, monkeypatch):
    pytest.importorskip("stable_baselines3")
    from lw_rl.cli import train as cli_train

    def save(name, **card):
        weights = random_weights(architecture)
        return actor.save(tmp_path / f"{name}.json", architecture, weights, 0.3, card)

    card = save("a", arguments={"seed": 5, "steps": 70, "out": "runs/first"})
    seen = []
    monkeypatch.setattr(
        cli_train, "run_training", lambda args, quiet: (seen.append((args, quiet)), card)[1]
    )
    done = lw_rl("train", "--reproduce", card, "--out", "runs/again", "--json")
    assert done.exit_code == 0, done.output
    ((args, quiet),) = seen
    assert (args.seed, args.steps, args.out) == (5, 70, "runs/again") and quiet
    assert json.loads(done.stdout)["card"]["arguments"]["seed"] == 5

    done = lw_rl("train", "--reproduce", save("b", arguments={"width_of_yore": 3}))
    assert done.exit_code == 2 and "does not hold the arguments" in done.stderr
    assert len(seen) == 1
