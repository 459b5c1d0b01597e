"""The environment of decisions: the checkers, determinism, replay, and what is rewarded."""

from __future__ import annotations

import threading
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lw_rl
from lw_rl.envs.drive import FALSE_STOP, Drive, constant
from lw_rl.policies.drive import DIALS, FIXED
from lw_rl.problems import shipped_problem
from lw_rl.schemes import Depthwise

LINE = shipped_problem("CaII_K", "FALC", 41)
NEUTRAL = np.zeros(len(DIALS), dtype=np.float32)


def test_gymnasium_checker():
    env = gym.make("lw_rl/Drive-v0", problems=[LINE])
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_stable_baselines_checker():
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = Drive([LINE])
        checker.check_env(env)
        env.close()


def test_the_neutral_action_is_the_packages_solve():
    env = Drive([LINE])
    node = constant(env, 0, NEUTRAL)
    result = lw_rl.solve(LINE.context(), scheme=Depthwise(None), quiet=True, bound=False)
    assert node.Nformal == result.Nformal
    assert node.ended == "converged" and node.error < 1e-3
    assert env.decision(NEUTRAL) == FIXED
    assert not env.is_false(node)


def test_what_is_remembered_is_not_the_callers_and_an_ended_episode_says_so():
    env = Drive([LINE])
    first, _ = env.reset()
    kept = first.copy()
    first[:] = np.nan
    np.testing.assert_array_equal(env.reset()[0], kept)
    done = False
    while not done:
        *_, done, _, _ = env.step(NEUTRAL)
    with pytest.raises(gym.error.ResetNeeded, match=r"CaII_K FALC 41 has ended after \d+ dec"):
        env.step(NEUTRAL)
    env.close()


def test_rewards_add_up_to_the_cost_and_are_replayed():
    env = Drive([LINE], coarse=2)
    actions = [np.array([-0.6, 0.4, 0, 0, 0, 0, 0]), *[NEUTRAL] * 20]
    rounds = []
    for _ in range(2):
        observation, info = env.reset(options={"problem": 0})
        total, seen, first = 0.0, [observation], info["cost"]
        for action in actions:
            observation, reward, done, _, info = env.step(action)
            total += reward
            seen.append(observation)
            if done:
                break
        assert done and total == pytest.approx(-0.1 * (info["cost"] - first))
        rounds.append((total, np.array(seen)))
    assert env.solves == 1, "the second episode is replayed"
    assert rounds[0][0] == rounds[1][0]
    np.testing.assert_array_equal(rounds[0][1], rounds[1][1])
    # A prefix that is known is run again where an episode leaves it.
    env.reset(options={"problem": 0})
    env.step(actions[0])
    env.step(np.array([0, 0, 0, 0, 0, 1.0, 0]))
    assert env.solves == 2
    env.close()


def test_a_false_stop_is_penalised_and_only_where_it_is_allowed():
    stop = np.array([0, 0, 0, 0, 0, 0, -1.0])
    env = Drive([LINE], stops=True, tolerance=1e-6)
    env.reset()
    env.step(NEUTRAL)
    env.step(np.array([0, 0, 0, 0, 0, 1.0, 0]))
    _, reward, done, _, info = env.step(stop)
    assert done and info["error"] > 1e-8
    assert reward == (FALSE_STOP if info["error"] > 1e-6 else 0.0)
    ruled = Drive([LINE])
    ruled.reset()
    ruled.step(NEUTRAL)
    assert not ruled.decision(np.array([0, 0, 0, 0, 0, 0, -1.0])).stop
    ruled.close()


def test_the_last_decision_holds():
    env = Drive([LINE], decisions=2)
    env.reset()
    _, _, done, _, _ = env.step(NEUTRAL)
    assert not done
    *_, done, _, info = env.step(NEUTRAL)
    assert done and info["Nformal"] == constant(Drive([LINE]), 0, NEUTRAL).Nformal


def test_no_thread_is_left():
    before = threading.active_count()
    env = Drive([LINE])
    for _ in range(3):
        env.reset()
        env.step(NEUTRAL)
    env.close()
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    "wrong",
    [
        {"problems": []},
        {"tolerance": 0.0},
        {"coarse": -1},
        {"dials": ("speed",)},
        {"decisions": -1},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[0]):
        Drive(**{"problems": [LINE], **wrong})
