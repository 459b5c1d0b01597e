"""Atoms with many levels in two dimensions: their light is the host's, and solves with it."""

import copy
from functools import cache, partial

import numpy as np
import pytest

import lw_rl
from lw_rl import atmospheres
from lw_rl.host.adapter import Adapter
from lw_rl.host.equations import Equations
from lw_rl.operator import coupled_light_2d
from lw_rl.operator.base import geometry_for
from lw_rl.operator.coupled_light import Rows
from lw_rl.operator.coupled_light_2d import PlaneRadiation, Ways2D, fits, plane_bytes
from lw_rl.operator.multilevel import CoupledEquilibrium
from lw_rl.operator.plane_2d import Plane2D
from lw_rl.operator.response_1d import emitted
from lw_rl.schemes import multilevel


@cache
def _built(kind, seed=3):
    return lw_rl.build_context("CaII", atmospheres.slab_2d(kind, 25, 6, seed=seed), Nrays=3)


def context(kind="smooth", seed=3):
    return copy.deepcopy(_built(kind, seed))


@cache
def reference(kind):
    """Populations by Anderson acceleration of MALI, tenfold more precise than what is tested."""
    ctx = context(kind)
    assert lw_rl.solve(ctx, scheme="anderson", popsTol=5e-5, quiet=True).converged
    return np.array(ctx.activeAtoms[0].n)


def radiation(kind="smooth"):
    """Return the light around a formal solution of LTE, and the host's rates there."""
    adapter = Adapter(context(kind))
    equations = Equations(adapter)
    adapter.formal_solution()
    rates = equations.rates(adapter.populations(), adapter.switched)
    ways = ways_of(adapter, equations)
    found = PlaneRadiation(equations.transfer, rates, {}, ways)
    return found, rates, np.ascontiguousarray(rates.before.T)


def ways_of(adapter, equations, **changes):
    light = adapter.plane_light(equations.transfer.waves)
    return Ways2D(geometry_for(adapter.grid), light, **changes)


def corrected(monkeypatch, hidden=False, **changes):
    """Return what two corrections from LTE found, and whether the steps of each try were linear."""
    adapter = Adapter(context())
    equations = Equations(adapter)
    operator = CoupledEquilibrium(equations.transfer, ways=ways_of(adapter, equations, **changes))
    found, tried, made = CoupledEquilibrium._found, [], []

    def watch(self, rates, redistribution, linear):
        tried.append(linear)
        return None if hidden and not linear else found(self, rates, redistribution, linear)

    monkeypatch.setattr(CoupledEquilibrium, "_found", watch)
    for _ in range(2):
        adapter.formal_solution()
        rates = equations.rates(adapter.populations(), adapter.switched)
        made.append(operator.solve(rates))
        if made[-1] is not None:
            adapter.write(adapter.unknown([made[-1][0]]))
    return made, tried


@pytest.mark.parametrize("kind", ["smooth", "prominence", "threads"])
def test_its_mean_intensities_are_the_hosts(kind):
    made, rates, before = radiation(kind)
    light = made.linearised(rates.n, before, 1.0)
    ratio = made._tie.ratio
    # But where what is left is less than single precision has of the largest.
    assert np.mean(np.abs(ratio - 1.0) > 1e-3) < 0.01
    assert light.total.shape[0] == (12 if kind == "threads" else 1)


def test_scattered_light_is_that_which_is_scattered():
    made, rates, before = radiation()
    light = made.linearised(rates.n, before, 1.0)
    scattering, at = light.scattering, light.at
    assert len(at)
    t = made._transfer
    eta = emitted(
        t.start, t.first, Rows.of(t).single, t.emission, t.profile, rates.n[t.upper], light.eta
    )[:, :, at]
    scattering.solved(eta, 60, 1e-5)
    J = scattering.J.copy()
    once = scattering._once(eta, J).sum(axis=0) + scattering.tie.outside
    assert np.all(np.abs(once - J).max(axis=0) < 1e-3 * J.max(axis=0))
    plain = scattering._once(eta, np.zeros_like(J)).sum(axis=0) + scattering.tie.outside
    assert np.abs(plain / J - 1.0).max() > 0.1, "scattering matters here"


def test_what_a_point_sees_of_itself_is_the_diagonal_but_for_its_neighbours():
    made, rates, before = radiation()
    light = made.linearised(rates.n, before, 1.0).plain
    point, eta = 70, np.zeros_like(light.total)
    dark = light.bundles(eta)
    eta[:, point] = light.total[:, point]
    seen = (light.bundles(eta) - dark)[:, point]
    own = light.diagonal()[:, point] * light.total[:, point]
    # The curve of a step knows what is downwind of it.
    np.testing.assert_allclose(own, seen, atol=0.1)
    assert own.max() > 0.9


@pytest.mark.parametrize("kind", ["smooth", "prominence", "threads"])
def test_a_default_solve_is_right_after_few_formal_solutions(kind):
    ctx = context(kind)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal <= 8
    assert "by the coupled operator of all lines and continua" in " ".join(str(result).split())
    assert np.abs(np.asarray(ctx.activeAtoms[0].n) / reference(kind) - 1.0).max() < 1e-3


def test_without_memory_there_is_acceleration_without_an_operator(monkeypatch):
    geometry = geometry_for(Adapter(context()).grid)
    entries = Adapter(context()).entries()
    needed = plane_bytes(geometry, *entries)
    assert fits(Plane2D(geometry.plane, memory=4 * needed), *entries)
    assert not fits(Plane2D(geometry.plane, memory=needed), *entries)
    monkeypatch.setattr(coupled_light_2d, "available_memory", lambda: needed)
    ctx = context()
    assert multilevel.coupled_step(Adapter(ctx), None) is None
    result = lw_rl.solve(ctx, quiet=True, NmaxIter=30)
    said = " ".join(str(result).split())
    assert "Anderson acceleration" in said and "there is no memory for it" in said


def test_an_operator_that_finds_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(CoupledEquilibrium, "solve", lambda *args: None)
    result = lw_rl.solve(context(), quiet=True, NmaxIter=12)
    notes = [record.note for record in result.records if record.note]
    assert any("2 corrections in vain" in note for note in notes)
    assert result.steps_by["mali"] < 12 and "anderson" in result.steps_by


def test_where_the_limiter_misleads_steps_are_linear(monkeypatch):
    made, tried = corrected(monkeypatch, hidden=True)
    assert tried[:2] == [False, True] and made[0] is not None
    assert corrected(monkeypatch, hidden=True, far=np.inf)[0][0] is None


def test_a_linearisation_that_moves_far_is_not_gone_on_with(monkeypatch):
    # All but the very first, which leaves LTE.
    _, tried = corrected(monkeypatch, far=1e-9)
    assert tried[:2] == [False, True] and tried[2:] in ([True], [False, True])
    assert corrected(monkeypatch, far=np.inf)[1] == [False, False]


def test_switches_of_the_limiter_do_not_keep_it_from_the_end(monkeypatch):
    result = lw_rl.solve(context(seed=7), quiet=True, NmaxIter=30)
    assert result.converged and result.Nformal <= 8
    monkeypatch.setattr(multilevel, "Ways2D", partial(Ways2D, smoothing=0))
    assert lw_rl.solve(context(seed=7), quiet=True, NmaxIter=30).Nformal > 10


def test_a_dark_point_gets_light():
    made, rates, before = radiation()
    scattering = made.linearised(rates.n, before, 1.0).scattering
    eta = 1e-3 * scattering.total
    # So well that what rounding makes of the iteration, another thing on every machine, is small.
    scattering.solved(eta, 200, 1e-7)
    J = scattering.J.copy()
    scattering.J[:, ::2] *= 1e-25
    with np.errstate(all="raise", under="ignore"):
        scattering.solved(eta, 200, 1e-7)
    assert np.abs(scattering.J - J).max() < 1e-2 * J.max()


def test_charge_is_conserved_as_the_host_does_it():
    plane = atmospheres.slab_2d("smooth", 25, 6, seed=3)
    ctx = lw_rl.build_context("H", plane, Nrays=3, conserveCharge=True)
    ne = np.array(ctx.kwargs["atmos"].ne)
    result = lw_rl.solve(ctx, quiet=True, NmaxIter=30)
    assert result.converged and result.Nformal <= 9
    assert "coupled operator" in " ".join(str(result).split())
    atom, atmos = ctx.activeAtoms[0], ctx.kwargs["atmos"]
    n, electrons = np.array(atom.n), np.array(atmos.ne)
    assert np.abs(electrons / ne - 1.0).max() > 0.1, "electrons matter here"
    for _ in range(10):
        ctx.formal_sol_gamma_matrices()
        ctx.stat_equil()
    assert np.abs(np.asarray(atom.n) / n - 1.0).max() < 1e-3
    assert np.abs(np.asarray(atmos.ne) / electrons - 1.0).max() < 1e-3
