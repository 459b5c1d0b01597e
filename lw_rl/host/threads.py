"""The threads of the linear algebra: as many as the context has, whatever the BLAS would take.

A BLAS takes every core by itself. For matrices of a hundred depths that gains nothing, and where
several solves share a machine, its threads wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from threading import Lock
from typing import Any

from threadpoolctl import LibController, ThreadpoolController

__all__ = ["blas_threads", "on_the_contexts_threads"]

#: Locked by whoever has set the number of threads.
_set = Lock()


@cache
def _libraries() -> list[LibController]:
    # To look through those of the process takes longer than a step.
    libraries: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """Let the process's BLAS use a number of threads meanwhile.

    The setting is one of the whole process. Of solves in several threads at a time the first in
    decides, and sets back when it is out: if each did, what is set back would not be what was there
    before them all.

    Parameters
    ----------
    number : int
        Number of threads.
    """
    if not _set.acquire(blocking=False):
        yield
        return
    try:
        # A tenth of what the controller's own context manager takes, which asks for all there is.
        others = [(lib, n) for lib in _libraries() if (n := lib.get_num_threads()) != number]
        for lib, _ in others:
            lib.set_num_threads(number)
        try:
            yield
        finally:
            for lib, before in others:
                lib.set_num_threads(before)
    finally:
        _set.release()


def on_the_contexts_threads(method: Callable[..., Any]) -> Callable[..., Any]:
    """Run a method with the threads of the context that its object's ``adapter`` has."""

    @wraps(method)
    def limited(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _set.locked():
            # As in a solve, which has set them: a context manager takes as long as an estimate.
            return method(self, *args, **kwargs)
        with blas_threads(self.adapter.Nthreads):
            return method(self, *args, **kwargs)

    return limited
