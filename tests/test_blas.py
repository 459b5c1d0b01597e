"""A solve's linear algebra has the threads that its context has, and gives the others back."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import lw_rl
from lw_rl import approximate_operator
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


@pytest.mark.parametrize("Nthreads", [1, 2])
def test_every_operator_of_a_solve(Nthreads, make_ctx, monkeypatch):
    seen, build = [], approximate_operator.ApproximateOperator._build

    def noted(*args, **kwargs):
        seen.append(threads())
        return build(*args, **kwargs)

    monkeypatch.setattr(approximate_operator.ApproximateOperator, "_build", noted)
    ctx = make_ctx("CaII_K", "FALC", Nthreads=Nthreads)
    assert lw_rl.solve(ctx, quiet=True).converged
    assert seen and all(found == {Nthreads} for found in seen)
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
