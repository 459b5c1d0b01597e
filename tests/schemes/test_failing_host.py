"""The host's solver of statistical equilibrium fails, or does not notice that it has."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from conftest import assert_physical, error, with_policy
from solver_helpers import Scripted, drive, flaky, iterate, wild

import lw_rl
from lw_rl.iterate import accelerate, iterate_ctx_rl


@pytest.mark.parametrize("scheme", ["mali", "ng", "anderson", "depthwise"])
@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("spoil", [None, np.nan, -1.0, 0.0])
def test_an_exploding_matrix_is_a_rejected_step(scheme, at, spoil, ctx, untrained, reference):
    proxy = accelerate(flaky(ctx, lambda k: k == at, spoil), **with_policy(scheme, untrained))
    lw.iterate_ctx_se(proxy, Nscatter=0, JTol=1.0, popsTol=1e-5, quiet=True)
    assert_physical(ctx)
    assert error(ctx, reference) < 1e-3
    assert proxy.report.rejected >= 1
    assert not proxy.report.records[at].accepted
    assert proxy.report.records[at].residual == np.inf


def test_a_step_that_explodes_is_undone(ctx):
    """Back to before the step, not to the wild populations at which the solver failed."""
    plain = drive(copy.deepcopy(ctx), "mali", 5)
    proxy = accelerate(flaky(ctx, lambda k: k == 5), scheme=Scripted({4: wild}))
    iterate(proxy, 6)
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, plain.activeAtoms[0].n)
    np.testing.assert_array_equal(ctx.spect.J, plain.spect.J)


@pytest.mark.parametrize("spoil", [np.nan, -1.0])
def test_populations_that_are_not_physical_without_an_error(spoil, ctx, reference):
    """The host does not always notice: there its rates are balanced anew, and nothing is lost."""
    proxy = accelerate(flaky(ctx, lambda k: k == 5, spoil, error=None), scheme="anderson")
    lw.iterate_ctx_se(proxy, Nscatter=0, JTol=1.0, popsTol=1e-5, quiet=True)
    assert_physical(ctx)
    assert error(ctx, reference) < 1e-3
    assert proxy.report.rejected == 0
    assert "not positive at 20 depths (the first: 0)" in proxy.report.records[5].note


@pytest.mark.parametrize("scheme", ["mali", "anderson"])
def test_a_failed_solve_is_not_convergence(scheme, ctx):
    """Nothing changes when the solver fails, and nothing changes at equilibrium."""
    for at, calls in ((8, 9), (0, 1)):
        proxy = accelerate(flaky(ctx, lambda k, at=at: k == at), scheme=scheme)
        for _ in range(calls):
            proxy.formal_sol_gamma_matrices()
            update = proxy.stat_equil()
        assert update.dPopsMax >= 1.0


def test_an_arithmetic_error_is_a_failed_update(ctx):
    """The host divides by the electron density, which charge conservation can make zero."""
    failing = flaky(ctx, lambda k: k == 1, error=ZeroDivisionError)
    result = lw_rl.solve(failing, scheme="mali", quiet=True)
    assert result.converged and result.rejected == 1


@pytest.mark.parametrize("scheme", ["mali", "anderson", "depthwise"])
@pytest.mark.parametrize("first", [0, 2])
def test_a_solver_that_keeps_failing_raises(scheme, first, ctx, untrained):
    """... and leaves the populations of before."""
    calls = []
    with pytest.raises(lw.ExplodingMatrixError, match="3 times in a row"):
        iterate_ctx_rl(
            flaky(ctx, lambda k: k >= first, np.nan),
            popsTol=1e-9,
            quiet=True,
            callback=calls.append,
            **with_policy(scheme, untrained),
        )
    assert len(calls) == first + 2
    assert_physical(ctx)
    assert np.all(np.isfinite(ctx.spect.J))


def test_other_errors_of_the_host_pass_through(ctx):
    with pytest.raises(ValueError, match="Singular"):
        failing = flaky(ctx, lambda k: k == 3, np.nan, error=ValueError)
        iterate_ctx_rl(failing, scheme="anderson", quiet=True)
    assert_physical(ctx)
