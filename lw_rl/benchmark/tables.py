"""What was measured, as tables for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from .report import label, peer_names, statistics
from .solves import TARGET, THRESHOLDS, ProblemResult

__all__ = [
    "add_column",
    "depth_table",
    "markdown_table",
    "solve_table",
    "suite_markdown",
    "suite_table",
]


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def add_column(table: Table, head: str, left: bool = False) -> None:
    """Add a column whose cells stay whole; the last word of its head is on a second line."""
    head = "\n".join(head.rsplit(" ", 1))
    table.add_column(head, justify="left" if left else "right", no_wrap=True)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, all columns but the first right-aligned."""
    rule = "|---|" + "--:|" * (len(head) - 1)
    first, *others = ("| " + " | ".join(line) + " |" for line in (head, *rows))
    return "\n".join([first, rule, *others])


def solve_table(result: ProblemResult) -> Table:
    """Return the convergence table of one problem."""
    table = Table(
        title=f"{result.problem.name}: formal solutions to a true error of ...",
        caption="* wall time to its own stop",
    )
    add_column(table, "scheme", left=True)
    counts = [label(t) for t in THRESHOLDS]
    for head in (*counts, f"ms to {label(TARGET)}", "x MALI", "stops after", "true error there"):
        add_column(table, head)
    mali = next((s.seconds for s in result.solves if s.peer == "mali"), None)
    for s in result.solves:
        mark = "" if s.to(TARGET) is not None else "*"
        table.add_row(
            f"{s.peer} ({s.setting})" if s.setting else s.peer,
            *(_count(s.to(t)) for t in THRESHOLDS),
            "-" if s.seconds is None else f"{1e3 * s.seconds:.1f}{mark}",
            "-" if s.seconds is None or mali is None else f"{mali / s.seconds:.1f}{mark}",
            _count(s.stop),
            "-" if s.stop_error is None else f"{s.stop_error:.1e}",
        )
    return table


_SUITE_HEAD = (
    "scheme",
    *(label(t) for t in THRESHOLDS),
    "ms",
    "failed",
    "false convergence",
    "other fixed point",
)


def _suite_rows(results: Sequence[ProblemResult]) -> list[list[str]]:
    """Return a suite's table, row by row, as text."""
    rows = []
    for name, entry in statistics(results).items():
        counts = [
            " / ".join(_count(d[k]) for k in ("median", "p90", "worst"))
            for d in entry["formal_solutions"].values()
        ]
        seconds = entry["seconds"]
        wall = "-" if seconds is None else f"{1e3 * seconds['median']:.1f}"
        ends = [str(entry[k]) for k in ("failed", "false_convergence", "other_fixed_point")]
        rows.append([name, *counts, wall, *ends])
    return rows


def suite_table(name: str, results: Sequence[ProblemResult]) -> Table:
    """Return a suite's table for the terminal: median / 90th percentile / worst."""
    table = Table(
        title=f"{name} ({len(results)} problems): formal solutions to a true error of ...",
        caption="median / 90th percentile / worst; ms: median wall time to 1e-3 (lightweaver: to "
        "its stop); false convergence: stopped with a true error above 1e-3; other fixed point: "
        "converged to another solution of the host's equations than the reference",
    )
    for k, head in enumerate(_SUITE_HEAD):
        add_column(table, head, left=k == 0)
    for row in _suite_rows(results):
        table.add_row(*row)
    return table


def depth_table(results: Sequence[ProblemResult]) -> Table:
    """Return formal solutions to the target error by number of depths, for the suite `grid`."""
    table = Table(title=f"formal solutions to a true error of {label(TARGET)} by number of depths")
    add_column(table, "scheme", left=True)
    for r in results:
        add_column(table, str(r.Nspace))
    for name in peer_names(results):
        table.add_row(name, *(_count(r[name].to(TARGET)) for r in results))
    return table


def suite_markdown(results: Sequence[ProblemResult]) -> str:
    """Return a suite's table in Markdown."""
    return markdown_table(_SUITE_HEAD, _suite_rows(results))
