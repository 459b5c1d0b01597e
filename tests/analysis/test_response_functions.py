"""Response functions: against differences of solutions, and limits with known answers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from multilevel_helpers import populations, problem, solved
from plane_helpers import plane_context

import lw_rl
from lw_rl import atoms, problems
from lw_rl.analysis import response_functions as module
from lw_rl.errors import ContextError, NotConvergedError, SpectrumError, UnknownNameError
from lw_rl.host.adapter import Adapter
from lw_rl.host.medium import in_lte, perturbed
from lw_rl.operator.scattering import SolvedScattering

pytest.importorskip("xarray")

#: Steps of the differences, as shares of the value or in m/s.
STEPS = {"temperature": 1e-4, "ne": 1e-4, "nHTot": 1e-4, "vlos": 10.0, "vturb": 10.0}


def settled(ctx):
    """Solve a context by MALI with scattering solved, to a change of 1e-9."""
    formal = SolvedScattering(Adapter(ctx))
    for _ in range(600):
        formal.formal_solution()
        if ctx.stat_equil().dPopsMax < 1e-9:
            return ctx
    raise AssertionError("MALI did not settle")


def difference(ctx, quantity, depths, solve=settled, mu=1.0):
    """Return the central difference of the intensity of two solutions."""
    value = np.array(getattr(ctx.kwargs["atmos"], {"vlos": "vz"}.get(quantity, quantity)))
    step = STEPS[quantity] * (np.ones(82) if quantity.startswith("v") else value)
    change = np.where(np.isin(np.arange(82), depths), step, 0.0)
    sides = [solve(perturbed(ctx, quantity, sign * change)) for sign in (1.0, -1.0)]
    light = [np.asarray(side.compute_rays(mus=mu)) for side in sides]
    return (light[0] - light[1]) / 2.0, change


@pytest.mark.parametrize(
    ("kind", "quantity", "depth"),
    [
        pytest.param("hydrogen", "ne", 60, marks=pytest.mark.slow),
        ("hydrogen", "temperature", 35),
        pytest.param("calcium", "temperature", 45, marks=pytest.mark.slow),
        pytest.param("calcium", "vturb", 30, marks=pytest.mark.slow),
        pytest.param("moving", "vlos", 50, marks=pytest.mark.slow),
        pytest.param("two atoms", "temperature", 35, marks=pytest.mark.slow),
    ],
)
def test_responses_are_differences_of_solutions(kind, quantity, depth):
    ctx = solved(kind)
    ds = lw_rl.response_functions(ctx, quantity)
    expected, change = difference(ctx, quantity, [depth])
    found = ds.response.values[0, :, depth] * change[depth]
    largest = np.abs(ds.response.values[0]).max() * change[depth]
    assert np.max(np.abs(found - expected)) < 0.01 * largest
    assert ds.attrs["formal_solutions"] == 2
    assert float(ds.error[0]) < 1e-2


@pytest.mark.parametrize("quantity", ["temperature", pytest.param("nHTot", marks=pytest.mark.slow)])
def test_the_sum_over_depths_is_one_uniform_perturbation(quantity):
    ctx = solved("hydrogen")
    ds = lw_rl.response_functions(ctx, quantity, mu=0.5)
    expected, change = difference(ctx, quantity, np.arange(82), mu=0.5)
    found = ds.response.values[0] @ change
    assert np.max(np.abs(found - expected)) < 0.01 * np.max(np.abs(expected))


def test_populations_respond_as_they_do_in_solutions():
    ctx = solved("hydrogen")
    before = populations(ctx)
    ds = lw_rl.response_functions(ctx, ["temperature"])
    change = np.zeros(82)
    change[55] = 1.0
    sides = [populations(settled(perturbed(ctx, "temperature", s * change))) for s in (1.0, -1.0)]
    expected = (sides[0] - sides[1]) / 2.0 / before
    found = ds.response_n_H.values[0, 55] / before
    assert np.max(np.abs(found - expected)) < 0.01 * np.max(np.abs(expected))
    np.testing.assert_allclose(ds.n_H, before, rtol=1e-4)


def test_several_quantities_cost_a_formal_solution_each():
    ctx = problems.shipped_problem("CaII_K", "FALC").context(Nrays=3)
    lw_rl.solve(ctx, quiet=True)
    before, J = populations(ctx), np.array(ctx.spect.J)
    ds = lw_rl.response_functions(ctx)
    assert list(ds.quantity.values) == ["temperature", "vlos", "vturb", "ne", "nHTot"]
    assert list(ds.unit.values) == ["K", "m s-1", "m s-1", "m-3", "m-3"]
    assert ds.attrs["formal_solutions"] == 6
    assert ds.response.shape == (5, ds.sizes["wavelength"], ds.sizes["depth"])
    np.testing.assert_allclose(ds.intensity, ctx.compute_rays(mus=1.0), rtol=1e-3)
    np.testing.assert_array_equal(populations(ctx), before)
    np.testing.assert_array_equal(ctx.spect.J, J)


def test_a_quantity_that_is_asked_for_twice_is_there_once():
    ctx = solved("hydrogen")
    ds = lw_rl.response_functions(ctx, ["ne", "ne"], populations="departure coefficients")
    assert list(ds.quantity.values) == ["ne"]


def test_a_proxy_and_wavelengths_of_ones_own():
    ctx = solved("hydrogen")
    wavelengths = np.linspace(121.4, 121.8, 21)
    ds = lw_rl.response_functions(lw_rl.accelerate(ctx), "temperature", wavelengths=wavelengths)
    np.testing.assert_array_equal(ds.wavelength, wavelengths)
    light = np.asarray(copy.deepcopy(ctx).compute_rays(wavelengths=wavelengths, mus=1.0))
    np.testing.assert_allclose(ds.intensity, light, rtol=1e-4)
    assert float(ds.error[0]) < 1e-2


def test_wavelengths_that_leave_lines_out():
    # Beyond the Lyman lines, and where there is the background only.
    ctx = solved("hydrogen")
    wavelengths = np.array([350.0, 380.0, 5000.0])
    ds = lw_rl.response_functions(ctx, ["temperature", "vlos"], wavelengths=wavelengths)
    light = np.asarray(copy.deepcopy(ctx).compute_rays(wavelengths=wavelengths, mus=1.0))
    np.testing.assert_allclose(ds.intensity, light, rtol=1e-4)
    change = np.where(np.arange(82) == 60, 1e-4 * ctx.kwargs["atmos"].temperature, 0.0)
    sides = [settled(perturbed(ctx, "temperature", sign * change)) for sign in (1.0, -1.0)]
    light = [np.asarray(side.compute_rays(wavelengths=wavelengths, mus=1.0)) for side in sides]
    expected, found = (light[0] - light[1]) / 2.0, ds.response.values[0, :, 60] * change[60]
    largest = np.abs(ds.response.values[0]).max() * change[60]
    assert np.max(np.abs(found - expected)) < 0.01 * largest


def test_a_quantity_has_the_response_alone_that_it_has_beside_others():
    # A velocity is seen by every ray another way, the others of an atmosphere at rest are not.
    ctx = solved("hydrogen")
    both = lw_rl.response_functions(ctx, ["temperature", "vlos"])
    for k, quantity in enumerate(("temperature", "vlos")):
        alone = lw_rl.response_functions(ctx, quantity).response.values[0]
        size = np.abs(alone).max()
        np.testing.assert_allclose(both.response.values[k], alone, atol=1e-6 * size, rtol=0.0)


def test_lte_and_departure_coefficients_are_what_they_are_called():
    ctx = solved("hydrogen")
    ds = lw_rl.response_functions(ctx, "temperature", populations="LTE")
    expected, change = difference(in_lte(ctx), "temperature", [40], solve=in_lte)
    found = ds.response.values[0, :, 40] * change[40]
    assert np.max(np.abs(found - expected)) < 0.01 * np.max(np.abs(expected))

    b = populations(ctx) / np.array(ctx.activeAtoms[0].nStar)

    def held(other):
        other.activeAtoms[0].n[:] = b * np.asarray(other.activeAtoms[0].nStar)
        return other

    ds = lw_rl.response_functions(ctx, "temperature", populations="departure coefficients")
    expected, change = difference(ctx, "temperature", [40], solve=held)
    found = ds.response.values[0, :, 40] * change[40]
    assert np.max(np.abs(found - expected)) < 0.01 * np.max(np.abs(expected))
    assert ds.attrs["formal_solutions"] == 0


@pytest.mark.slow
def test_what_the_linearisation_is_wrong_by_is_seen_and_corrected(monkeypatch):
    ctx = solved("hydrogen")
    right = lw_rl.response_functions(ctx, "temperature")
    respond = module.LinearisedEquilibrium.respond
    monkeypatch.setattr(
        module.LinearisedEquilibrium, "respond", lambda self: 0.8 * respond(self)
    )  # fmt: skip
    corrected = lw_rl.response_functions(ctx, "temperature")
    size = np.abs(right.response).max()
    assert float(corrected.error[0]) < 1e-2
    assert corrected.attrs["formal_solutions"] > 80
    assert np.abs(corrected.response - right.response).max() < 0.01 * size
    monkeypatch.setattr(module, "_CORRECTIONS", 0)
    wrong = lw_rl.response_functions(ctx, "temperature")
    assert float(wrong.error[0]) > 1e-2
    assert np.abs(wrong.response - right.response).max() > 0.01 * size


def test_what_cannot_be_answered_is_named():
    ctx = problem("hydrogen")
    n, J = populations(ctx), np.array(ctx.spect.J)
    with pytest.raises(NotConvergedError, match=r"lw_rl\.solve\(ctx\)"):
        lw_rl.response_functions(ctx, "temperature")
    cases = [
        ({"quantities": ["temperatur"]}, UnknownNameError, "quantity 'temperatur'"),
        ({"quantities": []}, UnknownNameError, "quantity"),
        ({"quantities": None}, UnknownNameError, "quantity None"),
        ({"quantities": [["temperature"]]}, UnknownNameError, "quantity"),
        ({"mu": 0.0}, SpectrumError, "mu is the cosine"),
        ({"mu": "a"}, SpectrumError, "mu is the cosine.*'a'"),
        ({"rtol": -1.0}, SpectrumError, "rtol"),
        ({"rtol": None}, SpectrumError, "rtol.*None"),
        ({"wavelengths": "all"}, SpectrumError, "numbers; got 'all'"),
        ({"wavelengths": [2.0, 1.0]}, SpectrumError, "increasing"),
        ({"wavelengths": []}, SpectrumError, "increasing"),
        ({"populations": "frozen"}, UnknownNameError, "kind of populations"),
    ]
    for arguments, kind, message in cases:
        with pytest.raises(kind, match=message):
            lw_rl.response_functions(ctx, **arguments)
    with pytest.raises(ContextError, match="lightweaver.Context"):
        lw_rl.response_functions(None, "temperature")
    np.testing.assert_array_equal(populations(ctx), n)
    np.testing.assert_array_equal(ctx.spect.J, J)


def test_in_partial_redistribution_the_profiles_can_be_held():
    ctx = lw_rl.build_context(atoms.MgII_k(prd=True), "FALC", Nrays=3)
    lw_rl.solve(ctx, prd=True, quiet=True)
    with pytest.raises(ContextError, match=r"partial redistribution.*departure coefficients"):
        lw_rl.response_functions(ctx, "temperature")
    ds = lw_rl.response_functions(ctx, "temperature", populations="departure coefficients")
    np.testing.assert_allclose(ds.intensity, ctx.compute_rays(mus=1.0), rtol=1e-6)
    b = populations(ctx) / np.array(ctx.activeAtoms[0].nStar)

    def held(other):
        other.activeAtoms[0].n[:] = b * np.asarray(other.activeAtoms[0].nStar)
        return other

    expected, change = difference(ctx, "temperature", [40], solve=held)
    found = ds.response.values[0, :, 40] * change[40]
    assert np.max(np.abs(found - expected)) < 0.01 * np.max(np.abs(expected))
    complete = lw_rl.build_context("MgII_k", "FALC", Nrays=3)
    complete.activeAtoms[0].n[:] = ctx.activeAtoms[0].n
    other = lw_rl.response_functions(complete, "temperature", populations="departure coefficients")
    assert np.max(np.abs(other.response - ds.response)) > 0.1 * np.max(np.abs(ds.response))


def test_two_dimensions_and_other_solvers_are_named():
    plane = plane_context()
    with pytest.raises(ContextError, match="2 dimensions; only one"):
        lw_rl.response_functions(plane, "temperature")
    ctx = problems.shipped_problem("CaII_K", "FALC").context(
        Nrays=3, formalSolver="piecewise_linear_1d"
    )
    with pytest.raises(ContextError, match="piecewise_linear_1d"):
        lw_rl.response_functions(ctx, "temperature")


@pytest.mark.slow
def test_at_kinks_of_the_host_they_are_the_derivative_of_one_side():
    # With the departure coefficients held nothing is solved: it is the host's own last ray.
    ctx = lw_rl.build_context("MgII", "FALC")
    lw_rl.solve(ctx, quiet=True)
    ds = lw_rl.response_functions(ctx, "vlos", populations="departure coefficients")
    light = np.asarray(ctx.compute_rays(mus=1.0))
    line = np.abs(ds.wavelength.values - 279.636) < 0.1
    size = np.abs(ds.response.values[0][line]).max()
    kinks = 0
    for depth in (26, 28, 30, 32):
        ours = ds.response.values[0, line, depth]
        sides = {}
        for step in (1e-3, 1.0):
            change = np.where(np.arange(82) == depth, step, 0.0)
            others = [(sign, perturbed(ctx, "vlos", sign * change)) for sign in (1.0, -1.0)]
            sides[step] = [
                sign * (np.asarray(other.compute_rays(mus=1.0)) - light)[line] / step
                for sign, other in others
            ]
        # A metre per second crosses kinks, where the limiter of the host's interpolation sets in.
        kinks += np.sum(np.abs(sides[1.0][0] - sides[1.0][1]) > 0.01 * size)
        nearest = np.minimum(*(np.abs(side - ours) for side in sides[1e-3]))
        assert np.max(nearest) < 1e-3 * size
    assert kinks > 0
