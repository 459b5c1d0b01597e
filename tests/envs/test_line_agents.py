"""Episodes on atoms with many levels."""

from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lw_rl
from lw_rl.certificate.history import History
from lw_rl.envs import line_agents
from lw_rl.envs.line_agents import LineAgents
from lw_rl.envs.reward import REWARD_CLIP
from lw_rl.envs.stat_equil import StatEquil
from lw_rl.errors import ContextError, PolicyOutputError
from lw_rl.host.adapter import Adapter
from lw_rl.policies import make_policy
from lw_rl.policies.observation import CHANNELS, NCHANNELS
from lw_rl.problems import RandomModel, plane_problem, random_problem, shipped_problem
from lw_rl.schemes.lines import LineByLine, lines_of

CALCIUM = replace(shipped_problem("CaII", "FALC", 32), Nrays=2)
OTHER = replace(CALCIUM, name="other", atmosphere=RandomModel((5, 3, 1), Nspace=40))


def silence(env):
    return np.zeros(env.action_space.shape, np.float32)


@pytest.fixture(scope="module")
def env():
    return StatEquil([CALCIUM], 32, reward="residual", tolerance=1e-4)


def test_gymnasium_checker():
    made = gym.make("lw_rl/StatEquil-v0", problems=[CALCIUM, OTHER], Npoints=32, reward="residual")
    check_env(made.unwrapped, skip_render_check=True)


def test_stable_baselines3_checker():
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(StatEquil([CALCIUM, OTHER], 32, reward="residual"), warn=False)


def test_there_is_one_agent_for_each_line_and_depth(env):
    observation, info = env.reset(seed=0)
    assert CALCIUM.lines == 5
    assert observation.shape == (NCHANNELS, 32, 5) == env.observation_space.shape
    assert env.action_space.shape == (32, 5) and info == {"problem": CALCIUM.name}


def test_silence_is_the_operator_s_own_solve(env):
    env.reset(seed=0)
    ends, rewards, infos = False, [], []
    while not ends:
        observation, reward, ends, _, info = env.step(silence(env))
        rewards.append(reward)
        infos.append(info)
        assert np.all(np.isfinite(observation)) and len(rewards) < 12
    assert rewards[0] > 0.0 and sum(rewards) > 0.0 and infos[0]["reward_map"].shape == (32, 5)
    ctx = CALCIUM.context()
    lw_rl.solve(ctx, scheme="nonlocal", popsTol=1e-6, quiet=True)
    mine = np.array(env._agents[0].adapter.ctx.activeAtoms[0].n)
    np.testing.assert_allclose(mine, np.array(ctx.activeAtoms[0].n), rtol=1e-3)


def test_the_reward_by_the_true_error_knows_the_solution():
    env = StatEquil([CALCIUM], 32)
    env.reset(seed=0)
    before = env._agents[0].error
    _, reward, *_, info = env.step(silence(env))
    assert reward > 0.0 and info["error"] < before


def test_agents_see_what_the_scheme_shows_a_policy(env):
    observation, _ = env.reset(seed=0)
    adapter = Adapter(CALCIUM.context())
    state = lines_of(adapter, History())
    look = LineByLine(None).look(adapter.evaluate(), state)
    for place, k in enumerate(state.lines.lines):
        size = observation[CHANNELS.index("estimate_size"), 0, place]
        assert (size != 0.0) == (k in look.seen)
        if k in look.seen:
            expected = np.log10(np.abs(look.seen[k].estimate).max()) / 4.0
            assert size == pytest.approx(expected, rel=1e-5)


def test_a_policy_answers_for_every_line_by_itself(env):
    policy = make_policy("default").without_limits()
    observation, _ = env.reset(seed=0)
    together, _ = policy.predict(observation)
    assert together.shape == (32, 5)
    for k in range(5):
        alone, _ = policy.predict(np.ascontiguousarray(observation[..., k]))
        np.testing.assert_allclose(together[:, k], alone, atol=1e-5)


def test_an_episode_of_shouts_ends_or_goes_on_with_positive_populations(env):
    env.reset(seed=0)
    for _ in range(6):
        action = env.np_random.choice([-1.0, 1.0], size=(32, 5)).astype(np.float32)
        observation, reward, ends, *_ = env.step(action)
        n = np.array(env._agents[0].adapter.ctx.activeAtoms[0].n)
        assert np.all(n > 0.0) and np.all(np.isfinite(observation)) and reward >= -REWARD_CLIP
        if ends:
            break


def test_a_state_without_a_residual_is_left(env, monkeypatch):
    env.reset(seed=0)
    agents = env._agents[0]
    before = agents._evaluation
    evaluate = agents.adapter.evaluate
    monkeypatch.setattr(
        agents.adapter, "evaluate", lambda y=None: replace(evaluate(y), valid=False)
    )
    _, reward, ends, *_ = env.step(silence(env))
    assert ends and reward == -REWARD_CLIP and agents._evaluation is before


def test_where_the_operator_gives_up_an_agent_may_go_on(monkeypatch):
    agents = LineAgents(CALCIUM, 32, solved=False)
    look, tried = LineByLine.look, []

    def gives_up(scheme, evaluation, state):
        tried.append(1)
        if len(tried) == 1:
            raise PolicyOutputError("in vain")
        return look(scheme, evaluation, state)

    monkeypatch.setattr(line_agents.LineByLine, "look", gives_up)
    _, valid = agents.step(np.zeros((32, 5)))
    assert valid and len(tried) == 2


@pytest.mark.parametrize(
    "problem", [replace(CALCIUM, prd=True), plane_problem("CaII", Nz=12)], ids=["prd", "plane"]
)
def test_other_problems_are_refused(problem):
    with pytest.raises(ContextError, match="two dimensions or in partial redistribution"):
        LineAgents(problem, 32, solved=False)


def test_the_number_of_lines_is_one_and_the_start_is_lte():
    with pytest.raises(ValueError, match="0, 5 lines"):
        StatEquil([CALCIUM, random_problem("train", 0)], 32)
    with pytest.raises(ValueError, match="begin in LTE, not 'mixed'"):
        StatEquil([CALCIUM], 32, start="mixed")


def test_hindsight_pairs_are_of_one_line_alone(env):
    env.reset(seed=0)
    with pytest.raises(ContextError, match="hindsight pairs are of one line alone"):
        _ = env.physics


@pytest.mark.parametrize("what", ["look", "lead"])
def test_equations_without_a_solution_end_the_episode(env, monkeypatch, what):
    env.reset(seed=0)
    before = env._agents[0]._evaluation

    def singular(*args):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(line_agents.LineByLine, what, singular)
    observation, reward, ends, *_ = env.step(silence(env))
    assert ends and reward == -REWARD_CLIP and np.all(np.isfinite(observation))
    assert env._agents[0]._evaluation is before
