"""Worker processes, each on one thread."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

__all__ = ["one_thread_each", "processes"]


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give worker processes, each on one thread; an exception drops what they have not begun."""
    # Spawned and not forked: torch's threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    with one_thread_each():
        pool = ProcessPoolExecutor(workers, mp_context=spawn)
        try:
            yield pool
        except BaseException:
            # Once: the executor's own exit would shut down again, without dropping anything.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let worker processes that are started within use one thread; the matrices here are small."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
