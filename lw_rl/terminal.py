"""Progress bars and tables in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["output", "progress_bar"]


def progress_bar(quiet: bool) -> Progress:
    """Return a progress bar on stderr, so that stdout stays what a program can read.

    It is shown in a terminal only: a file or a pipe would keep an empty line of it.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )


def output(quiet: bool, width: int = 0) -> Console:
    """Return the console for tables.

    Parameters
    ----------
    quiet : bool
        Print nothing.
    width : int, optional
        Columns in a file or a pipe (default: 80); in a terminal the terminal's.
    """
    console = Console(quiet=quiet)
    if not console.is_terminal and width:
        console.width = width
    return console
