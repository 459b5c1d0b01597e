"""Modules of 0.1 under their old names."""

from importlib import import_module

import pytest

from lw_rl import compatibility


@pytest.mark.parametrize("old", compatibility._MOVED)
def test_old_names_work_with_a_warning(old, monkeypatch):
    new, renamed = compatibility._MOVED[old]
    monkeypatch.delitem(__import__("sys").modules, f"lw_rl.{old}", raising=False)
    with pytest.warns(DeprecationWarning, match=rf"lw_rl\.{new};"):
        module = import_module(f"lw_rl.{old}")
    for name, present in renamed.items():
        assert getattr(module, name) is getattr(import_module(f"lw_rl.{new}"), present)
    with pytest.raises(AttributeError):
        module.there_was_never_such_a_name  # noqa: B018


def test_other_names_are_not_there():
    with pytest.raises(ModuleNotFoundError):
        import_module("lw_rl.there_was_never_such_a_module")
