"""Options that commands share, and the line that repeats a run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

F = TypeVar("F", bound=Callable[..., Any] | click.Command)
Option = Callable[[F], F]


def json_option(what: str) -> Option[Any]:
    """Return the option ``--json``, the argument ``as_json``: print `what` as JSON."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def quiet_option(
    what: str = "Print nothing but errors (and JSON, if asked for).",
) -> Option[Any]:
    """Return the option ``--quiet``."""
    return click.option("--quiet", is_flag=True, help=what)


def folder_option(default: str | None, what: str) -> Option[Any]:
    """Return the option ``--out`` for a folder."""
    return click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path),
        default=None if default is None else Path(default),
        show_default=default is not None, help=what,
    )  # fmt: skip


def readme_option(what: str) -> Option[Any]:
    """Return the option ``--readme`` for a file whose generated blocks are renewed."""
    return click.option(
        "--readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=what
    )


def workers_option() -> Option[Any]:
    """Return the option ``--workers``, two by default."""
    return click.option(
        "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes."
    )


def policy_option() -> Option[Any]:
    """Return the option ``--policy`` for one policy."""
    return click.option(
        "--policy", default="default", show_default=True,
        help="Policy: a name that ships, or a file.",
    )  # fmt: skip


def command_line(ctx: click.Context, leave_out: Container[str] = ()) -> str:
    """Return the command that was given, options as they were set, defaults left out.

    Parameters
    ----------
    ctx : click.Context
        Of the command.
    leave_out : container of str, optional
        Parameters that change nothing in the result, such as where it is written.
    """
    words = ["lw-rl", ctx.command.name or ""]
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name in leave_out:
            continue
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
