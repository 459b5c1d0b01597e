"""Steps in time: the host's own implicit equations, solved, with particles conserved."""

from __future__ import annotations

import numpy as np
import pytest
from lightweaver.rh_atoms import H_3_atom, MgII_hk_atom
from multilevel_helpers import context, populations, problem, solved

import lw_rl
from lw_rl.errors import PopulationsError, TimeStepError
from lw_rl.operator.time_dependent import CoupledTimeStep


def heat(ctx):
    ctx.atmos.temperature[20:40] *= 1.2
    ctx.update_deps()
    return ctx


def by_the_host(ctx, dt, before=None):
    """Make a step by the host's own updates, to the end."""
    for _ in range(600):
        ctx.formal_sol_gamma_matrices()
        update, before = ctx.time_dep_update(dt, before)
        if ctx.conserveCharge:
            update = ctx.nr_post_update(timeDependentData={"dt": dt, "nPrev": before})
        if update.dPopsMax < 1e-8:
            return ctx
    raise AssertionError("the host's step did not settle")


@pytest.mark.parametrize(
    "kind", ["hydrogen", pytest.param("moving", marks=pytest.mark.slow), "charge"]
)
def test_a_step_is_the_hosts(kind):
    ctx, host = heat(solved(kind)), heat(solved(kind))
    total = populations(ctx).sum(axis=0)
    step = lw_rl.time_step(ctx, 0.5)
    by_the_host(host, 0.5)
    assert step.converged
    assert step.Nformal <= 6
    error = np.max(np.abs(populations(ctx) / populations(host) - 1.0))
    assert error < 1e-3
    np.testing.assert_allclose(ctx.atmos.ne, host.atmos.ne, rtol=1e-4)
    np.testing.assert_allclose(populations(ctx).sum(axis=0), total, rtol=1e-13)


def test_a_proxy_steps_in_a_users_own_loop():
    plain, host = heat(solved("charge")), heat(solved("charge"))
    ctx = lw_rl.accelerate(plain, time_dependent=True)
    for _ in range(3):
        before, made = None, 0
        while made < 20:
            made += 1
            light = ctx.formal_sol_gamma_matrices()
            _, before = ctx.time_dep_update(0.2, before)
            update = ctx.nr_post_update(timeDependentData={"dt": 0.2, "nPrev": before})
            if update.dPopsMax < 1e-3 and light.dJMax < 3e-3:
                break
        assert made < 9
        by_the_host(host, 0.2)
    assert np.max(np.abs(populations(ctx) / populations(host) - 1.0)) < 5e-3
    np.testing.assert_allclose(ctx.atmos.ne, host.atmos.ne, rtol=1e-3)


def test_a_linearisation_serves_for_more_than_one_step(monkeypatch):
    made = []
    solve = CoupledTimeStep.solve

    def counted(self, rates):
        made.append(self)
        return solve(self, rates)

    monkeypatch.setattr(CoupledTimeStep, "solve", counted)
    ctx, host = heat(solved("charge")), heat(solved("charge"))
    step, counts = None, []
    for _ in range(5):
        step = lw_rl.time_step(ctx, 0.05, step)
        counts.append((step.Nformal, len(made)))
        made.clear()
        by_the_host(host, 0.05)
    assert all(formal <= 4 for formal, _ in counts)
    assert sum(builds for _, builds in counts) < 0.5 * sum(formal for formal, _ in counts)
    assert np.max(np.abs(populations(ctx) / populations(host) - 1.0)) < 2e-3
    # That of another context is of no use, and does not get in the way.
    assert lw_rl.time_step(heat(solved("hydrogen")), 0.05, step).converged


def test_what_a_linearisation_leaves_makes_a_new_one():
    ctx = heat(solved("charge"))
    step = lw_rl.time_step(ctx, 0.05)
    first = step._scheme._known
    ctx.atmos.temperature[30:50] *= 1.3
    ctx.update_deps()
    step = lw_rl.time_step(ctx, 0.05, step)
    assert step.converged
    assert step.Nformal <= 4
    assert step._scheme._known is not first


def test_steps_end_in_equilibrium_with_adaptive_length():
    ctx = solved("hydrogen")
    reference = populations(heat(solved("hydrogen")))
    heat(ctx)
    step, dt, lengths = None, 1.0, []
    for _ in range(14):
        step = lw_rl.time_step(ctx, dt, step, timeTol=0.3)
        dt = step.next_dt
        lengths.append(step.dt)
    assert lengths[-1] > 4.0 * lengths[0]
    assert step.truncation < 0.3
    assert np.any(populations(ctx) != reference)


def test_the_error_in_time_is_of_first_order():
    once, twice = heat(solved("hydrogen")), heat(solved("hydrogen"))
    steps = {}
    for ctx, dt, count in ((once, 2.0, 4), (twice, 1.0, 8)):
        step = None
        for _ in range(count):
            step = lw_rl.time_step(ctx, dt, step, popsTol=1e-4)
        steps[dt] = step.truncation
    assert 2.0 < steps[2.0] / steps[1.0] < 8.0


def test_two_atoms_step_together():
    ctx = context([H_3_atom(), MgII_hk_atom()])
    step = lw_rl.time_step(heat(ctx), 0.1)
    assert step.converged
    assert [n.shape[0] for n in step.after] == [a.Nlevel for a in ctx.activeAtoms]


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf, "a", None])
def test_a_length_that_is_none_is_named(dt):
    ctx = problem("hydrogen")
    n, J = populations(ctx), np.array(ctx.spect.J)
    with pytest.raises(TimeStepError, match="dt must be positive"):
        lw_rl.time_step(ctx, dt)
    np.testing.assert_array_equal(populations(ctx), n)
    np.testing.assert_array_equal(ctx.spect.J, J)


def test_other_settings_are_checked():
    ctx = problem("hydrogen")
    with pytest.raises(TimeStepError, match="popsTol"):
        lw_rl.time_step(ctx, 1.0, popsTol=0.0)
    for NmaxIter in (0, 1.5, "a"):
        with pytest.raises(TimeStepError, match="NmaxIter"):
            lw_rl.time_step(ctx, 1.0, NmaxIter=NmaxIter)


def test_a_beginning_that_is_none_is_named():
    ctx = problem("hydrogen")
    n = populations(ctx)
    with pytest.raises(PopulationsError, match="one array"):
        lw_rl.time_step(ctx, 1.0, before=[n[:, :5]])
    with pytest.raises(PopulationsError, match="hold nan"):
        lw_rl.time_step(ctx, 1.0, before=[np.full_like(n, np.nan)])
    with pytest.raises(PopulationsError, match="sum to nTotal"):
        lw_rl.time_step(ctx, 1.0, before=[1.1 * n])
    np.testing.assert_array_equal(populations(ctx), n)
    assert lw_rl.time_step(ctx, 1e-3, before=[n]).converged


def test_a_step_before_of_something_else_is_named():
    ctx = problem("hydrogen")
    n = populations(ctx)
    other = lw_rl.time_step(lw_rl.build_context("CaII_K", "FALC", Nrays=3), 0.1)
    with pytest.raises(TimeStepError, match="other atoms or depths"):
        lw_rl.time_step(ctx, 1.0, other)
    with pytest.raises(TimeStepError, match="step before; got 'first'"):
        lw_rl.time_step(ctx, 1.0, "first")
    np.testing.assert_array_equal(populations(ctx), n)
