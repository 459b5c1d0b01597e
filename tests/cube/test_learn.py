"""Learning while a cube is solved, the client's side: samples, versions, and what can go wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from cube_helpers import small_cube, solve

from lw_rl.cube.learn import COMMAND, Learner, LearningSchedule, launch, save_actor
from lw_rl.cube.recorder import unpack
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.store import Output
from lw_rl.errors import CubeSettingsError
from lw_rl.policies import actor as actors
from lw_rl.policies.observation import NCHANNELS


def finetuning(accepted=True, code=0):
    """Stand for the fine-tuning: copies the policy and gives a verdict, at once."""

    def launch(command, log):
        assert tuple(command[: len(COMMAND)]) == COMMAND
        samples, policy, out = map(Path, command[len(COMMAND) : len(COMMAND) + 3])
        settings = json.loads(command[command.index("--settings") + 1])
        assert samples.exists() and settings["line"] == "CaII_K"
        save_actor(actors.load(policy), out)
        verdict = {"accepted": accepted, "before": 9.0, "after": 7.0}
        out.with_suffix(".verdict").write_text(json.dumps(verdict))
        return SimpleNamespace(poll=lambda: code, kill=lambda: None, wait=lambda: code)

    return launch


def quick(launch):
    """Learn from a few columns."""
    return LearningSchedule(first=4, fewest=2, launch=launch)


@pytest.fixture(scope="module")
def cube():
    return small_cube(6, 4)


@pytest.fixture
def learn(cube, client, tmp_path):
    """Solve a cube while a policy learns on it; return the output and what was noted."""

    def run(launch, **arguments):
        notes = []
        ds = solve(
            cube, tmp_path / "out.zarr",
            **{
                "client": client, "block": (2, 1), "frozen": False, "learning": quick(launch),
                "interval": 0.01, "listener": lambda p: notes.append(p.note), **arguments,
            },
        )  # fmt: skip
        return ds.load(), notes

    return run


def test_a_better_policy_is_taken_up_and_recorded_by_column(learn, tmp_path):
    ds, notes = learn(finetuning())
    version = ds.policy_version.values
    assert set(np.unique(version)) >= {0, 1} and np.all(ds.outcome == 1)
    entries = json.loads(ds.attrs["learning"])
    assert entries[0]["version"] == 1 and entries[0]["accepted"]
    folder = tmp_path / "out.zarr.learning"
    assert (folder / "version_1.json").exists() and (folder / "samples.npz").exists()
    said = "policy version 1 accepted: 9.00 to 7.00 formal solutions on held-out columns"
    assert said in notes


def test_a_policy_that_is_no_better_is_not_taken_up(learn):
    ds, notes = learn(finetuning(accepted=False))
    assert np.all(ds.policy_version == 0)
    assert not json.loads(ds.attrs["learning"])[0]["accepted"]
    assert any(note.startswith("policy version 1 refused") for note in notes)


def test_frozen_learns_nothing(learn, tmp_path):
    ds, _ = learn(finetuning(), frozen=True)
    assert np.all(ds.policy_version == 0) and "learning" not in ds.attrs
    assert not (tmp_path / "out.zarr.learning").exists()


def test_an_interrupted_run_takes_up_the_version_that_it_had(learn, tmp_path):
    learn(finetuning())
    # As if the last block had not been written.
    zarr.open_group(tmp_path / "out.zarr", mode="r+")["outcome"][0, 4:6, 3] = 0
    again, _ = learn(finetuning())
    assert again.policy_version.values[0, 5, 3] >= 1


def test_a_fine_tuning_that_fails_is_reported_and_the_cube_is_solved(learn, tmp_path):
    def failing(command, log):
        process = launch([sys.executable, "-c", "raise SystemExit('no such luck')"], log)
        process.wait()
        return process

    ds, notes = learn(failing)
    assert np.all(ds.outcome == 1) and np.all(ds.policy_version == 0)
    assert any("learning failed" in note for note in notes)
    assert "no such luck" in (tmp_path / "out.zarr.learning" / "finetune.log").read_text()


def test_a_full_disk_ends_the_learning_and_not_the_cube(learn):
    def full(command, log):
        raise OSError(28, "No space left on device")

    ds, notes = learn(full)
    assert np.all(ds.outcome == 1) and np.all(ds.policy_version == 0)
    assert any("no more learning: " in note and "No space left" in note for note in notes)


# ---- the learner alone --------------------------------------------------------------------------


class Workers:
    """Stand for the workers, each of which has a sample."""

    def __init__(self, *samples):
        self.samples = list(samples)

    def run(self, function, on_error):
        taken, self.samples = self.samples, []
        return {f"worker {k}": sample for k, sample in enumerate(taken)}


@pytest.fixture
def learner(cube, policy, tmp_path):
    """Make a learner, and close it and its output."""
    made = []

    def make(workers, schedule, policy=policy):
        output = Output(
            tmp_path / "out.zarr", Source(cube), CubeSettings(), np.linspace(393.0, 394.0, 7)
        )
        made.append((output, Learner(output, workers, policy, schedule)))
        return made[-1][1]

    yield make
    for output, one in made:
        one.close()
        output.close()


def test_without_torch_it_says_what_to_install(learner, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    one = learner(Workers(), LearningSchedule())
    assert "pip install 'torch>=" in one.note and one.look(10**6) is None


def test_only_a_policy_whose_weights_are_known_learns(learner):
    one = learner(Workers(), LearningSchedule(), policy=object())
    assert one.note == "no learning with a policy of type object" and one.look(10**6) is None


def test_it_learns_from_enough_columns_and_from_the_latest(learner, visited, tmp_path):
    schedule = LearningSchedule(first=4, growth=2, fewest=3, most=5, launch=finetuning())
    # A worker that has died since has no sample.
    workers = Workers(visited[:2], None)
    one = learner(workers, schedule)
    assert one.look(3) is None and one.look(4) is None and one.note == ""
    workers.samples = [visited[2:4], visited[4:7]]
    assert one.look(7) is None and one.note == ""
    assert one.look(8) is None and one.note == "learning from 5 columns"
    found = unpack(tmp_path / "out.zarr.learning" / "samples.npz")
    for before, after in zip(visited[2:7], found, strict=True):
        np.testing.assert_array_equal(before.y, after.y)
    assert one.look(9) is one.policy and one.version == 1


def test_a_fine_tuning_under_way_is_ended_with_the_run(learner, visited):
    processes = []

    def sleeping(command, log):
        processes.append(launch([sys.executable, "-c", "import time; time.sleep(600)"], log))
        return processes[-1]

    one = learner(Workers(visited), LearningSchedule(first=1, fewest=1, launch=sleeping))
    one.look(1)
    assert one.look(2) is None and processes[0].poll() is None
    one.close()
    assert processes[0].poll() is not None


@pytest.mark.parametrize("name", ["first", "growth", "fewest", "most"])
def test_schedules_without_a_meaning(name):
    with pytest.raises(CubeSettingsError, match=f"{name} must be at least 1, got 0"):
        LearningSchedule(**{name: 0})


def test_a_policy_survives_its_file(policy, tmp_path):
    save_actor(policy, tmp_path / "again.json")
    again = actors.load(tmp_path / "again.json")
    # Within the range of the card, which goes into the file as well.
    low, high = (np.array(policy.card["observation_range"][k])[:, None] for k in ("low", "high"))
    draws = np.random.default_rng(1).random((NCHANNELS, 32))
    observation = (low + draws * (high - low)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(observation)[0], policy.predict(observation)[0])
