"""The experiments on maximum-entropy control, as plain data."""

from __future__ import annotations

import pytest

from lw_rl.experiments.max_entropy import experiments as defined
from lw_rl.experiments.max_entropy.experiments import (
    FACTS,
    GROUPS,
    RUNS,
    EntropyExperiment,
    experiments,
    left_out,
)


def test_experiments_are_capped_and_left_out(monkeypatch):
    five = [e.name for e in experiments(5, False)]
    assert five.count("multigoal-sac") == 5 and five.count("pendulum-fixed") == 2
    assert five[: len(FACTS)] == list(FACTS)
    monkeypatch.setattr(defined, "missing", bool)
    assert not any(e.name.startswith("mujoco") for e in experiments(5, False))
    assert left_out() == ["mujoco-sac", "mujoco-s2ac"]


@pytest.mark.parametrize("name", RUNS)
def test_a_quick_run_is_short_and_another_experiment(name):
    quick, whole = (EntropyExperiment("train", name, 0, q) for q in (True, False))
    assert quick.settings["steps"] < whole.settings["steps"] and quick.config != whole.config
    assert quick.key == whole.key == f"train-{name}-0"
    assert RUNS[name].group in GROUPS
