"""Whose wall time is taken, on what, and in which order."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from lw_rl.benchmark.measure import solve
from lw_rl.benchmark.peers import LADDER, Peer
from lw_rl.benchmark.reference import true_error
from lw_rl.benchmark.solves import PeerSolve
from lw_rl.benchmark.timing import default_call, fastest, timed
from lw_rl.schemes import Anderson


def test_calls_are_timed_in_turns_each_on_a_context_of_its_own(start):
    seen = []
    calls = [lambda c: seen.append(("a", c)), lambda c: seen.append(("b", c))]
    seconds = fastest(calls, start, 3)
    assert len(seconds) == 2 and all(0.0 < s < 1.0 for s in seconds)
    assert [name for name, _ in seen] == ["a", "b"] * 3
    assert len({id(c) for c in [*(c for _, c in seen), start]}) == 7


@pytest.mark.parametrize(
    "peer", [Peer("anderson", Anderson()), Peer("lightweaver to 1e-3", None, tolerances=LADDER)]
)
def test_the_stop_is_that_of_the_call_that_is_timed(start, n_ref, peer):
    measured = solve(start, n_ref, peer, 0)
    ctx = copy.deepcopy(start)
    it = default_call(peer, measured.popsTol, False)(ctx)
    assert it + 1 == measured.stop
    assert true_error([np.array(ctx.activeAtoms[0].n)], n_ref) == measured.stop_error <= 1e-3


def test_only_what_stops_is_timed(start):
    peer = Peer("lightweaver", None)
    stops = PeerSolve("lightweaver", "", (1.0,), 1, 1.0, None)
    never = PeerSolve("lightweaver", "", (1.0,), None, None, None)
    first, second = timed(start, [(peer, never), (peer, stops)], 2, prd=False)
    assert first.seconds is None and second.seconds > 0.0
    assert timed(start, [(peer, stops)], 0, prd=False) == [stops]
