"""Compiled: the host's formal solver in one dimension, and its derivatives.

``piecewise_bezier3_1d``: cubic Bezier short characteristics of source function and opacity (de la
Cruz Rodriguez and Piskunov 2013, ApJ 764, 33), with the limited derivatives of Steffen (1990, A&A
239, 443) and a linear last step. A change of opacity or source function at one depth changes what
a few steps add; the rest of the ray only attenuates it. Where a limit is crossed the derivatives
are those of the side on which the values are. `lw_rl.operator.bezier_1d` has the simpler ones,
linear in the source function, of the operators that solve.

A ray is a sequence of points in the direction in which light goes. `distance` is the geometric
length of its steps [m], [Nspace - 1]; opacity [m-1] and source function have shape [Nspace].
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array

__all__ = ["AFTER", "BEFORE", "REACH", "derivatives", "intensity", "propagated", "seen"]

#: Optical depth behind which nothing is left of light: numbers that are denormal are slow.
_DARK = 92.0
#: How far a step sees opacities: from the third point before its end to the second after it.
BEFORE, AFTER = 3, 2
#: The diagonal at a depth depends on opacities up to this many depths away.
REACH = 3

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _slope(
    a: float, b: float, y0: float, y1: float, y2: float
) -> tuple[float, float, float, float, float, float]:
    """Return the limited slope at the middle one of three points, steps `a` and `b` apart.

    And its derivatives by the points and by the steps.
    """
    after, before = (y2 - y1) / b, (y1 - y0) / a
    if after * before <= 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    mean = (before * b + after * a) / (a + b)
    if abs(before) < min(abs(after), 0.5 * abs(mean)):
        by = 2.0 / a
        return 2.0 * before, -by, by, 0.0, -by * before, 0.0
    if abs(after) < 0.5 * abs(mean):
        by = 2.0 / b
        return 2.0 * after, 0.0, -by, by, 0.0, -by * after
    one = 1.0 / (a + b)
    by_before, by_after = b * one / a, a * one / b
    return (
        mean,
        -by_before,
        by_before - by_after,
        by_after,
        (after - mean) * one - by_before * before,
        (before - mean) * one - by_after * after,
    )


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
def _step(m: int, t: Array, distance: Array, chi: Array, S: Array) -> tuple[float, float, float]:
    """Return what the step that ends at `m` adds to the light, and what it leaves of it.

    The third value is the host's diagonal of the Lambda operator, per source function. `t` has the
    optical thickness of the steps, that which ends at `m` at index ``m - 1``.
    """
    if m == S.size - 1:
        return _last_step(distance, chi, S)
    here = t[m - 1]
    alpha, beta, gamma, delta, e = _weights(here)
    if m == 1:
        before = (S[1] - S[0]) / here
    else:
        before = _slope(t[m - 2], here, S[m - 2], S[m - 1], S[m])[0]
    after = _slope(here, t[m], S[m - 1], S[m], S[m + 1])[0]
    begin, end = S[m - 1] + here / 3.0 * before, S[m] - here / 3.0 * after
    return alpha * S[m - 1] + beta * S[m] + gamma * begin + delta * end, e, beta + delta


@_compiled
def _optical_steps(distance: Array, chi: Array) -> tuple[Array, Array]:
    """Return optical thicknesses and their derivatives by the opacities from two points before.

    Shapes [Nspace - 1] and [Nspace - 1, 4]: the step that ends at ``m``, at index ``m - 1``, sees
    the points from ``m - 2`` to ``m + 1``.
    """
    N = chi.size
    t, by = np.empty(N - 1), np.zeros((N - 1, 4))
    # Slopes at the beginning of a step and at its end, with derivatives.
    one = 1.0 / distance[0]
    begin, b0, b1, b2 = (chi[1] - chi[0]) * one, 0.0, -one, one
    for m in range(1, N):
        s = distance[m - 1]
        if m < N - 1:
            end, e0, e1, e2, _, _ = _slope(s, distance[m], chi[m - 1], chi[m], chi[m + 1])
        else:
            end, e0, e1, e2 = (chi[m] - chi[m - 1]) / s, -1.0 / s, 1.0 / s, 0.0
        bend = s * s / 12.0
        t[m - 1] = 0.5 * s * (chi[m - 1] + chi[m]) + bend * (begin - end)
        by[m - 1, 0] = bend * b0
        by[m - 1, 1] = 0.5 * s + bend * (b1 - e0)
        by[m - 1, 2] = 0.5 * s + bend * (b2 - e1)
        by[m - 1, 3] = -bend * e2
        begin, b0, b1, b2 = end, e0, e1, e2
    return t, by


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
    t, _ = _optical_steps(distance, chi)
    light, psi = np.empty(S.size), np.zeros(S.size)
    light[0] = incident
    for m in range(1, S.size):
        added, left, own = _step(m, t, distance, chi, S)
        light[m] = light[m - 1] * left + added
        psi[m] = own / chi[m]
    return light, psi


@_compiled
def _weights_by(
    t: float, alpha: float, beta: float, gamma: float, delta: float, e: float
) -> tuple[float, float, float, float, float]:
    """Return the derivatives of :func:`_weights`, whose values are given."""
    if t < 5e-2:
        t2 = t * t
        return (
            0.25 - 0.4 * t + 0.25 * t2,
            0.25 - 0.1 * t + t2 / 40.0,
            0.25 - 0.3 * t + 0.15 * t2,
            0.25 - 0.2 * t + 0.075 * t2,
            -1.0 + t - 0.5 * t2,
        )
    one = 3.0 / t
    cubed = 3.0 / (t * t * t)
    return (
        e - one * alpha,
        1.0 - beta - one * beta,
        cubed * (2.0 - e * (2.0 + 2.0 * t + t * t)) - one * gamma,
        cubed * (2.0 * t - 4.0 + e * (4.0 + 2.0 * t)) - one * delta,
        -e,
    )


@_compiled
def _last_step_by(
    distance: Array, chi: Array, S: Array
) -> tuple[float, float, float, float, float, float, float, float]:
    """Return what :func:`_last_step` does, and its derivatives.

    Those of what it adds by the source functions at its beginning and end, and of what it adds,
    leaves and has on the diagonal by its optical thickness.
    """
    N = S.size
    added, left, psi = _last_step(distance, chi, S)
    t = 0.5 * (chi[N - 1] + chi[N - 2]) * distance[N - 2]
    own = 1.0 - left
    share = own - psi
    if t < 5e-4:
        own_by, share_by = 1.0 - t, 0.5 - 2.0 * t / 3.0
    elif t > 50.0:
        own_by, share_by = 0.0, -share / t
    else:
        own_by = left
        share_by = left - share / t
    change = S[N - 1] - S[N - 2]
    by_t = own_by * S[N - 1] - share_by * change
    return added, left, psi, share, own - share, by_t, -own_by, own_by - share_by


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
    t, t_by = _optical_steps(distance, chi)
    light, left = np.empty(N), np.ones(N)
    by_chi, by_S, psi_by_chi = np.zeros((N, W)), np.zeros((N, W)), np.zeros((N, W))
    light[0] = incident
    for m in range(1, N - 1):
        here, third = t[m - 1], t[m - 1] / 3.0
        alpha, beta, gamma, delta, e = _weights(here)
        alpha_by, beta_by, gamma_by, delta_by, e_by = _weights_by(
            here, alpha, beta, gamma, delta, e
        )
        if m == 1:
            before, b1, b2 = (S[1] - S[0]) / here, -1.0 / here, 1.0 / here
            b0 = by_before = 0.0
            by_here = -before / here
        else:
            before, b0, b1, b2, by_before, by_here = _slope(
                t[m - 2], here, S[m - 2], S[m - 1], S[m]
            )
        after, a0, a1, a2, also_here, by_after = _slope(
            here, t[m], S[m - 1], S[m], S[m + 1]
        )  # fmt: skip
        begin, end = S[m - 1] + third * before, S[m] - third * after
        left[m] = e
        light[m] = light[m - 1] * e + alpha * S[m - 1] + beta * S[m] + gamma * begin + delta * end
        near, far = delta * third, gamma * third
        if m > 1:
            by_S[m - 2, AFTER + 2] = far * b0
        by_S[m - 1, AFTER + 1] = alpha + gamma + far * b1 - near * a0
        by_S[m, AFTER] = beta + delta + far * b2 - near * a1
        by_S[m + 1, AFTER - 1] = -near * a2
        by_t = alpha_by * S[m - 1] + beta_by * S[m] + gamma_by * begin + delta_by * end
        by_t += (gamma * before - delta * after) / 3.0 + far * by_here - near * also_here
        by_t += light[m - 1] * e_by
        for c in range(4):
            j = m - 2 + c
            if 0 <= j < N:
                by_chi[j, m - j + AFTER] += by_t * t_by[m - 1, c]
                psi_by_chi[j, m - j + AFTER] += (beta_by + delta_by) / chi[m] * t_by[m - 1, c]
            if m > 1 and j > 0:
                by_chi[j - 1, m - j + 1 + AFTER] += far * by_before * t_by[m - 2, c]
            if j + 1 < N:
                by_chi[j + 1, m - j - 1 + AFTER] -= near * by_after * t_by[m, c]
        psi_by_chi[m, AFTER] -= (beta + delta) / chi[m] ** 2
    m = N - 1
    added, left[m], psi, b0, b1, by_t, e_by, psi_by = _last_step_by(distance, chi, S)
    light[m] = light[m - 1] * left[m] + added
    by_S[m - 1, AFTER + 1], by_S[m, AFTER] = b0, b1
    for j in range(m - 1, m + 1):
        half = 0.5 * distance[m - 1]
        by_chi[j, m - j + AFTER] = (by_t + light[m - 1] * e_by) * half
        psi_by_chi[j, m - j + AFTER] = psi_by * half / chi[m]
    psi_by_chi[m, AFTER] -= psi / chi[m] ** 2
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
    tau, begin = np.zeros(N), 0
    for m in range(1, N):
        tau[m] = tau[m - 1] - np.log(max(left[m], 1e-300))
        # The last step that sees a point ends `BEFORE` points behind it.
        while begin + BEFORE < m and tau[m] - tau[begin + BEFORE] > _DARK:
            begin += 1
        end = min(N - 1, m + AFTER) + 1
        by[m, :begin] = 0.0
        for j in range(begin, end):
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
