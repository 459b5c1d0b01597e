"""Training of a driver: what is exported decides as the model does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from lw_rl.envs.drive import Drive
from lw_rl.policies.drive import DIALS, NAMES
from lw_rl.problems import shipped_problem
from lw_rl.training.drive import train_driver


def test_a_short_run_gives_a_driver_of_its_range():
    env = Drive([shipped_problem("CaII_K", "FALC", 20)], coarse=1, dials=(), decisions=2)
    looked = []
    driver = train_driver(env, 40, 0, lambda d, step: looked.append(step), looks=2)
    assert looked == [20, 40]
    assert env.solves <= 2, "everything else is replayed"
    observation, _ = env.reset()
    assert np.all(driver.low <= observation) and np.all(observation <= driver.high)
    assert driver.low.shape == (len(NAMES),)
    assert driver.action(observation).shape == (len(DIALS),)
    again = train_driver(env, 40, 0, lambda d, step: None)
    np.testing.assert_array_equal(driver.action(observation), again.action(observation))
