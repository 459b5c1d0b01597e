"""Line physics from plain arrays against limits with known answers."""

import numpy as np
import pytest
from lightweaver.constants import CLight, HPlanck, KBoltzmann

from lw_rl.host import line_physics

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
