"""Bezier short characteristics as stencils: what each step adds to the intensity at its end.

The host's default formal solver interpolates the source function between depths by cubic Bezier
curves with limited derivatives (de la Cruz Rodriguez and Piskunov 2013, ApJ 764, 33). Linearised
around an estimate of the source function, what a step adds is a weighted sum over its neighbours;
without an estimate the source function is taken for linear, which is monotone.

`lw_rl.slab.short_characteristics` holds the parabolic ones of the paper's slab, for sweeps.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

Array = np.ndarray

#: Below this step of optical depth its weights are summed as series.
_SERIES = 0.03
#: A step sees the source function up to this many depths from its end.
REACH = 2


def bezier(step: Array) -> tuple[Array, Array, Array, Array]:
    """Return the weights of a step's four control points, that of its end first.

    de la Cruz Rodriguez and Piskunov (2013), equations 14-17; where the step is thin, their series.
    """
    t = np.maximum(step, _SERIES)
    e = np.exp(-t)
    t2 = t * t
    t3 = t2 * t
    weights = (
        (6.0 * e - 6.0 + 6.0 * t - 3.0 * t2 + t3) / t3,
        (18.0 - 12.0 * t + 3.0 * t2 - (6.0 * t + 18.0) * e) / t3,
        (6.0 * t - 18.0 + (18.0 + 12.0 * t + 3.0 * t2) * e) / t3,
        (6.0 - (6.0 + 6.0 * t + 3.0 * t2 + t3) * e) / t3,
    )
    thin = step < _SERIES
    t = step[thin]
    # Integrals of x^n (1 - x)^(3 - n) exp(-t x): Euler's beta function, term by term.
    weights[0][thin] = t * (1 / 4 - t * (1 / 20 - t / 120))
    weights[1][thin] = t * (1 / 4 - t * (1 / 10 - t / 40))
    weights[2][thin] = t * (1 / 4 - t * (3 / 20 - t / 20))
    weights[3][thin] = t * (1 / 4 - t * (1 / 5 - t / 12))
    return weights


def linear(step: Array) -> tuple[Array, Array]:
    """Return the weights of a step's end and beginning where the source function is linear."""
    t = np.maximum(step, _SERIES)
    e = np.exp(-t)
    mean = (1.0 - e) / t
    end, begin = 1.0 - mean, mean - e
    thin = step < _SERIES
    t = step[thin]
    end[thin] = t * (1 / 2 - t * (1 / 6 - t / 24))
    begin[thin] = t * (1 / 2 - t * (1 / 3 - t / 8))
    return end, begin


def slopes(step: Array, source: Array) -> tuple[Array, Array]:
    """Return how the limited derivative depends on the differences before and after a depth.

    The derivative is the weighted harmonic mean of the two slopes, or zero at an extremum
    (Fritsch and Butland 1984, SIAM J. Sci. Stat. Comput. 5, 300); here it is linearised.

    Returns
    -------
    before, after : Array
        [Nspace, Nray]; the derivative is ``before (S_i - S_i-1) + after (S_i+1 - S_i)``.
    """
    before, after = np.zeros_like(source), np.zeros_like(source)
    slope = np.diff(source, axis=0) / step
    left, right = slope[:-1], slope[1:]
    weight = (1.0 + step[1:] / (step[1:] + step[:-1])) / 3.0
    mean = weight * right + (1.0 - weight) * left
    limited = left * right <= 0.0
    mean[limited] = np.inf
    before[1:-1] = weight * (right / mean) ** 2 / step[:-1]
    after[1:-1] = (1.0 - weight) * (left / mean) ** 2 / step[1:]
    after[0] = 1.0 / step[0]
    before[-1] = 1.0 / step[-1]
    return before, after


def stencils(step: Array, source: Array | None) -> tuple[Array, Array]:
    """Return what each step adds to the intensity at its end, inward and outward.

    Parameters
    ----------
    step : Array
        Steps of optical depth, [Nspace - 1, Nray].
    source : Array or None
        Estimate of the source function around which the limiter is linearised, [Nspace, Nray];
        None interpolates linearly.

    Returns
    -------
    inward, outward : Array
        [Nspace, 5, Nray]: weights of the source function from two depths above to two below.
    """
    N, K = step.shape[0] + 1, step.shape[1]
    inward, outward = np.zeros((N, 5, K)), np.zeros((N, 5, K))
    if source is None:
        end, begin = linear(step)
        inward[1:, 2], inward[1:, 1] = end, begin
        outward[:-1, 2], outward[:-1, 3] = end, begin
        return inward, outward
    own, near, far, upwind = bezier(step)
    before, after = slopes(step, source)
    third = step / 3.0
    g, d = near * third, far * third
    own += near
    upwind += far
    b, a, b_up, a_up = before[1:], after[1:], before[:-1], after[:-1]
    inward[1:, 3] = -g * a
    inward[1:, 2] = own - g * (b - a) + d * a_up
    inward[1:, 1] = upwind + g * b + d * (b_up - a_up)
    inward[1:, 0] = -d * b_up
    outward[:-1, 1] = -g * b_up
    outward[:-1, 2] = own + g * (b_up - a_up) + d * b
    outward[:-1, 3] = upwind + g * a_up - d * (b - a)
    outward[:-1, 4] = -d * a
    return inward, outward


def contributions(
    stencil: Array, share: Array, background: Array, incident: Array | None = None
) -> Array:
    """Return what each step adds per line source function, and what it adds anyway.

    Parameters
    ----------
    stencil : Array
        One of the two of :func:`stencils`.
    share : Array
        The line's share of the opacity, [Nspace, Nray].
    background : Array
        What the background adds to the source function, [Nspace, Nray].
    incident : Array, optional
        Intensity that enters at the last depth, [Nray].

    Returns
    -------
    cells : Array
        [Nspace, 6, Nray]: five neighbours' source functions, and what is known.
    """
    N, reach, K = stencil.shape
    cells = np.empty((N, reach + 1, K))
    np.multiply(stencil, _windows(share), out=cells[:, :reach])
    np.einsum("imk,imk->ik", stencil, _windows(background), out=cells[:, reach])
    if incident is not None:
        cells[-1, reach] += incident
    return cells


def _windows(values: Array) -> Array:
    """Return every depth's neighbours, [Nspace, 5, Nray], zero beyond the ends."""
    N, K = values.shape
    padded = np.zeros((N + 2 * REACH, K))
    padded[REACH:-REACH] = values
    rows, columns = padded.strides
    return as_strided(padded, (N, 2 * REACH + 1, K), (rows, rows, columns))
