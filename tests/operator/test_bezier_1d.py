"""Stencils of Bezier short characteristics against integrals with known answers."""

import numpy as np

from lw_rl.operator.bezier_1d import REACH, bezier, contributions, linear, stencils


def test_weights_of_a_step():
    step = np.geomspace(1e-10, 1e6, 400)
    control = bezier(step)
    end, begin = linear(step)
    # A constant source function: 1 - exp(-step).
    assert np.allclose(sum(control), -np.expm1(-step), rtol=1e-5)
    assert np.allclose(end + begin, -np.expm1(-step), rtol=1e-5)
    # A straight line has its control points at thirds.
    assert np.allclose(control[0] + (2.0 * control[1] + control[2]) / 3.0, end, rtol=1e-4)
    assert min(w.min() for w in (*control, end, begin)) > 0.0


def intensity_added(stencil, source):
    """Return what every step adds to the intensity where all of the source function is the line's.

    With the neighbours' own source functions in the place of the unknown ones.
    """
    cells = contributions(stencil, np.ones_like(source), np.zeros_like(source))
    padded = np.pad(source, ((REACH, REACH), (0, 0)))
    near = np.stack([padded[m : m + len(source)] for m in range(2 * REACH + 1)], axis=1)
    return (cells[:, :-1] * near).sum(axis=1)


def test_a_straight_source_function_is_integrated_exactly():
    # The harmonic mean of two equal slopes is that slope, so Bezier curves are straight as well.
    rng = np.random.default_rng(3)
    step = rng.uniform(0.1, 3.0, (11, 4))
    depth = np.concatenate([np.zeros((1, 4)), np.cumsum(step, axis=0)])
    source = 2.0 + 0.5 * depth
    # Integral of (a +- b t) exp(-t) over a step, S = a at its end.
    e = np.exp(-step)
    one, first = 1.0 - e, 1.0 - (1.0 + step) * e
    for estimate in (source, None):
        inward, outward = stencils(step, estimate)
        np.testing.assert_allclose(
            intensity_added(inward, source)[1:], source[1:] * one - 0.5 * first, rtol=1e-9
        )
        np.testing.assert_allclose(
            intensity_added(outward, source)[:-1], source[:-1] * one + 0.5 * first, rtol=1e-9
        )


def test_what_enters_and_the_background_are_known():
    step = np.full((5, 2), 0.7)
    inward, outward = stencils(step, None)
    half = np.full((6, 2), 0.5)
    cells = contributions(outward, half, half, incident=np.array([3.0, 4.0]))
    one = 1.0 - np.exp(-0.7)
    np.testing.assert_allclose(cells[:-1, :-1].sum(axis=1), 0.5 * one)
    np.testing.assert_allclose(cells[:-1, -1], 0.5 * one)
    np.testing.assert_allclose(cells[-1, -1], [3.0, 4.0])
    assert not contributions(inward, half, half)[0].any()
