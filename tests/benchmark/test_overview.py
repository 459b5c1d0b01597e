"""One table of what was measured: from result files alone, nothing typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lw_rl.benchmark import overview, report
from lw_rl.benchmark.readme import replace_block
from lw_rl.benchmark.solves import PeerSolve, ProblemResult

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def file(problem, tmp_path):
    """A result file of two problems, one of which the host's call does not solve."""

    def solves(mali, host, sub=0):
        errors = (1.0,) * (mali - 1) + (1e-9,)
        more = {"sub_iterations": (sub,) * mali, "swept": 0.5 if sub else 0.0}
        return (
            PeerSolve("mali", "", errors, mali, 1e-9, 0.4, stop_sub_iterations=sub * mali, **more),
            PeerSolve("ng", "", (1.0, 1.0, 1e-9), 3, 1e-9, 0.2),
            PeerSolve("anderson10", "", (1.0,) * 20 + (1e-9,), 21, 1e-9, 0.2),
            PeerSolve("lightweaver to 1e-3", "", errors, mali, 1e-9, host),
            PeerSolve("depthwise", "", (1e-9,), 1, 1e-9, 0.1),
        )

    def write(name="bench.json", **more):
        found = {
            "fal": [
                ProblemResult(problem, 24, 1e-13, solves(100, 1.0)),
                ProblemResult(problem, 24, 1e-13, solves(200, None)),
            ],
            "prd": [ProblemResult(problem, 24, 1e-13, solves(10, 0.3, sub=2))],
        }
        path = tmp_path / name
        path.write_text(json.dumps({**report.document("lw-rl bench", found), **more}))
        return path

    return write


def test_a_row_is_a_kind_of_problem(file):
    suites, cubes = overview.read([file()])
    assert cubes is None
    head, fal, prd = overview.overview(suites)
    cells = dict(zip(head, fal, strict=True))
    assert cells["problem"] == "two-level line" and cells["problems"] == "2"
    assert cells["MALI"] == "150" and cells["lw_rl"] == "**1**" and cells["worst"] == "1"
    assert cells["best other"] == "3, Ng", "the peer with the lowest median, not one of ours"
    assert fal[-1] == "10.0 x", "of the problem where both were timed"
    assert prd[2] == "20", "half of two sub-iterations for each of ten formal solutions"


def test_a_solve_that_never_comes_there_counts_as_endless(file):
    path = file()
    fields = json.loads(path.read_text())
    for problem in fields["suites"]["fal"]["problems"]:
        problem["solves"]["depthwise"]["formal_solutions"]["1e-3"] = None
    path.write_text(json.dumps(fields))
    row = overview.overview(overview.read([path])[0])[1]
    assert row[4:6] == ["**-**", "-"]


def test_what_is_read_is_what_was_written(file):
    """... so that figures can be drawn from result files."""
    (solve, *_) = overview.read([file()])[0]["fal"][0].solves
    assert (solve.peer, solve.stop, solve.seconds, len(solve.errors)) == ("mali", 100, 0.4, 100)
    endless = report.solve_as_dict(PeerSolve("x", "", (np.inf, 1.0), None, None, None))
    assert report.read_solve("x", endless).errors == (np.inf, 1.0)


def test_the_larger_file_of_a_suite_counts_and_cubes_have_a_row(file):
    cubes = EXAMPLES / "cube_bench/cube_bench.json"
    fewer = json.loads(file("b.json").read_text())
    fewer["suites"]["fal"]["problems"].pop()
    (small := file("b.json")).write_text(json.dumps(fewer))
    table = overview.overview(*overview.read([file("a.json"), cubes, small]))
    assert table[1][1] == "2"
    assert len(table) == 1 + 3 and "(process pool)" in table[-1][-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "is no result file"), ("no", "is no result file"), ('{"format": 1}', "has format 1")],
)
def test_other_files_are_refused_by_name(tmp_path, text, said):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(overview.ResultFileError, match=f"other.json {said}"):
        overview.read([path])


def test_the_readme_follows_the_result_files():
    """`lw-rl overview examples/*_bench.json examples/cube_bench/cube_bench.json --readme README.md`
    was run since the last of them changed."""
    files = [*sorted(EXAMPLES.glob("*_bench.json")), EXAMPLES / "cube_bench/cube_bench.json"]
    block = overview.overview_markdown(overview.overview(*overview.read(files)))
    text = (EXAMPLES.parent / "README.md").read_text()
    assert replace_block(text, "overview", block) == text
