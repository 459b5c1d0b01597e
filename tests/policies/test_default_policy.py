"""The main job: the policy that ships, on Ca II K in FAL C, as a user meets it."""

from __future__ import annotations

import json
from importlib.resources import files

import lightweaver as lw
import numpy as np
import pytest

import lw_rl
from lw_rl.benchmark import measure as benchmark
from lw_rl.benchmark.reference import true_error
from lw_rl.policies import actor
from lw_rl.problems import shipped_problem
from lw_rl.schemes import Anderson, Depthwise, Mali, Safeguarded


@pytest.fixture(scope="module")
def result():
    entries = [
        benchmark.Peer("lightweaver", None),
        benchmark.Peer("mali", Mali()),
        benchmark.Peer("anderson10", Safeguarded(Anderson(window=10), fallbacks=())),
        benchmark.Peer("depthwise", Safeguarded(Depthwise(actor.load_shipped("default")))),
    ]
    return benchmark.measure(shipped_problem("CaII_K", "FALC"), entries, repeats=0)


def solve_of(result, name):
    return next(s for s in result.solves if s.peer == name)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
@pytest.mark.parametrize(("peer", "factor"), [("mali", 20), ("anderson10", 2)])
def test_a_fraction_of_the_formal_solutions_of_others(peer, factor, tolerance, result):
    ours, theirs = (solve_of(result, name).to(tolerance) for name in ("depthwise", peer))
    assert ours is not None and factor * ours <= theirs


def test_it_is_asked_where_the_operator_leaves_enough_to_do(make_ctx):
    policy = actor.load_shipped("default")
    assert policy.card.asked_after == 0.1
    ctx = make_ctx(atmosphere="FALA")
    solved = lw_rl.solve(ctx, popsTol=1e-6, quiet=True)
    assert set(solved.steps_by) == {"nonlocal"}, "the operator leaves less than a tenth"
    ctx = make_ctx(atmosphere="FALA")
    solved = lw_rl.solve(ctx, policy=policy.without_limits(), popsTol=1e-6, quiet=True)
    assert set(solved.steps_by) == {"depthwise"} and not solved.rejected


def test_its_own_stop_is_within_the_tolerance(result):
    ours = solve_of(result, "depthwise")
    assert ours.stop is not None and ours.stop_error < 1e-3
    # The host's own stop is not: that is why the estimate is reported in the place of the change.
    assert solve_of(result, "lightweaver").stop_error > 1e-3


def test_both_drivers_reach_the_same_populations(make_ctx, reference):
    """The host's begins in LTE, ours at the operator's own solution."""
    for popsTol in (1e-3, 1e-7):
        first, second = make_ctx(), make_ctx()
        lw_rl.iterate_ctx_rl(first, popsTol=popsTol, quiet=True)
        lw.iterate_ctx_se(
            lw_rl.accelerate(second), popsTol=popsTol, quiet=True, convergence=lw_rl.Certified
        )
        n, m = first.activeAtoms[0].n, second.activeAtoms[0].n
        assert max(true_error([n], [reference]), true_error([m], [reference])) < 1e-3
    assert np.max(np.abs(n / m - 1.0)) < 1e-6


@pytest.mark.parametrize("name", actor.known())
def test_the_card_says_how_the_policy_was_made(name):
    card = json.loads((files("lw_rl.policies") / f"{name}.json").read_text())
    assert card["command"].startswith("lw-rl train")
    assert card["arguments"]["seed"] == card["seed"]
    assert card["training_formal_solutions"] > card["environment_steps"] > 0
    assert card["training_wall_time_s"] > 0.0
    assert {"lightweaver", "numpy", "torch", "stable-baselines3"} <= set(card["versions"])
    assert card["validation"]["median_1e-03"] > 0.0


def test_solving_imports_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, lw_rl; ctx = lw_rl.build_context('CaII_K', 'FALC');"
        "lw_rl.iterate_ctx_rl(ctx, quiet=True);"
        "print({'torch', 'stable_baselines3'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "set()", printed.stderr


def test_a_policy_that_does_not_help_is_not_asked_again():
    ctx = lw_rl.build_context("CaII_K", "FALC")

    class Harmful:
        calls = 0

        def predict(self, observation, deterministic=True):
            self.calls += 1
            return np.full(observation.shape[1], -0.9), None

    policy = Harmful()
    result = lw_rl.solve(ctx, policy=policy, popsTol=1e-8, quiet=True, bound=False)
    assert result.converged
    # Once; what it did is seen at the next formal solution, and the operator does the rest.
    assert policy.calls == 1
    assert result.steps_by["depthwise"] == 1 and result.steps_by["nonlocal"] > 2
    assert result.estimate.method == "operator"
