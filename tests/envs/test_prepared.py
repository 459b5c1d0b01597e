"""A problem made ready for episodes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import imbalance
from lightweaver.rh_atoms import H_6_atom

from lw_rl import atmospheres
from lw_rl.envs import prepared
from lw_rl.envs.prepared import prepare, solve_once
from lw_rl.envs.stat_equil import StatEquil
from lw_rl.errors import ContextError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.problems import random_problem, shipped_problem

FALC = shipped_problem("CaII_K", "FALC", 40)


def test_a_problem_is_ready_at_its_start():
    ready = prepare(FALC, 64, solved=False)
    assert ready.solution is None and ready.Nformal == 0
    assert ready.frame.static.shape[1] == 64
    fresh = Adapter(FALC.context())
    np.testing.assert_array_equal(ready.adapter.read(), fresh.read())
    np.testing.assert_array_equal(ready.first, ready.operator.start())


def test_the_solution_is_in_statistical_equilibrium():
    ready = prepare(FALC, 64, solved=True)
    adapter = Adapter(FALC.context())
    adapter.write(ready.solution)
    for _ in range(10):  # until the background's scattered light, which lags, has settled
        left = imbalance(adapter.ctx)
    assert left < 1e-7
    assert ready.Nformal > 2
    # The start is put back whatever finding the solution left.
    ready.adapter.restore(ready.start)
    np.testing.assert_array_equal(ready.adapter.read(), Adapter(FALC.context()).read())


def test_other_kinds_of_problems_are_refused():
    ctx = build_context(H_6_atom(), atmospheres.load("FALC", 20), Nrays=2)
    other = SimpleNamespace(name="hydrogen", atom="H", context=lambda: ctx)
    with pytest.raises(ContextError, match="'hydrogen' is not a single two-level atom"):
        prepare(other, 64, solved=False)


def test_what_a_solution_took_is_told_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LW_RL_CACHE", str(tmp_path))
    found = []
    for _ in range(2):
        adapter = Adapter(FALC.context())
        found.append(solve_once(adapter, adapter.line_physics(adapter.blocks[0]), FALC.atom))
    (first, Nformal), (second, again) = found
    np.testing.assert_array_equal(first, second)
    assert Nformal == again > 2


def test_an_environment_solves_each_problem_once(tmp_path, monkeypatch):
    monkeypatch.setenv("LW_RL_CACHE", str(tmp_path))
    problems = [random_problem("validation", 0)]
    first, second = (StatEquil(problems) for _ in range(2))
    first.reset(seed=0)
    monkeypatch.setattr(prepared, "iterate_ctx_rl", None)
    second.reset(seed=0)
    # What it cost is told all the same.
    assert first.Nformal == second.Nformal > 2
    a, b = (env.step(np.zeros(96, np.float32))[4]["error"] for env in (first, second))
    assert a == b
