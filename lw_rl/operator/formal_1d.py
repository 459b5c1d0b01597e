"""Compiled: the host's formal solver in one dimension, and its derivatives.

``piecewise_bezier3_1d``: cubic Bezier short characteristics of source function and opacity (de la
Cruz Rodriguez and Piskunov 2013, ApJ 764, 33), with the limited derivatives of Steffen (1990, A&A
239, 443) and a linear last step. A change of opacity or source function at one depth changes what
a few steps add, which is found by finite differences of those steps; the rest of the ray only
attenuates it. `lw_rl.operator.bezier_1d` has the simpler ones, linear in the source function, of
the operators that solve.

A ray is a sequence of points in the direction in which light goes. `distance` is the geometric
length of its steps [m], [Nspace - 1]; opacity [m-1] and source function have shape [Nspace].
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array

__all__ = ["AFTER", "BEFORE", "REACH", "derivatives", "intensity", "propagated", "seen"]

#: Relative step of the finite differences, one-sided: at fixed opacity light is then exactly linear
#: in the source function, which lines whose photons scatter a million times need.
_STEP = 1e-6
#: How far a step sees opacities: from the third point before its end to the second after it.
BEFORE, AFTER = 3, 2
#: The diagonal at a depth depends on opacities up to this many depths away.
REACH = 3

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _slope(a: float, b: float, y0: float, y1: float, y2: float) -> float:
    """Return the limited derivative at the middle one of three points, steps `a` and `b` apart."""
    after, before = (y2 - y1) / b, (y1 - y0) / a
    if after * before <= 0.0:
        return 0.0
    parabolic = abs((before * b + after * a) / (a + b))
    size = min(abs(before), min(abs(after), 0.5 * parabolic))
    slope: float = 2.0 * size if after > 0.0 else -2.0 * size
    return slope


@_compiled
def _slope_at(m: int, distance: Array, y: Array) -> float:
    """Return the derivative of a quantity at a point of a ray, one-sided at its ends."""
    N = y.size
    slope: float = (y[1] - y[0]) / distance[0]
    if m == N - 1:
        slope = (y[N - 1] - y[N - 2]) / distance[N - 2]
    elif m > 0:
        slope = _slope(distance[m - 1], distance[m], y[m - 1], y[m], y[m + 1])
    return slope


@_compiled
def _optical_step(m: int, distance: Array, chi: Array) -> float:
    """Return the optical thickness of the step that ends at point `m`."""
    s = distance[m - 1]
    begin = chi[m - 1] + s / 3.0 * _slope_at(m - 1, distance, chi)
    end = chi[m] - s / 3.0 * _slope_at(m, distance, chi)
    t: float = 0.25 * s * (chi[m - 1] + chi[m] + begin + end)
    return t


@_compiled
def _weights(t: float) -> tuple[float, float, float, float, float]:
    """Return the weights of beginning, end, and their control points, and what is left of light."""
    t2 = t * t
    t3 = t2 * t
    if t < 5e-2:
        return (
            0.25 * t - 0.2 * t2 + t3 / 12.0,
            0.25 * t - 0.05 * t2 + t3 / 120.0,
            0.25 * t - 0.15 * t2 + 0.05 * t3,
            0.25 * t - 0.1 * t2 + 0.025 * t3,
            1.0 - t + 0.5 * t2 - t3 / 6.0,
        )
    e = math.exp(-t) if t <= 30.0 else 0.0
    return (
        (6.0 - e * (6.0 + 6.0 * t + 3.0 * t2 + t3)) / t3,
        (6.0 * e - 6.0 + 6.0 * t - 3.0 * t2 + t3) / t3,
        3.0 * (2.0 * t - 6.0 + e * (6.0 + 4.0 * t + t2)) / t3,
        3.0 * (6.0 - 4.0 * t + t2 - 2.0 * e * (3.0 + t)) / t3,
        e,
    )


@_compiled
def _last_step(distance: Array, chi: Array, S: Array) -> tuple[float, float, float]:
    """Return what :func:`_step` does of the last, linear step."""
    N = S.size
    t = 0.5 * (chi[N - 1] + chi[N - 2]) * distance[N - 2]
    if t < 5e-4:
        own, slope = t * (1.0 - 0.5 * t), t * t * (0.5 - t / 3.0)
    elif t > 50.0:
        own = slope = 1.0
    else:
        e = math.exp(-t)
        own = 1.0 - e
        slope = own - t * e
    return own * S[N - 1] - slope * (S[N - 1] - S[N - 2]) / t, 1.0 - own, own - slope / t


@_compiled
def _of(weights: Array) -> tuple[float, float, float, float, float]:
    return weights[0], weights[1], weights[2], weights[3], weights[4]


@_compiled
def _curved(m: int, t: Array, S: Array, weights: tuple[float, float, float, float, float]) -> float:
    """Return what a step that is not the last adds to the light, with its weights."""
    here = t[m - 1]
    alpha, beta, gamma, delta, _ = weights
    if m == 1:
        before = (S[1] - S[0]) / here
    else:
        before = _slope(t[m - 2], here, S[m - 2], S[m - 1], S[m])
    after = _slope(here, t[m], S[m - 1], S[m], S[m + 1])
    begin, end = S[m - 1] + here / 3.0 * before, S[m] - here / 3.0 * after
    added: float = alpha * S[m - 1] + beta * S[m] + gamma * begin + delta * end
    return added


@_compiled
def _step(m: int, t: Array, distance: Array, chi: Array, S: Array) -> tuple[float, float, float]:
    """Return what the step that ends at `m` adds to the light, and what it leaves of it.

    The third value is the host's diagonal of the Lambda operator, per source function. `t` has the
    optical thickness of the steps, that which ends at `m` at index ``m - 1``.
    """
    if m == S.size - 1:
        return _last_step(distance, chi, S)
    weights = _weights(t[m - 1])
    return _curved(m, t, S, weights), weights[4], weights[1] + weights[3]


@_compiled
def _optical_steps(distance: Array, chi: Array) -> Array:
    t = np.empty(chi.size - 1)
    for m in range(1, chi.size):
        t[m - 1] = _optical_step(m, distance, chi)
    return t


@_compiled
def intensity(distance: Array, chi: Array, S: Array, incident: float) -> tuple[Array, Array]:
    """Return the intensity along a ray and the diagonal of its Lambda operator, [Nspace].

    The diagonal is the host's approximate operator, per emissivity.

    Parameters
    ----------
    distance, chi, S : Array
        See the module.
    incident : float
        Intensity at its first point.
    """
    t = _optical_steps(distance, chi)
    light, psi = np.empty(S.size), np.zeros(S.size)
    light[0] = incident
    for m in range(1, S.size):
        added, left, own = _step(m, t, distance, chi, S)
        light[m] = light[m - 1] * left + added
        psi[m] = own / chi[m]
    return light, psi


@_compiled
def derivatives(
    distance: Array, chi: Array, S: Array, incident: float
) -> tuple[Array, Array, Array, Array, Array]:
    """Return how each point of a ray changes the light at the ends of the steps that see it.

    Further on that is only attenuated: :func:`propagated` and :func:`seen` follow it.

    Parameters
    ----------
    distance, chi, S, incident
        As for :func:`intensity`.

    Returns
    -------
    by_chi, by_S, psi_by_chi : Array
        Derivative of what the step that ends at ``j - AFTER + w`` gives, and of the diagonal there
        per emissivity, by the value at ``j``, [Nspace, BEFORE + AFTER + 1].
    left : Array
        What each step leaves of the light, [Nspace], the first without meaning.
    light : Array
        The intensity, [Nspace].
    """
    N, W = S.size, BEFORE + AFTER + 1
    t = _optical_steps(distance, chi)
    light, left, added, psi = np.empty(N), np.ones(N), np.zeros(N), np.zeros(N)
    weights = np.empty((N, 5))
    light[0] = incident
    for m in range(1, N):
        if m < N - 1:
            weights[m] = _weights(t[m - 1])
            added[m] = _curved(m, t, S, _of(weights[m]))
            left[m], psi[m] = weights[m, 4], weights[m, 1] + weights[m, 3]
        else:
            added[m], left[m], psi[m] = _last_step(distance, chi, S)
        light[m] = light[m - 1] * left[m] + added[m]
    by_chi, by_S, psi_by_chi = np.zeros((N, W)), np.zeros((N, W)), np.zeros((N, W))
    changed = t.copy()
    for j in range(N):
        # The optical thicknesses that a point changes are those of the steps whose source
        # function it changes; the steps before and behind see them in their slopes.
        first, last = max(1, j - 1), min(N - 1, j + 2)
        value = S[j]
        h = _STEP * value
        S[j] += h
        for m in range(first, last + 1):
            if m < N - 1:
                new = _curved(m, t, S, _of(weights[m]))
            else:
                new, _, _ = _last_step(distance, chi, S)
            by_S[j, m - j + AFTER] = (new - added[m]) / h
        S[j] = value
        value = chi[j]
        h = _STEP * value
        chi[j] += h
        for m in range(first, last + 1):
            changed[m - 1] = _optical_step(m, distance, chi)
        for m in range(max(1, j - AFTER), min(N - 1, j + BEFORE) + 1):
            if m < N - 1 and not first <= m <= last:
                new, kept, own = _curved(m, changed, S, _of(weights[m])), left[m], psi[m]
            else:
                new, kept, own = _step(m, changed, distance, chi, S)
            w = m - j + AFTER
            by_chi[j, w] = (new - added[m] + light[m - 1] * (kept - left[m])) / h
            psi_by_chi[j, w] = (own / chi[m] - psi[m] / (value if m == j else chi[m])) / h
        chi[j] = value
        for m in range(first, last + 1):
            changed[m - 1] = t[m - 1]
    return by_chi, by_S, psi_by_chi, left, light


@_compiled
def propagated(near: Array, left: Array, first: float, by: Array) -> None:
    """Write the derivatives of the intensity at every point of a ray.

    Parameters
    ----------
    near, left : Array
        From :func:`derivatives`.
    first : float
        Derivative of the incident intensity by the values at the first two points.
    by : Array
        Written: derivative at the first index by the value at the second one, [Nspace, Nspace].
    """
    N = left.size
    by[0] = 0.0
    by[0, :2] = first
    for m in range(1, N):
        end = min(N - 1, m + AFTER) + 1
        for j in range(end):
            by[m, j] = by[m - 1, j] * left[m]
        by[m, end:] = 0.0
        for j in range(max(0, m - BEFORE), end):
            by[m, j] += near[j, m - j + AFTER]


@_compiled
def seen(near: Array, left: Array, weight: Array, by: Array) -> float:
    """Write the derivatives of a weighted sum of the intensity along a ray.

    Parameters
    ----------
    near, left : Array
        From :func:`derivatives`.
    weight : Array
        Of the points, [Nspace].
    by : Array
        Written: derivative by the value at every point, [Nspace].

    Returns
    -------
    by_incident : float
        That by the incident intensity.
    """
    N = left.size
    by[:] = 0.0
    beyond = 0.0
    for m in range(N - 1, 0, -1):
        beyond += weight[m]
        for j in range(max(0, m - BEFORE), min(N - 1, m + AFTER) + 1):
            by[j] += beyond * near[j, m - j + AFTER]
        beyond *= left[m]
    found: float = beyond + weight[0]
    return found
