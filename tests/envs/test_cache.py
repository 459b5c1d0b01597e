"""Solutions kept on disk."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from lw_rl.envs import cache
from lw_rl.host.adapter import Adapter
from lw_rl.problems import shipped_problem


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LW_RL_CACHE", str(tmp_path))
    return tmp_path


def physics():
    adapter = Adapter(shipped_problem("CaII_K", "FALC").context())
    return adapter.line_physics(adapter.blocks[0])


def test_found_once(root):
    calls = []

    def find():
        calls.append(1)
        return {"y": np.arange(3.0)}

    for _ in range(2):
        assert np.array_equal(cache.kept("a", find)["y"], np.arange(3.0))
    assert len(calls) == 1
    assert [f.name for f in root.iterdir()] == ["a.npz"]


def test_another_line_is_another_problem():
    line = physics()
    hotter = replace(line, log_B=line.log_B + 1e-12)
    assert cache.key("y", line, "CaII_K") == cache.key("y", physics(), "CaII_K")
    names = {
        cache.key("y", line, "CaII_K"),
        cache.key("z", line, "CaII_K"),
        cache.key("y", line, "CaII_H"),
        cache.key("y", hotter, "CaII_K"),
    }
    assert len(names) == 4


def test_a_damaged_file_is_replaced(root):
    (root / "a.npz").write_bytes(b"not a zip file")
    assert cache.kept("a", lambda: {"y": np.ones(1)})["y"] == 1.0
    assert cache.kept("a", lambda: {"y": np.zeros(1)})["y"] == 1.0


def test_what_fails_to_be_parsed_is_found_anew(root, monkeypatch):
    """A race of CPython's parser in threads, before 3.11.8."""
    cache.kept("a", lambda: {"y": np.ones(1)})

    def fails(*args, **kwargs):
        raise SystemError("AST constructor recursion depth mismatch (before=36, after=32)")

    monkeypatch.setattr(np, "load", fails)
    assert cache.kept("a", lambda: {"y": np.full(1, 2.0)})["y"] == 2.0


def test_nothing_is_unpickled(root):
    np.savez(root / "a.npz", y=np.array([{"a": 1}], dtype=object))
    assert cache.kept("a", lambda: {"y": np.ones(1)})["y"] == 1.0


def test_many_at_once(root):
    def find():
        return {"y": np.arange(2000.0)}

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.kept("a", find)["y"], range(64)))
    assert all(np.array_equal(f, np.arange(2000.0)) for f in found)
    assert [f.name for f in root.iterdir()] == ["a.npz"]


def test_turned_off(tmp_path, monkeypatch):
    monkeypatch.setenv("LW_RL_CACHE", "")
    assert cache.directory() is None
    cache.kept("a", lambda: {"y": np.ones(1)})
    monkeypatch.setenv("LW_RL_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    assert cache.kept("a", lambda: {"y": np.ones(1)})["y"] == 1.0
