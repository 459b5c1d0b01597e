"""What was measured, as tables for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from .report import label, peer_names, statistics
from .solves import TARGET, THRESHOLDS, Result


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def solve_table(result: Result) -> Table:
    """Return the convergence table of one problem."""
    table = Table(
        title=f"{result.problem.name}: formal solutions to a true error of ...",
        caption="* wall time to its own stop",
    )
    table.add_column("scheme", no_wrap=True)
    for t in THRESHOLDS:
        table.add_column(label(t), justify="right")
    table.add_column(f"ms to {label(TARGET)}", justify="right")
    table.add_column("x MALI", justify="right")
    table.add_column("stops after", justify="right")
    table.add_column("true error there", justify="right")
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
    "false stops",
    "elsewhere",
)


def suite_rows(results: Sequence[Result]) -> list[list[str]]:
    """Return a suite's table, row by row, as text: median / 90th percentile / worst."""
    rows = []
    for name, entry in statistics(results).items():
        cells = [
            " / ".join(_count(d[k]) for k in ("median", "p90", "worst"))
            for d in entry["formal_solutions"].values()
        ]
        seconds = entry["seconds"]
        rows.append(
            [
                name,
                *cells,
                "-" if seconds is None else f"{1e3 * seconds['median']:.1f}",
                str(entry["failed"]),
                str(entry["false_stops"]),
                str(entry["elsewhere"]),
            ]
        )
    return rows


def suite_table(name: str, results: Sequence[Result]) -> Table:
    """Return a suite's table for the terminal."""
    table = Table(
        title=f"{name} ({len(results)} problems): formal solutions to a true error of ...",
        caption="median / 90th percentile / worst; ms: median wall time to 1e-3 (lightweaver: to "
        "its stop); elsewhere: led to another solution of the host's equations",
    )
    for k, head in enumerate(_SUITE_HEAD):
        table.add_column(head, justify="right" if k else "left", no_wrap=True)
    for row in suite_rows(results):
        table.add_row(*row)
    return table


def depth_table(results: Sequence[Result]) -> Table:
    """Return formal solutions to the target error by number of depths, for the suite `grid`."""
    table = Table(title=f"formal solutions to a true error of {label(TARGET)} by number of depths")
    table.add_column("scheme", no_wrap=True)
    for r in results:
        table.add_column(str(r.Nspace), justify="right")
    for name in peer_names(results):
        table.add_row(name, *(_count(r[name].to(TARGET)) for r in results))
    return table


def suite_markdown(results: Sequence[Result]) -> str:
    """Return a suite's table in Markdown."""
    lines = [
        "| " + " | ".join(_SUITE_HEAD) + " |",
        "|---|" + "--:|" * (len(_SUITE_HEAD) - 1),
        *("| " + " | ".join(row) + " |" for row in suite_rows(results)),
    ]
    return "\n".join(lines)
