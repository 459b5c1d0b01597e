"""Cubic Bezier short characteristics along rays, compiled: what each step adds, and sweeps of it.

The host's default formal solver interpolates the source function between depths by cubic Bezier
curves with limited derivatives (de la Cruz Rodriguez and Piskunov 2013, ApJ 764, 33). Linearised
around an estimate of the source function, what a step adds is a weighted sum over its neighbours;
without an estimate the source function is taken for linear, which is monotone.

Arrays have shape [Nspace, Nray], rays contiguous. A *stencil*, [Nspace, 5, Nray], has what the step
that ends at a depth adds to the intensity there, per source function from two depths above to two
below. Compiled code is kept on disk by numba and runs without the global interpreter lock.

`lw_rl.slab.short_characteristics` holds the parabolic ones of the paper's slab.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array

__all__ = [
    "REACH",
    "bezier",
    "linear",
    "mean_intensity",
    "optical_steps",
    "stencils",
    "unit_responses",
]


#: Below this step of optical depth its weights are summed as series.
_SERIES = 0.03
#: Steps of optical depth beyond which nothing changes.
_THIN, _THICK = 1e-12, 1e12
#: A step sees the source function up to this many depths from its end.
REACH = 2

#: Sums over rays may be taken in any order.
_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


def optical_steps(opacity: Array, height: Array, mu: Array) -> Array:
    """Return the steps of optical depth along rays, [Nspace - 1, Nray].

    Parameters
    ----------
    opacity : Array
        [m-1], [Nspace, Nray], or [Nspace, 1] where it is the same on all rays.
    height : Array
        Height of the depths, downwards [m], [Nspace].
    mu : Array
        Cosine of every ray's angle, [Nray].
    """
    step = 0.5 * (opacity[1:] + opacity[:-1]) * -np.diff(height)[:, None] / mu
    return np.minimum(np.maximum(step, _THIN), _THICK)


@_compiled
def bezier(t: float) -> tuple[float, float, float, float]:
    """Return the weights of a step's four control points, that of its end first.

    de la Cruz Rodriguez and Piskunov (2013), equations 14-17; where the step is thin, their series.
    """
    if t < _SERIES:
        # Integrals of x^n (1 - x)^(3 - n) exp(-t x): Euler's beta function, term by term.
        return (
            t * (1 / 4 - t * (1 / 20 - t / 120)),
            t * (1 / 4 - t * (1 / 10 - t / 40)),
            t * (1 / 4 - t * (3 / 20 - t / 20)),
            t * (1 / 4 - t * (1 / 5 - t / 12)),
        )
    e = math.exp(-t)
    t2 = t * t
    t3 = t2 * t
    return (
        (6.0 * e - 6.0 + 6.0 * t - 3.0 * t2 + t3) / t3,
        (18.0 - 12.0 * t + 3.0 * t2 - (6.0 * t + 18.0) * e) / t3,
        (6.0 * t - 18.0 + (18.0 + 12.0 * t + 3.0 * t2) * e) / t3,
        (6.0 - (6.0 + 6.0 * t + 3.0 * t2 + t3) * e) / t3,
    )


@_compiled
def linear(t: float) -> tuple[float, float]:
    """Return the weights of a step's end and beginning where the source function is linear."""
    if t < _SERIES:
        return t * (1 / 2 - t * (1 / 6 - t / 24)), t * (1 / 2 - t * (1 / 3 - t / 8))
    e = math.exp(-t)
    mean = (1.0 - e) / t
    return 1.0 - mean, mean - e


@_compiled
def _slopes(step: Array, source: Array) -> tuple[Array, Array]:
    """Return how the limited derivative depends on the differences before and after a depth.

    The derivative ``before (S_i - S_i-1) + after (S_i+1 - S_i)`` is the weighted harmonic mean of
    the two slopes, or zero at an extremum (Fritsch and Butland 1984, SIAM J. Sci. Stat. Comput. 5,
    300); here it is linearised.
    """
    N, K = source.shape
    before, after = np.zeros((N, K)), np.zeros((N, K))
    for k in range(K):
        after[0, k] = 1.0 / step[0, k]
        before[N - 1, k] = 1.0 / step[N - 2, k]
    for i in range(1, N - 1):
        for k in range(K):
            left = (source[i, k] - source[i - 1, k]) / step[i - 1, k]
            right = (source[i + 1, k] - source[i, k]) / step[i, k]
            if left * right > 0.0:
                weight = (1.0 + step[i, k] / (step[i, k] + step[i - 1, k])) / 3.0
                mean = weight * right + (1.0 - weight) * left
                before[i, k] = weight * (right / mean) ** 2 / step[i - 1, k]
                after[i, k] = (1.0 - weight) * (left / mean) ** 2 / step[i, k]
    return before, after


@_compiled
def stencils(step: Array, source: Array, monotone: bool) -> tuple[Array, Array]:
    """Return what each step adds to the intensity at its end, inward and outward.

    Parameters
    ----------
    step : Array
        Steps of optical depth, [Nspace - 1, Nray].
    source : Array
        Estimate of the source function around which the limiter is linearised, [Nspace, Nray].
    monotone : bool
        Interpolate linearly instead, whatever the estimate.

    Returns
    -------
    inward, outward : Array
        [Nspace, 5, Nray]: weights of the source function from two depths above to two below.
    """
    N, K = step.shape[0] + 1, step.shape[1]
    inward, outward = np.zeros((N, 5, K)), np.zeros((N, 5, K))
    if monotone:
        for i in range(1, N):
            for k in range(K):
                end, begin = linear(step[i - 1, k])
                inward[i, 2, k], inward[i, 1, k] = end, begin
                outward[i - 1, 2, k], outward[i - 1, 3, k] = end, begin
        return inward, outward
    before, after = _slopes(step, source)
    for i in range(1, N):
        for k in range(K):
            t = step[i - 1, k]
            own, near, far, upwind = bezier(t)
            own += near
            upwind += far
            g, d = near * t / 3.0, far * t / 3.0
            b, a, b_up, a_up = before[i, k], after[i, k], before[i - 1, k], after[i - 1, k]
            inward[i, 3, k] = -g * a
            inward[i, 2, k] = own - g * (b - a) + d * a_up
            inward[i, 1, k] = upwind + g * b + d * (b_up - a_up)
            inward[i, 0, k] = -d * b_up
            outward[i - 1, 1, k] = -g * b_up
            outward[i - 1, 2, k] = own + g * (b_up - a_up) + d * b
            outward[i - 1, 3, k] = upwind + g * a_up - d * (b - a)
            outward[i - 1, 4, k] = -d * a
    return inward, outward


@_compiled
def mean_intensity(
    inward: Array, outward: Array, step: Array, weight: Array, source: Array, incident: Array
) -> Array:
    """Return the mean intensity of a source function, shape [Nspace].

    Parameters
    ----------
    inward, outward : Array
        From :func:`stencils`, [Nspace, 5, Nray].
    step : Array
        Steps of optical depth, [Nspace - 1, Nray].
    weight : Array
        Quadrature weights, their sum over rays one, [Nspace, Nray].
    source : Array
        [Nspace, Nray].
    incident : Array
        Intensity that enters at the last depth, [Nray].
    """
    N, K = source.shape
    J, beam = np.zeros(N), np.zeros(K)
    for i in range(1, N):
        for k in range(K):
            beam[k] *= math.exp(-step[i - 1, k])
        for m in range(max(0, REACH - i), min(2 * REACH + 1, N + REACH - i)):
            for k in range(K):
                beam[k] += inward[i, m, k] * source[i + m - REACH, k]
        for k in range(K):
            J[i] += 0.5 * weight[i, k] * beam[k]
    beam[:] = incident
    for i in range(N - 1, -1, -1):
        if i < N - 1:
            for k in range(K):
                beam[k] *= math.exp(-step[i, k])
            for m in range(max(0, REACH - i), min(2 * REACH + 1, N + REACH - i)):
                for k in range(K):
                    beam[k] += outward[i, m, k] * source[i + m - REACH, k]
        for k in range(K):
            J[i] += 0.5 * weight[i, k] * beam[k]
    return J


@_compiled
def unit_responses(
    inward: Array, outward: Array, step: Array, weight: Array, share: Array
) -> Array:
    """Return the mean intensity at every depth per source function at another, [Nspace, Nspace].

    Parameters
    ----------
    inward, outward, step, weight
        As for :func:`mean_intensity`.
    share : Array
        Part of the rays' source function that a depth's source function makes, [Nspace, Nray].
    """
    N, K = weight.shape
    Lambda, beam = np.zeros((N, N)), np.empty(K)
    decay = np.exp(-step)
    half = 0.5 * weight
    for s in range(N):
        beam[:] = 0.0
        for i in range(max(1, s - REACH), N):
            m = s - i + REACH
            if m >= 0:
                for k in range(K):
                    beam[k] = beam[k] * decay[i - 1, k] + inward[i, m, k] * share[s, k]
            else:
                for k in range(K):
                    beam[k] *= decay[i - 1, k]
            seen, size = 0.0, 0.0
            for k in range(K):
                seen += half[i, k] * beam[k]
                size += half[i, k] * abs(beam[k])
            Lambda[i, s] += seen
            if m < 0 and size < 1e-290:
                break
        beam[:] = 0.0
        for i in range(min(N - 2, s + REACH), -1, -1):
            m = s - i + REACH
            if m <= 2 * REACH:
                for k in range(K):
                    beam[k] = beam[k] * decay[i, k] + outward[i, m, k] * share[s, k]
            else:
                for k in range(K):
                    beam[k] *= decay[i, k]
            seen, size = 0.0, 0.0
            for k in range(K):
                seen += half[i, k] * beam[k]
                size += half[i, k] * abs(beam[k])
            Lambda[i, s] += seen
            if m > 2 * REACH and size < 1e-290:
                break
    return Lambda
