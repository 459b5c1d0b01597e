"""Ctrl-C at any moment leaves a context that can be continued.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
an exception restores the populations               test_ctrl_c_at_a_random_moment
(AcceleratedContext.stat_equil, _loop)
populations half written are made to sum up         test_an_interrupt_while_populations_are_written
(iterate._loop, Adapter.renormalise)
=================================================== ==========================================
"""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from conftest import assert_physical, error

import lw_rl
from lw_rl.host.adapter import Adapter

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")


@pytest.fixture
def ctrl_c():
    """Return a function that sends SIGINT's exception to this process after so many seconds."""

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("scheme", ["mali", "anderson", "depthwise"])
def test_ctrl_c_at_a_random_moment(scheme, make_ctx, ctrl_c, reference):
    lw_rl.solve(make_ctx(), scheme=scheme, popsTol=1e-5, quiet=True)  # imports, caches
    start = time.perf_counter()
    lw_rl.solve(make_ctx(), scheme=scheme, popsTol=1e-5, quiet=True)
    length = time.perf_counter() - start
    interrupted = 0
    for moment in np.random.default_rng(0).uniform(0.05, 0.95, 15):
        ctx = make_ctx()
        try:
            ctrl_c(moment * length)
            lw_rl.iterate_ctx_rl(ctx, scheme=scheme, popsTol=1e-5, quiet=True)
        except KeyboardInterrupt:
            interrupted += 1
        ctrl_c(0.0)
        assert_physical(ctx)
        result = lw_rl.solve(ctx, scheme=scheme, popsTol=3e-5, quiet=True)
        assert result.converged
        assert error(ctx, reference) < 1e-4
    assert interrupted > 0


def test_an_interrupt_while_populations_are_written(ctx, monkeypatch):
    original = Adapter.go_back

    def half(self, y):
        original(self, y)
        np.asarray(self.ctx.activeAtoms[0].n)[0] *= 1.01
        raise KeyboardInterrupt

    monkeypatch.setattr(Adapter, "go_back", half)
    with pytest.raises(KeyboardInterrupt):
        lw_rl.iterate_ctx_rl(ctx, scheme="anderson", quiet=True)
    assert_physical(ctx)
