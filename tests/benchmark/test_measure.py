"""What is counted, and what is an error, when schemes are measured on problems."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lw_rl.benchmark import measure as benchmark
from lw_rl.benchmark.measure import Peer
from lw_rl.benchmark.reference import reference, true_error
from lw_rl.schemes import Anderson, Mali, Safeguarded, Step, make_scheme


def test_partial_redistribution_is_measured_against_its_own_equilibrium(problem, n_ref):
    redistributed = replace(problem, prd=True)
    entries = [Peer("mali", Mali()), Peer("depthwise", make_scheme("depthwise"))]
    result = benchmark.measure(redistributed, entries, repeats=0)
    mali, ours = result.solves
    assert not mali.failed and not ours.failed
    assert not mali.false_convergence and not ours.false_convergence
    assert ours.to(1e-3) < mali.to(1e-3)
    prd, _ = reference(redistributed.context(), prd=True)
    assert true_error(n_ref, prd) > 1e-2


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
    assert solve.to(1e-6) is not None, "the safeguard leads it to the solution"
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
    assert host.false_convergence, "a small change is not a small error"


def test_measure_has_one_solve_per_peer_and_the_best_ng(problem, architecture, untrained):
    entries = benchmark.peers([untrained])
    seen = []
    result = benchmark.measure(problem, entries, repeats=0, watch=seen.append)
    assert len(seen) == 1 + len(entries)
    names = [s.peer for s in result.solves]
    assert names == [
        "lightweaver", "lambda", "mali", "ng", "anderson5", "anderson10", "nonlocal",
        "depthwise (u)",
    ]  # fmt: skip
    assert result["ng"].setting in {"2,3,5", "3,4,5", "3,5,10"}
    assert result["anderson10"].to(1e-3) < result["ng"].to(1e-3) < result["mali"].to(1e-3)


def test_the_name_of_a_policy_is_its_files_its_cards_or_its_classes(tmp_path, untrained):
    assert benchmark.depthwise_name("default") == "depthwise"
    assert benchmark.depthwise_name("runs/mine.json") == "depthwise (mine)"
    assert benchmark.depthwise_name(tmp_path / "yours.safetensors") == "depthwise (yours)"
    assert benchmark.depthwise_name(untrained) == "depthwise (u)"
    assert benchmark.depthwise_name(SimpleNamespace(predict=None)) == "depthwise (SimpleNamespace)"


def test_the_fastest_run_counts_and_every_run_has_a_context_of_its_own(start):
    contexts = []
    assert 0.0 < benchmark.fastest(contexts.append, start, 3) < 1.0
    assert len({id(c) for c in [*contexts, start]}) == 4


def test_a_solve_that_leads_to_another_solution_is_measured_against_it(two_solutions):
    ctx, n_ref = two_solutions
    peer = Peer("nonlocal", make_scheme("nonlocal"), NmaxIter=60)
    measured = benchmark.solve(ctx, n_ref, peer, repeats=0)
    assert measured.other_fixed_point > 0.1
    assert not measured.failed and not measured.false_convergence
    assert measured.to(1e-6) < 15
    mali = benchmark.solve(ctx, n_ref, Peer("mali", Mali()), repeats=0)
    assert mali.other_fixed_point is None


def test_a_failed_solve_is_not_taken_for_another_solution(start, n_ref):
    stuck = benchmark.solve(start, n_ref, Peer("mali", Mali(), NmaxIter=5), repeats=0)
    assert stuck.failed and stuck.other_fixed_point is None


class Broken:
    """A scheme that raises."""

    name, lambdaIterate = "broken", False

    def init(self, adapter):
        return None

    def step(self, evaluation, state):
        raise ArithmeticError("no step")


@pytest.mark.parametrize("scheme", [Broken(), Safeguarded(Broken())])
def test_an_exception_is_recorded(start, n_ref, scheme):
    solve = benchmark.solve(copy.deepcopy(start), n_ref, Peer("broken", scheme), repeats=1)
    assert solve.failure == "ArithmeticError: no step"
    assert solve.failed and solve.stop is None and solve.seconds is None
