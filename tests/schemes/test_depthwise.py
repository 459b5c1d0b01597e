"""When the operator rests, and what a policy is not asked."""

from __future__ import annotations

import numpy as np

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.benchmark.robustness_problems import HostileProblem


def Nformal(problem, scheme="depthwise"):
    keywords = {"prd": problem.prd, "NmaxIter": 300, "quiet": True, "bound": False}
    return lw_rl.solve(problem.context(), scheme=scheme, **keywords).Nformal


def test_the_operator_rests_where_plain_steps_are_fast(monkeypatch):
    problem = HostileProblem(1, 1197)
    resting = Nformal(problem)
    assert resting < Nformal(problem, "mali")
    monkeypatch.setattr("lw_rl.schemes.depthwise._ENOUGH", np.inf)
    assert Nformal(problem) > 3 * resting


def test_the_operator_is_made_anew_where_the_solve_has_moved_away(monkeypatch):
    problem = HostileProblem(1, 230)
    anew = Nformal(problem)
    monkeypatch.setattr("lw_rl.schemes.depthwise._FAR", np.inf)
    monkeypatch.setattr("lw_rl.schemes.depthwise._OFF", np.inf)
    assert Nformal(problem) > 2 * anew


class Zeros:
    def predict(self, observation, deterministic=True):
        return np.zeros(observation.shape[1]), None


def test_no_policy_is_asked_with_partial_redistribution():
    ctx = lw_rl.build_context(atoms.CaII_K(prd=True), atmospheres.load("FALC"))
    result = lw_rl.solve(ctx, Zeros(), prd=True, quiet=True)
    assert result.converged
    assert "depthwise" not in result.steps_by
