"""What a policy adds on atoms with many levels: solved once, told in one table."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from experiment_helpers import ShippedTrainer

from lw_rl.experiments import lines, lines_report
from lw_rl.problems import shipped_problem
from lw_rl.training.residue import POLICIES
from lw_rl.training.train import Args

# They train.
pytestmark = pytest.mark.slow

SMALL = replace(shipped_problem("CaII", "FALC", 32), Nrays=2)


class ResidueTrainer(ShippedTrainer):
    """Leaves the policy that ships in the place of both that are trained on the residue."""

    def __call__(self, args):
        super().__call__(args)
        out = Path(args.out)
        for name, suffix in product(POLICIES, (".json", ".safetensors")):
            shutil.copy(out / f"policy{suffix}", out / f"{name}{suffix}")


@pytest.fixture(scope="module", params=["lines", "residue"])
def studied(request, tmp_path_factory):
    """A study of one small problem: its name, trainer, progress, result and table."""
    name, out, told = request.param, tmp_path_factory.mktemp(request.param), []
    trainer = ShippedTrainer() if name == "lines" else ResidueTrainer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(out))
        patch.setattr(lines, "problems", lambda number: [SMALL])
        patch.setattr(lines_report, "DEPTHS", (32,))
        args = (name, Args(steps=200), (1, 2), 0, out, 1)
        result = lines.run(*args, lambda *n: told.append(n), trainer)
        again = lines.run(*args, pytest.fail, trainer)
        text = lines_report.markdown(result)
    assert again == result
    return name, trainer, told, result, text


def test_policies_are_trained_once(studied):
    _, trainer, *_ = studied
    assert [(a.seed, a.steps) for a in trainer.made] == [(1, 200), (2, 200)]


def test_how_policies_are_trained(monkeypatch):
    made = []
    monkeypatch.setattr(lines, "train", lambda args, quiet: made.append(args))
    monkeypatch.setattr(lines, "train_residue", lambda args, quiet: made.append(args))
    for study in lines.STUDIES.values():
        study.train(Args())
    two_level, residue = made
    # The former by demonstrations alone.
    assert (two_level.return_every, two_level.calibration) == (0, 0)
    assert (residue.return_every, residue.horizon) == (4, 8)


def test_every_problem_is_solved_by_every_row(studied):
    name, _, told, result, _ = studied
    rows = lines.STUDIES[name].rows
    # Each of two seeds has two of these; in the study of the residue only seeds have policies.
    assert len(told) == len(result["solves"]) == len(rows) + 4 - 2 * (name == "residue")
    by = {(s["row"], s["seed"]): s for s in result["solves"]}
    assert len(by) == len(result["solves"])
    for s in by.values():
        assert s["to"] <= s["stop"] and s["stop_error"] < 1e-3 and s["iterations"] > 1.0
        assert ("asked" in s) == (s["policy"] not in ("", "exact"))
    # Theirs is the policy that ships.
    asked = [row.name for row in rows if row.has(1) and row.beside]
    assert len({tuple(by[row, seed]["errors"]) for row in asked for seed in (1, 2)}) == 1
    exact = by["exact corrections of lines, beside it", 0]
    assert exact["errors"][1] < by["nonlocal", 0]["errors"][1]
    if name == "lines":
        card, row = by["policy beside it, as its card says", 0], "policy beside it, always asked"
        assert by[row, 1]["errors"] == card["errors"]
        assert by[row, 0]["answered"] == by[row, 0]["asked"] > 0
        assert by["nonlocal", 0]["to"] < by["mali_scattering", 0]["to"]
    json.dumps(result)


def test_the_table_has_a_row_for_every_scheme(studied):
    name, *_, result, text = studied
    # Two rows of policies stand twice in the study of two-level ones: what ships, and the seeds.
    assert text.count("\n| ") == len(lines.STUDIES[name].rows) + 2 * (name == "lines")
    assert "coupled operator alone" in text and ", 2 seeds" in text
    assert ("MALI, scattering solved" in text) == (", ships" in text) == (name == "lines")
    assert f"0 of {len(result['solves'])} solves stopped above the tolerance" in text
    assert ("Within its limits" in text) == (name == "lines")


def test_the_problems_are_falc_at_two_sizes_and_random_ones():
    found = lines.problems(2)
    assert [p.name for p in found[:2]] == ["CaII FALC 82", "H FALC 82"]
    assert [p.name.split()[:2] for p in found[3:5]] == [["atoms", "0"], ["atoms", "1"]]
    assert len(found) == 8
