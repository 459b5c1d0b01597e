"""Options that commands share, options made from a dataclass, and the line that repeats a run."""

from __future__ import annotations

import importlib.util
import shlex
import tempfile
import warnings
from collections.abc import Callable, Container
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ..errors import FigureFileError, MissingExtraError, UnknownNameError
from ..files import figure_format

__all__ = [
    "Atmosphere",
    "Atom",
    "AtomOrAtmosphere",
    "Interrupted",
    "Line",
    "Scheme",
    "check_place",
    "command_line",
    "dataclass_options",
    "figure_option",
    "folder_option",
    "in_order",
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
        raise MissingExtraError.of("training needs", "train", missing)


class Interrupted(click.ClickException):
    """Ctrl-C, shown as one line, with the exit code that shells use for it."""

    exit_code = 130

    def show(self, file: Any = None) -> None:
        """Print the line on stderr."""
        click.echo(f"lw-rl: {self.message}", err=True)


class _Name(click.ParamType):
    """A name of a registry, in any case, with completion."""

    name = "name"

    def known(self) -> list[str]:
        """Return the names that there are."""
        raise NotImplementedError

    def spelled(self, name: str) -> str:
        """Return a name as the registry spells it, or raise UnknownNameError."""
        raise NotImplementedError

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the name; what there is not ends the command with a line of its own."""
        return self.spelled(value) if isinstance(value, str) else value

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so, whatever their case; after a plus sign another one."""
        before, plus, begun = incomplete.rpartition("+")
        found = [n for n in self.known() if n.lower().startswith(begun.lower())]
        return [CompletionItem(f"{before}{plus}{name}") for name in found]


class Atom(_Name):
    """One of `lw_rl.atoms.known`, or several, joined by plus signs."""

    def known(self) -> list[str]:
        """Return the names of the atoms."""
        from .. import atoms

        return atoms.known()

    def spelled(self, name: str) -> str:
        """Return the atoms' names."""
        from .. import atoms

        return "+".join(atoms.canonical(one) for one in name.split("+"))


class Line(_Name):
    """A line with a name of its own, or an ion and a wavelength."""

    def known(self) -> list[str]:
        """Return the names of the lines."""
        from .. import atoms
        from ..cube.lines import line_labels

        many = (atoms.make(n) for n in atoms.known() if n not in atoms.known_lines())
        labels = [label.replace(" ", "_") for atom in many for label in line_labels(atom)]
        return [*atoms.known_lines(), *labels]

    def spelled(self, name: str) -> str:
        """Return the name as it is: what it means depends on the atoms."""
        return name


class Scheme(_Name):
    """One of `lw_rl.schemes.known`."""

    def known(self) -> list[str]:
        """Return the names of the schemes."""
        from .. import schemes

        return schemes.known()

    def spelled(self, name: str) -> str:
        """Return the scheme's name."""
        folded = name.lower().replace("-", "_")
        if folded not in self.known():
            raise UnknownNameError("scheme", name, self.known())
        return folded


class Atmosphere(_Name):
    """One of `lw_rl.atmospheres.known` or `lw_rl.problems.PLANES`, or the file of an atmosphere."""

    def known(self) -> list[str]:
        """Return the names of the atmospheres."""
        from .. import atmospheres, problems

        return [*atmospheres.known(), *problems.PLANES]

    def spelled(self, name: str) -> str:
        """Return the name, or the file's path."""
        from .. import atmospheres, problems

        if Path(name).is_file():
            return name
        plane = name.lower().replace("_", "-")
        if plane in problems.PLANES:
            return plane
        try:
            return atmospheres.canonical(name)
        except UnknownNameError:
            raise UnknownNameError("atmosphere", name, self.known()) from None

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return names that begin so, and files."""
        return [
            *super().shell_complete(ctx, param, incomplete), CompletionItem(incomplete, type="file")
        ]  # fmt: skip


class AtomOrAtmosphere(_Name):
    """The name of atoms or of an atmosphere, whichever stands first (:func:`in_order`)."""

    def known(self) -> list[str]:
        """Return the names of atoms and atmospheres."""
        return [*Atom().known(), *Atmosphere().known()]

    def spelled(self, name: str) -> str:
        """Return the name as it is: what it means depends on the other."""
        return name

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return atoms for the first argument, atmospheres for the second."""
        kind = Atom() if param.name == "atom" else Atmosphere()
        return kind.shell_complete(ctx, param, incomplete)


def in_order(atom: str, atmosphere: str) -> tuple[str, str]:
    """Return the names of atoms and atmosphere as the registries spell them, swapped or not.

    Raises
    ------
    UnknownNameError
        If one of them is not known; the message lists those that are.
    """
    try:
        return Atom().spelled(atom), Atmosphere().spelled(atmosphere)
    except UnknownNameError as err:
        try:
            return Atom().spelled(atmosphere), Atmosphere().spelled(atom)
        except UnknownNameError:
            raise err from None


def check_place(path: Path) -> None:
    """Check that a figure can be written, before there is any work behind it.

    Raises
    ------
    FigureFormatError
        If its suffix is no format.
    FigureFileError
        If it cannot be written there.
    """
    figure_format(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as err:
        raise FigureFileError(
            f"{path} cannot be written: {err}; give another place (--figure) or none (--no-figure)"
        ) from err


def figure_option(default: str) -> Option[Any]:
    """Return the options ``--figure``, whose suffix is its format, and ``--no-figure``.

    Parameters
    ----------
    default : str
        What the help says of where it goes.
    """

    def both(command: F) -> F:
        none = click.option("--no-figure", is_flag=True, help="Draw no figure.")
        where = click.option(
            "--figure", type=click.Path(dir_okay=False, path_type=Path),
            help=f"Where the figure goes; its suffix is its format (.pdf, .svg, .png, ...).  "
            f"[default: {default}]",
        )  # fmt: skip
        return where(none(command))

    return both


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
