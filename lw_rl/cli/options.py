"""Options that commands share, options made from a dataclass, and the line that repeats a run."""

from __future__ import annotations

import importlib.util
import shlex
import warnings
from collections.abc import Callable, Container
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click
from click.core import ParameterSource

from ..errors import MissingExtraError

__all__ = [
    "command_line",
    "dataclass_options",
    "folder_option",
    "json_option",
    "policy_option",
    "quiet_option",
    "readme_option",
    "renamed",
    "require_training",
    "workers_option",
]

F = TypeVar("F", bound=Callable[..., Any] | click.Command)
Option = Callable[[F], F]


#: What the extra ``[train]`` installs.
_TRAINING = ("torch", "stable_baselines3", "tensorboard", "tqdm")


def require_training() -> None:
    """Check that training is installed, before anything of it is imported.

    Raises
    ------
    MissingExtraError
        If it is not; the message says what to install.
    """
    missing = [name for name in _TRAINING if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"training needs {', '.join(missing)}, which is not installed: "
            "pip install 'lw-rl[train]'"
        )


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


def dataclass_options(cls: type) -> list[click.Parameter]:
    """Return an option for every field of a dataclass, whose fields all have a default.

    Parameters
    ----------
    cls : type
        Its fields are str, int, float, bool or a Literal, with the entry ``"help"`` in their
        metadata.
    """
    hints = get_type_hints(cls)
    return [_field_option(field, hints[field.name]) for field in fields(cls)]


def _field_option(field: Field[Any], hint: Any) -> click.Option:
    name = field.name.replace("_", "-")
    names = [f"--{name}/--no-{name}"] if hint is bool else [f"--{name}"]
    kind = click.Choice(get_args(hint)) if get_origin(hint) is Literal else hint
    return click.Option(
        names, type=kind, default=field.default, show_default=True, help=field.metadata["help"]
    )


def renamed(old: str, new: str) -> type[click.Command]:
    """Return a class of commands that accept an option's old spelling, with a DeprecationWarning.

    Parameters
    ----------
    old, new : str
        The spellings, such as ``"--from"`` and ``"--start"``.
    """

    class Renamed(click.Command):
        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            if old in args:
                warnings.warn(f"{old} is now spelled {new}", DeprecationWarning, stacklevel=1)
            return super().parse_args(ctx, [new if arg == old else arg for arg in args])

    return Renamed


def command_line(ctx: click.Context, leave_out: Container[str] = ()) -> str:
    """Return the command that was given, options as they were set, defaults left out.

    Parameters
    ----------
    ctx : click.Context
        Of the command.
    leave_out : container of str, optional
        Parameters that do not change the result, such as where it is written.
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
