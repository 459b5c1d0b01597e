"""The arrays of a context: what leaves the context untouched, and what is refused."""

from __future__ import annotations

import lightweaver as lw
import numpy as np
import pytest
from multilevel_helpers import context, populations, problem, solved

from lw_rl import problems
from lw_rl.errors import ContextError
from lw_rl.host import medium as module
from lw_rl.host.medium import (
    check_differentiable,
    evaluate,
    in_lte,
    media_by_hydrogen,
    medium,
    perturbed,
    ray_context,
    set_state,
)


def test_totals_and_levels_are_the_contexts():
    ctx = problem("two atoms")
    m = medium(ctx)
    np.testing.assert_allclose(m.n, populations(ctx))
    assert list(m.of_atom) == [0] * m.Nlevel[0] + [1] * m.Nlevel[1]
    np.testing.assert_allclose(np.add.reduceat(m.n, m.first_level), m.nTotal, rtol=1e-12)
    assert m.start[-1] == len(m.V) == len(m.g) == len(m.u) == len(m.w)


def test_a_moving_atmosphere_is_seen_ray_by_ray():
    m = medium(problem("moving"))
    assert m.V.shape[1] == 2 * len(m.mu) == len(m.share)
    assert m.share.sum() == pytest.approx(1.0)
    assert medium(problem("hydrogen")).V.shape[1] == 1


def test_a_perturbed_copy_leaves_the_context_alone():
    ctx = problem("calcium")
    temperature, n = np.array(ctx.atmos.temperature), populations(ctx)
    background = np.array(ctx.background.chi)
    other = perturbed(ctx, "temperature", np.full(82, 50.0))
    np.testing.assert_allclose(other.atmos.temperature, temperature + 50.0)
    np.testing.assert_array_equal(ctx.atmos.temperature, temperature)
    np.testing.assert_array_equal(ctx.background.chi, background)
    np.testing.assert_array_equal(populations(other), n)
    assert np.max(np.abs(np.asarray(other.background.chi) / background - 1.0)) > 1e-3
    assert np.all(np.asarray(other.activeAtoms[0].nStar) != np.asarray(ctx.activeAtoms[0].nStar))


@pytest.mark.parametrize("quantity", ["vlos", "vturb", "ne", "nHTot"])
def test_every_quantity_can_be_perturbed(quantity):
    ctx = problem("hydrogen")
    name = {"vlos": "vz"}.get(quantity, quantity)
    step = 10.0 if quantity.startswith("v") else 1e-3 * np.array(getattr(ctx.atmos, name))
    other = perturbed(ctx, quantity, np.broadcast_to(step, (82,)))
    change = np.array(getattr(other.atmos, name)) - np.array(getattr(ctx.atmos, name))
    np.testing.assert_allclose(change, step, rtol=1e-6)
    a, b = medium(other), medium(ctx)
    assert a.V.shape != b.V.shape or not np.array_equal(a.V, b.V) or not np.array_equal(a.g, b.g)


def test_electrons_do_not_follow_in_a_copy():
    ctx = problem("charge")
    ne = np.array(ctx.atmos.ne)
    np.testing.assert_array_equal(perturbed(ctx, "temperature", np.full(82, 50.0)).atmos.ne, ne)
    assert ctx.conserveCharge


def test_net_rates_are_those_of_gamma():
    ctx = solved("hydrogen")
    n = populations(ctx)
    net, J = evaluate(ctx, n, np.array(ctx.spect.J))
    lost = np.abs(np.asarray(ctx.activeAtoms[0].Gamma)).max(axis=1) * n
    assert np.all(np.abs(net) < 1e-6 * lost)
    np.testing.assert_allclose(J, ctx.spect.J)
    set_state(ctx, 2.0 * n, J)
    np.testing.assert_array_equal(populations(ctx), 2.0 * n)


def test_lte_is_that_of_a_copy():
    ctx = solved("hydrogen")
    before = populations(ctx)
    other = in_lte(ctx)
    np.testing.assert_array_equal(populations(other), other.activeAtoms[0].nStar)
    np.testing.assert_array_equal(populations(ctx), before)


def test_a_ray_has_its_own_angle_and_wavelengths():
    ctx = solved("hydrogen")
    wavelengths = np.array([121.4, 121.6, 300.0])
    ray = ray_context(ctx, 0.5, wavelengths)
    m = medium(ray, outward_only=True)
    np.testing.assert_array_equal(m.wavelength, wavelengths)
    assert list(m.mu) == [0.5]
    assert m.V.shape[1] == 1


def test_hydrogen_changes_the_background_of_a_ray():
    ctx = solved("hydrogen")
    ray = medium(ray_context(ctx, 1.0, None), outward_only=True)
    found = media_by_hydrogen(ctx, 1.0, None, ray)
    # The level between is not looked at, and the context is left alone.
    assert [level for level, *_ in found] == [0, 2]
    _, raised, step = found[0]
    assert np.any(raised.sca != ray.sca)
    assert np.all(step > 0.0)
    assert media_by_hydrogen(solved("calcium"), 1.0, None, ray) == []


def test_levels_of_hydrogen_that_matter_are_looked_at_one_by_one(monkeypatch):
    ctx = solved("hydrogen")
    ray = medium(ray_context(ctx, 1.0, None), outward_only=True)
    monkeypatch.setattr(module, "_same", lambda *_: False)
    assert [level for level, *_ in media_by_hydrogen(ctx, 1.0, None, ray)] == [0, 1, 2]


def test_a_ray_of_ones_own_wavelengths_has_the_transitions_that_are_there():
    # Lyman lines are not: those that are keep their own profiles and rates.
    ctx = solved("hydrogen")
    ray = ray_context(ctx, 1.0, np.linspace(300.0, 400.0, 5))
    m = medium(ray, outward_only=True)
    kept = [(t.i, t.j) for t in ray.activeAtoms[0].trans]
    assert len(kept) < len(ctx.activeAtoms[0].trans)
    assert list(zip(m.lower, m.upper, strict=True)) == kept
    assert np.all(np.isfinite(m.V))
    # Where there are none at all, there is the background.
    m = medium(ray_context(ctx, 1.0, np.array([5000.0, 5001.0])), outward_only=True)
    assert m.V.shape == (0, 1, 82)
    assert m.chi.shape == (2, 82)


def test_other_formal_solvers_are_refused():
    other = context([lw.rh_atoms.H_3_atom()], formalSolver="piecewise_linear_1d")
    with pytest.raises(ContextError, match="'piecewise_linear_1d'"):
        check_differentiable(other)


def test_partial_redistribution_is_refused_once_it_was_solved():
    ctx = problem("magnesium")
    check_differentiable(ctx)
    np.asarray(ctx.activeAtoms[0].trans[0].rhoPrd)[:, 3] = 1.1
    with pytest.raises(ContextError, match="partial redistribution"):
        check_differentiable(ctx)


def test_two_dimensions_and_other_boundaries_are_refused():
    ctx = problems.shipped_problem("CaII_K", "FALC", 20).context(Nrays=3)
    atmos = ctx.kwargs["atmos"]
    atmos.structure.zUpperBc = lw.atmosphere.ThermalisedRadiation()
    with pytest.raises(ContextError, match="above"):
        check_differentiable(ctx)
