"""Radiative transfer and rates as plain arrays: against what the host itself uses."""

from __future__ import annotations

import numpy as np
import pytest
from lightweaver.atomic_model import LineType
from multilevel_helpers import KINDS, Evaluated, problem, solved

from lw_rl.host.equations import Equations
from lw_rl.operator.coupled_light import Rows
from lw_rl.operator.response_1d import emitted, opacities, seen


def totals(e):
    t, r = e.equations.transfer, e.rates
    chi, eta = (np.ascontiguousarray(x.T) for x in (r.chi, r.eta))
    single = Rows.of(t).single
    total = opacities(
        t.start, t.first, single, t.lower, t.upper, t.absorption, t.stimulated, t.profile, r.n, chi
    )
    return total, emitted(t.start, t.first, single, t.emission, t.profile, r.n[t.upper], eta)


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "detailed", "two atoms", "calcium"])
def test_opacity_and_emissivity_are_the_hosts(kind):
    e = Evaluated(problem(kind))
    total, emitted = totals(e)
    waves = e.equations.transfer.waves
    for mine, host in ((total, e.ctx.depthData.chi), (emitted, e.ctx.depthData.eta)):
        host = np.asarray(host)[waves].transpose(1, 2, 3, 0)
        # At rest one bundle is all rays; else each ray inward and outward is one.
        host = host.reshape(-1, *host.shape[2:])
        host = host if len(mine) > 1 else host[:1]
        np.testing.assert_allclose(mine, host, rtol=1e-6)


@pytest.mark.parametrize("kind", ["hydrogen", "magnesium", "two atoms"])
def test_rates_follow_from_mean_intensities(kind):
    e = Evaluated(problem(kind))
    t, r = e.equations.transfer, e.rates
    up, down = np.zeros_like(r.up), np.zeros_like(r.up)
    J = np.ascontiguousarray(r.J.T)
    row = np.arange(len(t.lower))
    for rate, weight in ((up, t.up), (down, t.down)):
        seen(t.start, t.first, row, row, weight, weight, J, rate)
    np.testing.assert_allclose(up, r.up, rtol=1e-5)
    spontaneous = r.down - down
    lines = np.isfinite(t.multiple[:, 0])
    assert lines.any() and not lines.all()
    # Einstein's A is the same at every depth.
    np.testing.assert_allclose(
        spontaneous[lines], spontaneous[lines][:, :1] + 0 * down[lines], rtol=1e-5
    )
    assert np.all(spontaneous > 0.0)
    np.testing.assert_allclose(down[lines], (t.multiple * up)[lines], rtol=1e-12)


def test_levels_of_several_atoms_follow_each_other():
    e = Evaluated(problem("two atoms"))
    t = e.equations.transfer
    assert t.first_level.tolist() == [0, 3] and t.Nlevel.tolist() == [3, 4]
    assert t.charge.tolist() == [0, 0, 1, 1, 1, 1, 2]
    second = t.lower >= 3
    assert np.array_equal(second, t.upper >= 3) and second.any() and not second.all()
    np.testing.assert_array_equal(e.rates.n, np.concatenate(e.adapter.populations()))
    assert e.rates.nTotal.shape == (2, 82)


@pytest.mark.parametrize("kind", ["hydrogen", "magnesium"])
def test_the_defect_makes_the_hosts_equations_of_its_rates(kind):
    """In MALI's equilibrium, rates and defect together are in balance; rates alone are not."""
    e = Evaluated(solved(kind))
    t, r = e.equations.transfer, e.rates
    total = r.collisions.copy()
    np.add.at(total, (t.upper, t.lower), r.up)
    np.add.at(total, (t.lower, t.upper), r.down)
    lost = total.sum(axis=0) * r.n
    net = np.einsum("ijk,jk->ik", total, r.n) - lost
    assert np.max(np.abs(net + r.defect * r.n) / lost) < 1e-7


def test_no_defect_is_taken_far_from_equilibrium():
    far = Evaluated(problem("hydrogen")).rates
    near = Evaluated(solved("hydrogen")).rates
    assert np.count_nonzero(far.defect == 0.0) > np.count_nonzero(near.defect == 0.0)


def test_emission_profiles_scale_what_is_emitted():
    e = Evaluated(problem("calcium"))
    plain = e.equations.transfer
    rho = np.asarray(e.ctx.activeAtoms[0].trans[0].rhoPrd)
    rho[:] = 1.5
    t = e.equations.transfer
    of = np.zeros(t.start[-1], bool)
    of[t.entries(0)] = True
    for name in ("emission", "stimulated", "down"):
        np.testing.assert_allclose(getattr(t, name)[:, of], 1.5 * getattr(plain, name)[:, of])
        np.testing.assert_array_equal(getattr(t, name)[:, ~of], getattr(plain, name)[:, ~of])
    np.testing.assert_array_equal(t.absorption, plain.absorption)


def test_recombination_is_in_proportion_to_the_electrons():
    e = Evaluated(problem("charge"))
    plain = e.equations.transfer
    e.ctx.atmos.ne[:] *= 1.1
    e.adapter.formal_solution()
    t = e.equations.transfer
    recombines = np.repeat(t.charge[t.upper] > t.charge[t.lower], np.diff(t.start))
    np.testing.assert_allclose(t.emission[:, recombines], 1.1 * plain.emission[:, recombines])
    np.testing.assert_array_equal(t.emission[:, ~recombines], plain.emission[:, ~recombines])
    assert e.rates.given is not None and np.all(e.rates.given > 0.0)


def test_electrons_are_those_of_the_formal_solution_whenever_it_is_asked():
    """Charge conservation has moved them, and the host's LTE populations, since."""
    e = Evaluated(problem("charge"))
    of_formal_solution = e.equations.transfer
    before = np.array(e.ctx.atmos.ne)
    e.adapter.plain_update()
    assert np.abs(np.array(e.ctx.atmos.ne) / before - 1.0).max() > 0.1
    later = Equations(e.adapter).transfer
    np.testing.assert_allclose(later.emission, of_formal_solution.emission, rtol=1e-3)


def test_profiles_of_the_rays_have_the_mean_one():
    t = Evaluated(problem("moving")).equations.transfer
    weight = np.repeat(0.5 * t.weight, 2)
    np.testing.assert_allclose(np.einsum("rke,r->ek", t.profile, weight), 1.0, rtol=1e-6)
    assert t.profile.max() > 1.5
    assert len(Evaluated(problem("hydrogen")).equations.transfer.profile) == 1


def test_kinds_are_all_in_lte_at_first():
    for kind in KINDS:
        adapter = Evaluated(problem(kind), 0).adapter
        assert all(map(adapter.in_lte, adapter.blocks)) or kind == "charge"


def test_lines_in_partial_redistribution_have_the_rates_of_a_mean_intensity_ahead():
    e = Evaluated(problem("magnesium"))
    lines = e.ctx.activeAtoms[0].trans
    before = [np.array(t.Rij) for t in lines]
    e.equations.foresee(1.5 * e.rates.J)
    models = e.ctx.activeAtoms[0].atomicModel.lines
    redistributed = [line.type == LineType.PRD for line in models]
    redistributed += [False] * (len(lines) - len(models))
    assert any(redistributed) and not all(redistributed)
    for t, old, follows in zip(lines, before, redistributed, strict=True):
        np.testing.assert_allclose(np.asarray(t.Rij), (1.5 if follows else 1.0) * old, rtol=1e-12)
    # Whoever goes back to the state of the formal solution finds its rates there.
    e.equations.foresee(2.0 * e.rates.J)
    e.adapter.go_back(e.adapter.evaluated)
    for t, old in zip(lines, before, strict=True):
        np.testing.assert_array_equal(np.asarray(t.Rij), old)
