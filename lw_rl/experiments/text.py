"""How the reports write a number, a range, a table, and templates that take them from a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from string import Formatter
from textwrap import fill
from typing import Any

from .quartiles import Quartiles

__all__ = ["Content", "count", "error", "error_span", "flow", "rounds", "span", "table", "verdict"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """Return a Markdown table, all columns but the first to the right if they are numbers."""
    rule = "|---|" + ("---:|" if numbers else "---|") * (len(head) - 1)
    lines = ["| " + " | ".join(head) + " |", rule]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines).replace("|  |", "| |")


def count(value: int | None) -> str:
    """Return a number of formal solutions, or a dash for never."""
    return "-" if value is None else str(value)


def rounds(value: float | None) -> str:
    """Return a number of solves, or "never"."""
    return "never" if value is None else f"{value:,.0f}"


def span(s: Quartiles) -> str:
    """Return median and quartiles."""
    if s["median"] is None:
        return "none"
    return f"{s['median']:.3g} [{s['q25']:.3g}, {s['q75']:.3g}]"


def error(value: float | None) -> str:
    """Return a relative error: in per cent, or with an exponent below 0.1 %."""
    if value is None:
        return "none"
    if value < 1e-3:
        return f"{value:.1e}"
    digits = 2 if value < 0.1 else 3
    return f"{float(f'{100 * value:.{digits}g}'):,g} %"


def error_span(s: Quartiles) -> str:
    """Return median and quartiles of a relative error."""
    return f"{error(s['median'])} [{error(s['q25'])}, {error(s['q75'])}]"


def verdict(holds: bool | None) -> str:
    """Return whether something holds, or a dash where nothing is decided."""
    return "-" if holds is None else "yes" if holds else "no"


def flow(text: str) -> str:
    """Fill the paragraphs of Markdown, and leave headings, tables and figures as they are."""
    return "\n\n".join(
        block
        if block.startswith(("#", "|", "!"))
        else fill(block, 100, break_on_hyphens=False, break_long_words=False)
        for block in text.split("\n\n")
    )


class Content(Mapping[str, Any]):
    """The content of a result file, by paths and in templates.

    Parameters
    ----------
    found : mapping
        Nested mappings and sequences.
    """

    def __init__(self, found: Mapping[str, Any]):
        self._found = found

    def __getitem__(self, path: str) -> Any:
        """Return an entry, such as ``content["fig3/reward_end/median"]``.

        Raises
        ------
        KeyError
            If the path leads nowhere.
        """
        value: Any = self._found
        for key in path.split("/"):
            value = value[int(key) if isinstance(value, list) else key]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def write(self, template: str) -> str:
        """Fill a format string whose fields are paths, and join its lines.

        Beside Python's format specifications, of which ``%`` leaves a space, a field takes
        ``count``, ``error``, ``error_span``, ``rounds``, ``span`` and ``verdict``, the functions of
        this module; ``/`` before a specification writes several numbers.
        """
        return " ".join(_Writer().vformat(template, (), self).split())


_FORMATS: dict[str, Callable[[Any], str]] = {
    "count": count,
    "error": error,
    "error_span": error_span,
    "rounds": rounds,
    "span": span,
    "verdict": verdict,
}


class _Writer(Formatter):
    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec in _FORMATS:
            return _FORMATS[format_spec](value)
        if format_spec.startswith("/"):
            several = value.values() if isinstance(value, Mapping) else value
            return " / ".join(format(v, format_spec[1:]) for v in several)
        written = format(value, format_spec)
        return f"{written[:-1]} %" if format_spec.endswith("%") else written
