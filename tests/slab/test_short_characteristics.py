"""Parabolic short characteristics along one direction."""

from __future__ import annotations

import numpy as np

from lw_rl.slab.short_characteristics import Sweep, moments


def sweep(dtau):
    """One ray of weight one along optical steps [Nspace - 1]."""
    return Sweep.along(np.asarray(dtau, float)[:, None], np.ones(1))


def test_a_constant_source_is_its_own_intensity():
    for dtau in ([1e-9, 1e-3, 0.3, 5.0], [40.0, 1e-6, 40.0, 1e-6]):
        found = sweep(dtau).mean_intensity(np.full((5, 1), 3.0), np.array([3.0]))
        np.testing.assert_allclose(found, 3.0, rtol=1e-14)


def test_a_parabola_in_optical_depth_is_integrated_exactly():
    tau = np.array([0.0, 0.5, 1.7, 2.0, 3.1])
    a, b, c = 0.3, -0.2, 0.7
    S = a + b * tau + c * tau**2
    # I' = S - I: the particular solution is a parabola too, the homogeneous one exp(-tau).
    particular = S - (b + 2 * c * tau) + 2 * c
    exact = particular + (1.0 - particular[0]) * np.exp(-tau)
    found = sweep(np.diff(tau)).mean_intensity(S[:, None], np.array([1.0]))[:, 0]
    # The last point has no downwind neighbour: it is linear there.
    np.testing.assert_allclose(found[:-1], exact[:-1], rtol=1e-12)
    assert abs(found[-1] / exact[-1] - 1.0) < 0.1


def test_local_weights_are_the_response_without_neighbours():
    along = sweep([1e3, 1e3, 1e3])
    pulse = np.eye(4)
    found = along.mean_intensity(pulse, np.zeros(4))
    np.testing.assert_allclose(np.diag(found), along.local, rtol=1e-12, atol=1e-300)


def test_moments_keep_their_precision_at_small_steps():
    # Against the leading terms of their series, d**(n + 1) / (n + 1) (1 - (n + 1) d / (n + 2)).
    d = np.array([1e-12, 1e-8, 1e-4])
    for n, w in enumerate(moments(d)):
        np.testing.assert_allclose(
            w, d ** (n + 1) / (n + 1) * (1 - (n + 1) / (n + 2) * d), rtol=1e-8
        )
    below, above = moments(np.array([1.0 - 1e-15])), moments(np.array([1.0 + 1e-15]))
    np.testing.assert_allclose(np.ravel(below), np.ravel(above), rtol=1e-13)
