"""What is counted, and what is an error, when schemes are measured on problems."""

from __future__ import annotations

import copy
from dataclasses import replace

import lightweaver as lw
import numpy as np
import pytest

import lw_rl
from lw_rl.benchmark import measure as benchmark
from lw_rl.benchmark.measure import Peer
from lw_rl.benchmark.peers import LADDER, NG_SETTINGS
from lw_rl.benchmark.reference import reference, settle, true_error
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.schemes import Anderson, Mali, Safeguarded, Step, make_scheme


def test_partial_redistribution_is_measured_against_its_own_equilibrium(problem, n_ref):
    redistributed = replace(problem, prd=True)
    entries = [Peer("mali", Mali()), Peer("depthwise", make_scheme("depthwise"))]
    result = benchmark.measure(redistributed, entries, repeats=0)
    mali, ours = result.solves
    assert not mali.failed and not ours.failed
    assert not mali.false_convergence and not ours.false_convergence
    assert ours.to(1e-3) < mali.to(1e-3)
    assert mali.swept == ours.swept > 0.9, "a two-level atom has hardly another wavelength"
    # Where ours has foreseen the profile, one is enough.
    for solve, made in ((mali, {3}), (ours, {1, 3})):
        subs = solve.sub_iterations
        assert len(subs) == len(solve.errors) and set(subs) == made
        cost = solve.stop + sum(subs[: solve.stop]) * solve.swept
        assert solve.stop_cost == pytest.approx(cost)
    prd, _ = reference(redistributed.context(), prd=True)
    assert true_error(n_ref, prd) > 1e-2


def test_the_hosts_sub_iterations_are_counted_and_its_initial_iterations_have_none(problem):
    redistributed = replace(problem, prd=True)
    n_ref, _ = reference(redistributed.context(), prd=True)
    entries = benchmark.peers((), ["lightweaver"])
    default, tight = (
        benchmark.solve(redistributed.context(), n_ref, p, 0, prd=True) for p in entries
    )
    assert default.sub_iterations[:3] == tight.sub_iterations[:3] == (0, 0, 0)
    assert set(tight.sub_iterations[3:]) == {3}
    # Where the profile is within the host's default tolerance, the sub-iterations end.
    assert {1, 2, 3} >= set(default.sub_iterations[3:]) > {3}
    assert default.stop_sub_iterations == sum(default.sub_iterations)
    assert tight.stop_error < 1e-3 < default.stop_error


class Wild:
    """A scheme whose every step is off by orders of magnitude, at every other depth."""

    name, lambdaIterate, calls = "wild", False, 0

    def init(self, adapter, history):
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
    assert ours.stop_cost == ours.stop and host.cost(1e-1) == host.to(1e-1)
    assert host.false_convergence, "a small change is not a small error"


def test_measure_has_one_solve_per_peer_and_the_best_ng(problem, architecture, untrained):
    entries = benchmark.peers([untrained])
    seen = []
    result = benchmark.measure(problem, entries, repeats=0, watch=seen.append)
    assert len(seen) == 1 + len(entries)
    names = [s.peer for s in result.solves]
    assert names == [
        "lightweaver", "lightweaver to 1e-3", "lambda", "mali", "ng", "anderson5", "anderson10",
        "nonlocal", "depthwise (u)",
    ]  # fmt: skip
    assert result["ng"].setting in {f"{order},{period}" for order, period in NG_SETTINGS}
    assert result["anderson10"].to(1e-3) < result["ng"].to(1e-3) < result["mali"].to(1e-3)


def test_the_host_gets_the_loosest_tolerance_that_is_as_accurate_as_the_others(start, n_ref):
    peer = Peer("lightweaver to 1e-3", None, tolerances=LADDER)
    measured = benchmark.solve(start, n_ref, peer, 0)
    assert measured.popsTol in LADDER and measured.setting == f"popsTol {measured.popsTol:g}"
    assert measured.stop_error < 1e-3 and not measured.failed
    looser = LADDER[LADDER.index(measured.popsTol) - 1]
    ctx = copy.deepcopy(start)
    assert lw.iterate_ctx_se(ctx, popsTol=looser, quiet=True) + 1 < measured.stop
    assert true_error([np.array(ctx.activeAtoms[0].n)], n_ref) > 1e-3


def test_a_host_that_no_tolerance_makes_accurate_has_failed(start, n_ref):
    peer = Peer("lightweaver to 1e-3", None, tolerances=(1e-2, 1e-3))
    measured = benchmark.solve(start, n_ref, peer, 1)
    assert measured.failed and measured.stop is None and measured.seconds is None


def test_a_solve_that_leads_to_another_solution_is_measured_against_it():
    ctx = HostileProblem(41, 219).context()
    host = copy.deepcopy(ctx)
    lw_rl.solve(host, scheme="mali", quiet=True, bound=False)
    n_ref = settle(host)[0]
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

    def init(self, adapter, history):
        return None

    def step(self, evaluation, state):
        raise ArithmeticError("no step")


@pytest.mark.parametrize("scheme", [Broken(), Safeguarded(Broken())])
def test_an_exception_is_recorded(start, n_ref, scheme):
    solve = benchmark.solve(copy.deepcopy(start), n_ref, Peer("broken", scheme), repeats=1)
    assert solve.failure == "ArithmeticError: no step"
    assert solve.failed and solve.stop is None and solve.seconds is None
