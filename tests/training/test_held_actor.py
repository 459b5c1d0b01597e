"""The old module of the actor with a target entropy."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.training.target_entropy import TargetEntropyActor, TargetEntropyPolicy


def test_old_names_are_the_new_classes_and_warn(monkeypatch):
    monkeypatch.delitem(sys.modules, "lw_rl.training.held_actor", raising=False)
    with pytest.warns(DeprecationWarning, match="is now lw_rl.training.target_entropy"):
        old = import_module("lw_rl.training.held_actor")
    assert old.HeldActor is TargetEntropyActor
    assert old.HeldPolicy is TargetEntropyPolicy
