"""The cost model is a fit with provenance, of problems of all kinds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lw_rl.benchmark import cost_calibration
from lw_rl.benchmark.cost_calibration import (
    calibrate_costs,
    cost_problems,
    finer,
    fitted,
    write_costs,
)
from lw_rl.problems import random_problem, shipped_problem


def test_a_fit_finds_what_samples_were_made_of():
    rng = np.random.default_rng(0)
    unit = {"solve": 2e6, "formal": 50.0, "matrix": 0.3}
    samples = []
    for _ in range(30):
        work = {"solve": 1.0, "formal": 1e4 * rng.random(), "matrix": 1e7 * rng.random()}
        samples.append((1e-9 * sum(unit[k] * v for k, v in work.items()), work))
    found = fitted(samples)
    assert found == pytest.approx(unit)


def test_problems_are_of_all_kinds():
    problems = cost_problems(2)
    assert [p.plane for p in problems[:4]] == [False, False, False, True]
    assert [p.two_level for p in problems[:4]] == [True, True, False, True]
    assert finer(random_problem("train", 0), 300).context().atmos.Nspace == 300


def test_the_file_says_how_it_was_made(monkeypatch, tmp_path):
    lines = [shipped_problem("CaII_K", "FALC", N) for N in (20, 24, 28, 32, 36, 40, 44, 48)]
    monkeypatch.setattr(cost_calibration, "cost_problems", lambda number: lines)
    watched = []
    content = calibrate_costs(2, lambda: watched.append(1), "lw-rl calibrate")
    assert len(watched) == content["problems"] == 8
    assert content["command"] == "lw-rl calibrate" and content["versions"]
    assert all(v >= 0.0 for v in content["values"].values())
    write_costs(tmp_path / "c.json", content)
    assert json.loads((tmp_path / "c.json").read_text())["values"] == content["values"]
