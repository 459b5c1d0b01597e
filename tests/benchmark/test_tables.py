"""Tables, in the terminal and in Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from lw_rl import problems
from lw_rl.benchmark import tables
from lw_rl.benchmark.solves import PeerSolve, ProblemResult


def printed(table, width=170):
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_markdown_of_a_suite(results):
    lines = tables.suite_markdown(results).splitlines()
    assert lines[0] == (
        "| scheme | 1e-1 | 1e-2 | 1e-3 | 1e-4 | 1e-6 | stop | ms | failed | false convergence | "
        "other fixed point |"
    )
    assert lines[1] == "|---|" + 10 * "--:|"
    assert len(lines) == 2 + 3
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == (
        "| mali | 2 / 2 / 2 | 3 / 3 / 3 | 3 / 3 / 3 | 3 / 3 / 3 | 3 / 3 / 3 | 2 / 2 / 2 | 400.0 | "
        "0 | 1 | 0 |"
    )
    assert lines[4].endswith("| 100.0 | 0 | 0 | 1 |")


def test_sub_iterations_have_a_column_where_there_are_any(redistributed):
    head, _, mali, *_ = tables.suite_markdown(redistributed).splitlines()
    cells = dict(zip(head.split(" | "), mali.split(" | "), strict=True))
    assert cells["stop"] == "2 / 2 / 2" and cells["with sub-iterations"] == "5 / 5 / 5"
    assert cells["ms"] == "400.0"
    last = printed(tables.suite_tables("prd", redistributed)[-1], width=60)
    assert "iterations" in last and last.splitlines()[3].split() == ["mali", "0", "1", "0", "5"]
    assert any("sub-iterations" in line for line in tables.suite_legend(redistributed))


def test_the_whole_cost_has_a_column_in_two_dimensions(results):
    solves = tuple(replace(s, formal_seconds=0.1) for s in results[0].solves)
    plane = replace(results[0], problem=problems.plane_problem("CaII_K"), solves=solves)
    head, _, mali, *_ = tables.suite_markdown([plane]).splitlines()
    cells = dict(zip(head.split(" | "), mali.split(" | "), strict=True))
    assert cells["time / iteration"] == "4 / 4 / 4"
    assert "time / iteration" not in tables.suite_markdown(results)


def test_no_cell_of_the_widest_table_is_cut_at_60_columns(problem):
    errors = (1.0,) * 2999 + (1e-9,)
    slow = PeerSolve(
        "lightweaver to 1e-3", "", errors, 3000, 1e-9, 99.9, sub_iterations=(3,) * 3000,
        stop_sub_iterations=9000, swept=0.98, formal_seconds=1e-3,
    )  # fmt: skip
    results = [ProblemResult(problem, 24, 1e-13, (slow,))] * 2
    found = tables.suite_tables("prd", results)
    text = "".join(printed(table, width=60) for table in found)
    assert len(found) == 4 and "…" not in text
    assert text.count("3000") == 3 * 6 and text.count("99900") == 3 + 1 and "11820" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 60


def test_one_problem_has_one_table_of_counts(results):
    counts, ends = tables.suite_tables("fal", results)
    text = printed(counts, width=60)
    assert text.startswith("fal, 1 problem ")
    assert text.splitlines()[3].split() == ["mali", "2", "3", "3", "3", "3", "2", "400"]
    assert [line.split() for line in printed(ends, width=60).splitlines()[3:]] == [
        ["mali", "0", "1", "0"], ["anderson10", "0", "0", "0"], ["depthwise", "(u)", "0", "0", "1"],
    ]  # fmt: skip
    legend = " ".join(tables.suite_legend(results))
    for head in ("failed", "false", "other fixed point", "stop", "ms"):
        assert f"{head}:" in legend
    assert "sub-iterations" not in legend and "time / iteration" not in legend


def test_the_table_of_a_problem(results):
    text = printed(tables.solve_table(results[0]))
    mali = next(line for line in text.splitlines() if "mali" in line)
    assert mali.split() == ["mali", "2", "3", "3", "3", "3", "2", "1.0e-2", "400"]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 60


def test_what_the_columns_of_a_problem_mean(results):
    legend = " ".join(tables.solve_legend(results[0]))
    assert "that it returns" in legend and "warm process" in legend
    one = results[0]
    host = PeerSolve("lightweaver to 1e-3", "popsTol 1e-05", (1e-4,), 1, 1e-4, 0.2)
    ours = PeerSolve("depthwise", "", (1e-4,), 1, 1e-4, 0.05)
    both = replace(one, solves=(host, ours))
    assert "to 1e-3: the same with popsTol 1e-05" in " ".join(tables.solve_legend(both))
    assert tables.comparison(both, "depthwise").endswith("below 1e-3: 4.0 times as long.")
    assert tables.comparison(both, "mali") == ""
    assert "\n  to 1e-3 " in printed(tables.solve_table(both))


def test_the_table_by_depth_has_a_column_per_grid(results):
    table = tables.depth_table(results + results)
    assert table.row_count == 3 and len(table.columns) == 3


@pytest.mark.parametrize("rows", [[], [["a", "1"]], [["a", "1"], ["b", "2"]]])
def test_markdown_table(rows):
    lines = tables.markdown_table(["x", "y"], rows).splitlines()
    assert lines == ["| x | y |", "|---|--:|", *(f"| {a} | {b} |" for a, b in rows)]
