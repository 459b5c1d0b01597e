"""Cubic Bezier short characteristics along rays, compiled: what each step adds, and sweeps of it.

The host's default formal solver interpolates the source function between depths by cubic Bezier
curves with limited derivatives (de la Cruz Rodriguez and Piskunov 2013, ApJ 764, 33). Linearised
around an estimate of the source function, what a step adds is a weighted sum over its neighbours;
without an estimate the source function is taken for linear, which is monotone.

Arrays have shape [Nspace, Nray], rays contiguous. A *stencil*, [Nspace, 5, Nray], has what the step
that ends at a depth adds to the intensity there, per source function from two depths above to two
below. Compiled code is kept on disk by numba and runs without the global interpreter lock. Who
changes something here deletes what is kept of its callers in other files (``__pycache__/*.nb?``):
numba does not see that they are outdated.

`lw_rl.slab.short_characteristics` holds the parabolic ones of the paper's slab.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array

__all__ = [
    "REACH",
    "THICK",
    "THIN",
    "bezier",
    "derivatives",
    "intensities",
    "linear",
    "mean_intensity",
    "operators",
    "optical_depths",
    "optical_steps",
    "slopes",
    "smooth_slope",
    "smooth_slopes",
    "stencils",
    "unit_responses",
    "ways",
]


#: Below this step of optical depth its weights are summed as series.
_SERIES = 0.03
#: Steps of optical depth beyond which nothing changes.
THIN, THICK = 1e-12, 1e12
#: A step sees the source function up to this many depths from its end.
REACH = 2
#: Depths whose responses go through the rest of the atmosphere together, as a matrix product.
_TOGETHER = 16
#: What is left of an intensity below this is none: smaller numbers soon are no longer normal ones,
#: with which processors take their time.
_NONE = 1e-140
#: Slopes below this are none.
_LEAST = 1e-300
#: What makes the smooth limit of equal slopes the slope: :func:`smooth_slope`.
_STRAIGHT = (1.0 + 2.0**-7) ** (1 / 8)

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
    return np.minimum(np.maximum(step, THIN), THICK)


@_compiled
def bezier(t: float, e: float) -> tuple[float, float, float, float]:
    """Return the weights of a step's four control points, that of its end first.

    de la Cruz Rodriguez and Piskunov (2013), equations 14-17; where the step is thin, their series:
    integrals of x^n (1 - x)^(3 - n) exp(-t x), Euler's beta function, term by term.

    Parameters
    ----------
    t, e : float
        The step of optical depth, and exp(-t).
    """
    t2 = t * t
    t3 = t2 * t
    # No branches, so that rays can be treated together.
    thin, one = t < _SERIES, 1.0 / t3
    return (
        t * (1 / 4 - t * (1 / 20 - t / 120))
        if thin
        else (6.0 * e - 6.0 + 6.0 * t - 3.0 * t2 + t3) * one,
        t * (1 / 4 - t * (1 / 10 - t / 40))
        if thin
        else (18.0 - 12.0 * t + 3.0 * t2 - (6.0 * t + 18.0) * e) * one,
        t * (1 / 4 - t * (3 / 20 - t / 20))
        if thin
        else (6.0 * t - 18.0 + (18.0 + 12.0 * t + 3.0 * t2) * e) * one,
        t * (1 / 4 - t * (1 / 5 - t / 12))
        if thin
        else (6.0 - (6.0 + 6.0 * t + 3.0 * t2 + t3) * e) * one,
    )


@_compiled
def linear(t: float, e: float) -> tuple[float, float]:
    """Return the weights of a step's end and beginning where the source function is linear.

    Parameters
    ----------
    t, e : float
        The step of optical depth, and exp(-t).
    """
    thin = t < _SERIES
    mean = (1.0 - e) / t
    return (
        t * (1 / 2 - t * (1 / 6 - t / 24)) if thin else 1.0 - mean,
        t * (1 / 2 - t * (1 / 3 - t / 8)) if thin else mean - e,
    )


@_compiled
def slopes(step: Array, values: Array) -> tuple[Array, Array]:
    """Return how the limited derivative depends on the differences before and after a depth.

    The derivative ``before (S_i - S_i-1) + after (S_i+1 - S_i)`` is that of a parabola, twice the
    smaller of the two slopes where that is less steep, or zero at an extremum (Steffen 1990, A&A
    239, 443, equation 11); at the ends it is the slope. It is linear where no limit is crossed.

    Parameters
    ----------
    step : Array
        Distances, [Nspace - 1, Nray].
    values : Array
        [Nspace, Nray].
    """
    N, K = values.shape
    before, after = np.zeros((N, K)), np.zeros((N, K))
    for k in range(K):
        after[0, k], before[N - 1, k] = 1.0 / step[0, k], 1.0 / step[N - 2, k]
    for i in range(1, N - 1):
        for k in range(K):
            up, down = 1.0 / step[i - 1, k], 1.0 / step[i, k]
            left = (values[i, k] - values[i - 1, k]) * up
            right = (values[i + 1, k] - values[i, k]) * down
            by_left, by_right = _limited(left, right, step[i, k] / (step[i, k] + step[i - 1, k]))
            before[i, k], after[i, k] = by_left * up, by_right * down
    return before, after


@_compiled
def derivatives(step: Array, values: Array) -> Array:
    """Return the limited derivative at every depth, of which :func:`slopes` has what it is made of.

    Parameters
    ----------
    step, values : Array
        As for :func:`slopes`.
    """
    N, K = values.shape
    slope, derivative = np.empty((N - 1, K)), np.empty((N, K))
    for i in range(N - 1):
        for k in range(K):
            slope[i, k] = (values[i + 1, k] - values[i, k]) / step[i, k]
    derivative[0], derivative[N - 1] = slope[0], slope[N - 2]
    for i in range(1, N - 1):
        for k in range(K):
            left, right = slope[i - 1, k], slope[i, k]
            by_left, by_right = _limited(left, right, step[i, k] / (step[i, k] + step[i - 1, k]))
            derivative[i, k] = by_left * left + by_right * right
    return derivative


@_compiled
def _limited(left: float, right: float, share: float) -> tuple[float, float]:
    """Return how a limited slope depends on those before and after: see :func:`slopes`.

    `share` is that of the slope before in the slope of a parabola.
    """
    parabola = 0.5 * abs(share * left + (1.0 - share) * right)
    flat = not left * right > 0.0
    by_left = abs(left) < min(abs(right), parabola)
    by_right = abs(right) < parabola and not by_left
    b = 2.0 if by_left else (0.0 if by_right else share)
    a = 2.0 if by_right else (0.0 if by_left else 1.0 - share)
    return 0.0 if flat else b, 0.0 if flat else a


@_compiled
def _eighth(x: float) -> float:
    """Return the eighth power."""
    x *= x
    x *= x
    return x * x


@_compiled
def smooth_slope(left: float, right: float, share: float) -> tuple[float, float]:
    """Return how a smoothly limited slope depends on those before and after.

    Parameters
    ----------
    left, right : float
        Slopes before and after.
    share : float
        That of the slope before in the slope of a parabola.
    """
    rises = left * right > 0.0
    p, x, y = abs(share * left + (1.0 - share) * right), 2.0 * abs(left), 2.0 * abs(right)
    least = min(p, min(x, y))
    # Over the least of them nothing overflows.
    p, x, y = least / max(p, _LEAST), least / max(x, _LEAST), least / max(y, _LEAST)
    p8, x8, y8 = _eighth(p), _eighth(x), _eighth(y)
    whole = p8 + x8 + y8
    over = _STRAIGHT / (whole * math.sqrt(math.sqrt(math.sqrt(whole)))) if rises else 0.0
    p8 *= p
    by_left, by_right = p8 * share + 2.0 * x8 * x, p8 * (1.0 - share) + 2.0 * y8 * y
    return over * by_left, over * by_right


@_compiled
def smooth_slopes(step: Array, values: Array) -> tuple[Array, Array]:
    """Return what :func:`slopes` does, of a limiter that has no kinks but at extrema.

    Of the parabola's slope P and twice the slopes L and R before and after, it is not the least,
    but in proportion to ``(P^-8 + (2 L)^-8 + (2 R)^-8)^(-1/8)``, or zero at an extremum,
    linearised, and exact where the slopes are the same: atoms with many levels begin too far from
    their solution for a limiter that is linear from kink to kink. One that has another limit where
    the slopes are not alike, as their harmonic mean has (Fritsch and Butland 1984, SIAM J. Sci.
    Stat. Comput. 5, 300), lets other light through a step at which the source function falls by
    orders of magnitude, as at an ionisation front, by a factor of two.
    """
    N, K = values.shape
    before, after = np.zeros((N, K)), np.zeros((N, K))
    for k in range(K):
        after[0, k], before[N - 1, k] = 1.0 / step[0, k], 1.0 / step[N - 2, k]
    for i in range(1, N - 1):
        for k in range(K):
            up, down = 1.0 / step[i - 1, k], 1.0 / step[i, k]
            left = (values[i, k] - values[i - 1, k]) * up
            right = (values[i + 1, k] - values[i, k]) * down
            by_left, by_right = smooth_slope(left, right, up / (up + down))
            before[i, k], after[i, k] = by_left * up, by_right * down
    return before, after


@_compiled
def optical_depths(height: Array, opacity: Array) -> Array:
    """Return the vertical steps of optical depth of an opacity, [Nspace - 1, Nray].

    The opacity is a cubic Bezier curve as well, whose derivatives at the ends are slopes.

    Parameters
    ----------
    height : Array
        Height of the depths, downwards [m], [Nspace].
    opacity : Array
        [m-1], [Nspace, Nray].
    """
    N, K = opacity.shape
    distance = np.empty((N - 1, K))
    for i in range(N - 1):
        # Heights may be the same to rounding.
        distance[i] = max(height[i] - height[i + 1], THIN)
    bend = derivatives(distance, opacity)
    step = np.empty((N - 1, K))
    for i in range(N - 1):
        for k in range(K):
            mean = 0.5 * (opacity[i, k] + opacity[i + 1, k])
            bent = (bend[i, k] - bend[i + 1, k]) * distance[i, k] / 12.0
            step[i, k] = distance[i, k] * (mean + bent)
    return step


@_compiled
def stencils(
    step: Array,
    decay: Array,
    source: Array,
    monotone: bool,
    last: Array | None = None,
    last_decay: Array | None = None,
) -> tuple[Array, Array]:
    """Return what each step adds to the intensity at its end, inward and outward.

    Parameters
    ----------
    step, decay : Array
        Steps of optical depth t, and exp(-t), [Nspace - 1, Nray].
    source : Array
        Estimate of the source function around which the limiter is linearised, [Nspace, Nray].
    monotone : bool
        Interpolate linearly instead, whatever the estimate.
    last, last_decay : Array, optional
        As the host's solver does: the limiter is its own, and the last step of every ray, at the
        top and at the bottom, is this one, along which the source function is linear, [2, Nray];
        else the limiter is smooth (default: None).

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
                end, begin = linear(step[i - 1, k], decay[i - 1, k])
                inward[i, 2, k], inward[i, 1, k] = end, begin
                outward[i - 1, 2, k], outward[i - 1, 3, k] = end, begin
    else:
        _add_curves(step, decay, source, last is not None, inward, outward)
    if last is None or last_decay is None:
        return inward, outward
    inward[N - 1], outward[0] = 0.0, 0.0
    for k in range(K):
        inward[N - 1, 2, k], inward[N - 1, 1, k] = linear(last[1, k], last_decay[1, k])
        outward[0, 2, k], outward[0, 3, k] = linear(last[0, k], last_decay[0, k])
    return inward, outward


@_compiled
def ways(decay: Array, last_decay: Array) -> tuple[Array, Array]:
    """Return what steps leave of light that goes inward and outward, each [Nspace - 1, Nray].

    Parameters
    ----------
    decay, last_decay : Array
        As for :func:`stencils`.
    """
    down, up = decay.copy(), decay.copy()
    down[-1], up[0] = last_decay[1], last_decay[0]
    return down, up


@_compiled
def _add_curves(
    step: Array, decay: Array, source: Array, as_host: bool, inward: Array, outward: Array
) -> None:
    """Write what :func:`stencils` returns where the source function is a cubic Bezier curve."""
    N, K = step.shape[0] + 1, step.shape[1]
    before, after = slopes(step, source) if as_host else smooth_slopes(step, source)
    own, upwind, g, d = np.empty(K), np.empty(K), np.empty(K), np.empty(K)
    for i in range(1, N):
        for k in range(K):
            t = step[i - 1, k]
            end, near, far, begin = bezier(t, decay[i - 1, k])
            own[k], upwind[k] = end + near, begin + far
            g[k], d[k] = near * t / 3.0, far * t / 3.0
        # One array at a time: more of them are not treated rays together.
        b, a, b_up, a_up = before[i], after[i], before[i - 1], after[i - 1]
        into = inward[i]
        for k in range(K):
            into[3, k] = -g[k] * a[k]
            into[2, k] = own[k] - g[k] * (b[k] - a[k]) + d[k] * a_up[k]
            into[1, k] = upwind[k] + g[k] * b[k] + d[k] * (b_up[k] - a_up[k])
            into[0, k] = -d[k] * b_up[k]
        out = outward[i - 1]
        for k in range(K):
            out[1, k] = -g[k] * b_up[k]
            out[2, k] = own[k] + g[k] * (b_up[k] - a_up[k]) + d[k] * b[k]
            out[3, k] = upwind[k] + g[k] * a_up[k] - d[k] * (b[k] - a[k])
            out[4, k] = -d[k] * a[k]


@_compiled
def mean_intensity(
    inward: Array,
    outward: Array,
    down: Array,
    up: Array,
    weight: Array,
    source: Array,
    incident: Array,
) -> Array:
    """Return the mean intensity of a source function, shape [Nspace].

    Parameters
    ----------
    inward, outward : Array
        From :func:`stencils`, [Nspace, 5, Nray].
    down, up : Array
        What steps leave of light that goes inward and outward, [Nspace - 1, Nray].
    weight : Array
        Quadrature weights, their sum over rays one, [Nspace, Nray].
    source : Array
        [Nspace, Nray].
    incident : Array
        Intensities that enter at the first and at the last depth, [2, Nray].
    """
    N, K = source.shape
    J, beam = np.zeros(N), incident[0].copy()
    for i in range(N):
        if i > 0:
            for k in range(K):
                beam[k] *= down[i - 1, k]
            for m in range(max(0, REACH - i), min(2 * REACH + 1, N + REACH - i)):
                for k in range(K):
                    beam[k] += inward[i, m, k] * source[i + m - REACH, k]
        seen = 0.0
        for k in range(K):
            seen += weight[i, k] * beam[k]
        J[i] = 0.5 * seen
    beam[:] = incident[1]
    for i in range(N - 1, -1, -1):
        if i < N - 1:
            for k in range(K):
                beam[k] *= up[i, k]
            for m in range(max(0, REACH - i), min(2 * REACH + 1, N + REACH - i)):
                for k in range(K):
                    beam[k] += outward[i, m, k] * source[i + m - REACH, k]
        seen = 0.0
        for k in range(K):
            seen += weight[i, k] * beam[k]
        J[i] += 0.5 * seen
    return J


@_compiled
def intensities(
    step: Array,
    decay: Array,
    source: Array,
    monotone: bool,
    last: Array,
    last_decay: Array,
    incident: Array,
) -> tuple[Array, Array]:
    """Return the intensity of light that goes inward and outward, each [Nspace, Nray].

    That of the source function itself, for which no stencil is needed.

    Parameters
    ----------
    step, decay, source, monotone, last, last_decay
        As for :func:`stencils`, the limiter being the host's.
    incident : Array
        Intensities that enter at the first and at the last depth, [2, Nray].
    """
    N, K = source.shape
    falling, rising = np.zeros((N, K)), np.zeros((N, K))
    derivative = np.zeros((N, K)) if monotone else derivatives(step, source)
    own, upwind, g, d = np.empty(K), np.empty(K), np.zeros(K), np.zeros(K)
    falling[0] = incident[0]
    for i in range(1, N):
        t, e, here, above = step[i - 1], decay[i - 1], source[i], source[i - 1]
        for k in range(K):
            if monotone:
                own[k], upwind[k] = linear(t[k], e[k])
            else:
                end, near, far, begin = bezier(t[k], e[k])
                own[k], upwind[k] = end + near, begin + far
                g[k], d[k] = near * t[k] / 3.0, far * t[k] / 3.0
        b, a, out = derivative[i], derivative[i - 1], rising[i - 1]
        for k in range(K):
            fresh = own[k] * here[k] + upwind[k] * above[k] + d[k] * a[k] - g[k] * b[k]
            falling[i, k] = falling[i - 1, k] * e[k] + fresh
        for k in range(K):
            out[k] = own[k] * above[k] + upwind[k] * here[k] + g[k] * a[k] - d[k] * b[k]
    for k in range(K):
        end, begin = linear(last[1, k], last_decay[1, k])
        fresh = end * source[N - 1, k] + begin * source[N - 2, k]
        falling[N - 1, k] = falling[N - 2, k] * last_decay[1, k] + fresh
        end, begin = linear(last[0, k], last_decay[0, k])
        rising[0, k] = end * source[0, k] + begin * source[1, k]
    rising[N - 1] = incident[1]
    for i in range(N - 2, 0, -1):
        for k in range(K):
            rising[i, k] += rising[i + 1, k] * decay[i, k]
    for k in range(K):
        rising[0, k] += rising[1, k] * last_decay[0, k]
    return falling, rising


@_compiled
def unit_responses(
    inward: Array, outward: Array, down: Array, up: Array, weight: Array, share: Array
) -> Array:
    """Return the mean intensity at every depth per source function at another, [Nspace, Nspace].

    Behind the steps that a source feeds its light only decays. So the responses of some sources
    next to each other, behind all of them, are a matrix product: what they have fed into the rays,
    times what is left of it further on and counts there.

    Parameters
    ----------
    inward, outward, down, up, weight
        As for :func:`mean_intensity`.
    share : Array
        Part of the rays' source function that a depth's source function makes, [Nspace, Nray].
    """
    of_source = np.zeros((weight.shape[0], weight.shape[0]))
    half = 0.5 * weight
    for sign, stencil, decay in ((1, inward, down), (-1, outward, up)):
        _add_responses(stencil, decay, half, share, sign, of_source)
    return of_source.T


@_compiled
def operators(step: Array, source: Array, mu: Array, weight: Array, monotone: bool) -> Array:
    """Return the mean intensity per source function at some wavelengths.

    Parameters
    ----------
    step : Array
        Vertical steps of optical depth, [Nspace - 1, Nwave].
    source : Array
        Around which the limiter is linearised, [Nspace, Nwave].
    mu, weight : Array
        Cosines of the angles and weights, which sum to one, [Nray].
    monotone : bool
        Interpolate linearly instead, whatever the source function.

    Returns
    -------
    of_source : Array
        [Nwave, source, depth].
    """
    N, K = len(source), mu.size
    made = np.empty((step.shape[1], N, N))
    along, around = np.empty((N - 1, K)), np.empty((N, K))
    share, weights = np.ones((N, K)), np.empty((N, K))
    for i in range(N):
        for k in range(K):
            weights[i, k] = weight[k]
    for v in range(len(made)):
        for i in range(N - 1):
            for k in range(K):
                along[i, k] = min(max(step[i, v] / mu[k], THIN), THICK)
        for i in range(N):
            around[i] = source[i, v]
        decay = np.exp(-along)
        inward, outward = stencils(along, decay, around, monotone)
        made[v] = unit_responses(inward, outward, decay, decay, weights, share).T
    return made


@_compiled
def _add_responses(
    stencil: Array, decay: Array, half: Array, share: Array, sign: int, of_source: Array
) -> None:
    """Add the responses of light of one direction to `of_source`, [source, depth].

    Depths are counted in the direction of the light: `sign` is 1 for light that goes down, or -1.
    """
    N, K = half.shape
    beam, fed, left = np.empty(K), np.empty((_TOGETHER, K)), np.empty((N, K))
    begin = 0 if sign > 0 else N - 1
    # The step that ends at the depth i is the one before it, or behind it.
    before = -1 if sign > 0 else 0
    for first in range(0, N, _TOGETHER):
        end = min(first + _TOGETHER, N)
        # The last depth at which one of these sources feeds a step.
        last = min(end - 1 + REACH, N - 1)
        for s in range(first, end):
            at_s = begin + sign * s
            beam[:] = 0.0
            for i in range(max(1, s - REACH), last + 1):
                at = begin + sign * i
                m = sign * (s - i) + REACH
                if i <= s + REACH:
                    for k in range(K):
                        fresh = stencil[at, m, k] * share[at_s, k]
                        beam[k] = beam[k] * decay[at + before, k] + fresh
                else:
                    for k in range(K):
                        b = beam[k] * decay[at + before, k]
                        beam[k] = b if abs(b) > _NONE else 0.0
                seen = 0.0
                for k in range(K):
                    seen += half[at, k] * beam[k]
                of_source[at_s, at] += seen
            for k in range(K):
                fed[s - first, k] = beam[k]
        beam[:] = 1.0
        seen_from = N
        for i in range(last + 1, N):
            at = begin + sign * i
            size = 0.0
            for k in range(K):
                b = beam[k] * decay[at + before, k]
                beam[k] = b if b > _NONE else 0.0
                left[i, k] = half[at, k] * beam[k]
                size += left[i, k]
            if size == 0.0:
                seen_from = i
                break
        if seen_from > last + 1:
            behind = np.dot(fed[: end - first], left[last + 1 : seen_from].T)
            for s in range(first, end):
                at_s = begin + sign * s
                for i in range(last + 1, seen_from):
                    of_source[at_s, begin + sign * i] += behind[s - first, i - last - 1]
