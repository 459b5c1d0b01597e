"""The group: its help, its errors, and which commands it has."""

from __future__ import annotations

import subprocess
import sys

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
