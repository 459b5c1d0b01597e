"""When the operator rests, and what a policy is not asked."""

from __future__ import annotations

import numpy as np

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.soak_problems import HostileProblem


def Nformal(problem, scheme="depthwise"):
    keywords = {"prd": problem.prd, "NmaxIter": 300, "quiet": True, "bound": False}
    return lw_rl.solve(problem.context(), scheme=scheme, **keywords).Nformal


def test_the_operator_rests_where_plain_steps_are_fast(monkeypatch):
    problem = HostileProblem(1, 1192)
    resting = Nformal(problem)
    plain = Nformal(problem, "mali")
    assert resting < plain
    monkeypatch.setattr("lw_rl.schemes.depthwise._ENOUGH", np.inf)
    assert Nformal(problem) > 2 * plain


class Zeros:
    def predict(self, observation, deterministic=True):
        return np.zeros(observation.shape[1]), None


def test_no_policy_is_asked_with_partial_redistribution():
    ctx = lw_rl.build_context(atoms.CaII_K(prd=True), atmospheres.load("FALC"))
    result = lw_rl.solve(ctx, Zeros(), prd=True, quiet=True)
    assert result.converged
    assert result.steps_by["depthwise"] <= 1
    assert "depthwise" not in {r.by for r in result.records[1:]}
