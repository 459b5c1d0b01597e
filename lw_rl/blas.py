"""The threads of the linear algebra: as many as the context has, whatever the BLAS would take.

A BLAS takes every core by itself. For matrices of a hundred depths that gains nothing, and where
several solves share a machine, its threads wait for one another.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # It looks through the libraries of the process, which takes longer than a step.
    return ThreadpoolController()


def blas_threads(number: int) -> AbstractContextManager[Any]:
    """Let the process's BLAS use a number of threads meanwhile.

    The setting is one of the whole process. Of solves in several threads at a time the first in
    decides, and restores when it is out.

    Parameters
    ----------
    number : int
        Number of threads.
    """
    return _controller().limit(limits=number, user_api="blas")
