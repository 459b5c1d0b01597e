"""What was met is read back as it was, and is not solved again."""

from __future__ import annotations

import numpy as np

from lw_rl.envs.drive import Drive
from lw_rl.experiments.drive.learners import ARMS
from lw_rl.experiments.drive.recording import end_of, load, save
from lw_rl.problems import shipped_problem


def env():
    return Drive([shipped_problem("CaII_K", "FALC", 20)], coarse=2, decisions=2)


def test_a_study_goes_on_where_it_was(tmp_path):
    first, second = env(), env()
    node = end_of(first, 0, ARMS[0])
    save(tmp_path / "r.json", first)
    load(tmp_path / "r.json", second)
    load(tmp_path / "none.json", second)
    again = end_of(second, 0, ARMS[0])
    assert (again.cost, again.Nformal, again.ended) == (node.cost, node.Nformal, node.ended)
    assert second.solves == 1
    assert first.kinds == second.kinds
    for key, one in first.memory.items():
        two = second.memory[key]
        np.testing.assert_array_equal(
            np.asarray(one.observation, dtype=float), np.asarray(two.observation, dtype=float)
        )
