"""The light that leaves an atmosphere against the host's own."""

import copy

import lightweaver as lw
import numpy as np
import pytest
from lightweaver.rh_atoms import MgII_hk_atom

from lw_rl import atmospheres
from lw_rl.errors import ContextError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.host.emergent import emergent_line, emergent_rays


@pytest.fixture
def solved(converged):
    ctx = copy.deepcopy(converged)
    ctx.formal_sol_gamma_matrices()
    return Adapter(ctx)


def test_the_emergent_line_is_the_hosts(solved):
    line = emergent_line(solved, solved.blocks[0], mu=0.5)
    trans = solved.ctx.activeAtoms[0].trans[0]
    N = len(trans.wavelength)
    assert line.wavelength.shape == line.intensity.shape == (4 * N - 3,)
    np.testing.assert_array_equal(line.wavelength[::4], trans.wavelength)
    rays = solved.ctx.compute_rays(wavelengths=np.asarray(trans.wavelength), mus=0.5)
    np.testing.assert_allclose(line.intensity[::4], np.asarray(rays).ravel(), rtol=1e-10)
    # Ca II K in FAL C: a reversed core, darker at the limb than at disc centre.
    assert line.lambda0 == pytest.approx(393.5, abs=0.1)
    assert np.all(line.intensity > 0.0)
    centre = emergent_line(solved, solved.blocks[0])
    wing = np.argmax(np.abs(line.wavelength - line.lambda0))
    assert line.intensity[wing] < centre.intensity[wing]


def test_rays_are_those_of_the_host_and_leave_the_context_alone(solved):
    ctx = solved.ctx
    n, J = solved.populations()[0], np.array(ctx.spect.J)
    mus = (0.3, 1.0)
    intensity, height, chi = emergent_rays(solved, mus, opacity=True)
    wavelength = np.asarray(ctx.activeAtoms[0].trans[0].wavelength)
    assert intensity.shape == (2, len(wavelength)) and chi.shape == (len(wavelength), 2, 82)
    host = np.asarray(ctx.compute_rays(wavelengths=wavelength, mus=list(mus)))
    np.testing.assert_allclose(intensity, host.reshape(len(wavelength), 2).T, rtol=1e-6)
    np.testing.assert_array_equal(height, ctx.kwargs["atmos"].z)
    np.testing.assert_array_equal(solved.populations()[0], n)
    np.testing.assert_array_equal(ctx.spect.J, J)
    assert emergent_rays(solved, mus)[2] is None


def test_an_isothermal_slab_in_lte_shines_like_a_black_body():
    ctx = build_context("CaII_K", atmospheres.isothermal(7000.0, Nspace=40), Nrays=3)
    adapter = Adapter(ctx)
    ctx.formal_sol_gamma_matrices()
    line = emergent_line(adapter, adapter.blocks[0])
    core = np.abs(line.wavelength - line.lambda0) < 0.02
    B = lw.planck(np.array([7000.0]), line.lambda0)[0]
    np.testing.assert_allclose(line.intensity[core], B, rtol=0.01)


def test_the_emergent_line_is_of_two_level_atoms_only():
    ctx = build_context(MgII_hk_atom(), atmospheres.load("FALC", 10), Nrays=1)
    adapter = Adapter(ctx)
    with pytest.raises(ContextError, match="two-level"):
        emergent_line(adapter, adapter.blocks[0])
