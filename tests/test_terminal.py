"""Progress bars and tables: in a terminal, in a file, and not at all."""

from __future__ import annotations

import pytest

from lw_rl.terminal import output, progress_bar


def advance(quiet):
    with progress_bar(quiet) as bar:
        task = bar.add_task("solving", total=2)
        bar.advance(task)
        bar.refresh()


def test_a_bar_in_a_terminal_is_on_stderr(monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    advance(quiet=False)
    printed = capsys.readouterr()
    assert "solving" in printed.err and "1/2" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(("quiet", "terminal"), [(True, "1"), (True, "0"), (False, "0")])
def test_nothing_is_left_in_a_file_and_nothing_is_shown_if_quiet(
    quiet, terminal, monkeypatch, capsys
):
    monkeypatch.setenv("TTY_COMPATIBLE", terminal)
    advance(quiet)
    assert capsys.readouterr() == ("", "")


def test_a_file_has_the_width_that_a_table_needs(capsys):
    wide = "x" * 120
    output(False, width=130).print(wide)
    assert capsys.readouterr().out == f"{wide}\n"
    output(False).print(wide)
    assert capsys.readouterr().out.count("\n") == 2
    output(True, width=130).print(wide)
    assert capsys.readouterr().out == ""


def test_brackets_are_text(capsys):
    """The name of an extra, as in `pip install '.[train]'`, is not taken for markup."""
    output(False).print("the extra [train]")
    with progress_bar(True) as bar:
        bar.console.print("no learning without [train]")
    captured = capsys.readouterr()
    assert captured.out == "the extra [train]\n"
    assert captured.err == "no learning without [train]\n"
