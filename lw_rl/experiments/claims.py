"""Reports as tables of claims: what is claimed, what was found, and whether it holds.

A report is a sequence of sections. Every number and every verdict in it is a function of the result
file's content, so no sentence can outlive the measurement that it describes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ..files import Json
from .text import Content, flow, table, verdict

__all__ = [
    "Claim", "Entries", "ResultFile", "Section", "Text", "claims_table", "content", "listed",
    "render", "rows", "verdicts",
]  # fmt: skip

ResultFile = Json
"""The content of a result file: plain data from JSON."""

Text = str | Callable[[Content], str]
"""A template that `Content.write` fills, or a function of the content."""


@dataclass(frozen=True)
class Claim:
    """A claim and its measurement.

    Attributes
    ----------
    text : str or callable
        What is claimed.
    measure : str or callable
        What was found, with its numbers.
    holds : callable, optional
        From the content to whether the claim holds; None if there is nothing to decide, or too
        little to decide on (default: always None).
    needs : str, optional
        Path without which the measurement was left out (default: none).
    """

    text: Text
    measure: Text
    holds: Callable[[Content], bool | None] = lambda content: None
    needs: str | None = None

    def found(self, content: Content) -> tuple[str, str, bool | None]:
        """Return what is claimed, what was found, and whether it holds."""
        text = _written(self.text, content)
        if self.needs is not None and self.needs not in content:
            return text, "left out", None
        return text, _written(self.measure, content), self.holds(content)


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Attributes
    ----------
    title : str
        Its heading.
    figure : str or None
        Name of the figure on top of it.
    blocks : tuple of Claim, str or callable
        Neighbouring claims make one table; the others are paragraphs or tables in Markdown, left
        out where they are empty.
    """

    title: str
    figure: str | None
    blocks: tuple[Claim | Text, ...]


def content(result: ResultFile) -> Content:
    """Return a result file's content, with the entries of its summary and its facts on top."""
    return Content({**result, **result["facts"], **result["summary"]})


def render(sections: Sequence[Section], result: ResultFile, figures: Mapping[str, str]) -> str:
    """Return a report as Markdown.

    Parameters
    ----------
    sections : sequence of Section
        The first one's heading is the title.
    result : dict
        The result file's content, summary included.
    figures : mapping
        File name of each figure, relative to the report.
    """
    found = content(result)
    parts = []
    for k, section in enumerate(sections):
        parts.append(f"{'##' if k else '#'} {section.title}")
        if section.figure is not None:
            parts.append(f"![{section.title}]({figures[section.figure]})")
        for claims, blocks in groupby(section.blocks, lambda block: isinstance(block, Claim)):
            if claims:
                parts.append(claims_table(list(blocks), found))  # type: ignore[arg-type]
            else:
                parts += [_written(block, found) for block in blocks]  # type: ignore[arg-type]
    return flow("\n\n".join(part for part in parts if part)) + "\n"


def claims_table(
    claims: Sequence[Claim],
    found: Content,
    head: Sequence[str] = ("claim", "found", "holds"),
) -> str:
    """Return claims as a table, without the verdicts where only two columns have a heading."""
    lines = []
    for claim in claims:
        *said, holds = claim.found(found)
        lines.append([*said, verdict(holds)][: len(head)])
    return table(head, lines)


def verdicts(sections: Sequence[Section], result: ResultFile) -> list[Json]:
    """Return every claim of a report as plain data: ``claim``, ``found`` and ``holds``."""
    claims = [b for section in sections for b in section.blocks if isinstance(b, Claim)]
    found = content(result)
    return [dict(zip(("claim", "found", "holds"), c.found(found), strict=True)) for c in claims]


Entries = str | Callable[[Content], Mapping[str, Any]]
"""Path to a mapping from names to entries, or a function that returns one."""


def rows(
    entries: Entries, columns: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> Callable[[Content], str]:
    """Return a block with a table that has a row for each entry; empty if the path is missing.

    Parameters
    ----------
    entries : str or callable
        The entries.
    columns : mapping
        Templates, filled from an entry, its ``name`` and ``label``, by the columns' headings,
        which are filled from the result's content.
    labels : mapping, optional
        Labels by the entries' names (default: the result's ``labels``, else the names).
    """

    def block(found: Content) -> str:
        if isinstance(entries, str) and entries not in found:
            return ""
        head = [found.write(heading) for heading in columns]
        return table(head, _filled(entries, list(columns.values()), labels, found))

    return block


def listed(entries: Entries, template: str) -> Callable[[Content], str]:
    """Return a text that lists the entries, each with its label before the filled template."""
    return lambda found: "; ".join(
        line[0] for line in _filled(entries, [f"{{label}} {template}"], None, found)
    )


def _filled(
    entries: Entries, templates: list[str], labels: Mapping[str, str] | None, found: Content
) -> list[list[str]]:
    members = found[entries] if isinstance(entries, str) else entries(found)
    if labels is None:
        labels = found.get("labels", {})
    lines = []
    for name, entry in members.items():
        of_entry = Content({"name": name, "label": labels.get(name, name), **entry})
        lines.append([of_entry.write(template) for template in templates])
    return lines


def _written(text: Text, found: Content) -> str:
    return found.write(text) if isinstance(text, str) else text(found)
