"""What the coupled operator leaves of every line, as an environment and as demonstrations."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.errors import ContextError
from lw_rl.experiments import lines
from lw_rl.policies import actor
from lw_rl.policies.observation import NCHANNELS, points_to_action, size_of
from lw_rl.problems import STREAMS, shipped_problem, suite
from lw_rl.training import residue
from lw_rl.training.arguments import Args
from lw_rl.training.residue import LineVec, ResidueBuffer, train_residue

CALCIUM = replace(shipped_problem("CaII", "FALC", 32), Nrays=2)
MAGNESIUM = replace(shipped_problem("MgII", "FALC", 32), Nrays=2)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LW_RL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def env():
    return LineVec([CALCIUM], 32, horizon=3, seed=0)


def silence(env):
    return np.zeros((env.num_envs, *env.action_space.shape), np.float32)


def test_every_line_is_an_environment(env):
    observation = env.reset()
    assert observation.shape == (CALCIUM.lines, NCHANNELS, 32)
    after, rewards, dones, infos = env.step(silence(env))
    assert after.shape == observation.shape and rewards.shape == (CALCIUM.lines,)
    assert not dones.any() and len(infos) == CALCIUM.lines
    assert all(i["reward_map"].shape == (32,) for i in infos)
    assert rewards == pytest.approx([i["reward_map"].mean() for i in infos])
    # The operator alone makes the error of the lines smaller.
    assert rewards.mean() > 0.0


def test_an_episode_ends_and_the_next_begins_in_lte(env):
    first = env.reset()
    for k in range(3):
        last, _, dones, infos = env.step(silence(env))
        assert dones.all() == dones.any() == (k == 2)
        assert {i["TimeLimit.truncated"] for i in infos} == {k == 2}
    assert np.array_equal(last, first)
    assert not np.array_equal(infos[0]["terminal_observation"], first[0])
    assert env.Nformal > 4


def test_lines_that_a_problem_has_not_are_nobody_s():
    env = LineVec([CALCIUM, MAGNESIUM], 32, horizon=2, seed=0)
    assert env.num_envs == MAGNESIUM.lines
    seen = []
    for _ in range(2):
        observation, N = env.reset(), env._present.Nline
        _, _, _, infos = env.step(silence(env))
        assert observation[:N].any() and not observation[N:].any()
        assert not any(i["reward_map"].any() for i in infos[N:])
        seen.append(N)
    # Both problems came, each once.
    assert sorted(seen) == [CALCIUM.lines, MAGNESIUM.lines]


@pytest.mark.parametrize("steps", [0, 1])
def test_a_demonstration_is_what_the_solution_leaves(env, steps):
    env.reset()
    for _ in range(steps):
        env.step(silence(env))
    seen_by = env._observe()[[env._present._places[k] for k in env._present._look.seen]]
    np.testing.assert_array_equal([pair[0] for pair in env.demonstrations()], seen_by)
    pairs, lines = env.demonstrations(), env._present.solved()
    assert len(pairs) == len(lines) > 1
    for (observation, left, error), (seen, there, _) in zip(pairs, lines, strict=True):
        assert observation.shape == (NCHANNELS, 32)
        size = size_of(seen.estimate)
        # As many points as depths.
        assert error * size == pytest.approx(there - seen.line.y, abs=1e-5 * size)
        assert (error - left) * size == pytest.approx(seen.estimate, abs=1e-5 * size)


def test_who_does_what_demonstrations_say_is_nearer_the_solution(env):
    def second(knows):
        """Return the error after the operator's step from LTE and another."""
        env.reset()
        env.step(silence(env))
        action, agents = silence(env), env._present
        if knows:
            left = [left for _, left, _ in env.demonstrations()]
            for k, (seen, *_), what in zip(agents._look.seen, agents.solved(), left, strict=True):
                size = size_of(seen.estimate)
                action[agents._places[k]] = points_to_action(what * size, size)
        env.step(action)
        return agents.error

    assert second(knows=True) < 0.6 * second(knows=False) < 0.1


def test_a_solution_that_was_not_asked_for_is_not_told(env):
    env.reset()
    known = env._present.solution
    env._present.solution = None
    with pytest.raises(ContextError, match="not asked for"):
        env.demonstrations()
    env._present.solution = known


def test_the_buffer_draws_lines_that_there_are(monkeypatch):
    env = LineVec([CALCIUM, MAGNESIUM], 32, horizon=2, seed=0)
    buffer = ResidueBuffer(
        200, env.observation_space, env.action_space, "cpu", env.num_envs, seed=0
    )
    assert not buffer.ready(1)
    observation = env.reset()
    for _ in range(6):
        after, rewards, dones, infos = env.step(silence(env))
        buffer.add(observation, after, silence(env), rewards, dones, infos)
        observation = after
    sample = buffer.sample(64)
    assert sample.observations[:, :, 0].any(dim=1).all()
    assert sample.rewards.shape == (64, 32)
    assert buffer.ready(4) and not buffer.ready(1000)
    batch = buffer.demonstrations(8)
    assert batch.observations.shape == (8, NCHANNELS, 32) and batch.targets.shape == (8, 32)
    # No more than that are kept.
    number = len(buffer._pairs[32])
    monkeypatch.setattr(residue, "_KEPT", number)
    buffer.visit({"demonstrations": env.demonstrations()})
    assert len(buffer._pairs[32]) == number


def test_problems_of_training_are_those_of_no_benchmark():
    assert STREAMS["atoms"].levels
    trained = {residue.training_problem(k).name for k in range(80)}
    tested = {p.name for p in (*suite("atoms-random"), *lines.problems(16))}
    assert len(trained) == 80 and not trained & tested


@pytest.mark.slow
def test_a_run_leaves_both_policies(tmp_path, monkeypatch):
    monkeypatch.setattr(residue, "training_problem", lambda k: CALCIUM)
    args = Args(
        str(tmp_path), seed=3, problems=1, steps=20, envs=1, points=32, horizon=3, width=8,
        levels=2, imitation_batch=8, batch=8, return_every=1,
    )  # fmt: skip
    targets, exported = [], residue.export

    def export(path, model, card):
        targets.append([v.clone() for v in model.critic_target.parameters()])
        return exported(path, model, card)

    monkeypatch.setattr(residue, "export", export)
    assert train_residue(args, quiet=True) == tmp_path
    imitating, acting = (actor.load(tmp_path / f"{name}.json") for name in residue.POLICIES)
    assert imitating.card["environment_steps"] == 12 and acting.card["environment_steps"] == 20
    assert 0 < imitating.card["gradient_steps"] < acting.card["gradient_steps"]
    # Critics learn in the second part.
    assert not all(torch.equal(*pair) for pair in zip(*targets, strict=True))
    weights = [p.network.weights["head.weight"] for p in (imitating, acting)]
    assert not np.array_equal(*weights)
    json.dumps(dict(acting.card))
