"""Progress bars and tables in a terminal; what is in brackets, an extra's name say, is text."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["output", "progress_bar"]


#: Time [s] over which the speed is averaged that tells the time left.
_SPEED_OVER = 3600.0


def progress_bar(quiet: bool, time_left: bool = False) -> Progress:
    """Return a progress bar on stderr, so that stdout stays what a program can read.

    It is shown in a terminal only: a file or a pipe would keep an empty line of it.

    Parameters
    ----------
    quiet : bool
        Show none.
    time_left : bool, optional
        Show how long it will take at the speed so far, beside the time elapsed (default: False).
    """
    console = Console(stderr=True, markup=False)
    left: list[ProgressColumn] = [TimeRemainingColumn()] if time_left else []
    return Progress(
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        *left,
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
        speed_estimate_period=_SPEED_OVER,
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
    console = Console(quiet=quiet, markup=False)
    if not console.is_terminal and width:
        console.width = width
    return console
