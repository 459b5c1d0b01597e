"""What the commands share on the terminal: progress bars and the line that repeats a run."""

from __future__ import annotations

import shlex

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


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


def command_line(ctx: click.Context) -> str:
    """Return the command that was given, options as they were set, defaults left out."""
    words = ["lw-rl", ctx.command.name or ""]
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = ctx.params.get(name)
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif isinstance(value, bool):
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            for item in value if isinstance(value, tuple | list) else [value]:
                words += [parameter.opts[0], str(item)]
    return shlex.join(words)
