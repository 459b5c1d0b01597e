"""Bezier short characteristics against integrals with known answers."""

import numpy as np
import pytest

from lw_rl.operator.bezier_1d import (
    REACH,
    bezier,
    derivatives,
    intensities,
    linear,
    mean_intensity,
    slopes,
    stencils,
    unit_responses,
    ways,
)


def from_below(incident):
    """Return what enters where nothing does at the top."""
    return np.stack([0.0 * incident, incident])


def test_weights_of_a_step():
    step = np.geomspace(1e-10, 1e6, 400)
    control = np.array([bezier(t, np.exp(-t)) for t in step]).T
    end, begin = np.array([linear(t, np.exp(-t)) for t in step]).T
    # A constant source function: 1 - exp(-step).
    assert np.allclose(sum(control), -np.expm1(-step), rtol=1e-5)
    assert np.allclose(end + begin, -np.expm1(-step), rtol=1e-5)
    # A straight line has its control points at thirds.
    assert np.allclose(control[0] + (2.0 * control[1] + control[2]) / 3.0, end, rtol=1e-4)
    assert min(w.min() for w in (*control, end, begin)) > 0.0


def test_series_and_closed_form_meet():
    below, above = 0.03 * (1.0 - 1e-9), 0.03 * (1.0 + 1e-9)
    np.testing.assert_allclose(
        bezier(below, np.exp(-below)), bezier(above, np.exp(-above)), rtol=1e-5
    )
    np.testing.assert_allclose(
        linear(below, np.exp(-below)), linear(above, np.exp(-above)), rtol=1e-5
    )


def intensity_added(stencil, source):
    """Return what every step adds to the intensity at its end."""
    padded = np.pad(source, ((REACH, REACH), (0, 0)))
    near = np.stack([padded[m : m + len(source)] for m in range(2 * REACH + 1)], axis=1)
    return (stencil * near).sum(axis=1)


@pytest.fixture
def straight():
    """Steps of optical depth and a source function that is linear in it, on four rays."""
    step = np.random.default_rng(3).uniform(0.1, 3.0, (11, 4))
    depth = np.concatenate([np.zeros((1, 4)), np.cumsum(step, axis=0)])
    return step, 2.0 + 0.5 * depth


@pytest.mark.parametrize("monotone", [False, True])
def test_a_straight_source_function_is_integrated_exactly(straight, monotone):
    # The harmonic mean of two equal slopes is that slope, so Bezier curves are straight as well.
    step, source = straight
    # Integral of (a +- b t) exp(-t) over a step, S = a at its end.
    e = np.exp(-step)
    one, first = 1.0 - e, 1.0 - (1.0 + step) * e
    inward, outward = stencils(step, np.exp(-step), source, monotone)
    np.testing.assert_allclose(
        intensity_added(inward, source)[1:], source[1:] * one - 0.5 * first, rtol=1e-9
    )
    np.testing.assert_allclose(
        intensity_added(outward, source)[:-1], source[:-1] * one + 0.5 * first, rtol=1e-9
    )
    # No step ends where rays enter.
    assert not inward[0].any() and not outward[-1].any()


def test_what_enters_is_seen_through_what_is_in_between():
    step, weight = np.full((5, 2), 0.7), np.tile([0.25, 0.75], (6, 1))
    inward, outward = stencils(step, np.exp(-step), np.ones((6, 2)), True)
    incident = np.array([[1.0, 2.0], [3.0, 4.0]])
    J = mean_intensity(
        inward, outward, np.exp(-step), np.exp(-step), weight, np.zeros((6, 2)), incident
    )
    through = np.exp(-0.7 * np.arange(6.0))
    expected = 0.5 * through * (0.25 * 1.0 + 0.75 * 2.0)
    expected += 0.5 * through[::-1] * (0.25 * 3.0 + 0.75 * 4.0)
    np.testing.assert_allclose(J, expected, rtol=1e-12)


def test_inside_a_medium_in_equilibrium_half_of_the_sky_is_dark_at_the_top():
    step, weight = np.full((40, 3), 0.5), np.full((41, 3), 1.0 / 3.0)
    one = np.ones((41, 3))
    inward, outward = stencils(step, np.exp(-step), one, False)
    J = mean_intensity(
        inward, outward, np.exp(-step), np.exp(-step), weight, one, from_below(np.ones(3))
    )
    np.testing.assert_allclose(J, 1.0 - 0.5 * np.exp(-0.5 * np.arange(41)), rtol=1e-10)


@pytest.mark.parametrize("monotone", [False, True])
@pytest.mark.parametrize("N", [3, 12, 17, 40])
def test_unit_responses_are_the_mean_intensities_of_unit_sources(monotone, N):
    rng = np.random.default_rng(5)
    K = 3
    # From thin to so thick that nothing comes through.
    step = 10.0 ** rng.uniform(-3.0, 3.0, (N - 1, K))
    decay = np.exp(-step)
    weight = rng.dirichlet(np.ones(K), N)
    share = rng.uniform(0.1, 1.0, (N, K))
    source = 10.0 ** rng.uniform(-2.0, 0.0, (N, K))
    inward, outward = stencils(step, decay, source, monotone)
    Lambda = unit_responses(inward, outward, decay, decay, weight, share)
    for s in range(N):
        unit = np.zeros((N, K))
        unit[s] = share[s]
        column = mean_intensity(inward, outward, decay, decay, weight, unit, np.zeros((2, K)))
        np.testing.assert_allclose(Lambda[:, s], column, rtol=1e-9, atol=1e-130)
    if monotone or N > 3:
        assert (Lambda.min() >= 0.0) == monotone, "cubic interpolation has negative weights"


def slow_steps(step, source, last):
    """Return what each step adds to the intensity at its end, one step after another, in quads.

    Control points of the source function by Steffen's derivatives, and the integrals of
    Bernstein polynomials by Gauss-Legendre quadrature.
    """
    N = len(source)
    slope = np.zeros(N)
    slope[0], slope[-1] = np.diff(source)[[0, -1]] / step[[0, -1]]
    for i in range(1, N - 1):
        left, right = np.diff(source)[i - 1 : i + 1] / step[i - 1 : i + 1]
        parabola = (left * step[i] + right * step[i - 1]) / (step[i] + step[i - 1])
        if left * right > 0.0:
            steepest = min(abs(left), abs(right), 0.5 * abs(parabola))
            slope[i] = 2.0 * np.sign(left) * steepest
    x, w = np.polynomial.legendre.leggauss(60)
    x, w = 0.5 * (1.0 + x), 0.5 * w
    inward, outward = np.zeros(N), np.zeros(N)
    for i in range(1, N):
        t, third = step[i - 1], step[i - 1] / 3.0
        points = [
            source[i - 1], source[i - 1] + third * slope[i - 1], source[i] - third * slope[i],
            source[i],
        ]  # fmt: skip
        for added, end, order in ((inward, i, points[::-1]), (outward, i - 1, points)):
            curve = sum(
                c * S * x**n * (1.0 - x) ** (3 - n)
                for n, (c, S) in enumerate(zip((1, 3, 3, 1), order, strict=True))
            )
            added[end] = t * np.sum(w * curve * np.exp(-t * x))
    # The last step of a ray is linear.
    for added, end, begin, t in ((inward, -1, -2, last[1]), (outward, 0, 1, last[0])):
        line = source[end] * (1.0 - x) + source[begin] * x
        added[end] = t * np.sum(w * line * np.exp(-t * x))
    return inward, outward


def test_two_hundred_random_media_against_slow_integrals():
    """At the estimate itself, where the linearised limiter is the limiter."""
    rng = np.random.default_rng(12)
    for _ in range(200):
        N = int(rng.integers(3, 40))
        step = 10.0 ** rng.uniform(-2.0, 1.0, (N - 1, 1))
        source = np.exp(np.cumsum(rng.normal(0.0, 0.5, (N, 1)), axis=0))
        decay, one, dark = np.exp(-step), np.ones((N, 1)), np.zeros((2, 1))
        # The last steps, whose opacity is linear as well, are others than those that begin there.
        last = step[[0, -1]] * rng.uniform(0.8, 1.2, (2, 1))
        inward, outward = stencils(step, decay, source, False, last, np.exp(-last))
        # What a step adds, to the source function; thin steps are series.
        size = np.maximum(source[1:], source[:-1])[:, 0] * -np.expm1(-step[:, 0])
        expected = slow_steps(step[:, 0], source[:, 0], last[:, 0])
        swept_ends = ((slice(1, None), -1, last[1, 0]), (slice(None, -1), 0, last[0, 0]))
        for added, stencil, (ends, at, end) in zip(
            expected, (inward, outward), swept_ends, strict=True
        ):
            found = intensity_added(stencil, source)[:, 0]
            # The closed form loses digits where steps are thin.
            thick = step[:, 0] > 0.1
            thick[at] = end > 0.1
            difference = np.abs(found - added)[ends] / size
            assert np.max(difference[thick], initial=0.0) < 1e-10
            assert np.max(difference, initial=0.0) < 1e-5
        # Sweeps, step by step, and the matrix.
        J = np.zeros(N)
        down, up = ways(decay, np.exp(-last))
        for added, left, sweep in (
            (intensity_added(inward, source), down, range(N)),
            (intensity_added(outward, source), up, range(N - 1, -1, -1)),
        ):
            beam = 0.0
            for n, i in enumerate(sweep):
                if n > 0:
                    beam = beam * left[i - 1 if sweep.step > 0 else i, 0] + added[i, 0]
                J[i] += 0.5 * beam
        Lambda = unit_responses(inward, outward, down, up, one, one)
        swept = mean_intensity(inward, outward, down, up, one, source, dark)
        np.testing.assert_allclose(swept, J, rtol=1e-10)
        np.testing.assert_allclose(Lambda @ source[:, 0], J, rtol=1e-10)


@pytest.mark.parametrize("monotone", [False, True])
def test_without_stencils_intensities_are_the_same(monotone):
    rng = np.random.default_rng(13)
    for N in (3, 4, 20, 82):
        step, weight = 10.0 ** rng.uniform(-6.0, 2.0, (N - 1, 5)), rng.uniform(size=(N, 5))
        source = np.exp(np.cumsum(rng.normal(0.0, 0.7, (N, 5)), axis=0))
        last = step[[0, -1]] * rng.uniform(0.8, 1.2, (2, 5))
        incident = rng.uniform(0.0, 5.0, (2, 5))
        of_steps = step, np.exp(-step), source, monotone, last, np.exp(-last)
        way = ways(of_steps[1], of_steps[5])
        expected = mean_intensity(*stencils(*of_steps), *way, weight, source, incident)
        inward, outward = intensities(*of_steps, incident)
        np.testing.assert_array_equal(inward[0], incident[0])
        np.testing.assert_array_equal(outward[-1], incident[1])
        J = 0.5 * (weight * (inward + outward)).sum(axis=1)
        np.testing.assert_allclose(J, expected, rtol=1e-10)


def test_derivatives_are_made_of_what_slopes_say():
    rng = np.random.default_rng(14)
    step, values = rng.uniform(0.1, 3.0, (29, 6)), np.cumsum(rng.normal(0.4, 1.0, (30, 6)), axis=0)
    before, after = slopes(step, values)
    change = np.diff(values, axis=0)
    expected = np.zeros_like(values)
    expected[1:] += before[1:] * change
    expected[:-1] += after[:-1] * change
    np.testing.assert_allclose(derivatives(step, values), expected, rtol=1e-12, atol=1e-14)


def test_mean_intensity_is_linear_at_a_fixed_limiter():
    rng = np.random.default_rng(6)
    step, weight = rng.uniform(0.01, 2.0, (9, 2)), np.full((10, 2), 0.5)
    estimate, a, b = rng.uniform(0.1, 1.0, (3, 10, 2))
    inward, outward = stencils(step, np.exp(-step), estimate, False)

    def J(source, incident):
        return mean_intensity(
            inward, outward, np.exp(-step), np.exp(-step), weight, source, from_below(incident)
        )

    one = np.ones(2)
    np.testing.assert_allclose(
        J(2.0 * a + b, 5.0 * one), 2.0 * J(a, one) + J(b, 3.0 * one), rtol=1e-12
    )


def test_an_extremum_has_no_slope():
    """There the limiter is at work: what a step adds stays between the source functions."""
    step = np.full((6, 1), 0.4)
    source = np.array([[1.0], [2.0], [1.0], [3.0], [1.0], [2.0], [1.0]])
    inward, _ = stencils(step, np.exp(-step), source, False)
    added = intensity_added(inward, source)[1:, 0] / -np.expm1(-0.4)
    assert np.all(added >= 1.0) and np.all(added <= 3.0)
