"""The group: its help, its errors, and which commands it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lw_rl import atmospheres, atoms, problems, schemes
from lw_rl.cli import main
from lw_rl.policies import actor


@pytest.mark.parametrize("name", [c for c in main.list_commands(None) if c != "train"])
def test_help_has_examples(command, name):
    done = command(name, "--help")
    assert done.exit_code == 0, done.output
    assert "Examples:" in done.output and f"lw-rl {name}" in done.output
    for option in ("--json", "--quiet"):
        assert option in done.output


def test_help_of_the_group_lists_every_command_and_imports_none(command):
    done = command("--help")
    assert done.exit_code == 0
    assert all(name in done.output for name in main.list_commands(None))
    code = (
        "import sys; from click.testing import CliRunner; from lw_rl.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print({'lightweaver', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "set()", printed.stderr


def test_a_command_that_there_is_not(command):
    done = command("slove")
    assert done.exit_code == 2 and "No such command 'slove'" in done.stderr


def test_version(command):
    assert command("--version").output.startswith("lw-rl, version 0.")


def test_help_says_exit_codes_and_how_to_complete_names(command):
    said = command("--help").output
    for code in ("0    done", "1    a fault of this package", "2    something", "130  interrupted"):
        assert code in said
    assert 'eval "$(_LW_RL_COMPLETE=bash_source lw-rl)"' in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["slove"], "No such command 'slove'"),
        (["--colour"], "No such option"),
        (["solve", "CaII_K"], "Missing argument 'ATMOSPHERE'. See `lw-rl solve --help`"),
        (["solve", "CaII_K", "FALC", "--depths", "two"], "'two' is not a valid"),
        (["info", "--quite"], "No such option"),
        (["plot", "nowhere"], "'nowhere' does not exist"),
        (["cube", "nowhere.hdf5", "out.zarr", "--figure", "out.xyz"], "no format of a figure"),
        (["bench", "--no-policy", "--peer", "mali", "--out", "file/new"], "file"),
    ],
)
def test_a_users_mistake_is_one_line(command, tmp_path, monkeypatch, words, said):
    monkeypatch.setattr("lw_rl.problems.suite", lambda *a, **k: [])
    (tmp_path / "file").touch()
    done = command(*words)
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and said in done.stderr, done.stderr
    assert done.stderr.startswith("lw-rl: error: ")


def test_an_interrupt_is_one_line_with_the_shells_code(command, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("lw_rl.problems.known", interrupted)
    done = command("info")
    assert done.exit_code == 130 and done.stderr == "lw-rl: interrupted\n"


def test_a_fault_of_ours_is_not_hidden(command, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr("lw_rl.problems.known", broken)
    done = command("info")
    assert done.exit_code == 1 and isinstance(done.exception, RuntimeError)


def test_names_are_completed_in_a_shell():
    def complete(words, number):
        environment = {**os.environ, "_LW_RL_COMPLETE": "bash_complete", "COMP_WORDS": words}
        code = "from lw_rl.cli import main; main(prog_name='lw-rl')"
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-c", code], capture_output=True, text=True,
            env={**environment, "COMP_CWORD": str(number)},
        )  # fmt: skip
        return {line.partition(",")[2] for line in done.stdout.splitlines()}

    assert {"solve", "soak", "study"} == complete("lw-rl s", 1)
    assert {"MgII_k", "MgII_h", "MgII"} == complete("lw-rl solve mg", 2)
    assert "FALX" in complete("lw-rl solve CaII_K FAL", 3)
    assert {"mali", "mali_scattering"} == complete("lw-rl solve --scheme mal", 3)


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "out.zarr/zarr.json", "bench/bench.json"])
def test_what_commands_write_in_a_clone_is_ignored(name):
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("not a clone")
    done = subprocess.run(["git", "-C", root, "check-ignore", "-q", name])
    assert done.returncode == 0


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
def test_unknown_names_list_the_known_ones_in_one_line(command, tmp_path, args, known):
    done = command(*args)
    assert done.exit_code == 2
    assert done.stdout == ""
    line = done.stderr.strip()
    assert line.startswith("lw-rl: error: unknown ") and "\n" not in line
    assert all(name in line for name in known)
    assert list(tmp_path.iterdir()) == []
