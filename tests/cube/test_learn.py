"""Learning as it goes: samples, versions, and the fine-tuning itself."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from cube_helpers import small_cube
from distributed import Client, LocalCluster

import lw_rl.cube
from lw_rl.cube import learn
from lw_rl.cube.column import Workshop
from lw_rl.cube.learn import pack, save_actor, unpack
from lw_rl.cube.recorder import Visited
from lw_rl.cube.sample import Reservoir
from lw_rl.cube.settings import Settings
from lw_rl.cube.source import Source, Window
from lw_rl.experiments.cubes.parts import learning_curve, shocked_cube
from lw_rl.policies import actor as actors
from lw_rl.policies.observation import NCHANNELS
from lw_rl.schemes import make_policy


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
