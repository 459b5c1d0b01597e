"""The coupled equilibrium: its fixed point is the host's, and one step goes most of the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lightweaver.rh_atoms import H_6_atom, He_9_atom
from multilevel_helpers import KINDS, Evaluated, context, error, populations, problem, solved

from lw_rl.iterate import solve
from lw_rl.problems import random_atoms, random_problem, suite


def step(ctx):
    """Make a formal solution and move to the operator's equilibrium."""
    e = Evaluated(ctx)
    found = e.operator.solve(e.rates)
    assert found is not None
    n, J = found
    e.adapter.write(e.adapter.unknown(np.split(n, e.equations.transfer.first_level[1:])))
    e.adapter.write_radiation(e.equations.transfer.waves, J)
    return e, n


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "charge"])
def test_the_fixed_point_is_the_hosts(kind):
    ctx = solved(kind)
    before = populations(ctx)
    _, n = step(ctx)
    assert np.max(np.abs(n / before - 1.0)) < 3e-5


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "magnesium", "two atoms", "calcium"])
def test_from_lte_three_steps_are_enough_for_a_per_cent(kind):
    ctx = problem(kind)
    for _ in range(3):
        _, n = step(ctx)
        assert np.all(n > 0.0)
    assert error(ctx, kind) < 1.5e-2
    e = Evaluated(ctx)
    sums = np.add.reduceat(n, e.equations.transfer.first_level, axis=0)
    np.testing.assert_allclose(sums, e.rates.nTotal, rtol=1e-10)


@pytest.mark.parametrize("kind", ["hydrogen", "calcium"])
def test_around_the_solution_it_contracts_to_a_tenth(kind):
    ctx = solved(kind)
    wave = np.sin(np.arange(82) / 9.0)
    for atom in ctx.activeAtoms:
        atom.n[1:] *= np.exp(0.1 * wave)
        atom.n[:] *= np.asarray(atom.nTotal) / atom.n.sum(axis=0)
    before = error(ctx, kind)
    # The radiation field of the changed populations, scattered light included.
    Evaluated(ctx, 20)
    step(ctx)
    assert error(ctx, kind) < 0.1 * before


def test_electrons_follow_the_ions():
    ctx = problem("charge")
    for _ in range(4):
        step(ctx)
    assert error(ctx, "charge") < 5e-3
    e = Evaluated(ctx)
    charge = e.equations.transfer.charge @ populations(ctx) + e.adapter.given_electrons()
    np.testing.assert_allclose(np.asarray(ctx.atmos.ne), charge, rtol=1e-4)
    np.testing.assert_allclose(
        np.asarray(ctx.atmos.ne), np.asarray(solved("charge").atmos.ne), rtol=5e-3
    )


def test_where_no_equilibrium_is_found_it_says_so():
    """Helium in LTE is in another ionisation stage than in equilibrium, over most of FAL-C."""
    e = Evaluated(context([He_9_atom()], [H_6_atom()]))
    e.operator.ways = replace(e.operator.ways, builds=2)
    assert e.operator.solve(e.rates) is None


def test_collisions_alone_make_lte():
    e = Evaluated(problem("hydrogen"))
    rates = e.rates
    rates.collisions[:] *= 1e12
    found = e.operator.solve(rates)
    assert found is not None
    lte = np.concatenate(e.adapter.lte_populations())
    # Populations of the highest levels where radiative rates were a trillion times larger.
    np.testing.assert_allclose(found[0], lte, rtol=1e-2)


@pytest.mark.parametrize(("kind", "most"), [("CaII", 5), ("H", 6), ("MgII", 8)])
def test_emission_profiles_are_foreseen(kind, most):
    """Where the host alone iterated them Mg II took 11 and H 9, of three sub-iterations each."""
    (chosen,) = (p for p in suite("atoms-prd") if p.name == f"{kind} FALC prd")
    result = solve(chosen.context(), quiet=True, prd=True, bound=False)
    assert result.converged and result.Nformal <= most


def test_no_equilibrium_of_its_own():
    """Where a rate was cut at its local part this ended with a residual of 6e-4, and by MALI."""
    (chosen,) = (p for p in suite("atoms-prd") if p.name == "H FALF prd")
    result = solve(chosen.context(), quiet=True, prd=True, bound=False)
    assert result.converged and result.Nformal <= 12


def test_linearisations_that_lead_away_end_a_correction():
    """With them all a helium atom was not converged after 400 formal solutions."""
    result = solve(random_problem("atoms", 3025).context(), quiet=True, NmaxIter=40, bound=False)
    assert result.converged


@pytest.mark.parametrize("number", [1000, 6021])
def test_behind_an_ionisation_front(number):
    """The light there has to be the host's to some ten per cent, and so has what it unbalances.

    Without, these helium atoms were not converged after 100 formal solutions.
    """
    result = solve(random_problem("atoms", number).context(), quiet=True, NmaxIter=20, bound=False)
    assert result.converged and result.Nformal <= 8


@pytest.mark.parametrize("index", [300065, 300261])
def test_an_equilibrium_that_iterations_lead_away_from_is_not_gone_to(index):
    """It is behind an ionisation front. These were not converged after 120 formal solutions."""
    ctx = random_atoms(index).context()
    result = solve(ctx, quiet=True, NmaxIter=40, bound=False)
    assert result.converged and result.Nformal <= 20
    stopped = populations(ctx)
    assert solve(ctx, scheme="mali_scattering", popsTol=1e-6, quiet=True).converged
    assert np.abs(stopped / populations(ctx) - 1.0).max() < 1e-3


def test_scattered_light_on_a_coarse_grid_is_not_called_settled_before_it_is():
    """Interpolated linearly it keeps away from the host's, hardly moves, and is behind Mg III."""
    ctx = random_atoms(20002).context()
    assert solve(ctx, quiet=True, bound=False).converged
    stopped = populations(ctx)
    assert solve(ctx, popsTol=1e-6, quiet=True, bound=False).converged
    assert np.abs(stopped / populations(ctx) - 1.0).max() < 1e-3
