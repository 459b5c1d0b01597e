"""The host's formal solver outside the host: its light to rounding, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.operator.formal_1d import AFTER, derivatives, intensity, propagated, seen

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


def whole(near, left, first=0.0):
    """Return the derivatives at every point, [depth, source]."""
    by = np.empty((N, N))
    propagated(near, left, first, by)
    return by


@pytest.mark.parametrize("j", [0, 1, 7, 20, N - 2, N - 1])
@pytest.mark.parametrize("thick", [1.0, 1e-4, 1e6])
def test_derivatives_are_those_of_the_light(ray, j, thick):
    distance, chi, S = ray
    chi = thick * chi
    near_chi, near_S, near_psi, left, light = derivatives(distance, chi, S, 0.5)
    by_chi, by_S = whole(near_chi, left), whole(near_S, left)
    expected_light, _ = intensity(distance, chi, S, 0.5)
    np.testing.assert_allclose(light, expected_light, rtol=1e-10)
    h = 1e-5
    for values, expected, is_chi in ((chi, by_chi, True), (S, by_S, False)):
        sides = []
        for sign in (1.0, -1.0):
            moved = values.copy()
            moved[j] *= 1.0 + sign * h
            pair = (moved, S) if is_chi else (chi, moved)
            sides.append(intensity(distance, *pair, 0.5))
        change = (sides[0][0] - sides[1][0]) / (2.0 * h * values[j])
        # Differences of light are known to its own rounding, that of the weights of thin steps.
        rounding = 1e-11 * light.max() / (h * values[j])
        np.testing.assert_allclose(change, expected[:, j], rtol=1e-4, atol=rounding)
        if is_chi:
            change = (sides[0][1] - sides[1][1]) / (2.0 * h * values[j])
            psi = np.zeros(N)
            steps = j - AFTER + np.arange(near_psi.shape[1])
            inside = (steps >= 0) & (steps < N)
            psi[steps[inside]] = near_psi[j][inside]
            # That per emissivity is of the size of a step's length.
            rounding = 1e-10 * np.abs(sides[0][1]).max() / (h * values[j])
            np.testing.assert_allclose(change, psi, rtol=1e-3, atol=rounding)


def test_what_enters_is_attenuated(ray):
    distance, chi, S = ray
    near_chi, _, _, left, light = derivatives(distance, chi, S, 0.5)
    more, _ = intensity(distance, chi, S, 0.6)
    by_incident = np.cumprod(np.concatenate([[1.0], left[1:]]))
    np.testing.assert_allclose((more - light) / 0.1, by_incident, atol=1e-12)
    np.testing.assert_allclose(
        whole(near_chi, left, 3.0)[:, :2] - whole(near_chi, left)[:, :2],
        3.0 * np.outer(by_incident, np.ones(2)),
        atol=1e-12,
    )


def test_light_is_linear_in_the_source_function(ray):
    # Sources and what enters twice as bright: nothing of the limiter changes.
    distance, chi, S = ray
    _, near_S, _, left, light = derivatives(distance, chi, S, 0.5)
    by_incident = np.cumprod(np.concatenate([[1.0], left[1:]]))
    np.testing.assert_allclose(whole(near_S, left) @ S + 0.5 * by_incident, light, rtol=1e-12)


def test_sums_of_the_light_are_seen_as_light_is(ray):
    near_chi, near_S, _, left, _ = derivatives(*ray, 0.5)
    weight, by = np.random.default_rng(3).normal(size=N), np.empty(N)
    for near in (near_chi, near_S):
        by_incident = seen(near, left, weight, by)
        np.testing.assert_allclose(by, weight @ whole(near, left), rtol=1e-9, atol=1e-20)
    expected = weight @ np.cumprod(np.concatenate([[1.0], left[1:]]))
    assert by_incident == pytest.approx(expected)
