"""Worker processes: one thread each, and an environment that is as it was."""

from __future__ import annotations

import os
from time import monotonic, sleep

import pytest

from lw_rl.processes import one_thread_each, processes

NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def test_the_environment_is_as_it_was(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with pytest.raises(KeyError), one_thread_each():
        assert [os.environ[name] for name in NAMES] == ["1", "1", "1"]
        raise KeyError
    assert dict(os.environ) == before


def test_workers_have_one_thread_and_are_others():
    with processes(1) as pool:
        assert list(pool.map(os.getenv, NAMES)) == ["1", "1", "1"]
        assert pool.submit(os.getpid).result() != os.getpid()


def test_an_exception_drops_what_was_not_begun():
    with pytest.raises(KeyError), processes(1) as pool:
        futures = [pool.submit(sleep, 0.2) for _ in range(50)]
        raise KeyError
    deadline = monotonic() + 60.0
    while not all(f.done() for f in futures) and monotonic() < deadline:
        sleep(0.02)
    assert all(f.done() for f in futures)
    assert any(f.cancelled() for f in futures)
