"""Baselines choose what a table says is cheapest."""

from __future__ import annotations

import numpy as np

from lw_rl.experiments.drive.learners import ARMS, Fixed, Random, bandit, fixed, tree
from lw_rl.policies.drive import NAMES


def case(number=60, seed=0):
    """Problems whose best arm depends on their kind and on their size."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((number, len(NAMES))).astype(np.float32)
    X[:, :5] = 0.0
    X[: number // 2, NAMES.index("many_levels")] = 1.0
    table = np.ones((number, len(ARMS)))
    large = X[:, NAMES.index("log_depths")] > 0.0
    table[: number // 2, 3] = 0.8
    table[number // 2 :, 5] = np.where(large[number // 2 :], 0.5, 1.2)
    return X, table


def cost(chooser, X, table):
    return np.mean([table[k, chooser.choose(x)] for k, x in enumerate(X)])


def test_the_first_arm_is_the_package():
    assert not any(a.any() for a in ARMS[0])
    assert Fixed().choose(np.zeros(len(NAMES))) == 0


def test_a_fixed_setting_is_the_best_of_every_kind():
    X, table = case()
    assert fixed(X, table).arms[1] == 3


def test_a_tree_and_a_bandit_learn_what_a_fixed_setting_cannot():
    X, table = case()
    base = cost(fixed(X, table), X, table)
    assert cost(tree(X, table), X, table) < base
    unseen = case(200, seed=1)
    assert cost(tree(X, table), *unseen) < cost(fixed(X, table), *unseen)
    assert cost(bandit(X, table, 3000, 0), *unseen) < cost(
        Random(np.random.default_rng(0)), *unseen
    )


def test_a_tree_of_nothing_to_choose_is_a_leaf():
    X, table = case()
    assert tree(X, np.ones_like(table)).below is None
