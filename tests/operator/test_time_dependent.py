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


def test_the_linearisation_of_another_step_has_the_same_solution():
    ctx, elsewhere = solved("hydrogen"), problem("hydrogen")
    n, e, far = populations(ctx), Evaluated(ctx), Evaluated(elsewhere)
    lte = populations(elsewhere)
    known = CoupledTimeStep(far.equations.transfer, before=lte, dt=1.0)
    assert known.solve(far.rates) is not None
    step = CoupledTimeStep(e.equations.transfer, before=lte, dt=1e12)
    assert step.alike(known)
    found = step.reuse(e.rates, known)
    assert found is not None
    np.testing.assert_allclose(found[0], n, rtol=1e-3)
    assert step.made == 0


def test_that_of_other_atoms_is_none():
    one, other = Evaluated(problem("hydrogen")), Evaluated(problem("magnesium"))
    step, known = (
        CoupledTimeStep(e.equations.transfer, before=populations(e.ctx), dt=1.0)
        for e in (one, other)
    )
    assert not step.alike(known)
