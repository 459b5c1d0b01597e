"""Options that commands share."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click
import pytest
from click.testing import CliRunner

from lw_rl.cli.options import (
    Atmosphere,
    Atom,
    Line,
    Scheme,
    check_place,
    command_line,
    dataclass_options,
    figure_option,
    folder_option,
    json_option,
    policy_option,
    quiet_option,
    readme_option,
    renamed,
    require_training,
    workers_option,
)
from lw_rl.errors import FigureFileError, FigureFormatError, MissingExtraError, UnknownNameError


def option(default, help):
    return field(default=default, metadata={"help": help})


@dataclass
class Arguments:
    out: str = option("here", "Where to.")
    batch_size: int = option(8, "How many.")
    rate: float = option(0.5, "How fast.")
    workers: bool = option(True, "Whether in processes.")
    kind: Literal["one", "two"] = option("one", "Which.")


@pytest.fixture
def made():
    """A command made from a dataclass, and what it was called with."""
    calls = []
    return click.Command(
        "c", params=dataclass_options(Arguments), callback=lambda **v: calls.append(Arguments(**v))
    ), calls


def test_a_dataclass_has_an_option_for_every_field(made):
    command, calls = made
    help = CliRunner().invoke(command, ["--help"]).output
    for name in ("--out", "--batch-size", "--rate", "--workers / --no-workers", "--kind [one|two]"):
        assert name in help
    assert "Where to.  [default: here]" in help
    assert CliRunner().invoke(command, []).exit_code == 0
    words = ["--out", "x", "--batch-size", "3", "--rate", "1", "--no-workers", "--kind", "two"]
    assert CliRunner().invoke(command, words).exit_code == 0
    assert calls == [Arguments(), Arguments("x", 3, 1.0, False, "two")]


@pytest.mark.parametrize("words", [["--batch-size", "x"], ["--kind", "three"], ["--other", "1"]])
def test_values_of_another_kind_are_refused(made, words):
    command, calls = made
    assert CliRunner().invoke(command, words).exit_code == 2 and not calls


def test_an_old_spelling_is_accepted_with_a_warning_and_not_shown():
    @click.command(cls=renamed("--old", "--new"))
    @click.option("--new", is_flag=True)
    @click.pass_context
    def c(ctx, new):
        click.echo(f"{new} {command_line(ctx)}")

    with pytest.warns(DeprecationWarning, match="--old is now spelled --new"):
        assert CliRunner().invoke(c, ["--old"]).stdout == "True lw-rl c --new\n"
    assert CliRunner().invoke(c, []).stdout == "False lw-rl c\n"
    assert "--old" not in CliRunner().invoke(c, ["--help"]).output


@pytest.mark.parametrize("name", ["torch", "stable_baselines3", "tensorboard", "tqdm"])
def test_without_a_package_of_training_it_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda module: None if module == name else module
    )
    with pytest.raises(MissingExtraError, match=rf"training needs {name}, .*\[train\]"):
        require_training()
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: module)
    require_training()


@click.command()
@click.argument("name")
@click.option("--peer", multiple=True)
@folder_option("out", "Folder.")
@readme_option("File.")
@workers_option()
@policy_option()
@json_option("it")
@quiet_option()
@click.pass_context
def shared(ctx, name, peer, out, readme, workers, policy, as_json, quiet):
    assert (out, workers, policy, readme) == (Path("out"), 2, "default", None)
    click.echo(command_line(ctx, leave_out=("quiet",)))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a"], "lw-rl shared a"),
        (["a b", "--json", "--quiet"], "lw-rl shared 'a b' --json"),
        (["a", "--peer", "x", "--peer", "y z"], "lw-rl shared a --peer x --peer 'y z'"),
        # Defaults that were given are as given.
        (["a", "--workers", "2"], "lw-rl shared a --workers 2"),
    ],
)
def test_the_command_line_is_what_was_given(words, line):
    done = CliRunner().invoke(shared, words)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == line


def test_values_of_shared_options_are_checked(tmp_path):
    (tmp_path / "file").touch()
    for words, part in (
        (["--workers", "0"], "--workers"),
        (["--readme", str(tmp_path / "none")], "does not exist"),
        (["--out", str(tmp_path / "file")], "is a file"),
    ):
        done = CliRunner().invoke(shared, ["a", *words])
        assert done.exit_code == 2 and part in done.stderr


# ---- figures ------------------------------------------------------------------------------------


def test_where_a_figure_goes_is_checked(tmp_path):
    check_place(tmp_path / "new" / "a.PDF")
    assert [p.name for p in tmp_path.iterdir()] == ["new"] and not list(
        (tmp_path / "new").iterdir()
    )
    with pytest.raises(FigureFormatError, match="no suffix"):
        check_place(tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(FigureFileError, match="a.svg cannot be written: .*--no-figure"):
        check_place(tmp_path / "file" / "a.svg")


def test_the_options_of_a_figure():
    @click.command()
    @figure_option("HERE.png")
    def c(figure, no_figure):
        click.echo(f"{figure} {no_figure}")

    assert CliRunner().invoke(c, ["--figure", "a.svg"]).stdout == "a.svg False\n"
    assert CliRunner().invoke(c, ["--no-figure"]).stdout == "None True\n"
    assert "[default: HERE.png]" in CliRunner().invoke(c, ["--help"]).output


# ---- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given", "spelled"),
    [
        (Atom, "caii_k", "CaII_K"), (Atom, "h+CAII", "H+CaII"), (Atom, "MgII-K", "MgII_k"),
        (Scheme, "MALI-Scattering", "mali_scattering"), (Atmosphere, "fal-c", "FALC"),
        (Line, "CaII 8542", "CaII 8542"),
    ],
)  # fmt: skip
def test_names_in_any_case(kind, given, spelled):
    assert kind().convert(given, None, None) == spelled


@pytest.mark.parametrize("kind", [Atom, Scheme, Atmosphere])
def test_names_that_there_are_not(kind):
    with pytest.raises(UnknownNameError, match="'nothing'; known: .*" + kind().known()[0]):
        kind().convert("nothing", None, None)


def test_an_atmosphere_can_be_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.atmos").touch()
    assert Atmosphere().convert("mine.atmos", None, None) == "mine.atmos"


@pytest.mark.parametrize(
    ("kind", "begun", "some"),
    [
        (Atom, "ca", {"CaII_K", "CaII_H", "CaII"}), (Atom, "H+mgii_", {"H+MgII_k", "H+MgII_h"}),
        (Scheme, "MALI", {"mali", "mali_scattering"}), (Atmosphere, "falc", {"FALC", "falc"}),
        (Line, "caii", {"CaII_K", "CaII_8542"}),
    ],
)  # fmt: skip
def test_names_are_completed(kind, begun, some):
    found = {item.value for item in kind().shell_complete(None, None, begun)}
    assert some <= found
    if kind is not Atmosphere:
        assert all(value.lower().startswith(begun.lower()) for value in found)
