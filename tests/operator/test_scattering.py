"""Background scattering, solved: the limits that are known, and the host's own fixed point."""

import copy

import numpy as np
import pytest
from lightweaver.rh_atoms import MgII_hk_atom
from solver_helpers import iterate

import lw_rl
from lw_rl import atmospheres
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.iterate import accelerate
from lw_rl.operator.bezier_1d import mean_intensity, stencils, unit_responses
from lw_rl.operator.scattering import BackgroundScattering, SolvedScattering, matters

WAVE = np.array([7])


def slab(tau):
    """Height and opacity of a slab."""
    return -(tau - tau[0]), np.ones((1, len(tau)))


def thick(N=40):
    """One that is thin at the top and thick at the bottom."""
    return slab(10.0 ** np.linspace(-4.0, 6.0, N))


def transfer(height, chi):
    """Return Lambda and the mean intensity of light from below, on three angles; B = 1."""
    nodes, weights = np.polynomial.legendre.leggauss(3)
    mu = 0.5 * (1.0 + nodes)
    N = len(height)
    step = 0.5 * (chi[0, 1:] + chi[0, :-1])[:, None] * -np.diff(height)[:, None] / mu
    weight = np.broadcast_to(0.5 * weights, (N, 3)).copy()
    one = np.ones((N, 3))
    decay = np.exp(-step)
    inward, outward = stencils(step, decay, one, True)
    Lambda = unit_responses(inward, outward, decay, decay, weight, one)
    incident = np.array([[0.0], [1.0]]) * np.ones(3)
    below = mean_intensity(inward, outward, decay, decay, weight, 0.0 * one, incident)
    return Lambda, below


@pytest.mark.parametrize("albedo", [0.9, 0.99, 0.999])
def test_an_isothermal_slab_shines_as_the_square_root_of_what_it_destroys(albedo):
    """S(0) = sqrt(1 - a) B, and one solve is enough: Lambda iteration takes 1 / (1 - a) of them."""
    # Linear interpolation loses light where steps are thick: they are thin to where it thermalises.
    height, chi = slab(np.concatenate([np.geomspace(1e-3, 0.4, 30), np.arange(0.6, 200.0, 0.4)]))
    Lambda, below = transfer(height, chi)
    thermal = Lambda @ np.full(len(height), 1.0 - albedo) + below
    J = BackgroundScattering(height).solve(
        WAVE, np.zeros_like(chi), thermal[None], chi, albedo * chi
    )[0]
    # It is the fixed point of J = Lambda (a J + (1 - a) B) ...
    np.testing.assert_allclose(Lambda @ (albedo * J) + thermal, J, rtol=1e-8)
    # ... which is B deep down, and at the surface what it must be.
    assert J[-1] == pytest.approx(1.0, rel=1e-3)
    S = albedo * J + 1.0 - albedo
    assert S[0] == pytest.approx(np.sqrt(1.0 - albedo), rel=0.05)


def test_nothing_is_changed_at_the_fixed_point_nor_without_scattering():
    height, chi = thick()
    before, after = np.random.default_rng(0).uniform(1.0, 2.0, (2, 1, 40))
    for start, albedo in ((before, 0.0), (after, 0.99)):
        J = BackgroundScattering(height).solve(WAVE, start, after, chi, albedo * chi)
        np.testing.assert_allclose(J, after, rtol=1e-12)


def test_light_stays_positive():
    """Far from the solution the step is limited to a twentieth of the formal solution's light."""
    height, chi = thick()
    before, after = np.full((1, 40), 1e6), np.full((1, 40), 1.0)
    J = BackgroundScattering(height).solve(WAVE, before, after, chi, 0.999 * chi)
    assert J.min() == pytest.approx(0.05)


def test_light_that_is_negative_settles_too():
    """Of inverted populations it is; a limit that takes a share of it would go back every time."""
    height, chi = thick()
    after = np.full((1, 40), -1.0)
    J = BackgroundScattering(height).solve(WAVE, after, after, chi, 0.1 * chi)
    np.testing.assert_array_equal(J, after)


def test_a_matrix_is_kept_while_the_opacity_hardly_changes():
    height, chi = thick()
    light = np.ones((1, 40))
    scattering = BackgroundScattering(height)
    made = []
    for wave, opacity, share in (
        (7, 1.0, 0.5), (7, 1.05, 0.5), (7, 1.0, 0.52), (8, 1.0, 0.5), (7, 1.2, 0.5), (7, 1.2, 0.9),
    ):  # fmt: skip
        scattering.solve(np.array([wave]), light, light, opacity * chi, share * chi)
        made.append(scattering.made)
    assert made == [1, 1, 1, 2, 3, 4]


def test_scattering_matters_where_there_is_much_of_it_in_thick_layers():
    height, one = thick()
    albedos = np.array([0.9, 1e-3, 0.0])[:, None]
    chi = np.tile(one, (3, 1))
    np.testing.assert_array_equal(matters(height, chi, albedos * chi), [0])
    # Of a transparent layer light does not come back: albedo times optical depth counts.
    np.testing.assert_array_equal(matters(height, 1e-9 * chi, albedos * 1e-9 * chi), [])
    assert len(matters(1e9 * height, 1e-9 * chi, albedos * 1e-9 * chi)) == 1


# ---- in a context -----


@pytest.fixture(scope="module")
def magnesium():
    """Mg II h and k with four levels: its continuum is where the chromosphere scatters."""
    return build_context(MgII_hk_atom(), atmospheres.load("FALC", 25), Nrays=1)


@pytest.fixture(scope="module")
def host_limit(magnesium):
    """Populations and radiation field of the host's own iteration, after so many of them."""
    ctx = copy.deepcopy(magnesium)
    iterations, change = 0, 1.0
    while change > 1e-8 and iterations < 4000:
        iterations += 1
        change = max(ctx.formal_sol_gamma_matrices().dJMax, ctx.stat_equil().dPopsMax)
    return np.array(ctx.activeAtoms[0].n), np.array(ctx.spect.J), iterations


def test_the_fixed_point_is_the_hosts(magnesium, host_limit):
    n_ref, J_ref, iterations = host_limit
    ctx = copy.deepcopy(magnesium)
    iterate(accelerate(ctx, scheme="mali_scattering"), 70)
    np.testing.assert_allclose(ctx.activeAtoms[0].n, n_ref, rtol=1e-7)
    np.testing.assert_allclose(ctx.spect.J, J_ref, rtol=1e-5)
    assert iterations > 1000, "which Lambda iteration of the scattered light takes"


def test_without_it_the_radiation_field_is_the_slowest_part(magnesium, host_limit):
    n_ref, J_ref, _ = host_limit
    off = {}
    for scheme in ("mali", "mali_scattering"):
        ctx = copy.deepcopy(magnesium)
        iterate(accelerate(ctx, scheme=scheme), 50)
        n, J = np.asarray(ctx.activeAtoms[0].n), np.asarray(ctx.spect.J)
        off[scheme] = np.abs(n / n_ref - 1.0).max(), np.abs(J / J_ref - 1.0).max()
    assert min(off["mali"]) > 1e-2 and off["mali"][1] > 0.5
    assert max(off["mali_scattering"]) < 1e-5


def test_it_is_a_formal_solution_that_is_counted_and_leaves_the_populations(magnesium):
    adapter = Adapter(copy.deepcopy(magnesium))
    plain = copy.deepcopy(magnesium)
    n = adapter.populations()[0]
    update = SolvedScattering(adapter).formal_solution()
    plain.formal_sol_gamma_matrices()
    assert adapter.Nformal == 1 and update.dJMax > 0.0
    np.testing.assert_array_equal(adapter.populations()[0], n)
    # The rates are those of the formal solution; J is changed where scattering matters only.
    np.testing.assert_array_equal(adapter.ctx.activeAtoms[0].Gamma, plain.activeAtoms[0].Gamma)
    J, J_plain = adapter.radiation(), np.asarray(plain.spect.J)
    changed = np.flatnonzero(np.abs(J / J_plain - 1.0).max(axis=1) > 1e-9)
    where = matters(adapter.grid.height, adapter.opacity(), adapter.scattering())
    assert set(changed) <= set(where) and len(where) < len(J)
    assert np.asarray(plain.spect.wavelength)[changed].min() < 100.0, "in the ultraviolet"


def test_in_two_dimensions_it_is_solved_as_well():
    """Six levels of Ca II: MALI alone takes hundreds of formal solutions."""
    ctx = build_context("CaII", atmospheres.slab_2d("homogeneous", 21, 4, width=1.5e5), Nrays=3)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal < 100
    # It is the host's fixed point.
    n = np.array(ctx.activeAtoms[0].n)
    iterate(ctx, 3)
    assert np.abs(np.asarray(ctx.activeAtoms[0].n) / n - 1.0).max() < 1e-3
