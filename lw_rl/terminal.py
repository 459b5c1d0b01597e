"""Progress bars and tables in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["output", "progress_bar"]


def progress_bar(quiet: bool) -> Progress:
    """Return a progress bar on stderr, so that stdout stays what a program can read."""
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=quiet,
        transient=True,
    )


def output(quiet: bool, width: int = 0) -> Console:
    """Return the console for tables; into a file or a pipe they take the width that they need."""
    console = Console(quiet=quiet)
    if not console.is_terminal and width:
        console.width = width
    return console
