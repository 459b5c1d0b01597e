"""Studies: every variant is trained once, with its own change, and told beside the operator."""

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.cli import main
from lw_rl.experiments import study as studies
from lw_rl.problems import shipped_problem

SCORES = {
    "error_after_1": 1e-2, "error_after_2": 1e-4, "mean_1e-03": 2.0, "mean_1e-06": 4.0,
    "worst_1e-06": 6.0,
}  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """Arguments of the runs, which are not made; the validation stream is one easy problem."""
    made = []

    def train(args, quiet=False):
        from pathlib import Path

        made.append(args)
        out = Path(args.out)
        out.mkdir(parents=True)
        entry = {
            **SCORES,
            "formal_solutions": 100,
            "seconds": 60.0,
            "environment_steps": args.steps,
        }
        (out / "scores.json").write_text(json.dumps([entry]))
        (out / "policy.json").write_text("{}")

    alone = studies.score
    monkeypatch.setattr(studies, "train", train)
    monkeypatch.setattr(studies.actor, "load", lambda path: path)
    # What is read of a policy is its end; the operator is measured.
    monkeypatch.setattr(
        studies, "score", lambda policy, known: SCORES if policy else alone(None, known)
    )
    monkeypatch.setattr(
        "lw_rl.training.follower.random_problem",
        lambda stream, k: shipped_problem("CaII_K", "FALC", 34),
    )
    return made


def run(*words):
    done = CliRunner().invoke(main, ["study", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_sizes_are_compared_by_imitation_alone(trained, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- begin architecture -->\n<!-- end architecture -->\n")
    out = str(tmp_path / "runs")
    words = ("architecture", "--validation", "1", "--out", out, "--readme", str(readme))
    result = json.loads(run(*words, "--json", "--quiet"))
    assert [v["name"] for v in result["variants"]] == [v.name for v in studies.ARCHITECTURE]
    assert {a.return_every for a in trained} == {0} and {a.steps for a in trained} == {2000}
    assert {(a.width, a.levels) for a in trained} == {(40, 4), (16, 4), (64, 4), (40, 2), (40, 1)}
    assert all(a.calibration == 0 for a in trained) and len(trained) == 10
    assert result["seeds"] == [1, 2] and result["arguments"]["return_every"] == 0
    assert 1e-6 < result["without_policy"]["error_after_2"] < 1e-1
    assert all(v["forward_pass_s"] > 0.0 for v in result["variants"])
    assert "| 64 x 4 | 1.0e-02 | 1.0e-04 | 2 | 4 | 6 | 100 | 1.0 min |" in readme.read_text()
    assert (tmp_path / "runs" / "architecture.png").stat().st_size > 10_000
    # What is finished is not trained again.
    run(*words, "--quiet")
    assert len(trained) == 10


def test_the_learners_parts_are_what_they_say(trained, tmp_path):
    run("learner", "--seeds", "1", "--steps", "100", "--validation", "1", "--out", str(tmp_path),
        "--quiet")  # fmt: skip
    sac, hindsight, then, both, hard = trained
    assert (sac.imitation_batch, sac.return_every) == (0, 1)
    assert hindsight.return_every == 0 < hindsight.imitation_batch
    assert then.imitation_until == 0.5 and both.imitation_until == 1.0
    assert {a.seed for a in trained} == {1} and both.return_every > 0
    assert hard.sampling == "hard" and hard.gamma > both.gamma
    assert {a.sampling for a in trained[:-1]} == {"uniform"}
