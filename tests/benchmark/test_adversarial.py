"""Adversarial policies: each answers as its name says, and costs little more than MALI does."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from lw_rl.benchmark.adversarial import ADVERSARIAL
from lw_rl.benchmark.robustness import run
from lw_rl.policies import make_policy
from lw_rl.problems import shipped_problem


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_what_it_sees_makes_no_difference(name):
    policy = make_policy(ADVERSARIAL[name])
    if name == "raises":
        with pytest.raises(RuntimeError, match="a policy that raises"):
            policy.predict(np.zeros((3, 5)), deterministic=True)
        return
    one, _ = policy.predict(np.zeros((3, 5)), deterministic=True)
    two, _ = policy.predict(np.full((3, 5), np.nan), deterministic=True)
    np.testing.assert_array_equal(one, two)
    assert (one.shape == (5,)) == (name != "shape")


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_they_cost_no_more_than_mali(name):
    """... on the problem of the README."""
    solves, known = run(shipped_problem("CaII_K", "FALC", 40), (), adversarial=name)
    assert known
    mali, bad = solves
    assert bad.entry == f"adversarial {name}"
    assert bad.converged and bad.physical and not bad.message
    assert bad.error < 1e-3
    assert bad.Nformal <= 1.1 * mali.Nformal + 3
    assert not bad.over_budget


def test_they_reach_worker_processes_by_name():
    """What a soak sends are names: functions without one cannot be pickled."""
    assert pickle.loads(pickle.dumps(tuple(ADVERSARIAL))) == tuple(ADVERSARIAL)
