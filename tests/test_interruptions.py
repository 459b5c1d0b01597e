"""Ctrl-C, or an error of a callback, at any moment leaves a context that can be continued.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
an exception restores the populations               test_an_interrupt_inside_the_update
(AcceleratedContext.stat_equil, _loop)              test_ctrl_c_at_a_random_moment
populations half written are made to sum up         test_an_interrupt_while_populations_are_written
(iterate._loop, Adapter.renormalise)
=================================================== ==========================================
"""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from conftest import assert_physical, error, with_policy
from solver_helpers import Says, Wrapped

import lw_rl
from lw_rl.host.adapter import Adapter
from lw_rl.iterate import iterate_ctx_rl

SCHEMES = ("mali", "anderson", "depthwise")


def assert_it_goes_on(ctx, reference, **keywords):
    assert_physical(ctx)
    iterate_ctx_rl(ctx, popsTol=1e-5, JTol=1.0, quiet=True, **(keywords or {"scheme": "anderson"}))
    assert error(ctx, reference) < 1e-4


# ---- at a known place -----


class Stop(Exception):
    pass


@pytest.mark.parametrize("error_class", [KeyboardInterrupt, Stop])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("at", [0, 3, 9])
def test_an_interrupt_from_a_callback(error_class, scheme, at, ctx, untrained, reference):
    def callback(proxy):
        if len(proxy.report.records) > at:
            raise error_class

    keywords = with_policy(scheme, untrained)
    with pytest.raises(error_class):
        iterate_ctx_rl(ctx, popsTol=1e-14, quiet=True, callback=callback, **keywords)
    assert_it_goes_on(ctx, reference)


def interrupted(ctx, method, at):
    """A context in which a chosen call is interrupted, after spoiling what the call writes."""
    calls, original = 0, getattr(ctx, method)

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls > at:
            if method == "stat_equil":
                ctx.activeAtoms[0].n[:, ::2] = -1.0
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    return Wrapped(ctx, **{method: call})


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize("method", ["stat_equil", "formal_sol_gamma_matrices"])
def test_an_interrupt_inside_the_update(method, scheme, at, ctx, untrained, reference):
    keywords = with_policy(scheme, untrained)
    with pytest.raises(KeyboardInterrupt):
        iterate_ctx_rl(interrupted(ctx, method, at), popsTol=1e-14, quiet=True, **keywords)
    assert_it_goes_on(ctx, reference)


def test_an_interrupt_inside_the_policy(ctx, oracle, reference):
    def slow(observation):
        if policy.calls == 3:
            raise KeyboardInterrupt
        return oracle.predict(observation)

    policy = Says(slow)
    with pytest.raises(KeyboardInterrupt):
        iterate_ctx_rl(ctx, policy=policy, popsTol=1e-8, quiet=True)
    assert_it_goes_on(ctx, reference, policy=oracle)


def swallowing(ctx, at):
    """A context in which an interrupt arrives inside code that numba has compiled."""
    calls = 0

    def call(**kwargs):
        nonlocal calls
        calls += 1
        if calls <= at:
            return ctx.stat_equil(**kwargs)
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as err:
            raise SystemError("CPUDispatcher returned a result with an exception set") from err

    return Wrapped(ctx, stat_equil=call)


def test_an_interrupt_inside_compiled_code(make_ctx, reference):
    """It arrives as a SystemError: one in ten interrupts of a solve by the operator."""
    ctx = make_ctx()
    with pytest.raises(KeyboardInterrupt):
        iterate_ctx_rl(swallowing(ctx, 3), popsTol=1e-14, quiet=True)
    assert_it_goes_on(ctx, reference)
    ctx = make_ctx()
    assert lw_rl.solve(swallowing(ctx, 3), popsTol=1e-14, quiet=True).outcome == "interrupted"


def test_an_interrupt_while_populations_are_written(ctx, monkeypatch):
    original = Adapter.go_back

    def half(self, y):
        original(self, y)
        np.asarray(self.ctx.activeAtoms[0].n)[0] *= 1.01
        raise KeyboardInterrupt

    monkeypatch.setattr(Adapter, "go_back", half)
    with pytest.raises(KeyboardInterrupt):
        iterate_ctx_rl(ctx, scheme="anderson", quiet=True)
    assert_physical(ctx)


# ---- at a random moment -----


@pytest.fixture
def ctrl_c():
    """Return a function that sends SIGINT's exception to this process after so many seconds."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("needs POSIX timers")

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("scheme", SCHEMES)
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
            iterate_ctx_rl(ctx, scheme=scheme, popsTol=1e-5, quiet=True)
        except (KeyboardInterrupt, SystemError):
            # See test_an_interrupt_inside_compiled_code.
            interrupted += 1
        ctrl_c(0.0)
        assert_physical(ctx)
        result = lw_rl.solve(ctx, scheme="anderson", popsTol=3e-5, quiet=True)
        assert result.converged
        assert error(ctx, reference) < 1e-4
    assert interrupted > 0
