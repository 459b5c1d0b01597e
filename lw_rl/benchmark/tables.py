"""What was measured, as tables for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from .report import label, peer_names, statistics
from .solves import TARGET, PeerSolve, ProblemResult, thresholds_of

__all__ = [
    "WIDTH",
    "add_column",
    "comparison",
    "depth_table",
    "markdown_table",
    "solve_legend",
    "solve_table",
    "suite_markdown",
    "suite_table",
    "title_of",
]

#: Characters that a suite's widest table takes in the terminal.
WIDTH = 230


def _count(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 1):g}"


def add_column(table: Table, head: str, left: bool = False) -> None:
    """Add a column whose cells stay whole; the last word of its head is on a second line."""
    head = "\n".join(head.rsplit(" ", 1))
    table.add_column(head, justify="left" if left else "right", no_wrap=True)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, all columns but the first right-aligned."""
    rule = "|---|" + "--:|" * (len(head) - 1)
    first, *others = ("| " + " | ".join(line) + " |" for line in (head, *rows))
    return "\n".join([first, rule, *others])


def title_of(result: ProblemResult) -> str:
    """Return a problem's name and how many depths, or rows and columns, it has."""
    size = result.problem.size
    if size:
        return f"{result.problem.name.rsplit(maxsplit=1)[0]}, {size}"
    return f"{result.problem.name.removesuffix(f' {result.Nspace}')}, {result.Nspace} depths"


def solve_table(result: ProblemResult) -> Table:
    """Return the convergence table of one problem, at most 60 characters wide."""
    table = Table(
        title=title_of(result),
        title_justify="left", box=None,
        padding=(0, 1, 0, 0), pad_edge=False,
    )  # fmt: skip
    table.add_column("\nscheme", no_wrap=True)
    counted = thresholds_of([result])
    heads = [label(t) for t in counted]
    heads = [f"{'to' if k == 0 else ''}\n{head}" for k, head in enumerate(heads)]
    for head in (*heads, "stop\nafter", "\nerror", "\nms"):
        table.add_column(head, justify="right", no_wrap=True)
    for s in result.solves:
        table.add_row(
            _short(s),
            *(_count(s.to(t)) for t in counted),
            _count(s.stop),
            "-" if s.stop_error is None else f"{s.stop_error:.1e}".replace("e-0", "e-"),
            "-" if s.seconds is None else f"{1e3 * s.seconds:.3g}",
        )
    return table


def _short(solve: PeerSolve) -> str:
    """Return a scheme's name; a tolerance that was looked for is in the legend."""
    host = solve.peer.removeprefix("lightweaver ")
    if host != solve.peer:
        return f"  {host}"
    return f"{solve.peer} ({solve.setting})" if solve.setting else solve.peer


def solve_legend(result: ProblemResult) -> list[str]:
    """Return what the columns of :func:`solve_table` mean, a sentence or two each."""
    names = {s.peer for s in result.solves}
    lines = [
        "to 1e-1 ...: formal solutions after which the true error, max |n / n_ref - 1|, stays "
        "below; each count includes the step that follows the last of them.",
        "stop: formal solutions of the default call up to its own stop, the true error of what it "
        "returns (the populations of the last formal solution, without another step), and its wall "
        "time in a warm process.",
    ]
    if "lightweaver" in names:
        lines.append("lightweaver: the host's own iterate_ctx_se, with its defaults.")
    for s in result.solves:
        if s.peer == "lightweaver to 1e-3" and s.setting:
            lines.append(f"to 1e-3: the same with {s.setting}, which it takes to be as accurate.")
    return lines


def comparison(result: ProblemResult, name: str) -> str:
    """Return one sentence: the wall time of a scheme beside the host's own to the same error.

    Empty where either was not measured.
    """
    seconds = {s.peer: s.seconds for s in result.solves}
    ours, theirs = seconds.get(name), seconds.get("lightweaver to 1e-3")
    if ours is None or theirs is None:
        return ""
    return (
        f"{name} takes {_milliseconds(ours)} ms, Lightweaver's own call "
        f"{_milliseconds(theirs)} ms to an error below 1e-3: {theirs / ours:.1f} times as long."
    )


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.1f}"


def _suite(results: Sequence[ProblemResult]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a suite's table, as text."""
    found = statistics(results)
    redistributed = any(entry["with_sub_iterations"] for entry in found.values())
    # Wall times of different runs are compared by their ratio to that of an iteration of MALI.
    levels = any(not r.problem.two_level for r in results)
    head = ["scheme", *(label(t) for t in thresholds_of(results)), "stop"]
    head += ["with sub-iterations"] if redistributed else []
    head += ["time / iteration"] if levels else []
    head += ["ms", "failed", "false convergence", "other fixed point"]
    rows = []
    for name, entry in found.items():
        counts = [*entry["formal_solutions"].values(), entry["stop"]]
        counts += [entry["with_sub_iterations"]] if redistributed else []
        counts += [entry["seconds_in_iterations"]] if levels else []
        cells = [
            " / ".join("-" if d is None else _count(d[k]) for k in ("median", "p90", "worst"))
            for d in counts
        ]
        seconds = entry["seconds"]
        wall = _milliseconds(None if seconds is None else seconds["median"])
        ends = [str(entry[k]) for k in ("failed", "false_convergence", "other_fixed_point")]
        rows.append([name, *cells, wall, *ends])
    return head, rows


def suite_table(name: str, results: Sequence[ProblemResult]) -> Table:
    """Return a suite's table for the terminal: median / 90th percentile / worst."""
    head, rows = _suite(results)
    table = Table(
        title=f"{name} ({len(results)} problems): formal solutions to a true error of ...",
        caption="median / 90th percentile / worst; stop: formal solutions at the scheme's own "
        "stop; with sub-iterations: the same, those of partial redistribution counted on the share "
        "of wavelengths that they sweep; time / iteration: wall time of the default call to its "
        "stop over that of an iteration of MALI; ms: its median; failed: neither came below 1e-3 "
        "nor stopped; false convergence: stopped with a true error above 1e-3; other fixed point: "
        "converged to another solution of the host's equations than the reference",
    )
    for k, title in enumerate(head):
        add_column(table, title, left=k == 0)
    for row in rows:
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
    return markdown_table(*_suite(results))
