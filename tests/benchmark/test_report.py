"""What a suite's statistics say, what training costs, and the document that holds it all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lw_rl import problems
from lw_rl.benchmark import report
from lw_rl.benchmark.solves import PeerSolve, ProblemResult
from lw_rl.policies.actor import Actor


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


@pytest.mark.parametrize(("threshold", "label"), [(1e-1, "1e-1"), (1e-3, "1e-3"), (1e-6, "1e-6")])
def test_label(threshold, label):
    assert report.label(threshold) == label


def test_how_much_worse_than_anderson(problem):
    def solve_with(peer, count):
        return PeerSolve(peer, "", (1.0,) * (count - 1) + (1e-9,), None, None, None, 0, "")

    def result(mine, theirs):
        solves = (solve_with("anderson10", theirs), solve_with("a", mine))
        return ProblemResult(problem, 82, 0.0, solves)

    def most(results, name="a"):
        return report.statistics(results)[name]["most_over_anderson10"]["1e-3"]

    both = [result(5, 9), result(12, 9)]
    assert most(both) == 3
    assert most(both[:1]) == -4
    assert most(both, "anderson10") is None


def test_statistics(results):
    found = report.statistics(results)
    assert list(found) == report.peer_names(results) == ["mali", "anderson10", "depthwise (u)"]
    mali, ours = found["mali"], found["depthwise (u)"]
    assert mali["problems"] == 1 and mali["failed"] == 0
    assert mali["formal_solutions"]["1e-3"]["median"] == 3
    assert mali["seconds"] == {"median": 0.4, "p90": 0.4, "p99": 0.4, "worst": 0.4}
    assert mali["stop"] == {"median": 2, "p90": 2, "p99": 2, "worst": 2}
    assert mali["with_sub_iterations"] is None
    assert (mali["false_convergence"], mali["other_fixed_point"]) == (1, 0)
    assert (ours["false_convergence"], ours["other_fixed_point"]) == (0, 1)


def test_what_never_stops_takes_for_ever(results, problem):
    endless = replace(results[0]["mali"], stop=None, stop_error=None, seconds=None)
    both = [*results, ProblemResult(problem, 24, 1e-13, (endless,))]
    found = report.statistics(both)["mali"]
    assert found["seconds"]["median"] is None and found["stop"]["worst"] is None
    untimed = [ProblemResult(problem, 24, 1e-13, (endless,))]
    assert report.statistics(untimed)["mali"]["seconds"] is None


def test_sub_iterations_are_in_statistics_and_document(redistributed):
    found = report.statistics(redistributed)
    assert found["mali"]["with_sub_iterations"]["median"] == 2 + 0.5 * 6
    solves = report.result_as_dict(redistributed[0])["solves"]
    assert solves["mali"]["with_sub_iterations"] == {
        "1e-1": 5.0, "1e-2": 7.5, "1e-3": 7.5, "1e-4": 7.5, "1e-6": 7.5, "stop": 5.0,
    }  # fmt: skip
    assert solves["mali"]["swept"] == 0.5


def test_the_document_is_json_and_says_how_it_was_made(results):
    document = json.loads(
        json.dumps(report.document("lw-rl bench", {"fal": results}, extra=3), allow_nan=False)
    )
    assert document["format"] == report.FORMAT == 3
    assert document["command"] == "lw-rl bench" and document["extra"] == 3
    assert {"lw-rl", "lightweaver", "numpy"} <= set(document["versions"])
    assert document["entropy"] == problems.ENTROPY
    suite = document["suites"]["fal"]
    assert suite["statistics"] == report.statistics(results)
    problem = suite["problems"][0]
    assert problem["problem"]["atom"] == "CaII_K" and problem["problem"]["Nspace"] == 24
    assert problem["solves"]["mali"]["errors"] == [1.0, 0.01, 1e-7]
    assert problem["solves"]["mali"]["false_convergence"] is True
    assert problem["solves"]["depthwise (u)"]["other_fixed_point"] == 0.2


@pytest.fixture
def with_cost(untrained):
    """Return the policy with a card that says what its training cost."""

    def make(spent):
        card = {"name": "u", "training_formal_solutions": spent}
        return Actor(untrained.network, untrained.gain, card)

    return make


@pytest.mark.parametrize(("spent", "after"), [(100, 100), (0.5, 1)])
def test_training_is_earned_back_by_what_is_saved(with_cost, results, spent, after):
    cost = report.policy_costs([with_cost(spent)], {"fal": results})
    assert cost["depthwise (u)"]["break_even_solves"] == {"fal": after}
    assert f"on fal: after {after} solves" in report.cost_lines(cost)[1]


def test_training_that_saves_nothing_is_never_earned_back(with_cost, results, problem):
    solves = (results[0]["anderson10"], PeerSolve("depthwise (u)", "", (1.0, 1e-7), 2, 1e-7, 0.2))
    slow = [ProblemResult(problem, 24, 1e-13, solves)]
    cost = report.policy_costs([with_cost(100)], {"fal": slow})
    assert cost["depthwise (u)"]["break_even_solves"] == {"fal": None}
    assert report.cost_lines(cost)[1].endswith("on fal: never")


def test_a_card_that_does_not_say_what_training_cost(untrained, results):
    cost = report.policy_costs([untrained], {"fal": results})
    assert cost["depthwise (u)"]["training_formal_solutions"] is None
    assert cost["depthwise (u)"]["break_even_solves"] == {"fal": None}
    assert "does not say" in report.cost_lines(cost)[0]
