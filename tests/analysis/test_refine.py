"""Populations from elsewhere: corrected, or refused by name."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from multilevel_helpers import error, populations, problem, solved
from plane_helpers import plane_context, reference

import lw_rl
from lw_rl import atmospheres
from lw_rl.analysis.refine import read_populations
from lw_rl.errors import PopulationsError, UnknownNameError
from lw_rl.host.adapter import Adapter


def wrong(n, amplitude):
    wave = np.sin(np.arange(n.shape[1]) / 9.0 + np.arange(len(n))[:, None])
    other = n * np.exp(amplitude * wave)
    return other * n.sum(axis=0) / other.sum(axis=0)


@pytest.mark.parametrize("amplitude", [0.03, 0.3, 2.3])
def test_populations_are_corrected_for_at_most_one_more_formal_solution(amplitude):
    from_lte = lw_rl.solve(problem("hydrogen"), quiet=True)
    ctx = problem("hydrogen")
    result = lw_rl.refine(ctx, wrong(populations(solved("hydrogen")), amplitude), quiet=True)
    assert result.converged
    assert result.Nformal <= from_lte.Nformal + 1
    assert error(ctx, "hydrogen") < 1e-3
    assert 0.5 * amplitude < result.records[0].estimate < 2.5 * amplitude
    assert [r.Nformal for r in result.records] == list(range(1, result.Nformal + 1))


@pytest.mark.parametrize("amplitude", [0.0, 0.3])
def test_in_two_dimensions_a_solve_goes_on_from_them(amplitude):
    truth = reference(plane_context())
    ctx = plane_context()
    Adapter(ctx).write(truth)
    given = wrong(populations(ctx), amplitude)
    ctx = plane_context()
    result = lw_rl.refine(ctx, given, quiet=True)
    assert result.converged
    assert result.Nformal <= lw_rl.solve(plane_context(), quiet=True).Nformal
    assert np.abs(np.expm1(Adapter(ctx).read() - truth)).max() < 1e-3


def test_populations_of_a_plane_are_not_interpolated():
    adapter = Adapter(plane_context())
    n = adapter.populations()[0]
    with pytest.raises(PopulationsError, match="in two give them at the context's own points"):
        read_populations(adapter, n, log_tau=np.linspace(-5.0, 1.0, n.shape[1]))


def test_where_lte_is_nearer_it_is_begun_there():
    ctx = problem("hydrogen")
    bad = wrong(np.array(ctx.activeAtoms[0].nStar), 12.0)
    result = lw_rl.refine(ctx, bad, quiet=True)
    assert "LTE" in result.notes[0]
    assert result.Nformal <= lw_rl.solve(problem("hydrogen"), quiet=True).Nformal + 1
    assert error(ctx, "hydrogen") < 1e-3


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_inverted_populations_leave_no_radiation_behind(monkeypatch):
    ctx = lw_rl.build_context("H", "FALC", Nrays=3)
    n = populations(ctx)
    bad = n * np.exp(2.3 * np.sin(np.arange(6)[:, None] * 2.0 + np.arange(82) * 6.0 / 82.0))
    bad *= n.sum(axis=0) / bad.sum(axis=0)
    result = lw_rl.refine(copy.deepcopy(ctx), bad, quiet=True)
    assert "begun in LTE" in result.notes[0]
    assert result.converged
    assert result.Nformal <= lw_rl.solve(copy.deepcopy(ctx), quiet=True).Nformal + 1
    # Lasers make the host's mean intensity absurd, from which nothing goes on.
    monkeypatch.setattr(Adapter, "restore", lambda self, snapshot: None)
    assert not lw_rl.refine(ctx, bad, quiet=True, NmaxIter=10).converged


def test_departure_coefficients_and_populations_are_the_same():
    ctx = solved("hydrogen")
    n, star = populations(ctx), np.array(ctx.activeAtoms[0].nStar)
    adapter = Adapter(problem("hydrogen"))
    for found in (
        read_populations(adapter, n),
        read_populations(adapter, {"H": n}),
        read_populations(adapter, n / star, departure=True),
    ):
        np.testing.assert_allclose(found[0], n, rtol=1e-10)


def test_a_dataset_on_another_grid_is_interpolated():
    xr = pytest.importorskip("xarray")
    ctx = solved("hydrogen")
    n, mass = populations(ctx), np.array(ctx.kwargs["atmos"].cmass)
    star = np.array(ctx.activeAtoms[0].nStar)
    every = slice(None, None, 2)
    adapter = Adapter(ctx)
    for name, values in (("n_H", n), ("departure_H", n / star)):
        ds = xr.Dataset(
            {name: (("level", "depth"), values[:, every])},
            coords={"column_mass": ("depth", mass[every])},
        )
        found = read_populations(adapter, ds)[0]
        np.testing.assert_allclose(found[:, :-1:2], n[:, :-1:2], rtol=1e-8)
        np.testing.assert_allclose(found.sum(axis=0), n.sum(axis=0), rtol=1e-12)
    tau = adapter.log_tau()
    found = read_populations(adapter, n[:, every], log_tau=tau[every])[0]
    np.testing.assert_allclose(found[:, :-1:2], n[:, :-1:2], rtol=1e-8)


def test_what_is_unphysical_is_refused_by_name_or_repaired():
    ctx = problem("hydrogen")
    n, J = populations(ctx), np.array(ctx.spect.J)
    bad = n.copy()
    bad[1, 10] = np.nan
    negative = n.copy()
    negative[0, 3] = -1.0
    cases = [
        ({"Ca": n}, "populations of Ca"),
        (n[:2], "3 levels at 82 depths"),
        (n[:, :40], "column_mass or log_tau"),
        (bad, "hold nan, in 1 of"),
        (negative, r"hold -1\.0"),
        (1.5 * n, r"sum to 1\.5 times"),
        (np.full_like(n, np.nan), "hold nan"),
        ("emulator.nc", "the populations of H are not numbers: .*emulator.nc"),
    ]
    for given, message in cases:
        with pytest.raises(PopulationsError, match=message):
            lw_rl.refine(ctx, given, quiet=True)
    np.testing.assert_array_equal(populations(ctx), n)
    np.testing.assert_array_equal(ctx.spect.J, J)
    found = read_populations(Adapter(ctx), bad, repair=True)[0]
    between = np.sqrt(n[1, 9] * n[1, 11])
    assert found[1, 10] == pytest.approx(between, rel=0.05)
    with pytest.raises(PopulationsError, match="no usable population"):
        read_populations(Adapter(ctx), np.full_like(n, np.nan), repair=True)
    np.testing.assert_allclose(read_populations(Adapter(ctx), 1.5 * n, repair=True)[0], n)


def test_coordinates_are_checked():
    adapter = Adapter(problem("hydrogen"))
    n = adapter.populations()[0]
    mass = adapter.column_mass()
    with pytest.raises(PopulationsError, match="not both"):
        read_populations(adapter, n, column_mass=mass, log_tau=mass)
    with pytest.raises(PopulationsError, match="increases inwards"):
        read_populations(adapter, n, column_mass=mass[::-1])
    with pytest.raises(PopulationsError, match="positive"):
        read_populations(adapter, n, column_mass=-mass)
    tau = np.append(-np.inf, adapter.log_tau()[1:])
    with pytest.raises(PopulationsError, match="finite"):
        read_populations(adapter, n, log_tau=tau)


def test_arguments_of_the_solve_that_are_none_leave_the_context_as_it_was():
    ctx = problem("hydrogen")
    n, J = populations(ctx), np.array(ctx.spect.J)
    with pytest.raises(UnknownNameError, match="unknown scheme"):
        lw_rl.refine(ctx, n[::-1].copy(), repair=True, quiet=True, scheme="none")
    with pytest.raises(ValueError, match="got nan"):
        lw_rl.refine(ctx, n[::-1].copy(), repair=True, quiet=True, popsTol=np.nan)
    np.testing.assert_array_equal(populations(ctx), n)
    np.testing.assert_array_equal(ctx.spect.J, J)


def test_several_atoms_are_named():
    adapter = Adapter(problem("two atoms"))
    n = adapter.populations()
    with pytest.raises(PopulationsError, match="name them"):
        read_populations(adapter, n[0])
    found = read_populations(adapter, {"Mg": n[1]})
    np.testing.assert_allclose(found[0], n[0])


def test_a_context_changed_in_place_goes_on_from_what_it_holds():
    atmosphere = atmospheres.load("FALC")
    ctx = lw_rl.build_context("CaII", atmosphere, Nrays=3)
    lw_rl.solve(ctx, quiet=True)
    ctx = pickle.loads(pickle.dumps(ctx))
    temperature = ctx.kwargs["atmos"].temperature
    warm, cold = [], []
    for k in range(1, 3):
        temperature[:] *= 1.0 + 0.02 * np.sin(k + np.arange(82) / 20.0)
        ctx.update_deps()
        warm.append(lw_rl.solve(ctx, quiet=True).Nformal)
        other = atmospheres.load("FALC")
        other.temperature[:] = temperature
        fresh = lw_rl.build_context("CaII", other, Nrays=3)
        cold.append(lw_rl.solve(fresh, quiet=True).Nformal)
        assert np.max(np.abs(populations(ctx) / populations(fresh) - 1.0)) < 2e-3
    assert sum(warm) < sum(cold)


@pytest.mark.parametrize("atom", ["CaII", pytest.param("H", marks=pytest.mark.slow)])
def test_after_a_jump_it_is_no_dearer_than_from_lte(atom):
    atmosphere = atmospheres.load("FALC")
    ctx = lw_rl.build_context(atom, atmosphere, Nrays=3)
    lw_rl.solve(ctx, quiet=True)
    atmosphere.temperature[:] *= 1.6
    ctx.update_deps()
    jumped = pickle.loads(pickle.dumps(ctx))
    ctx.activeAtoms[0].n[:] = ctx.activeAtoms[0].nStar
    cold = lw_rl.solve(ctx, quiet=True)
    warm = lw_rl.solve(jumped, quiet=True)
    assert warm.converged
    assert warm.Nformal <= cold.Nformal + 1
    assert warm.Nformal < 10
