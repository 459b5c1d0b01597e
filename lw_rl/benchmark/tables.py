"""What was measured, as tables for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from .report import label, peer_names, statistics
from .solves import TARGET, PeerSolve, ProblemResult, thresholds_of

__all__ = [
    "comparison",
    "depth_table",
    "markdown_table",
    "narrow_table",
    "solve_legend",
    "solve_table",
    "suite_legend",
    "suite_markdown",
    "suite_tables",
    "title_of",
]


def _count(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 1):g}"


def narrow_table(title: str, *heads: str, first: str = "scheme") -> Table:
    """Return a table as narrow as its cells, which stay whole; the first column is left-aligned.

    Parameters
    ----------
    title : str
    *heads : str
        Heads of two lines each.
    first : str, optional
        Head of the first column (default: ``"scheme"``).
    """
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(f"\n{first}", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


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
    counted = thresholds_of([result])
    heads = (*_heads(counted), "stop\nafter", "\nerror", "\nms")
    table = narrow_table(title_of(result), *heads)
    for s in result.solves:
        table.add_row(
            _short(s),
            *(_count(s.to(t)) for t in counted),
            _count(s.stop),
            "-" if s.stop_error is None else f"{s.stop_error:.1e}".replace("e-0", "e-"),
            _three(s.seconds),
        )
    return table


def _heads(thresholds: Sequence[float]) -> list[str]:
    """Return the heads of the counts to each threshold."""
    return [f"{'' if k else 'to'}\n{label(t)}" for k, t in enumerate(thresholds)]


def _short(solve: PeerSolve) -> str:
    """Return a scheme's name; a tolerance that was looked for is in the legend."""
    name = _indented(solve.peer)
    return f"{name} ({solve.setting})" if solve.setting and name == solve.peer else name


def solve_legend(result: ProblemResult) -> list[str]:
    """Return what the columns of :func:`solve_table` mean, a sentence or two each."""
    names = {s.peer for s in result.solves}
    lines = [
        "to 1e-1 ...: formal solutions until the populations that the last of them led to have a "
        "true error, max |n / n_ref - 1|, that stays below.",
        "stop: what the default call does. after: formal solutions until it stops by itself; "
        "error: true error of the populations that it returns, those at which the last formal "
        "solution was made; ms: its wall time in a warm process, everything included.",
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
    dear = any(not r.problem.two_level or r.problem.plane for r in results)
    head = ["scheme", *(label(t) for t in thresholds_of(results)), "stop"]
    head += ["with sub-iterations"] if redistributed else []
    head += ["time / iteration"] if dear else []
    head += ["ms", "failed", "false convergence", "other fixed point"]
    rows = []
    for name, entry in found.items():
        counts = [*entry["formal_solutions"].values(), entry["stop"]]
        counts += [entry["with_sub_iterations"]] if redistributed else []
        counts += [entry["seconds_in_iterations"]] if dear else []
        cells = [
            " / ".join("-" if d is None else _count(d[k]) for k in ("median", "p90", "worst"))
            for d in counts
        ]
        seconds = entry["seconds"]
        wall = _milliseconds(None if seconds is None else seconds["median"])
        ends = [str(entry[k]) for k in ("failed", "false_convergence", "other_fixed_point")]
        rows.append([name, *cells, wall, *ends])
    return head, rows


def suite_tables(name: str, results: Sequence[ProblemResult]) -> list[Table]:
    """Return a suite's tables for the terminal, each at most 60 characters wide.

    One each for median, 90th percentile and worst of the formal solutions; where there is but one
    problem, one for all; then one for how the solves ended.
    """
    found = statistics(results)
    counted = thresholds_of(results)
    columns = {"median": "median", "p90": "90th percentile", "worst": "worst"}
    if len(results) == 1:
        columns = {"median": ""}
    tables = []
    for key, words in columns.items():
        plural = "" if len(results) == 1 else "s"
        title = f"{name}, {len(results)} problem{plural}"
        table = narrow_table(
            f"{title}: {words}" if words else title, *_heads(counted), "stop\nafter", "\nms"
        )
        for peer, entry in found.items():
            counts = [*entry["formal_solutions"].values(), entry["stop"]]
            seconds = entry["seconds"]
            table.add_row(
                _indented(peer),
                *("-" if d is None else _count(d[key]) for d in counts),
                "-" if seconds is None else _three(seconds[key]),
            )
        tables.append(table)
    more = {
        "with sub-\niterations": "with_sub_iterations",
        "time /\niteration": "seconds_in_iterations",
    }
    more = {head: key for head, key in more.items() if any(e[key] for e in found.values())}
    table = narrow_table(
        f"{name}: how the solves ended", "\nfailed", "\nfalse", "other fixed\npoint", *more
    )
    for peer, entry in found.items():
        ends = [str(entry[k]) for k in ("failed", "false_convergence", "other_fixed_point")]
        medians = [entry[key] for key in more.values()]
        table.add_row(
            _indented(peer), *ends, *("-" if d is None else _count(d["median"]) for d in medians)
        )
    return [*tables, table]


def suite_legend(results: Sequence[ProblemResult]) -> list[str]:
    """Return what the columns of :func:`suite_tables` mean, a sentence or two each."""
    lines = [
        "to 1e-1 ...: formal solutions after which the true error stays below; stop: those of the "
        "default call up to its own stop, ms: its wall time.",
        "failed: neither came below 1e-3 nor stopped. false: stopped with a true error above 1e-3. "
        "other fixed point: converged to another solution of the host's equations than the "
        "reference.",
    ]
    if any(s.swept for r in results for s in r.solves):
        lines.append(
            "with sub-iterations: stop (median) with those of partial redistribution, each counted "
            "on the share of wavelengths that it sweeps."
        )
    if any(s.seconds_in_iterations is not None for r in results for s in r.solves):
        lines.append(
            "time / iteration: wall time to the stop over that of an iteration of MALI (median)."
        )
    return lines


def _indented(peer: str) -> str:
    """Return a peer's name; the host's own call with another tolerance stands below the host's."""
    host = peer.removeprefix("lightweaver ")
    return peer if host == peer else f"  {host}"


def _three(seconds: float | None) -> str:
    """Return milliseconds in three figures."""
    if seconds is None:
        return "-"
    return f"{1e3 * seconds:.3g}" if seconds < 1.0 else f"{1e3 * seconds:.0f}"


def depth_table(results: Sequence[ProblemResult]) -> Table:
    """Return formal solutions to the target error by number of depths, for the suite `grid`."""
    title = f"to a true error of {label(TARGET)}, by number of depths"
    table = narrow_table(title, *(f"\n{r.Nspace}" for r in results))
    for name in peer_names(results):
        table.add_row(_indented(name), *(_count(r[name].to(TARGET)) for r in results))
    return table


def suite_markdown(results: Sequence[ProblemResult]) -> str:
    """Return a suite's table in Markdown."""
    return markdown_table(*_suite(results))
