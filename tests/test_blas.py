"""A solve's linear algebra has the threads that its context has, and gives the others back."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import lw_rl
from lw_rl.blas import blas_threads


def threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def four_threads():
    """A BLAS that would take four."""
    if not threads():
        pytest.skip("NumPy's BLAS is none that threadpoolctl knows")
    with threadpool_limits(4, "blas"):
        yield


class Spying:
    """A policy that notes the threads while it is asked."""

    def __init__(self):
        self.seen = set()

    def predict(self, obs, deterministic=True):
        self.seen |= threads()
        raise RuntimeError("nothing to say")


@pytest.mark.parametrize("Nthreads", [1, 2])
def test_solve(Nthreads, make_ctx):
    spying = Spying()
    ctx = make_ctx("CaII_K", "FALC", Nthreads=Nthreads)
    assert lw_rl.solve(ctx, spying, quiet=True).converged
    assert spying.seen == {Nthreads}
    assert threads() == {4}


def test_restored_after_an_error():
    with pytest.raises(KeyError), blas_threads(1):
        raise KeyError
    assert threads() == {4}


def test_of_two_threads_the_first_restores():
    entered, leave = threading.Event(), threading.Event()

    def other():
        with blas_threads(1):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with blas_threads(1):
        thread.start()
        entered.wait(60)
    leave.set()
    thread.join()
    assert threads() == {4}
