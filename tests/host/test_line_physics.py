"""Line physics from plain arrays against limits with known answers."""

import numpy as np
import pytest
from lightweaver.constants import CLight, HPlanck, KBoltzmann

from lw_rl import build_context
from lw_rl.host import line_physics
from lw_rl.host.adapter import Adapter
from lw_rl.host.line_physics import profile_from_arrays
from lw_rl.problems import random_problem, shipped_problem

N = 40


def physics(**changes):
    """Return a slab of constant everything, Ca II K's wavelength and coefficients."""
    one = np.ones(N)
    values = {
        "height": np.linspace(1e6, 0.0, N),
        "temperature": 6e3 * one,
        "vlos": 0.0 * one,
        "vBroad": 3e3 * one,
        "aDamp": 1e-3 * one,
        "nTotal": 1e16 * one,
        "C_ul": 1e3 * one,
        "chi": 1e-8 * one,
        "sca": 4e-9 * one,
        "lambda0": 393.478e-9,
        "Aji": 1.4e8,
        "Bij": 4.2e11,
        "g_ratio": 2.0,
        "extent": 1e5,
    }
    return line_physics.from_arrays(**{**values, **changes})


def test_planck_function_and_destruction_probability():
    p = physics()
    x = HPlanck * CLight / (393.478e-9 * KBoltzmann * 6e3)
    np.testing.assert_allclose(np.exp(p.log_B), 1.0 / np.expm1(x), rtol=1e-12)
    # The two limits: no collisions, nothing but collisions.
    assert physics(C_ul=np.zeros(N)).epsilon.max() == 0.0
    np.testing.assert_allclose(physics(C_ul=np.full(N, 1e20)).epsilon, 1.0, rtol=1e-10)


def test_optical_depth_is_that_of_the_opacity():
    p = physics()
    np.testing.assert_allclose(np.diff(np.exp(p.log_tau)), -np.diff(p.height) * p.opacity[0])
    assert np.exp(p.log_tau[0]) == pytest.approx(0.5 * p.opacity[0] * (p.height[0] - p.height[1]))


def test_ratios():
    p = physics(vlos=np.full(N, -6e3))
    np.testing.assert_allclose(p.background * p.opacity, 1e-8)
    np.testing.assert_allclose(p.albedo, 0.4)
    np.testing.assert_allclose(p.velocity, -2.0)


def test_opacity_scales_as_it_must():
    p = physics()
    np.testing.assert_allclose(physics(nTotal=np.full(N, 3e16)).opacity, 3.0 * p.opacity)
    # A profile without damping is a Gaussian, as narrow as it is high.
    thin, wide = (physics(aDamp=np.zeros(N), vBroad=np.full(N, v)) for v in (3e3, 6e3))
    np.testing.assert_allclose(thin.opacity, 2.0 * wide.opacity)


def test_nothing_overflows_without_atoms_background_or_heat():
    none = np.zeros(N)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        p = physics(nTotal=none, chi=none, sca=none, temperature=np.full(N, 10.0))
    assert all(np.all(np.isfinite(v)) for v in vars(p).values())


def test_arrays_of_the_host_are_not_shared():
    height = np.linspace(1e6, 0.0, N)
    p = physics(height=height)
    height[:] = -1.0
    assert p.height[0] == 1e6


def test_a_profile_is_that_of_the_hosts_own_rays():
    """Half of the wavelengths and one ray where nothing moves."""
    for problem, moves in (
        (shipped_problem("CaII_K", "FALC"), False),
        (random_problem("moving", 4), True),
    ):
        adapter = Adapter(problem.context())
        profile = adapter.atom(adapter.blocks[0]).source.profile()
        trans = adapter.ctx.activeAtoms[0].trans[0]
        Nwave, Nray = np.shape(trans.phi)[:2]
        assert profile.Nwave == Nwave and profile.mu.size == Nray
        expected = (Nwave, Nray) if moves else ((Nwave + 1) // 2, 1)
        assert profile.value.shape[1:] == expected
        whole = np.trapezoid(np.ones(Nwave), trans.wavelength)
        assert np.sum(profile.wavelength_weight) == pytest.approx(whole)
        # At its centre a profile is one.
        assert 0.9 < profile.value.max() <= 1.0 + 1e-9


def test_wavelengths_that_are_not_symmetric_have_none():
    adapter = Adapter(build_context("CaII_K", "FALC"))
    atom, atmos = adapter.ctx.activeAtoms[0], adapter.ctx.kwargs["atmos"]
    trans = atom.trans[0]
    given = {
        "lambda0": trans.lambda0,
        "vlos": np.asarray(atmos.vz),
        "vBroad": np.asarray(atom.vBroad),
        "aDamp": np.asarray(trans.aDamp),
        "mu": np.asarray(atmos.muz),
        "wmu": np.asarray(atmos.wmu),
    }
    wavelength, phi = np.asarray(trans.wavelength), np.asarray(trans.phi)
    assert profile_from_arrays(wavelength=wavelength, phi=phi, **given) is not None
    assert profile_from_arrays(wavelength=wavelength[1:], phi=phi[1:], **given) is None
    skew = phi.copy()
    skew[0] = phi.max()
    assert profile_from_arrays(wavelength=wavelength, phi=skew, **given) is None
