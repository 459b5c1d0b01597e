"""Fine-tuning on columns."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")
pytest.importorskip("xarray")
pytest.importorskip("distributed")

from visited_columns import nine_columns

from lw_rl.cube.learn import COMMAND, save_actor
from lw_rl.cube.recorder import StateRecorder, pack
from lw_rl.cube.settings import CubeSettings
from lw_rl.errors import OutOfRangeError
from lw_rl.iterate import accelerate
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.policies import actor, make_policy
from lw_rl.policies.observation import CHANNELS, NCHANNELS
from lw_rl.schemes import Depthwise, Safeguarded
from lw_rl.training import finetune as module
from lw_rl.training.comparison import Cost
from lw_rl.training.finetune import add_states, finetune, split, states_buffer, unlimited, widened

#: At the default a column stops at the first formal solution, before a policy is asked.
TIGHT = CubeSettings(popsTol=1e-7)


def test_fine_tuning_compares_on_columns_that_it_did_not_see(monkeypatch):
    policy = make_policy("default")
    asked, trained = [], []
    costs, buffer = module.column_costs, module.states_buffer

    def watched(shop, columns, policy, solutions):
        asked.append([c.column["temperature"] for c in columns])
        return costs(shop, columns, policy, solutions)

    def made(columns, seed):
        trained.extend(c.column["temperature"] for c in columns)
        return buffer(columns, seed)

    monkeypatch.setattr(module, "column_costs", watched)
    monkeypatch.setattr(module, "states_buffer", made)
    tuned, verdict = finetune(nine_columns(), policy, TIGHT, updates=3, rounds=1)
    assert verdict.trained == 4 and verdict.held_out == 5
    # The policy before, and both candidates.
    assert len(asked) == 3 and {len(columns) for columns in asked} == {5}
    assert not any(np.array_equal(a, b) for a in asked[0] for b in trained)
    assert not (verdict.accepted and verdict.after >= verdict.before)
    assert tuned is not policy and tuned.gain == policy.gain
    # What learning takes is counted: at least both comparisons.
    assert verdict.formal_solutions > 5 * (verdict.before + verdict.after)
    # It may be used wherever it has learned.
    before, now = policy.card["observation_range"], tuned.card["observation_range"]
    assert np.all(np.less_equal(now["low"], before["low"]))
    assert np.all(np.greater_equal(now["high"], before["high"]))
    weights = tuned.network.weights
    assert any(not np.array_equal(weights[k], w) for k, w in policy.network.weights.items())


def test_half_of_the_columns_is_held_out():
    assert split("abcde") == (["b", "d"], ["a", "c", "e"])


def test_a_policy_may_be_used_wherever_it_has_learned():
    policy = make_policy("default")
    low, high = np.full(NCHANNELS, -0.1), np.full(NCHANNELS, 50.0)
    high[CHANNELS.index("estimate_size")] = -0.25
    card = widened(policy.card, low, high)
    assert card["asked_within"] == pytest.approx(0.1)
    assert widened({"asked_within": 0.2}, low, high) == {"asked_within": 0.2}
    high[CHANNELS.index("estimate_size")] = 50.0
    entry = widened(policy.card, low, high)["observation_range"]
    before = policy.card["observation_range"]
    assert entry["high"] == [50.0] * NCHANNELS and min(before["high"]) < 50.0
    assert entry["low"] == np.minimum(before["low"], -0.1).tolist()


def test_a_policy_that_learns_is_used_everywhere():
    policy = make_policy("default")
    far = np.full((NCHANNELS, 32), 1e3, np.float32)
    far[CHANNELS.index("estimate_size")] = 1.0
    with pytest.raises(OutOfRangeError):
        policy.predict(far)
    used = unlimited(policy)
    assert np.all(np.abs(used.predict(far)[0]) <= 1.0) and used.card.asked_within == np.inf


def test_a_policy_that_became_worse_is_refused(monkeypatch):
    def spoil(net, gain, buffer, updates):
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.normal_()
        return np.zeros(NCHANNELS), np.zeros(NCHANNELS)

    monkeypatch.setattr(module, "imitate", spoil)
    monkeypatch.setattr(module, "operator_estimate", lambda shop, columns: (None, 0))
    _, verdict = finetune(nine_columns(), make_policy("default"), TIGHT, rounds=1)
    assert verdict.after > verdict.before and not verdict.accepted


def test_weights_that_became_worse_do_not_stand_in_the_way_of_the_estimate(monkeypatch):
    entry = {"factor": 1.5, "low": [-1e3] * NCHANNELS, "high": [1e3] * NCHANNELS}
    costs = iter([5.0, 6.0, 4.0])
    monkeypatch.setattr(module, "operator_estimate", lambda shop, columns: (entry, 7))
    monkeypatch.setattr(module, "column_costs", lambda *args: Cost(np.full(20, next(costs)), 0, 0))
    policy = make_policy("default")
    tuned, verdict = finetune(nine_columns(), policy, CubeSettings(), updates=1)
    assert verdict.accepted and verdict.weights == "kept" and verdict.operator_factor == 1.5
    assert tuned.card["operator_estimate"] == entry
    assert tuned.network is policy.network


def test_a_version_that_stops_early_more_often_is_refused(monkeypatch):
    costs = iter([Cost(np.full(20, 5.0), 0, 0), Cost(np.full(20, 3.0), 0, 1)])
    monkeypatch.setattr(module, "column_costs", lambda *args: next(costs))
    monkeypatch.setattr(module, "operator_estimate", lambda shop, columns: (None, 0))
    _, verdict = finetune(nine_columns(), make_policy("default"), CubeSettings(), updates=1)
    assert (verdict.before, verdict.after) == (5.0, 3.0)
    assert (verdict.early_before, verdict.early_after) == (0, 1) and not verdict.accepted


def test_errors_are_by_one_operator_in_every_state(ctx, converged):
    """Also where a column did not begin in LTE, and was solved with another operator."""
    ctx.activeAtoms[0].n[:] = 0.5 * (ctx.activeAtoms[0].n + converged.activeAtoms[0].n)
    recorder = StateRecorder(ctx)
    proxy = accelerate(ctx, scheme=Safeguarded(Depthwise(None)), callback=recorder)
    for _ in range(4):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
    visited = recorder.visited({"z": np.linspace(1e6, 0.0, 4), "vz": np.zeros(4)})
    buffer = states_buffer([visited], seed=0)
    operator = TwoLevelOperator.first(visited.physics)
    for k in range(4):
        y, r, error, starts = buffer.visits["0"][k]
        np.testing.assert_array_equal((y, r), (visited.y[k], visited.r[k]))
        np.testing.assert_array_equal(error, operator.error(y, visited.lambda_residual[k]))
        assert starts == (k == 0)
    add_states(buffer, "0", visited)
    assert len(buffer.visits["0"]) == 8 and buffer.ready(1)
    batch = buffer.demonstrations(4)
    assert np.all(np.isfinite(batch.targets.numpy()))


def test_the_command_of_the_learner_writes_a_policy_and_a_verdict(tmp_path):
    assert COMMAND[-1] == module.__name__
    (tmp_path / "samples.npz").write_bytes(pack(nine_columns()[:4]))
    save_actor(make_policy("default"), tmp_path / "before.json")
    files = [str(tmp_path / name) for name in ("samples.npz", "before.json", "after.json")]
    settings = CubeSettings(mus=(1.0, 0.5))
    options = ["--settings", settings.to_json(), "--updates", "1", "--seed", "3"]
    done = CliRunner().invoke(module.main, [*files, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    verdict = json.loads((tmp_path / "after.verdict").read_text())
    assert verdict["trained"] == verdict["held_out"] == 2 and verdict["before"] > 0.0
    tuned = actor.load(tmp_path / "after.json")
    finetuned = tuned.card["finetuned"]
    assert finetuned["sha256"] == make_policy("default").card["sha256"]
    assert finetuned["accepted"] is verdict["accepted"]
