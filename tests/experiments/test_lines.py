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


def residue_trainer(args):
    """Leave the policy that ships in the place of both that are trained on the residue."""
    out = Path(args.out)
    assert args.return_every > 0
    ShippedTrainer()(args)
    for name, suffix in product(POLICIES, (".json", ".safetensors")):
        shutil.copy(out / f"policy{suffix}", out / f"{name}{suffix}")


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study of one small problem: its folder, its trainer, its progress and its result."""
    out, trainer, told = tmp_path_factory.mktemp("lines"), ShippedTrainer(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(out))
        patch.setattr(lines, "problems", lambda number: [SMALL])
        patch.setattr(lines_report, "DEPTHS", (32,))
        args, trainers = (Args(steps=200), (1, 2), 0, out), (trainer, residue_trainer)
        result = lines.run(*args, 1, lambda *n: told.append(n), *trainers)
        again = lines.run(*args, 1, pytest.fail, *trainers)
        text = lines_report.markdown(result)
    assert again == result
    return trainer, told, result, text


def test_policies_are_trained_by_demonstrations_alone_and_once(studied):
    trainer, *_ = studied
    assert [a.seed for a in trainer.made] == [1, 2]
    assert {(a.return_every, a.calibration, a.steps) for a in trainer.made} == {(0, 0, 200)}


def test_every_problem_is_solved_by_every_row(studied):
    _, told, result, _ = studied
    # Without a seed all but those that are trained on the residue, with each of two these and two.
    assert len(told) == len(result["solves"]) == (len(lines.ROWS) - 2) + 2 * 4
    by = {(s["row"], s["seed"]): s for s in result["solves"]}
    assert len(by) == len(result["solves"])
    for s in by.values():
        assert s["to"] <= s["stop"] and s["stop_error"] < 1e-3 and s["iterations"] > 1.0
        assert ("asked" in s) == (s["policy"] not in ("", "exact"))
    # Theirs is the policy that ships, with its card.
    card = by["policy beside it, as its card says", 0]
    for row in ("policy beside it, always asked", "the same, and Soft Actor-Critic"):
        assert by[row, 1]["errors"] == by[row, 2]["errors"] == card["errors"]
    assert by[row, 0]["answered"] == by[row, 0]["asked"] > 0
    exact = by["exact corrections of lines, beside it", 0]
    assert exact["errors"][1] < by["nonlocal", 0]["errors"][1]
    assert by["nonlocal", 0]["to"] < by["mali_scattering", 0]["to"]
    json.dumps(result)


def test_the_table_has_a_row_for_every_scheme(studied):
    *_, result, text = studied
    assert text.count("\n| ") >= len(lines.ROWS) + 2
    for name in ("MALI, scattering solved", "coupled operator alone", ", ships", ", 2 seeds"):
        assert name in text
    assert f"0 of {len(result['solves'])} solves stopped above the tolerance" in text


def test_failures_are_counted_and_do_not_count():
    solve = {"problem": "CaII FALC 82", "row": "nonlocal", "seed": 0, "policy": ""}
    found = [
        {**solve, "to": 4, "stop": 5, "iterations": 20.0, "stop_error": 1e-4},
        {
            **solve,
            "problem": "H FALC 82",
            "to": None,
            "stop": None,
            "iterations": 900.0,
            "stop_error": 0.5,
        },
    ]
    text = lines_report.markdown({"solves": found, "seeds": [], "all": 2})
    assert "| coupled operator alone | 4.0 (1) | 5.0 (1) | 20.0 (1) |" in text
    assert "| MALI, scattering solved | - | - | - |" in text


def test_a_seed_that_has_not_solved_all_problems_of_a_kind_is_left_out():
    row = {"row": "policy beside it, always asked", "policy": "always", "stop_error": 1e-4}
    found = [
        {**row, "problem": f"{atom} FALC 82", "seed": k, "to": k, "stop": k, "iterations": 9.0,
         "asked": 2, "answered": 2}
        for atom in ("H", "CaII") for k in (1, 2, 3, 4)
    ]  # fmt: skip
    text = lines_report.markdown({"solves": found[:-1], "seeds": [1, 2, 3, 4], "all": 9})
    assert "4 seeds | 2.0 [1.5, 2.5; 3] |" in text and "2 of 9 solves are still to be made" in text


def test_the_problems_are_falc_at_two_sizes_and_random_ones():
    found = lines.problems(2)
    assert [p.name for p in found[:2]] == ["CaII FALC 82", "H FALC 82"]
    assert [p.name.split()[:2] for p in found[3:5]] == [["atoms", "0"], ["atoms", "1"]]
    assert len(found) == 8
