"""Studies: every variant is trained once, with its own change, and told beside the operator."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from experiment_helpers import ShippedTrainer

from lw_rl.experiments import study as studies
from lw_rl.training.train import Args

SCORES = {
    "error_after_1": 1e-2, "error_after_2": 1e-4, "mean_1e-03": 2.0, "mean_1e-06": 4.0,
    "worst_1e-06": 6.0,
}  # fmt: skip


class Trainer(ShippedTrainer):
    """Leaves made-up scores besides."""

    def __call__(self, args):
        super().__call__(args)
        entry = {**SCORES, "formal_solutions": 100, "seconds": 60.0}
        (Path(args.out) / "scores.json").write_text(json.dumps([entry]))


@pytest.fixture(scope="module")
def architecture(tmp_path_factory):
    """A study of sizes: its folder, its trainer, what was watched, and its result."""
    out, trainer, watched = tmp_path_factory.mktemp("study"), Trainer(), []
    args = Args(steps=2000, validation=1, calibration=0)
    result = studies.run("architecture", args, (1, 2), out, watched.append, trainer)
    return out, trainer, watched, result


def test_sizes_are_compared_by_imitation_alone(architecture):
    _, trainer, watched, result = architecture
    assert [v["name"] for v in result["variants"]] == [v.name for v in studies.ARCHITECTURE]
    assert {a.return_every for a in trainer.made} == {0}
    assert {a.steps for a in trainer.made} == {2000}
    assert all(a.calibration == 0 for a in trainer.made) and len(trainer.made) == 10
    sizes = {(a.width, a.levels) for a in trainer.made}
    assert sizes == {(40, 4), (16, 4), (64, 4), (40, 2), (40, 1)}
    assert result["seeds"] == [1, 2] and result["arguments"]["return_every"] == 0
    assert all(v["forward_pass_s"] > 0.0 for v in result["variants"])
    assert watched[:2] == ["40 x 4, seed 1", "40 x 4, seed 2"] and len(watched) == 10


def test_what_is_read_of_a_run_is_its_policy_and_its_scores(architecture):
    result = architecture[-1]
    for variant in result["variants"]:
        for seed, run in zip((1, 2), variant["runs"], strict=True):
            assert run["seed"] == seed and run["scores"][0]["mean_1e-06"] == 4.0
            # Measured with the policy, not what the run says.
            assert run["end"]["error_after_2"] != SCORES["error_after_2"]
            assert run["end"]["error_after_2"] < result["without_policy"]["error_after_1"]
    assert 0.0 < result["without_policy"]["error_after_2"] < 1e-1


def test_what_is_finished_is_not_trained_again(architecture):
    out, _, _, result = architecture
    other = Trainer()
    again = studies.run(
        "architecture", Args(steps=2000, validation=1, calibration=0), (1,), out, trainer=other
    )
    assert other.made == []
    assert again["without_policy"] == result["without_policy"]


def test_the_learners_parts_are_what_they_say(tmp_path):
    trainer = Trainer()
    studies.run("learner", Args(steps=100, validation=1), (1,), tmp_path, trainer=trainer)
    sac, hindsight, then, both, hard = trainer.made
    assert (sac.imitation_batch, sac.return_every) == (0, 1)
    assert hindsight.return_every == 0 < hindsight.imitation_batch
    assert then.imitation_until == 0.5 and both.imitation_until == 1.0
    assert {a.seed for a in trainer.made} == {1} and both.return_every > 0
    assert hard.sampling == "hard" and hard.gamma > both.gamma
    assert {a.sampling for a in trainer.made[:-1]} == {"uniform"}
    names = [Path(a.out).name for a in trainer.made]
    assert names[2] == "learner-hindsight-then-sac-1" and len(set(names)) == 5


def test_a_study_is_told_by_medians_and_quartiles(architecture, tmp_path):
    result = copy.deepcopy(architecture[-1])
    for variant in result["variants"]:
        variant["forward_pass_s"] = 1e-4
        for run in variant["runs"]:
            run["end"] = dict(SCORES)
    result["without_policy"] = dict(SCORES)
    first = result["variants"][0]
    first["runs"][1]["end"]["mean_1e-06"] = 8.0
    assert studies.final(result, "mean_1e-06")["40 x 4"] == (6.0, 5.0, 7.0)
    told = studies.markdown(result).splitlines()
    assert told[2] == "| no policy | 1.0e-02 | 1.0e-04 | 2 | 4 | 6 | 0 | 0 | |"
    assert told[3].startswith("| 40 x 4 | 1.0e-02 | 1.0e-04 | 2 | 6 [5, 7] | 6 | 100 | 1.0 min |")
    assert told[4] == "| 16 x 4 | 1.0e-02 | 1.0e-04 | 2 | 4 | 6 | 100 | 1.0 min | 0.10 ms |"
    studies.save(result, tmp_path / "study.json")
    assert json.loads((tmp_path / "study.json").read_text()) == json.loads(json.dumps(result))
