"""Compiled: cubic Bezier short characteristics of many wavelengths at once, in one dimension.

What a step adds to the intensity at its end is ``own S + upwind S' - near D + far D'``, with the
source function and its limited derivative at the end and at the beginning of the step, and
``own + upwind = absorbed`` (`lw_rl.operator.bezier_1d` has formulae and source). Along a ray steps
and derivatives are those of the vertical over the cosine of its angle, so that derivatives times
steps are the same on all rays; and inward and outward differ in the sign of the derivative only. A
step is thus four numbers for both directions, and nothing is ever made that has a row and a column
for every depth: a set of mean intensities takes time and memory in proportion to the depths.

Opacity and source function are curves as the host's. Its limiter has kinks at which iterations take
turns; here it is smooth, and differs from the host's near them only.

Depths come first and wavelengths last, which are swept together in blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array, Numbers
from .bezier_1d import smooth_slope

__all__ = ["BLOCK", "Beams", "DiffuseLight", "Rays", "diffuse", "optical_steps", "sweep_block"]

#: Wavelengths that are swept together: their intensities stay in the processor's nearest memory.
BLOCK = 32
#: Below this step of optical depth its weights are summed as series.
_SERIES = 0.03
#: Beyond this step light is not weakened further: nothing is left of it.
_OPAQUE = 45.0
#: Steps of optical depth beyond which nothing changes.
_THIN, _THICK = 1e-12, 1e12

_compiled = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp"}
)


@dataclass(frozen=True)
class Rays:
    """The rays of every bundle: all of them in both directions at rest, else one in one direction.

    Attributes
    ----------
    mu, half : Array
        Cosines of the rays' angles and half their quadrature weights, [Nbundle, Nray].
    down, up : Array of bool
        Whether light that goes inward, outward is in a bundle, [Nbundle].
    """

    mu: Array
    half: Array
    down: Numbers
    up: Numbers

    @classmethod
    def of(cls, mu: Array, weight: Array, Nbundle: int) -> Rays:
        """Return the rays of one bundle, or of two for every ray, inward first.

        Parameters
        ----------
        mu, weight : Array
            Cosines of the angles and weights, which sum to one, [Nray].
        Nbundle : int
            Bundles.
        """
        half, both = 0.5 * weight, np.array([True])
        if Nbundle == 1:
            return cls(mu[None].copy(), half[None].copy(), both, both)
        outward = np.arange(Nbundle) % 2 == 1
        return cls(np.repeat(mu, 2)[:, None], np.repeat(half, 2)[:, None], ~outward, outward)


@_compiled
def optical_steps(opacity: Array, height: Array) -> Array:
    """Return the vertical steps of optical depth, [Nbundle, Nspace - 1, Nwave].

    The opacity is a cubic Bezier curve with the host's limiter, as in
    `lw_rl.operator.bezier_1d.optical_depths`; the steps at the ends are linear.

    Parameters
    ----------
    opacity : Array
        [m-1], [Nbundle, Nspace, Nwave].
    height : Array
        Height of the depths, downwards [m], [Nspace].
    """
    B, N, V = opacity.shape
    step = np.empty((B, N - 1, V))
    begin, end = np.empty(V), np.empty(V)
    for r in range(B):
        over = 1.0 / max(height[0] - height[1], _THIN)
        for v in range(V):
            begin[v] = (opacity[r, 1, v] - opacity[r, 0, v]) * over
        for i in range(N - 1):
            s = max(height[i] - height[i + 1], _THIN)
            over = 1.0 / s
            if i == N - 2:
                for v in range(V):
                    end[v] = (opacity[r, i + 1, v] - opacity[r, i, v]) * over
            else:
                s_next = max(height[i + 1] - height[i + 2], _THIN)
                over_next, share = 1.0 / s_next, s_next / (s + s_next)
                for v in range(V):
                    a = (opacity[r, i + 1, v] - opacity[r, i, v]) * over
                    b = (opacity[r, i + 2, v] - opacity[r, i + 1, v]) * over_next
                    least = min(2.0 * min(abs(a), abs(b)), abs(share * a + (1.0 - share) * b))
                    end[v] = math.copysign(least, a) if a * b > 0.0 else 0.0
            bend = s * s / 12.0 if 0 < i < N - 2 else 0.0
            for v in range(V):
                t = 0.5 * s * (opacity[r, i, v] + opacity[r, i + 1, v])
                t += bend * (begin[v] - end[v])
                step[r, i, v] = min(max(t, _THIN), _THICK)
            begin, end = end, begin
    return step


@_compiled
def _slopes(step: Array, source: Array, before: Numbers, after: Numbers) -> None:
    """Write how the limited derivative depends on the differences before and after a depth.

    As `lw_rl.operator.bezier_1d.smooth_slopes`, per vertical optical depth,
    [Nbundle, Nspace, Nwave].
    """
    B, N, V = source.shape
    for r in range(B):
        for v in range(V):
            before[r, 0, v] = after[r, N - 1, v] = 0.0
            after[r, 0, v] = 1.0 / step[r, 0, v]
            before[r, N - 1, v] = 1.0 / step[r, N - 2, v]
        for i in range(1, N - 1):
            for v in range(V):
                up, down = 1.0 / step[r, i - 1, v], 1.0 / step[r, i, v]
                left = (source[r, i, v] - source[r, i - 1, v]) * up
                right = (source[r, i + 1, v] - source[r, i, v]) * down
                by_left, by_right = smooth_slope(left, right, up / (up + down))
                before[r, i, v], after[r, i, v] = by_left * up, by_right * down


@_compiled
def _weights(step: Array, mu: Array, weights: Numbers) -> None:
    """Write what is absorbed, and weights of the source function at a step's end and derivatives.

    In blocks of wavelengths, [Nbundle, Nblock, 4, Nspace - 1, Nray, block], of single precision:
    what is left of light and what a step adds still sum to one. What is absorbed of it is as exact
    where a step is thin, and where it is thick what is left of it, the first weight in the
    negative: behind an ionisation front hardly anything else is emitted. The last wavelength fills
    the last block up.

    Weights of the derivatives are multiplied by a third of the vertical step: de la
    Cruz Rodriguez and Piskunov (2013), equations 14-17; where the step is thin, their series.
    """
    N, V = step.shape[1:]
    along = np.empty(BLOCK)
    for r in range(weights.shape[0]):
        for b in range(weights.shape[1]):
            for i in range(N):
                for w in range(BLOCK):
                    along[w] = step[r, i, min(b * BLOCK + w, V - 1)]
                for k in range(mu.shape[1]):
                    over, third = 1.0 / mu[r, k], mu[r, k] / 3.0
                    gs, os = weights[r, b, 0, i, k], weights[r, b, 1, i, k]
                    ns, fs = weights[r, b, 2, i, k], weights[r, b, 3, i, k]
                    for w in range(BLOCK):
                        t = along[w] * over
                        # exp(-t), which the compiler can do for several wavelengths at once: a
                        # series of a 64th of it, squared six times.
                        x = min(t, _OPAQUE) * (1 / 64)
                        e = 1.0 - x * (1 / 10) * (1.0 - x * (1 / 11) * (1.0 - x * (1 / 12)))
                        e = 1.0 - x * (1 / 7) * (1.0 - x * (1 / 8) * (1.0 - x * (1 / 9) * e))
                        e = 1.0 - x * (1 / 4) * (1.0 - x * (1 / 5) * (1.0 - x * (1 / 6) * e))
                        e = 1.0 - x * (1.0 - x * (1 / 2) * (1.0 - x * (1 / 3) * e))
                        e *= e
                        e *= e
                        e *= e
                        e *= e
                        e *= e
                        e *= e
                        t2 = t * t
                        t3 = t2 * t
                        one = 1.0 / t
                        cube = one * one * one
                        c0 = (6.0 * e - 6.0 + 6.0 * t - 3.0 * t2 + t3) * cube
                        c1 = (18.0 - 12.0 * t + 3.0 * t2 - (6.0 * t + 18.0) * e) * cube
                        c2 = (6.0 * t - 18.0 + (18.0 + 12.0 * t + 3.0 * t2) * e) * cube
                        thin = t < _SERIES
                        absorbed = t * (1.0 - t * (1 / 2 - t * (1 / 6 - t * (1 / 24))))
                        absorbed = absorbed if thin else 1.0 - e
                        c0 = t * (1 / 4 - t * (1 / 20 - t * (1 / 120))) if thin else c0
                        c1 = t * (1 / 4 - t * (1 / 10 - t * (1 / 40))) if thin else c1
                        c2 = t * (1 / 4 - t * (3 / 20 - t * (1 / 20))) if thin else c2
                        gs[w] = absorbed if absorbed < 0.5 else -e
                        os[w] = c0 + c1
                        ns[w] = c1 * t * third
                        fs[w] = c2 * t * third


@_compiled
def _passed(light: float, S: float, weight: float) -> float:
    """Return light behind a step with one source function, by the first of its weights."""
    thin = weight >= 0.0
    most, least = (light, S) if thin else (S, light)
    return most + abs(weight) * (least - most)


@_compiled
def _left(weight: float) -> float:
    """Return what a step leaves of light, by the first of its weights."""
    return 1.0 - weight if weight >= 0.0 else -weight


@_compiled
def sweep_block(
    weights: Numbers, before: Numbers, after: Numbers, v0: int, half: Array, down: bool, up: bool,
    incident: Array, S: Array, D: Array, dS: Array, beam: Array, seen: Array,
) -> None:  # fmt: skip
    """Write the mean intensity of a block of wavelengths.

    Parameters
    ----------
    weights : Array
        Of one bundle and block, [4, Nspace - 1, Nray, block].
    before, after : Array
        Of the bundle, [Nspace, Nwave].
    v0 : int
        First wavelength of the block.
    half, down, up, incident
        Of the bundle, as of :class:`Beams`.
    S : Array
        Source function, [Nspace, block]; it is filled up.
    D, dS, beam : Array
        Written over, [Nspace, block], the last one [Nray, block].
    seen : Array
        Written, [Nspace, block].
    """
    N, V = before.shape
    K = half.size
    size = min(BLOCK, V - v0)
    first, own, near, far = weights[0], weights[1], weights[2], weights[3]
    for i in range(N):
        for w in range(size, BLOCK):
            S[i, w] = S[i, size - 1]
            D[i, w] = 0.0
    for i in range(N - 1):
        for w in range(BLOCK):
            dS[i, w] = S[i + 1, w] - S[i, w]
    for w in range(size):
        D[0, w] = after[0, v0 + w] * dS[0, w]
        D[N - 1, w] = before[N - 1, v0 + w] * dS[N - 2, w]
    for i in range(1, N - 1):
        for w in range(size):
            D[i, w] = before[i, v0 + w] * dS[i - 1, w] + after[i, v0 + w] * dS[i, w]
    seen[:] = 0.0
    if down:
        beam[:] = 0.0
        for i in range(1, N):
            s, ds, d, d_before, to = S[i - 1], dS[i - 1], D[i], D[i - 1], seen[i]
            for k in range(K):
                g, o, n, f = first[i - 1, k], own[i - 1, k], near[i - 1, k], far[i - 1, k]
                light, h = beam[k], half[k]
                for w in range(BLOCK):
                    x = _passed(light[w], s[w], g[w]) + o[w] * ds[w]
                    x += f[w] * d_before[w] - n[w] * d[w]
                    light[w] = x
                    to[w] += h * x
    if up:
        for k in range(K):
            for w in range(BLOCK):
                beam[k, w] = incident[k, min(v0 + w, V - 1)]
                seen[N - 1, w] += half[k] * beam[k, w]
        for i in range(N - 2, -1, -1):
            s, ds, d, d_before, to = S[i + 1], dS[i], D[i], D[i + 1], seen[i]
            for k in range(K):
                g, o, n, f = first[i, k], own[i, k], near[i, k], far[i, k]
                light, h = beam[k], half[k]
                for w in range(BLOCK):
                    x = _passed(light[w], s[w], g[w]) - o[w] * ds[w]
                    x += n[w] * d[w] - f[w] * d_before[w]
                    light[w] = x
                    to[w] += h * x


@_compiled
def _mean_intensity(
    weights: Numbers, before: Numbers, after: Numbers, half: Array, down: Numbers, up: Numbers,
    incident: Array, source: Array,
) -> Array:  # fmt: skip
    """Return the mean intensity of a source function, [Nbundle, Nspace, Nwave]."""
    B, N, V = source.shape
    S, D, dS = np.empty((N, BLOCK)), np.empty((N, BLOCK)), np.empty((N, BLOCK))
    seen, beam = np.empty((N, BLOCK)), np.empty((half.shape[1], BLOCK))
    J = np.empty((B, N, V))
    for b in range(weights.shape[1]):
        v0 = b * BLOCK
        size = min(BLOCK, V - v0)
        for r in range(B):
            for i in range(N):
                for w in range(size):
                    S[i, w] = source[r, i, v0 + w]
            sweep_block(
                weights[r, b], before[r], after[r], v0, half[r], down[r], up[r], incident[r], S, D,
                dS, beam, seen,
            )  # fmt: skip
            for i in range(N):
                for w in range(size):
                    J[r, i, v0 + w] = seen[i, w]
    return J


@_compiled
def _diagonal(
    weights: Numbers, before: Numbers, after: Numbers, half: Array, down: Numbers, up: Numbers,
    derivatives: bool,
) -> Array:  # fmt: skip
    """Return the mean intensity at a depth per source function there, [Nbundle, Nspace, Nwave].

    Without `derivatives`, which depend on it as well, it is the host's approximate operator.
    """
    B, N, V = before.shape
    diagonal = np.zeros((B, N, V))
    for r in range(B):
        for b in range(weights.shape[1]):
            v0 = b * BLOCK
            size = min(BLOCK, V - v0)
            first, own = weights[r, b, 0], weights[r, b, 1]
            near, far = weights[r, b, 2], weights[r, b, 3]
            for i in range(N):
                rise, fall = before[r, i, v0 : v0 + size], after[r, i, v0 : v0 + size]
                to = diagonal[r, i, v0 : v0 + size]
                for k in range(half.shape[1]):
                    h = half[r, k]
                    if not derivatives:
                        for w in range(size):
                            if down[r] and i > 0:
                                to[w] += h * own[i - 1, k, w]
                            if up[r] and i < N - 1:
                                to[w] += h * own[i, k, w]
                        continue
                    if down[r] and i > 0:
                        fall_before = after[r, i - 1, v0 : v0 + size]
                        for w in range(size):
                            seen = own[i - 1, k, w] - near[i - 1, k, w] * (rise[w] - fall[w])
                            to[w] += h * (seen + far[i - 1, k, w] * fall_before[w])
                        if i > 1:
                            for w in range(size):
                                earlier = near[i - 2, k, w] * fall_before[w]
                                to[w] -= h * _left(first[i - 1, k, w]) * earlier
                    if up[r] and i < N - 1:
                        rise_before = before[r, i + 1, v0 : v0 + size]
                        for w in range(size):
                            seen = own[i, k, w] + near[i, k, w] * (rise[w] - fall[w])
                            to[w] += h * (seen + far[i, k, w] * rise_before[w])
                        if i < N - 2:
                            for w in range(size):
                                earlier = near[i + 1, k, w] * rise_before[w]
                                to[w] -= h * _left(first[i, k, w]) * earlier
    return diagonal


@dataclass(frozen=True)
class Beams:
    """Bundles of rays at some wavelengths, with what each step adds to their intensities.

    Attributes
    ----------
    rays : Rays
        The rays.
    incident : Array
        Intensity that enters at the lowest depth, [Nbundle, Nray, Nwave].
    weights : Array
        Of every step, in blocks of wavelengths, [Nbundle, Nblock, 4, Nspace - 1, Nray, block].
    before, after : Array
        How the limited derivative depends on the differences before and after a depth,
        [Nbundle, Nspace, Nwave].
    """

    rays: Rays
    incident: Array
    weights: Numbers
    before: Numbers
    after: Numbers

    @classmethod
    def around(
        cls,
        step: Array,
        source: Array,
        rays: Rays,
        planck: Array,
        into: Numbers | None = None,
        precision: type[np.floating[Any]] = np.float32,
    ) -> Beams:
        """Return the rays, their limiter linearised around a source function.

        Parameters
        ----------
        step : Array
            From :func:`optical_steps`, [Nbundle, Nspace - 1, Nwave].
        source : Array
            Source function, [Nbundle, Nspace, Nwave].
        rays : Rays
            The rays.
        planck : Array
            Planck function at the two lowest depths, [2, Nwave]: as the host's, the lower boundary
            is thermal, with its gradient.
        into : Array, optional
            Memory of that size that is not needed any more; pages of new memory take as long as
            what is written to them.
        precision : type, optional
            Of weights and limiter (default: single: they are read all the time; sums are double).
        """
        B, N, V = step.shape
        shape = (B, (V + BLOCK - 1) // BLOCK, 4, N, rays.mu.shape[1], BLOCK)
        if into is None or into.shape != shape:
            into = np.empty(shape, precision)
        _weights(step, rays.mu, into)
        incident = planck[1] + (planck[1] - planck[0]) * rays.mu[..., None] / step[:, -1:]
        before, after = np.empty(source.shape, into.dtype), np.empty(source.shape, into.dtype)
        _slopes(step, source, before, after)
        return cls(rays, np.maximum(incident, 0.0), into, before, after)

    @property
    def arrays(self) -> tuple[Numbers, Numbers, Numbers, Array, Numbers, Numbers, Array]:
        """What compiled functions take."""
        rays = self.rays
        return (
            self.weights, self.before, self.after, rays.half, rays.down, rays.up, self.incident
        )  # fmt: skip

    def mean_intensity(self, source: Array) -> Array:
        """Return the mean intensity of a source function, both [Nbundle, Nspace, Nwave]."""
        J: Array = _mean_intensity(*self.arrays, source)
        return J

    def diagonal(self) -> Array:
        """Return the mean intensity at every depth per source function there, of that shape."""
        found: Array = _diagonal(*self.arrays[:-1], True)
        return found

    def approximate(self) -> Array:
        """Return the host's approximate operator per source function, of that shape.

        What limited derivatives add is left out, which can be most of it next to a thick step.
        """
        found: Array = _diagonal(*self.arrays[:-1], False)
        return found


@_compiled
def _factorised(step: Array, albedo: Array) -> tuple[Array, Array, Array]:
    """Return pivots and off-diagonals of the diffusion equation, [Nspace, Nwave]."""
    N, V = albedo.shape
    above, below, over = np.zeros((N, V)), np.zeros((N, V)), np.empty((N, V))
    edge = 1.0 / np.sqrt(3.0)
    for i in range(N):
        for v in range(V):
            t = step[max(i - 1, 0), v]
            t_next = step[min(i, N - 2), v]
            size = 0.5 * (t + t_next) if 0 < i < N - 1 else 0.5 * t
            up = 1.0 / (3.0 * size * t) if i > 0 else 0.0
            down = 1.0 / (3.0 * size * t_next) if i < N - 1 else 0.0
            own = 1.0 - albedo[i, v] + up + down
            if i == 0:
                own += edge / size
            else:
                own -= up * below[i - 1, v]
            over[i, v] = 1.0 / own
            above[i, v] = up
            below[i, v] = down * over[i, v]
    return above, below, over


@_compiled
def diffuse(
    above: Array, below: Array, over: Array, x: Array, v0: int, size: int, found: Array
) -> None:
    """Write the solution of the diffusion equation at some wavelengths, [Nspace, size].

    Parameters
    ----------
    above, below, over : Array
        Of all wavelengths, [Nspace, Nwave].
    x : Array
        Emission at these, [Nspace, size or more].
    v0, size : int
        The first of them, and how many they are.
    """
    N = len(x)
    for w in range(size):
        found[0, w] = x[0, w] * over[0, v0 + w]
    for i in range(1, N):
        for w in range(size):
            found[i, w] = x[i, w] + above[i, v0 + w] * found[i - 1, w]
            found[i, w] *= over[i, v0 + w]
    for i in range(N - 2, -1, -1):
        for w in range(size):
            found[i, w] += below[i, v0 + w] * found[i + 1, w]


class DiffuseLight:
    """Scattered light in the Eddington approximation.

    ``-J'' / 3 + (1 - a) J = x``, with the albedo a, nothing that comes in from above
    (``J' = sqrt(3) J``) and no flux below: what removes the slow part of an iteration over
    scattered light (diffusion synthetic acceleration: Larsen 1984, Transp. Theory Stat. Phys. 13,
    107).

    Parameters
    ----------
    step : Array
        From :func:`optical_steps`, of one bundle, [Nspace - 1, Nwave].
    albedo : Array
        [Nspace, Nwave].
    """

    def __init__(self, step: Array, albedo: Array):
        self.factors = _factorised(step, albedo)

    def solve(self, x: Array) -> Array:
        """Return the mean intensity that emission x leads to, both [Nspace, Nwave]."""
        found = np.empty_like(x)
        diffuse(*self.factors, x, 0, x.shape[1], found)
        return found
