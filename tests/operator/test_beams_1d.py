"""Beams of many wavelengths: against those of one, and problems with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.operator.beams_1d import Beams, DiffuseLight, Rays, optical_steps
from lw_rl.operator.bezier_1d import mean_intensity, stencils, unit_responses
from lw_rl.operator.formal_1d import intensity

NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)
MU, WEIGHT = 0.5 * (1.0 + NODES), 0.5 * WEIGHTS
RAYS = Rays.of(MU, WEIGHT, 1)
#: More than one block of wavelengths, the last one not full.
WAVES = 70


@pytest.fixture
def medium():
    """Vertical steps from thin to thick, a source function with extrema, a Planck function."""
    rng = np.random.default_rng(0)
    height = np.linspace(1.0, 0.0, 60)
    chi = 10.0 ** (np.linspace(-3.0, 5.0, 60)[:, None] + rng.normal(0.0, 0.7, (60, WAVES)))
    source = np.exp(np.cumsum(rng.normal(0.0, 0.1, chi.shape), axis=0))
    return optical_steps(chi[None], height), source[None], np.repeat([[1.0], [1.2]], WAVES, axis=1)


def alone(step, source, v):
    """Return the stencils of a wavelength alone, and what is left of light after its steps."""
    along = step[0, :, v, None] / MU
    decay, source = np.exp(-along), np.repeat(source[0, :, v, None], MU.size, axis=1)
    return *stencils(along, decay, source, False), decay


def test_each_wavelength_is_as_it_is_alone(medium):
    step, source, planck = medium
    beams = Beams.around(step, source, RAYS, planck, precision=np.float64)
    J, diagonal = beams.mean_intensity(source)[0], beams.diagonal()[0]
    weight = np.broadcast_to(WEIGHT, (60, 5)).copy()
    for v in (0, 1, 31, 32, 69):
        inward, outward, decay = alone(step, source, v)
        S = np.repeat(source[0, :, v, None], 5, axis=1)
        below = beams.incident[0, :, v]
        incident = np.stack([0.0 * below, below])
        expected = mean_intensity(inward, outward, decay, decay, weight, S, incident)
        # Weights of thin steps are series in both, of which here one is the difference to one.
        np.testing.assert_allclose(J[:, v], expected, rtol=1e-7)
        Lambda = unit_responses(inward, outward, decay, decay, weight, np.ones_like(S))
        np.testing.assert_allclose(diagonal[:, v], np.diag(Lambda), atol=1e-9)


def test_weights_of_single_precision_leave_photons_where_they_are(medium):
    step, source, planck = medium
    exact = Beams.around(step, source, RAYS, planck, precision=np.float64)
    beams = Beams.around(step, source, RAYS, planck)
    assert beams.weights.dtype == np.float32
    J = exact.mean_intensity(source)
    np.testing.assert_allclose(beams.mean_intensity(source), J, rtol=1e-5)
    np.testing.assert_allclose(beams.diagonal(), exact.diagonal(), atol=1e-6)
    # What a step adds and what it takes are rounded together: no photon is lost by that.
    one = np.ones_like(source)
    lost = 1.0 - Beams.around(step, one, RAYS, one[0, :2]).mean_intensity(one)
    tau = np.concatenate([np.zeros((1, 1, WAVES)), np.cumsum(step, axis=1)], axis=1)
    assert np.all(np.abs(lost[tau > 40.0]) < 1e-14)


def test_bundles_add_up(medium):
    step, source, planck = medium
    both = Beams.around(step, source, RAYS, planck)
    rays = Rays.of(MU, WEIGHT, 10)
    assert np.all(rays.down != rays.up)
    step, source = np.repeat(step, 10, axis=0), np.repeat(source, 10, axis=0)
    each = Beams.around(step, source, rays, planck)
    J, diagonal = each.mean_intensity(source).sum(axis=0), each.diagonal().sum(axis=0)
    np.testing.assert_allclose(J, both.mean_intensity(source[:1])[0], rtol=1e-13)
    np.testing.assert_allclose(diagonal, both.diagonal()[0], rtol=1e-13)


def test_memory_of_others_may_be_written_to(medium):
    step, source, planck = medium
    first = Beams.around(step, source, RAYS, planck)
    J = first.mean_intensity(source)
    other = Beams.around(2.0 * step, source, RAYS, planck, into=first.weights)
    assert other.weights is first.weights
    again = Beams.around(step, source, RAYS, planck, into=other.weights)
    np.testing.assert_array_equal(again.mean_intensity(source), J)


def test_a_constant_source_function_is_the_intensity_where_it_is_thick(medium):
    step = medium[0]
    one = np.ones_like(medium[1])
    J = Beams.around(step, one, RAYS, one[0, :2]).mean_intensity(one)
    tau = np.concatenate([np.zeros((1, 1, WAVES)), np.cumsum(step, axis=1)], axis=1)
    assert np.all(J <= 1.0 + 1e-12)
    np.testing.assert_allclose(J[tau > 40.0], 1.0, rtol=1e-12)
    # Half of the sky is dark.
    np.testing.assert_allclose(J[0, 0], 0.5, rtol=1e-12)


@pytest.mark.parametrize("epsilon", [1.0, 1e-2, 1e-4])
def test_diffuse_light_leaves_with_the_square_root_of_the_destruction(epsilon):
    tau = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 800)])
    albedo = np.full((801, 1), 1.0 - epsilon)
    J = DiffuseLight(np.diff(tau)[:, None], albedo).solve(np.full((801, 1), epsilon))[:, 0]
    root = np.sqrt(epsilon)
    expected = 1.0 - np.exp(-np.sqrt(3.0) * root * tau) / (1.0 + root)
    np.testing.assert_allclose(J, expected, rtol=5e-3)


@pytest.fixture
def front():
    """A hot, thin layer above what it ionises: opacity rises there, and emission falls, steeply."""
    height = np.concatenate([np.linspace(1.05, 1.0, 12), np.linspace(0.95, 0.0, 20)])
    chi = np.where(height > 0.99, 0.1, 10.0 * 100.0 ** np.linspace(0.0, 1.0, 32))
    source = np.where(height > 0.99, 1.0, 10.0 ** np.linspace(0.0, -16.0, 32))
    return height, chi, source * (1.0 + 0.01 * np.arange(32))


def as_the_host(height, chi, source):
    """Return mean intensity and approximate operator of the host's solver, nothing from below."""
    J, own = np.zeros(32), np.zeros(32)
    for mu, weight in zip(MU, WEIGHT, strict=True):
        for back in (1, -1):
            distance = -np.diff(height)[::back].copy() / mu
            found = intensity(distance, chi[::back].copy(), source[::back].copy(), 0.0)
            J += 0.5 * weight * found[0][::back]
            own += 0.5 * weight * found[1][::back] * chi
    return J, own


def test_light_behind_an_ionisation_front_is_the_hosts(front):
    """With the harmonic mean of slopes and linear opacities it was another one, by factors."""
    height, chi, source = front
    step = optical_steps(chi[None, :, None], height)
    beams = Beams.around(step, source[None, :, None], RAYS, np.zeros((2, 1)))
    J, own = as_the_host(height, chi, source)
    found = beams.mean_intensity(source[None, :, None])[0, :, 0]
    np.testing.assert_allclose(found[1:-2], J[1:-2], rtol=0.15)
    # Next to the front that with derivatives is another one.
    approximate = beams.approximate()[0, :, 0]
    np.testing.assert_allclose(approximate[1:-2], own[1:-2], rtol=0.02, atol=1e-4)
    assert np.abs(beams.diagonal()[0, :, 0] / own - 1.0)[1:-2].max() > 0.05


def test_what_thick_steps_leave_is_exact(front):
    height, chi, source = front
    step = optical_steps(chi[None, :, None], height)
    dark = np.where(height > 0.99, source, 1e-30)[None, :, None]
    exact = Beams.around(step, dark, RAYS, np.zeros((2, 1)), precision=np.float64)
    rough = Beams.around(step, dark, RAYS, np.zeros((2, 1)))
    J = exact.mean_intensity(dark)
    assert J.min() < 1e-12
    np.testing.assert_allclose(rough.mean_intensity(dark), J, rtol=1e-5)
