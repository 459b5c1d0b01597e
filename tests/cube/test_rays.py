"""What leaves a solved column."""

from __future__ import annotations

import copy

import numpy as np

from lw_rl.cube.rays import emergent, height_of_tau_one
from lw_rl.host.adapter import Adapter


def test_rays_are_those_of_the_host_and_the_context_is_left_alone(converged):
    ctx = copy.deepcopy(converged)
    before = Adapter(ctx).snapshot()
    found = emergent(ctx, (1.0, 0.3), tau_one=True)
    after = Adapter(ctx).snapshot()
    np.testing.assert_array_equal(before.n[0], after.n[0])
    np.testing.assert_array_equal(before.J, after.J)
    wavelength = np.asarray(ctx.activeAtoms[0].trans[0].wavelength)
    expected = ctx.compute_rays(wavelengths=wavelength, mus=[1.0, 0.3])
    np.testing.assert_allclose(found.intensity, np.asarray(expected).T, rtol=1e-6)
    # The line forms higher at its centre and towards the limb.
    centre = wavelength.size // 2
    assert found.tau_one[0, centre] > found.tau_one[0, 0] + 1e6
    assert np.all(found.tau_one[1] > found.tau_one[0])


def test_height_of_tau_one_in_a_uniform_slab():
    z = np.linspace(1e6, 0.0, 21)
    chi = np.full((2, 2, 21), 4e-6)
    chi[1] = 1e-7
    mus = np.array([1.0, 0.5])
    heights = height_of_tau_one(z, chi, mus)
    np.testing.assert_allclose(heights[0], 1e6 - mus / 4e-6)
    assert np.isnan(heights[1, 0]) and np.isnan(heights[1, 1])
