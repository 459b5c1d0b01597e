"""A small problem, its reference, and results that were not measured."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

import lw_rl
from lw_rl import problems
from lw_rl.benchmark.reference import reference, settle
from lw_rl.benchmark.solves import PeerSolve, ProblemResult
from lw_rl.schemes import Anderson, Budget, Safeguarded


@pytest.fixture(scope="session")
def problem():
    """FAL C, Ca II K, on 24 depths."""
    return problems.shipped_problem("CaII_K", "FALC", 24)


@pytest.fixture(scope="session")
def start(problem):
    """Its context in LTE. Not to be changed."""
    return problem.context()


@pytest.fixture(scope="session")
def n_ref(start):
    """Its reference populations [m-3]."""
    return reference(copy.deepcopy(start))[0]


@pytest.fixture(scope="session")
def two_solutions():
    """A context in LTE whose equations have two solutions, and the one that wild steps lead to."""
    ctx = problems.random_problem("test", 223).context()
    other = copy.deepcopy(ctx)
    lw_rl.solve(other, scheme=Safeguarded(Anderson(), growth=1e6, budget=Budget(20.0)), quiet=True)
    return ctx, settle(other)[0]


@pytest.fixture
def results(problem):
    """Results of one problem, in which MALI stops too early."""
    mali = PeerSolve("mali", "", (1.0, 0.01, 1e-7), 2, 0.01, 0.4)
    policy = PeerSolve("depthwise (u)", "", (1e-7,), 1, 1e-7, 0.1, other_fixed_point=0.2)
    anderson = PeerSolve("anderson10", "", (1.0, 1e-7), 2, 1e-7, 0.2)
    return [ProblemResult(problem, 24, 1e-13, (mali, anderson, policy))]


@pytest.fixture
def redistributed(results):
    """Return the same with three sub-iterations on half of the wavelengths in each iteration."""
    solves = [
        replace(s, sub_iterations=(3,) * len(s.errors), stop_sub_iterations=3 * s.stop, swept=0.5)
        for s in results[0].solves
    ]
    return [replace(results[0], solves=tuple(solves))]
