"""A solve's linear algebra has the threads that its context has, and gives the others back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import lw_rl
from lw_rl import extrapolation
from lw_rl.host.threads import blas_threads
from lw_rl.operator import scattering, two_level
from lw_rl.schemes import coupled


def threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def four_threads():
    """A BLAS that would take four."""
    if not threads():
        pytest.skip("NumPy's BLAS is none that threadpoolctl knows")
    with threadpool_limits(4, "blas"):
        yield


@pytest.mark.parametrize("scheme", ["depthwise", "anderson", "mali"])
@pytest.mark.parametrize(("Nthreads", "prd"), [(1, False), (2, False), (1, True)])
def test_all_linear_algebra_of_a_solve(Nthreads, prd, scheme, monkeypatch):
    seen = []

    def watch(where, name):
        original = getattr(where, name)

        def noted(*args, **kwargs):
            seen.append(threads())
            return original(*args, **kwargs)

        monkeypatch.setattr(where, name, noted)

    for module in (two_level, scattering):
        watch(module, "dgetrf")
        watch(module, "dgetrs")
    for module in (extrapolation, coupled):
        watch(module, "least_residual")
    atom = lw_rl.atoms.make("CaII_K", prd=prd)
    ctx = lw_rl.build_context(atom, lw_rl.atmospheres.load("FALC", 30), Nthreads=Nthreads, Nrays=2)
    assert lw_rl.solve(ctx, scheme=scheme, prd=prd, prdIterTol=1e-3, quiet=True).converged
    assert seen and all(found == {Nthreads} for found in seen)
    assert threads() == {4}


def test_restored_after_an_error():
    with pytest.raises(KeyError), blas_threads(1):
        raise KeyError
    assert threads() == {4}


_OVERLAPPING = """
import threading
from threadpoolctl import threadpool_info
import numpy, scipy.linalg
from lw_rl.host.threads import blas_threads

def found():
    return [f["num_threads"] for f in threadpool_info() if f["user_api"] == "blas"]

before, entered, leave = found(), threading.Event(), threading.Event()

def other():
    entered.wait(60)
    with blas_threads(1):
        leave.set()
        second.wait(60)

second = threading.Event()
thread = threading.Thread(target=other)
thread.start()
with blas_threads(1):
    assert set(found()) == {1}
    entered.set()
    leave.wait(60)
second.set()
thread.join()
assert found() == before, (found(), before)
"""


def test_overlapping_solves_give_the_threads_back():
    """In a process of its own: whoever limits the BLAS around a test has it under control."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", _OVERLAPPING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
