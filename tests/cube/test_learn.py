"""Learning as it goes: samples, versions, and the fine-tuning itself."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from conftest import random_weights
from cube_helpers import small_cube
from distributed import Client, LocalCluster

import lw_rl.cube
from lw_rl.benchmark.calibration import Stops
from lw_rl.certificate.certificate import DEFAULT_FACTOR
from lw_rl.cube import learn
from lw_rl.cube.column import Workshop
from lw_rl.cube.learn import pack, save_actor, unpack
from lw_rl.cube.recorder import Visited
from lw_rl.cube.sample import Reservoir
from lw_rl.cube.settings import Settings
from lw_rl.cube.source import Source, Window
from lw_rl.errors import OutOfRangeError
from lw_rl.experiments.cubes.parts import learning_curve, shocked_cube
from lw_rl.host.state import LinePhysics
from lw_rl.policies import actor as actors
from lw_rl.policies.actor import Actor
from lw_rl.policies.network import Network
from lw_rl.policies.observation import CHANNELS, NCHANNELS, make_frame
from lw_rl.schemes import make_policy
from lw_rl.training.comparison import Cost, better
from lw_rl.training.finetune import finetune, operator_estimate, widened
from lw_rl.training.networks import load_weights


@pytest.fixture(scope="module")
def visited():
    """Nine columns with the states visited on them."""
    columns = Source(small_cube(3, 3)).read(Window(0, 0, 3, 0, 3))
    shop, policy = Workshop(Settings()), make_policy("default")
    return [shop.solve(columns.column(k), policy, record=True).visited for k in range(9)]


# ---- samples ------------------------------------------------------------------------------------


def test_a_sample_is_uniform_and_bounded():
    kept = np.zeros(60)
    for _ in range(300):
        reservoir = Reservoir(6)
        reservoir._rng = np.random.default_rng(int(kept.sum()))
        for k in range(60):
            reservoir.offer(k, 1, 0)
        taken = [v for v, _, _ in reservoir.take()]
        assert len(taken) == len(set(taken)) == 6
        kept[taken] += 1
    # 30 expected each; five standard deviations.
    assert abs(kept - 30.0).max() < 26.0


def test_a_sample_begins_anew_when_it_is_taken():
    reservoir = Reservoir(2)
    for k in range(5):
        reservoir.offer(k, 1, 0)
    assert len(reservoir.take()) == 2
    assert reservoir.take() == [] and reservoir.offered == 0


def test_what_is_recorded_is_what_was_visited(visited):
    one = visited[4]
    assert one.y.shape == one.r.shape and one.starts[0] and not one.starts[1:].any()
    # At fixed opacity or nearly so, the plain update of a late state is closer to the end.
    assert np.abs(one.r[-1]).max() < 1e-2 < np.abs(one.r[0]).max()
    ctx = Workshop(Settings()).context(one.column)
    from lw_rl.host.adapter import Adapter

    adapter = Adapter(ctx)
    evaluation = adapter.evaluate(one.y[0])
    np.testing.assert_allclose(evaluation.r, one.r[0], rtol=1e-9, atol=1e-12)


def test_columns_survive_the_file(tmp_path, visited):
    (tmp_path / "samples.npz").write_bytes(pack(visited))
    found = unpack(tmp_path / "samples.npz")
    assert len(found) == 9
    for a, b in zip(visited, found, strict=True):
        for part in ("column", "physics"):
            assert getattr(a, part).keys() == getattr(b, part).keys()
            for name, values in getattr(a, part).items():
                np.testing.assert_array_equal(values, getattr(b, part)[name])
        for name in ("y", "r", "starts"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


# ---- fine-tuning --------------------------------------------------------------------------------


def test_the_network_in_torch_is_the_one_in_numpy(architecture):
    network = Network(architecture, random_weights(architecture))
    net = load_weights(network)
    observation = np.random.default_rng(0).standard_normal((NCHANNELS, 64)).astype(np.float32)
    with torch.no_grad():
        output = net(torch.from_numpy(observation)[None])[0, 0].numpy()
    np.testing.assert_allclose(output, network(observation), rtol=1e-4, atol=1e-5)
    for name, weights in net.to_numpy(0).items():
        np.testing.assert_array_equal(weights, network.weights[name])


def test_fine_tuning_compares_on_columns_that_it_did_not_see(visited, monkeypatch):
    from lw_rl.training import finetune as module

    policy = make_policy("default")
    asked = []
    cost = module._cost

    def watched(shop, columns, policy, solutions):
        asked.append([c.column["temperature"] for c in columns])
        return cost(shop, columns, policy, solutions)

    trained = []
    buffer = module._buffer

    def made(columns, seed):
        trained.extend(c.column["temperature"] for c in columns)
        return buffer(columns, seed)

    monkeypatch.setattr(module, "_cost", watched)
    monkeypatch.setattr(module, "_buffer", made)
    tuned, verdict = finetune(visited, policy, Settings(), updates=3, rounds=1)
    assert verdict.trained == 4 and verdict.held_back == 5
    # The policy before, and both candidates.
    assert len(asked) == 3 and {len(columns) for columns in asked} == {5}
    assert not any(np.array_equal(a, b) for a in asked[0] for b in trained)
    assert not (verdict.accepted and verdict.after >= verdict.before)
    assert tuned is not policy and tuned.gain == policy.gain
    # What learning takes is counted: at least both comparisons.
    assert verdict.formal_solutions > 5 * (verdict.before + verdict.after)
    # It may be asked wherever it has learned.
    before, now = policy.card["observation_range"], tuned.card["observation_range"]
    assert np.all(np.less_equal(now["low"], before["low"]))
    assert np.all(np.greater_equal(now["high"], before["high"]))
    weights = tuned.network.weights
    assert any(not np.array_equal(weights[k], w) for k, w in policy.network.weights.items())


def test_a_policy_may_be_asked_wherever_it_has_learned():
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


@pytest.mark.parametrize(("found", "raised"), [(0.5, False), (40.0, True), (None, False)])
def test_the_estimate_of_a_version_holds_on_the_columns_held_back(
    found, raised, visited, monkeypatch
):
    from lw_rl.training import finetune as module

    asked = []

    def stops(policy, ctx, tolerances):
        asked.append(tolerances)
        return Stops([] if found is None else [found], None, 7)

    monkeypatch.setattr(module, "stops", stops)
    policy = make_policy("default")
    before = policy.card["error_estimate"]["factor"]
    tuned, solutions, Nformal = module._calibrated(Workshop(Settings()), visited[:3], policy)
    assert Nformal == 21 and solutions == [None] * 3
    assert asked == [pytest.approx([1e-2, 1e-3, 1e-4, 1e-5])] * 3
    # The factor never falls.
    assert tuned.card["error_estimate"]["factor"] == (found if raised else before)
    assert tuned.asked_within == policy.asked_within and tuned.network is policy.network


def test_a_policy_that_learns_is_asked_everywhere(visited):
    from lw_rl.training.finetune import _everywhere

    policy = make_policy("default")
    far = np.full((NCHANNELS, 32), 1e3, np.float32)
    far[CHANNELS.index("estimate_size")] = 1.0
    with pytest.raises(OutOfRangeError):
        policy.predict(far)
    asked = _everywhere(policy)
    assert np.all(np.abs(asked.predict(far)[0]) <= 1.0) and asked.asked_within == np.inf


@pytest.mark.parametrize(
    ("saved", "accepted"),
    [
        ([1] * 8, True),
        ([2, 1, 0, 1, 1, 2, 1, 0, 1], True),
        # One stuck column drowns nothing, but a mean that does not fall is no saving.
        ([1] * 30 + [-20], True),
        ([1] * 30 + [-40], False),
        ([0, 0, 0, 0], False),
        ([1, 0, 0, -1, 0, 1, 0, 0], False),
        ([-1, -1, -1, -1], False),
        ([3], False),
    ],
)
def test_a_saving_has_to_be_more_than_chance(saved, accepted):
    before = np.full(len(saved), 5.0)
    assert better(before, before - saved) is accepted


def test_a_policy_that_became_worse_is_refused(visited, monkeypatch):
    from lw_rl.training import finetune as module

    def spoil(net, gain, buffer, updates):
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.normal_()
        return np.zeros(NCHANNELS), np.zeros(NCHANNELS)

    monkeypatch.setattr(module, "_imitate", spoil)
    monkeypatch.setattr(module, "operator_estimate", lambda shop, columns: (None, 0))
    _, verdict = finetune(visited, make_policy("default"), Settings(), rounds=1)
    assert verdict.after > verdict.before and not verdict.accepted


def test_weights_that_became_worse_do_not_stand_in_the_way_of_the_estimate(visited, monkeypatch):
    from lw_rl.training import finetune as module

    entry = {"factor": 1.5, "low": [-1e3] * NCHANNELS, "high": [1e3] * NCHANNELS}
    costs = iter([(5.0, 0, 0), (6.0, 0, 0), (4.0, 0, 0)])
    monkeypatch.setattr(module, "operator_estimate", lambda shop, columns: (entry, 7))
    monkeypatch.setattr(
        module, "_cost", lambda *args: Cost(np.full(20, (c := next(costs))[0]), *c[1:])
    )
    policy = make_policy("default")
    tuned, verdict = finetune(visited, policy, Settings(), updates=1)
    assert verdict.accepted and verdict.weights == "kept" and verdict.operator_factor == 1.5
    assert tuned.card["operator_estimate"] == entry
    assert tuned.network is policy.network


def test_what_columns_say_of_the_operators_estimate(visited):
    shop, policy = Workshop(Settings()), make_policy("default")
    entry, Nformal = operator_estimate(shop, visited)
    assert 1.0 <= entry["factor"] < DEFAULT_FACTOR and entry["stops"] > len(visited) < Nformal
    knows = Actor(policy.network, policy.gain, {**policy.card, "operator_estimate": entry})
    frame = make_frame(LinePhysics(**visited[0].physics))
    assert policy.operator_factor(frame.static) is None
    assert knows.operator_factor(frame.static) == entry["factor"]
    far = frame.static.copy()
    far[CHANNELS.index("damping")] += 10.0
    assert knows.operator_factor(far) is None
    # What changes along a solve is no matter.
    far = frame.static.copy()
    far[CHANNELS.index("estimate_size")] += 10.0
    assert knows.operator_factor(far) == entry["factor"]


def test_a_calibrated_estimate_stops_sooner_and_holds():
    policy = make_policy("default")
    shocked = Source(shocked_cube(48)).read(Window(0, 0, 2, 0, 4))
    entry = {"factor": 1.0, "low": [-1e3] * NCHANNELS, "high": [1e3] * NCHANNELS}
    knows = Actor(policy.network, policy.gain, {**policy.card, "operator_estimate": entry})
    tight = Workshop(Settings(popsTol=1e-7))
    saved = 0
    for k in range(8):
        column = shocked.column(k)
        solution = tight.solve(column, policy, record=True).visited.y[-1]
        for popsTol in (3e-3, 3e-4):
            shop = Workshop(Settings(popsTol=popsTol))
            before = shop.solve(column, policy, record=True)
            after = shop.solve(column, knows, record=True)
            saved += before.Nformal - after.Nformal
            assert np.abs(np.expm1(after.visited.y[-1] - solution)).max() < popsTol
    assert saved > 0


@pytest.mark.parametrize(("shift", "early"), [(0.0, 0), (2e-3, 3)])
def test_a_version_that_stops_too_early_is_found_out(shift, early, visited):
    from lw_rl.training import finetune as module

    shop, policy = Workshop(Settings()), make_policy("default")
    _, solutions, _ = module._calibrated(shop, visited[:3], policy)
    moved = [*(s + shift for s in solutions), None]
    cost = module._cost(shop, visited[:4], policy, moved)
    assert cost.early == early and cost.failed == 0 and cost.Nformal.shape == (4,)


def test_a_version_that_stops_early_more_often_is_refused(visited, monkeypatch):
    from lw_rl.training import finetune as module

    costs = iter([Cost(np.full(20, 5.0), 0, 0), Cost(np.full(20, 3.0), 0, 1)])
    monkeypatch.setattr(module, "_cost", lambda *args: next(costs))
    monkeypatch.setattr(module, "operator_estimate", lambda shop, columns: (None, 0))
    _, verdict = finetune(visited, make_policy("default"), Settings(), updates=1)
    assert (verdict.before, verdict.after) == (5.0, 3.0)
    assert (verdict.early_before, verdict.early_after) == (0, 1) and not verdict.accepted


@pytest.mark.slow
def test_learning_costs_nothing_on_a_cube_unlike_the_training_family(tmp_path):
    """The whole way: a cube with shocks, and versions taken up only where they save something."""
    found = learning_curve(tmp_path, shocked_cube(48), workers=2)
    assert found["failed"] == 0 and found["learning"]
    for entry in found["learning"]:
        assert not entry["accepted"] or (
            entry["after"] < entry["before"]
            and entry["failed_after"] <= entry["failed_before"]
            and entry["early_after"] <= entry["early_before"]
        )
    for part in found["by_version"]:
        assert part["mean_formal_solutions"] < part["frozen_mean_formal_solutions"] + 0.2


# ---- the client's side --------------------------------------------------------------------------

#: Stands for the fine-tuning: copies the policy and gives the verdict that it is told to.
_STUB = """
import json, pathlib, shutil, sys
samples, policy, out = map(pathlib.Path, sys.argv[1:4])
settings = json.loads(sys.argv[sys.argv.index("--settings") + 1])
assert samples.exists() and settings["line"] == "CaII_K"
from lw_rl.policies import actor
from lw_rl.cube.learn import save_actor
save_actor(actor.load(policy), out)
verdict = {"accepted": ACCEPTED, "before": 9.0, "after": 7.0}
out.with_suffix(".verdict").write_text(json.dumps(verdict))
"""


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Learn from a few columns, by the stub."""

    def use(accepted=True, code=None):
        stub = tmp_path / "stub.py"
        stub.write_text((code or _STUB).replace("ACCEPTED", repr(accepted)))
        monkeypatch.setattr(learn, "COMMAND", (sys.executable, "-W", "ignore", str(stub)))
        monkeypatch.setattr(learn, "_FIRST", 4)
        monkeypatch.setattr(learn, "_FEWEST", 2)
        monkeypatch.setattr("lw_rl.cube.engine._TICK", 0.05)

    return use


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(processes=False, **options) as cluster, Client(cluster) as found:
        yield found


def solve(out, client, cube=None, wait=True, **kwargs):
    """Solve a cube slowly enough for a process to start beside it."""

    def pause(progress):
        learner = pause.run
        if wait and learner is not None and learner._process is not None:
            learner._process.wait(timeout=60)

    pause.run = None
    init = learn.Learner.__init__

    def noted(self, *args):
        init(self, *args)
        pause.run = self

    learn.Learner.__init__ = noted
    try:
        return lw_rl.cube.solve(
            small_cube(6, 4) if cube is None else cube, out, client=client, block=(2, 1),
            listener=pause, **kwargs,
        )  # fmt: skip
    finally:
        learn.Learner.__init__ = init


def test_a_better_policy_is_taken_up_and_recorded_by_column(quick, client, tmp_path):
    quick()
    ds = solve(tmp_path / "out.zarr", client).load()
    version = ds.policy_version.values
    assert set(np.unique(version)) >= {0, 1} and np.all(ds.outcome == 1)
    entries = json.loads(ds.attrs["learning"])
    assert entries[0]["version"] == 1 and entries[0]["accepted"]
    folder = tmp_path / "out.zarr.learning"
    assert (folder / "version_1.json").exists() and (folder / "samples.npz").exists()


def test_a_policy_that_is_no_better_is_not_taken_up(quick, client, tmp_path):
    quick(accepted=False)
    ds = solve(tmp_path / "out.zarr", client).load()
    assert np.all(ds.policy_version == 0)
    assert not json.loads(ds.attrs["learning"])[0]["accepted"]


def test_frozen_learns_nothing(quick, client, tmp_path):
    quick()
    ds = solve(tmp_path / "out.zarr", client, frozen=True).load()
    assert np.all(ds.policy_version == 0) and "learning" not in ds.attrs
    assert not (tmp_path / "out.zarr.learning").exists()


def test_an_interrupted_run_takes_up_the_version_that_it_had(quick, client, tmp_path):
    quick()
    out = tmp_path / "out.zarr"
    solve(out, client)
    # As if the last block had not been written.
    import zarr

    zarr.open_group(out, mode="r+")["outcome"][0, 4:6, 3] = 0
    again = solve(out, client).load()
    assert again.policy_version.values[0, 5, 3] >= 1


def test_a_fine_tuning_that_fails_is_told_and_the_cube_is_solved(quick, client, tmp_path):
    quick(code="raise SystemExit('no such luck')")
    notes = []
    look = learn.Learner.look

    def watched(self, done):
        policy = look(self, done)
        notes.append(self.note)
        return policy

    learn.Learner.look = watched
    try:
        ds = solve(tmp_path / "out.zarr", client)
    finally:
        learn.Learner.look = look
    assert np.all(ds.outcome == 1) and np.all(ds.policy_version == 0)
    assert any("learning failed" in note for note in notes)
    assert "no such luck" in (tmp_path / "out.zarr.learning" / "finetune.log").read_text()


def test_a_full_disk_ends_the_learning_and_not_the_cube(quick, client, tmp_path, monkeypatch):
    quick()

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(learn, "write_atomically", full)
    notes = []
    ds = lw_rl.cube.solve(
        small_cube(6, 4), tmp_path / "out.zarr", client=client, block=(2, 1),
        listener=lambda p: notes.append(p.note),
    )  # fmt: skip
    assert np.all(ds.outcome == 1) and np.all(ds.policy_version == 0)
    assert any("no more learning: " in note and "No space left" in note for note in notes)


def test_without_torch_it_says_what_to_install(quick, client, tmp_path, monkeypatch):
    quick()
    monkeypatch.setattr(learn, "find_spec", lambda name: None)
    notes = []
    lw_rl.cube.solve(
        small_cube(2, 2), tmp_path / "out.zarr", client=client, block=(1, 1),
        listener=lambda p: notes.append(p.note),
    )  # fmt: skip
    assert any("pip install 'lw-rl[train]'" in note for note in notes)


def test_a_policy_survives_its_file(tmp_path):
    policy = make_policy("default")
    save_actor(policy, tmp_path / "again.json")
    again = actors.load(tmp_path / "again.json")
    # Within the range of the card, which goes into the file as well.
    low, high = (np.array(policy.card["observation_range"][k])[:, None] for k in ("low", "high"))
    draws = np.random.default_rng(1).random((NCHANNELS, 32))
    observation = (low + draws * (high - low)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(observation)[0], policy.predict(observation)[0])


def test_visited_has_everything_that_training_takes(visited):
    assert isinstance(visited[0], Visited)
    assert {"log_tau", "epsilon", "log_B", "temperature"} <= visited[0].physics.keys()
