"""The operator of a step in time: without time nothing changes, after long it is equilibrium."""

from __future__ import annotations

import numpy as np
from multilevel_helpers import Evaluated, populations, problem, solved

from lw_rl.operator.time_dependent import CoupledTimeStep


def after(ctx, before, dt):
    e = Evaluated(ctx)
    operator = CoupledTimeStep(e.equations.transfer, before=before, dt=dt)
    found = operator.solve(e.rates)
    assert found is not None
    return found[0]


def test_in_no_time_nothing_changes():
    ctx = problem("hydrogen")
    n = populations(ctx)
    np.testing.assert_allclose(after(ctx, n, 1e-14), n, rtol=1e-4)


def test_after_a_long_time_there_is_equilibrium():
    ctx = solved("hydrogen")
    n = populations(ctx)
    lte = np.array(ctx.activeAtoms[0].nStar)
    np.testing.assert_allclose(after(ctx, lte, 1e12), n, rtol=1e-3)


def test_particles_are_conserved():
    ctx = problem("hydrogen")
    ctx.atmos.temperature[20:40] *= 1.3
    ctx.update_deps()
    n = populations(ctx)
    np.testing.assert_allclose(after(ctx, n, 0.1).sum(axis=0), n.sum(axis=0), rtol=1e-10)
