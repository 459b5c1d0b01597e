"""The host's formal solver outside the host: its light to rounding, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.operator.formal_1d import derivatives, emergent_derivatives, intensity

N = 30


@pytest.fixture
def ray():
    rng = np.random.default_rng(2)
    distance = rng.uniform(0.5, 2.0, N - 1)
    chi = 10.0 ** (np.linspace(-4.0, 2.0, N) + rng.uniform(-0.1, 0.1, N))
    return distance, chi, 1.0 + np.cos(np.arange(N) / 4.0) ** 2


def test_in_equilibrium_with_its_surroundings_light_does_not_change(ray):
    distance, chi, _ = ray
    light, psi = intensity(distance, chi, np.full(N, 3.0), 3.0)
    np.testing.assert_allclose(light, 3.0, rtol=1e-5)
    assert np.all(psi[1:] > 0.0)


def test_light_through_a_void_stays(ray):
    distance, _, S = ray
    light, _ = intensity(distance, np.full(N, 1e-30), S, 2.0)
    np.testing.assert_allclose(light, 2.0)


@pytest.mark.parametrize("j", [0, 1, 7, 20, N - 2, N - 1])
def test_derivatives_are_those_of_the_light(ray, j):
    distance, chi, S = ray
    by_chi, by_S, psi_by_chi, by_incident, light = derivatives(distance, chi, S, 0.5)
    h = 1e-5
    for values, expected, psi in ((chi, by_chi, psi_by_chi), (S, by_S, None)):
        sides = []
        for sign in (1.0, -1.0):
            moved = values.copy()
            moved[j] *= 1.0 + sign * h
            pair = (moved, S) if values is chi else (chi, moved)
            sides.append(intensity(distance, *pair, 0.5))
        change = (sides[0][0] - sides[1][0]) / (2.0 * h * values[j])
        # Differences of light are known to its own rounding.
        rounding = 1e-14 * light.max() / (h * values[j])
        np.testing.assert_allclose(change, expected[j], rtol=1e-4, atol=rounding + 1e-6)
        if psi is not None:
            change = (sides[0][1] - sides[1][1]) / (2.0 * h * values[j])
            np.testing.assert_allclose(change, psi[j], rtol=1e-3, atol=1e-5 * abs(psi).max())
    more, _ = intensity(distance, chi, S, 0.6)
    np.testing.assert_allclose((more - light) / 0.1, by_incident, atol=1e-12)


def test_what_leaves_is_the_last_point(ray):
    whole = derivatives(*ray, 0.5)
    by_chi, by_S, by_incident, light = emergent_derivatives(*ray, 0.5)
    np.testing.assert_allclose(by_chi, whole[0][:, -1], rtol=1e-12, atol=1e-30)
    np.testing.assert_allclose(by_S, whole[1][:, -1], rtol=1e-12, atol=1e-30)
    assert by_incident == pytest.approx(whole[3][-1])
    assert light == pytest.approx(whole[4][-1])
