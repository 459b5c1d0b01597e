"""What is counted, what is an error, and what a suite's statistics say."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

import lw_rl
from lw_rl import problems
from lw_rl.benchmark import measure as benchmark
from lw_rl.benchmark import report, tables
from lw_rl.benchmark.measure import Peer
from lw_rl.benchmark.reference import reference, settle, true_error
from lw_rl.benchmark.solves import Result, Solve
from lw_rl.host.adapter import Adapter
from lw_rl.schemes import Anderson, Mali, Safeguarded, Step, make_scheme

PROBLEM = problems.shipped_problem("CaII_K", "FALC", 24)


def solve_of(errors, **kwargs):
    fields = {"stop": None, "stop_error": None, "seconds": None, **kwargs}
    return Solve("x", "", tuple(errors), **fields)


@pytest.fixture(scope="module")
def start():
    return PROBLEM.context()


@pytest.fixture(scope="module")
def n_ref(start):
    return reference(copy.deepcopy(start))[0]


@pytest.mark.parametrize(
    ("errors", "threshold", "count"),
    [
        ([1.0, 0.5, 0.05], 0.1, 3),
        ([0.05, 0.05], 0.1, 1),
        # Below, above again, below: only the last time counts.
        ([1.0, 0.05, 0.5, 0.05, 0.01], 0.1, 4),
        ([1.0, 0.05, 0.5], 0.1, None),
        ([1.0, np.nan, 0.01], 0.1, 3),
        ([1.0, 0.01, np.nan], 0.1, None),
        ([], 0.1, None),
    ],
)
def test_the_count_is_the_first_after_which_the_error_stays_below(errors, threshold, count):
    assert solve_of(errors).to(threshold) == count


def test_partial_redistribution_is_measured_against_its_own_equilibrium():
    problem = replace(PROBLEM, prd=True)
    entries = [Peer("mali", Mali()), Peer("depthwise", make_scheme("depthwise"))]
    result = benchmark.measure(problem, entries, repeats=0)
    mali, ours = result.solves
    assert not mali.failed and not ours.failed
    assert not mali.false_stop and not ours.false_stop
    assert ours.to(1e-3) < mali.to(1e-3)
    crd, _ = reference(PROBLEM.context())
    prd, _ = reference(problem.context(), prd=True)
    assert true_error(crd, prd) > 1e-2


def test_failed_and_falsely_stopped():
    assert solve_of([1.0, 0.1]).failed
    assert not solve_of([1.0, 1e-4]).failed
    early = solve_of([1.0, 0.1], stop=2, stop_error=0.1)
    assert early.false_stop and not early.failed, "it had no chance to go on"
    assert solve_of([1.0, 1e-4], stop=1, stop_error=1.0).false_stop
    assert not solve_of([1.0, 1e-4], stop=2, stop_error=1e-4).false_stop
    assert solve_of([np.nan], stop=1, stop_error=np.nan).false_stop


def test_the_reference_is_a_fixed_point_of_mali(start, n_ref):
    ctx = copy.deepcopy(start)
    n, change = reference(ctx)
    assert change < 1e-10
    assert true_error(n, n_ref) < 1e-12
    for _ in range(3):
        ctx.formal_sol_gamma_matrices()
        ctx.stat_equil()
    assert true_error([np.array(ctx.activeAtoms[0].n)], n_ref) < 1e-9


class Wild:
    """A scheme whose every step is off by orders of magnitude, at every other depth."""

    name, lambdaIterate, calls = "wild", False, 0

    def init(self, adapter):
        return None

    def step(self, evaluation, state):
        self.calls += 1
        y = evaluation.y_plain
        return Step(y + 40.0 * (np.arange(y.size) % 2), estimate=1.0, by="wild")


def test_every_formal_solution_is_counted_those_of_undone_steps_too(start, n_ref):
    scheme = Wild()
    solve = benchmark.solve(start, n_ref, Peer("wild", Safeguarded(scheme)), 0)
    assert scheme.calls > 0
    assert solve.rejected > 0
    assert solve.to(1e-6) is not None, "the safeguard brings it home"
    assert solve.seconds is None


def test_solving_leaves_the_start_alone_and_repeats_itself(start, n_ref):
    before = np.array(start.activeAtoms[0].n)
    one, two = (benchmark.solve(start, n_ref, Peer("a", Anderson()), 1) for _ in range(2))
    np.testing.assert_array_equal(start.activeAtoms[0].n, before)
    assert one.errors == two.errors
    assert one.seconds > 0.0


def test_mali_is_the_hosts_own_iteration(start, n_ref):
    ours = benchmark.solve(start, n_ref, Peer("mali", Mali()), 0)
    host = benchmark.solve(start, n_ref, Peer("lightweaver", None), 0)
    # The host's driver spends three formal solutions on the background first.
    np.testing.assert_allclose(host.errors[-1], ours.errors[host.stop - 4], rtol=0.05)
    assert host.stop == len(host.errors)
    assert host.false_stop, "a small change is not a small error"


def test_measure_has_one_solve_per_peer_and_the_best_ng(architecture, untrained):
    entries = benchmark.peers([untrained])
    seen = []
    result = benchmark.measure(PROBLEM, entries, repeats=0, watch=seen.append)
    assert len(seen) == 1 + len(entries)
    names = [s.peer for s in result.solves]
    assert names == [
        "lightweaver", "lambda", "mali", "ng", "anderson5", "anderson10", "nonlocal",
        "depthwise (u)",
    ]  # fmt: skip
    assert result["ng"].setting in {"2,3,5", "3,4,5", "3,5,10"}
    assert result["anderson10"].to(1e-3) < result["ng"].to(1e-3) < result["mali"].to(1e-3)
    with pytest.raises(KeyError):
        result["sor"]


@pytest.mark.parametrize(
    ("counts", "median", "p90", "worst"),
    [
        ([3], 3, 3, 3),
        ([4, 2, 3], 3, 4, 4),
        ([1, 2, 3, None], 2.5, None, None),
        ([1, None, None, None], None, None, None),
        ([1, 2, None, None], None, None, None),
        (list(range(1, 11)), 5.5, 9, 10),
    ],
)
def test_distribution(counts, median, p90, worst):
    found = report.distribution(counts)
    assert found.pop("p99") == worst  # of so few
    assert found == {"median": median, "p90": p90, "worst": worst}


def test_the_99th_percentile_leaves_one_in_a_hundred_out():
    assert report.distribution([1] * 99 + [50])["p99"] == 1
    assert report.distribution([1] * 98 + [50, 50])["p99"] == 50


def test_how_much_worse_than_anderson():
    def result(mine, theirs):
        solves = (solve_with("anderson10", theirs), solve_with("a", mine))
        return Result(PROBLEM, 82, 0.0, solves)

    def solve_with(peer, count):
        return Solve(peer, "", (1.0,) * (count - 1) + (1e-9,), None, None, None, 0, "")

    results = [result(5, 9), result(12, 9)]
    assert report.statistics(results)["a"]["most_over_anderson10"]["1e-3"] == 3
    assert report.statistics(results[:1])["a"]["most_over_anderson10"]["1e-3"] == -4


def results():
    mali = Solve("mali", "", (1.0, 0.01, 1e-7), 2, 0.01, 0.4)
    policy = Solve("depthwise", "", (1e-7,), 1, 1e-7, 0.1)
    anderson = Solve("anderson10", "", (1.0, 1e-7), 2, 1e-7, 0.2)
    return [Result(PROBLEM, 24, 1e-13, (mali, anderson, policy))]


def test_statistics_and_document_are_json_and_say_how_they_were_made():
    document = json.loads(
        json.dumps(report.document("lw-rl bench", {"fal": results()}), allow_nan=False)
    )
    assert document["command"] == "lw-rl bench"
    assert {"lw-rl", "lightweaver", "numpy"} <= set(document["versions"])
    assert document["entropy"] == problems.ENTROPY
    summary = document["suites"]["fal"]["statistics"]["mali"]
    assert summary["formal_solutions"]["1e-3"]["median"] == 3
    assert summary["false_stops"] == 1 and summary["failed"] == 0
    problem = document["suites"]["fal"]["problems"][0]
    assert problem["solves"]["mali"]["errors"] == [1.0, 0.01, 1e-7]
    assert problem["problem"]["atom"] == "CaII_K"


def test_break_even(untrained):
    assert report._break_even(100, results(), "depthwise") == 100
    assert report._break_even(101, results(), "mali") is None, "nothing is saved"
    assert report._break_even(None, results(), "depthwise") is None
    cost = report.policy_costs([untrained], {"fal": results()})
    assert cost["depthwise (u)"]["training_formal_solutions"] is None
    assert "does not say" in report.cost_lines(cost)[0]


def test_markdown_table():
    lines = tables.suite_markdown(results()).splitlines()
    assert len(lines) == 2 + 3
    assert len({line.count("|") for line in lines}) == 1
    assert "| mali | 2 / 2 / 2 | 3 / 3 / 3" in lines[2]


def test_depth_table_has_a_column_per_grid():
    table = tables.depth_table(results() + results())
    assert table.row_count == 3 and len(table.columns) == 3


@pytest.fixture(scope="module")
def two_solutions():
    """A problem whose equations have two solutions, and the one that wild steps lead to."""
    problem = problems.random_problem("test", 223)
    ctx = problem.context()
    other = copy.deepcopy(ctx)
    lw_rl.solve(other, scheme=Safeguarded(Anderson(), growth=1e6, allowance=20.0), quiet=True)
    return ctx, settle(other)[0]


def test_a_solve_that_leads_to_another_solution_is_measured_against_it(two_solutions):
    ctx, n_ref = two_solutions
    peer = Peer("nonlocal", make_scheme("nonlocal"), NmaxIter=60)
    measured = benchmark.solve(ctx, n_ref, peer, repeats=0)
    assert measured.elsewhere > 0.1
    assert not measured.failed and not measured.false_stop
    assert measured.to(1e-6) < 15
    assert benchmark.solve(ctx, n_ref, Peer("mali", Mali()), repeats=0).elsewhere is None


def test_another_solution_is_an_artefact_of_the_hosts_limiter(two_solutions):
    """Interpolated linearly, the source function has one solution, wherever MALI begins."""
    ctx, n_ref = two_solutions
    other = copy.deepcopy(ctx)
    lw_rl.solve(other, scheme="nonlocal", popsTol=1e-8, quiet=True)
    ends = []
    for n in (n_ref[0], Adapter(other).populations()[0]):
        linear = problems.random_problem("test", 223).context()
        linear.set_formal_solver("piecewise_linear_1d")
        linear.activeAtoms[0].n[...] = n
        ends.append(settle(linear)[0])
    assert true_error(Adapter(other).populations(), n_ref) > 0.1
    assert true_error(*ends) < 1e-8


def test_a_failed_solve_is_not_taken_for_another_solution(start, n_ref):
    stuck = benchmark.solve(start, n_ref, Peer("mali", Mali(), NmaxIter=5), repeats=0)
    assert stuck.failed and stuck.elsewhere is None
