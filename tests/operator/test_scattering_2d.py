"""Background scattering in a plane: limits, and the host's own fixed point."""

import numpy as np
from plane_helpers import plane_context

from lw_rl.host.adapter import Adapter
from lw_rl.operator.plane_2d import Plane2D
from lw_rl.operator.scattering_2d import PlaneScattering


def made(kind="homogeneous"):
    plane = Adapter(plane_context(kind)).grid.plane
    return PlaneScattering(Plane2D(plane)), plane


def test_without_scattering_nothing_changes():
    scattering, plane = made()
    rng = np.random.default_rng(1)
    before, after = rng.uniform(1.0, 2.0, (2, 2, plane.Nspace))
    chi = np.full_like(before, 1e-6)
    solved = scattering.solve(np.arange(2), before, after, chi, 0.0 * chi)
    assert np.allclose(solved, after, rtol=1e-2)


def test_no_wavelength_is_no_work():
    scattering, plane = made()
    none = np.zeros((0, plane.Nspace))
    assert scattering.solve(np.arange(0), none, none, none, none) is none


def test_its_limit_is_that_of_lambda_iteration():
    scattering, plane = made()
    chi = np.full((1, plane.Nspace), 1e-6)
    sca = 0.9 * chi
    scattering._make(np.arange(1), chi, sca)
    light = 1.0 + np.linspace(0.0, 1.0, plane.Nspace)[:, None]
    J = light.copy()
    for _ in range(300):
        J = light + scattering._scattered(J)
    first = light + scattering._scattered(light)
    solved = scattering.solve(np.arange(1), light.T, first.T, chi, sca)
    assert np.allclose(solved, J.T, rtol=0.02)


def test_weights_are_made_again_where_opacity_has_changed():
    scattering, plane = made()
    chi = np.full((1, plane.Nspace), 1e-6)
    ones = np.ones_like(chi)
    scattering.solve(np.arange(1), ones, 2.0 * ones, chi, 0.5 * chi)
    kept = scattering._kept
    scattering.solve(np.arange(1), ones, 2.0 * ones, 1.05 * chi, 0.5 * chi)
    assert scattering._kept is kept
    scattering.solve(np.arange(1), ones, 2.0 * ones, 2.0 * chi, 0.5 * chi)
    assert scattering._kept is not kept
