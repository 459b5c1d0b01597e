"""Solves side by side, in threads and in processes, are the solves that they are alone."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from solver_helpers import iterate
from workers import populations

from lw_rl.iterate import accelerate
from lw_rl.schemes import Depthwise, Safeguarded, make_scheme

SCHEMES = ("mali", "anderson", "depthwise")


@pytest.fixture
def contexts(make_ctx):
    """Four contexts of different atoms and atmospheres."""
    return [make_ctx(a, m, Nrays=2) for a in ("CaII_K", "MgII_k") for m in ("FALC", "FALA")]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_threads(scheme, contexts):
    alone = [populations(copy.deepcopy(c), scheme) for c in contexts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda c: populations(c, scheme), contexts))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_threads_with_one_scheme_object(contexts):
    scheme = make_scheme("depthwise")
    alone = [populations(copy.deepcopy(c), scheme) for c in contexts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda c: populations(c, scheme), contexts))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method, contexts):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this platform")
    alone = [populations(copy.deepcopy(c)) for c in contexts]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        together = list(pool.map(populations, contexts))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_copies_of_contexts_and_schemes(how, scheme, ctx):
    def duplicate(x):
        return pickle.loads(pickle.dumps(x)) if how == "pickle" else copy.deepcopy(x)

    guarded = make_scheme(scheme)
    copied_ctx, copied_scheme = duplicate(ctx), duplicate(guarded)
    expected = populations(ctx, guarded)
    np.testing.assert_array_equal(populations(copied_ctx, copied_scheme), expected)


def test_one_scheme_object_in_two_interleaved_solves(ctx, untrained):
    """No state is shared between solves."""
    scheme = Safeguarded(Depthwise(untrained))
    a, b, alone = (copy.deepcopy(ctx) for _ in range(3))
    first, second = accelerate(a, scheme=scheme), accelerate(b, scheme=scheme)
    for _ in range(6):
        iterate(first, 1)
        iterate(second, 1)
    iterate(accelerate(alone, scheme=scheme), 6)
    np.testing.assert_array_equal(a.activeAtoms[0].n, alone.activeAtoms[0].n)
    np.testing.assert_array_equal(b.activeAtoms[0].n, alone.activeAtoms[0].n)
