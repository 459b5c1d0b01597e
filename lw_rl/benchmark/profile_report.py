"""Where the time of solves goes, as a table and as stacked bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from matplotlib.figure import Figure
from rich.table import Table

from ..files import Json
from .profile import PARTS, Profile
from .tables import narrow_table

__all__ = ["profile_figure", "profile_json", "profile_table"]

#: Of Okabe and Ito's palette, by part.
_COLOURS = (
    "#56B4E9", "#0072B2", "#D55E00", "#CC79A7", "#E69F00", "#009E73", "#F0E442", "#999999",
)  # fmt: skip


def profile_json(profiles: Sequence[Profile]) -> list[Json]:
    """Return profiles for a result file, their times in formal solutions' as well."""
    return [
        {
            **asdict(p),
            "total_in_formal_solutions": p.in_formal_solutions(p.total),
            "in_formal_solutions": {
                part: p.in_formal_solutions(seconds) for part, seconds in p.seconds.items()
            },
        }
        for p in profiles
    ]


def profile_table(profiles: Sequence[Profile]) -> Table:
    """Return a table of all parts, in units of a formal solution's time."""
    heads = ("formal solution ms", *PARTS, "in all", "context", "operators built")
    table = narrow_table(
        "time, in units of a formal solution's; the context's is not in the sum",
        *(head.replace(" ", "\n", 1) if " " in head else f"\n{head}" for head in heads),
        first="problem, scheme",
    )
    for p in profiles:
        table.add_row(
            f"{p.problem}, {p.scheme}",
            f"{1e3 * p.formal_solution:.2f}",
            *(f"{p.in_formal_solutions(p.seconds[part]):.2f}" for part in PARTS),
            f"{p.in_formal_solutions(p.total):.2f}",
            f"{p.in_formal_solutions(p.context):.2f}",
            str(p.calls.get("operators built", 0)),
        )
    return table


def profile_figure(profiles: Sequence[Profile], figure: Figure | None = None) -> Figure:
    """Draw a stacked bar for every profile, in units of a formal solution's time."""
    figure = figure or Figure(figsize=(7.2, 1.2 + 0.32 * len(profiles)), layout="constrained")
    axes = figure.subplots()
    names = [f"{p.problem}, {p.scheme}" for p in profiles]
    left = [0.0] * len(profiles)
    for part, colour in zip(PARTS, _COLOURS, strict=True):
        widths = [p.in_formal_solutions(p.seconds[part]) for p in profiles]
        axes.barh(names, widths, left=left, color=colour, label=part)
        left = [at + width for at, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("time / that of a formal solution")
    axes.legend(fontsize=7, frameon=False)
    return figure
