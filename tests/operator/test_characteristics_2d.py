"""Short characteristics in two dimensions: geometry, and limits with known answers."""

import numpy as np
import pytest

from lw_rl.operator.characteristics_2d import COEFFICIENTS, coefficients, segments, sweep

MUX, MUZ = np.array([0.6, -0.6]), np.array([0.8, 0.8])


def grid(Nz=7, Nx=6, uneven=False):
    x = np.linspace(0.0, 5.0, Nx)
    if uneven:
        x = 5.0 * (x / 5.0) ** 1.5
    return x, np.linspace(3.0, 0.0, Nz)


def follow(steps, x, chi, source, ray, entering=None, kept=True):
    """Return the intensity along one ray, [Nspace, Nwave]."""
    N = len(source)
    made = np.empty((len(steps.point), COEFFICIENTS, source.shape[1]), np.float32)
    args = steps.point, steps.share, steps.length
    coefficients(*args, chi, source, 0, len(steps.point), 0, made)
    none = np.zeros((0, source.shape[1]), np.float32)
    J = np.zeros_like(source)
    sweep(
        steps.order[ray], steps.first[ray * N : (ray + 1) * N + 1], *args, len(x),
        none if entering is None else entering, 0, made if kept else made[:0], chi, source, source,
        source, np.zeros_like(source), 1.0, np.zeros(N), J,
    )  # fmt: skip
    return J


@pytest.mark.parametrize("besser", [True, False])
@pytest.mark.parametrize("uneven", [False, True])
def test_a_constant_source_function_is_the_intensity_it_enters_with(besser, uneven):
    x, z = grid(uneven=uneven)
    steps = segments(x, z, MUX, MUZ, True, besser)
    source = np.full((len(x) * len(z), 3), 2.0, np.float32)
    rng = np.random.default_rng(1)
    chi = np.exp(rng.normal(size=source.shape)).astype(np.float32)
    for ray in range(4):
        I = follow(steps, x, chi, source, ray, entering=source)  # noqa: E741
        assert np.allclose(I, 2.0, rtol=3e-6)


@pytest.mark.parametrize("periodic", [True, False])
def test_light_is_absorbed_along_the_way_and_exactly_so_in_a_uniform_medium(periodic):
    x, z = grid()
    steps = segments(x, z, MUX, MUZ, periodic, False)
    N = len(x) * len(z)
    source, chi = np.zeros((N, 1), np.float32), np.full((N, 1), 0.7, np.float32)
    entering = np.ones((N, 1), np.float32)
    outward = follow(steps, x, chi, source, 1, entering).reshape(len(z), len(x))
    depth = 0.7 * (z - z[-1]) / MUZ[0]
    expected = np.repeat(np.exp(-depth)[:, None], len(x), 1)
    if periodic:
        # Between points intensity is linear, and here it does not depend on x.
        assert np.allclose(outward[:, 1:], expected[:, 1:], rtol=0.05)
        assert np.ptp(outward, axis=1).max() < 0.03
    else:
        assert np.all(outward[:, 0] == 1.0)
        assert np.all(np.diff(outward, axis=1) <= 1e-6)


def test_a_ray_that_is_followed_around_ends_a_row_further():
    # A row of four columns, each a tenth as wide as high: a ray crosses all of them within a row.
    x, z = np.linspace(0.0, 0.3, 4), np.array([2.0, 1.0, 0.0])
    steps = segments(x, z, np.array([0.8]), np.array([0.6]), True, True)
    first = np.diff(steps.first[:13])
    order = steps.order[0]
    # Inward, to the left: the rightmost column is entered through the side.
    entered = {int(order[n]): int(count) for n, count in enumerate(first)}
    assert entered[1 * 4 + 3] > 3
    total = np.zeros(12)
    for n in range(12):
        a, b = steps.first[n], steps.first[n + 1]
        total[order[n]] = steps.length[a:b, 0].sum()
    assert total[1 * 4 + 3] == pytest.approx(1.0 / 0.6, rel=1e-6)


def test_weights_that_are_made_anew_are_those_that_are_kept():
    x, z = grid(uneven=True)
    steps = segments(x, z, MUX, MUZ, True, True)
    rng = np.random.default_rng(2)
    N = len(x) * len(z)
    source, chi = (np.exp(rng.normal(size=(N, 5))).astype(np.float32) for _ in range(2))
    for ray in range(4):
        one, other = (follow(steps, x, chi, source, ray, kept=k) for k in (True, False))
        assert np.array_equal(one, other)


def test_thick_steps_take_the_source_function_of_their_end():
    x, z = grid()
    steps = segments(x, z, MUX, MUZ, True, True)
    rng = np.random.default_rng(3)
    N = len(x) * len(z)
    source = np.exp(rng.normal(size=(N, 1))).astype(np.float32)
    chi = np.full((N, 1), 1e7, np.float32)
    I = follow(steps, x, chi, source, 1, entering=source)  # noqa: E741
    assert np.allclose(I, source, rtol=1e-5)


@pytest.mark.parametrize("t", [1e-6, 1e-3, 0.3, 0.499, 0.501, 3.0, 40.0])
def test_weights_are_the_integrals_that_they_stand_for(t):
    """Against quadrature of a straight line, which both methods integrate exactly."""
    x, z = np.array([0.0, 1.0, 2.0]), np.array([2.0, 1.0, 0.0])
    N, chi = 9, np.full((9, 1), t, np.float32)
    height = np.repeat(z, 3)[:, None]
    source = (1.0 + height).astype(np.float32)
    dark = np.zeros((N, 1), np.float32)
    u = np.linspace(0.0, 1.0, 20001)
    for besser in (True, False):
        steps = segments(x, z, np.array([0.0]), np.array([1.0]), True, besser)
        I = follow(steps, x, chi, source, 1, dark).reshape(3, 3)  # noqa: E741
        # Outward from the lowest row, where nothing enters, to the one above it.
        expected = np.trapezoid((2.0 - u) * t * np.exp(-t * u), u)
        assert I[1, 1] == pytest.approx(expected, rel=2e-5)
