"""Tables, in the terminal and in Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

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
    text = printed(tables.suite_table("prd", redistributed), width=tables.WIDTH)
    assert "sub-iterations" in text and "…" not in text


def test_no_cell_of_the_widest_table_is_cut(problem):
    errors = (1.0,) * 2999 + (1e-9,)
    slow = PeerSolve(
        "lightweaver to 1e-3", "", errors, 3000, 1e-9, 99.9, sub_iterations=(3,) * 3000,
        stop_sub_iterations=9000, swept=0.98,
    )  # fmt: skip
    results = [ProblemResult(problem, 24, 1e-13, (slow,))] * 2
    text = printed(tables.suite_table("prd", results), width=tables.WIDTH)
    assert "…" not in text and text.count("3000 / 3000 / 3000") == 6
    assert "11820 / 11820 / 11820" in text


def test_the_table_of_a_suite_says_what_its_columns_are(results):
    text = printed(tables.suite_table("fal", results))
    assert "fal (1 problems): formal solutions to a true error of" in text
    for head in ("false", "convergence", "other fixed", "point", "failed", "ms"):
        assert head in text
    assert "…" not in text, "no cell is cut"


def test_the_table_of_a_problem(results):
    text = printed(tables.solve_table(results[0]))
    mali = next(line for line in text.splitlines() if "mali" in line)
    assert mali.split() == ["mali", "2", "3", "3", "3", "3", "2", "1.0e-2", "400"]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 60


def test_what_the_columns_of_a_problem_mean(results):
    legend = " ".join(tables.solve_legend(results[0]))
    assert "without another step" in legend and "warm process" in legend
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
