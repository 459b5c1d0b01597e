"""Compiled: cubic Bezier short characteristics of many wavelengths at once, in one dimension.

What a step adds to the intensity at its end is ``own S + upwind S' - near D + far D'``, with the
source function and its limited derivative at the end and at the beginning of the step, and
``own + upwind + decay = 1`` (`lw_rl.operator.bezier_1d` has formulae and source). Along a ray steps
and derivatives are those of the vertical over the cosine of its angle, so that derivatives times
steps are the same on all rays; and inward and outward differ in the sign of the derivative only. A
step is thus four numbers for both directions, and nothing is ever made that has a row and a column
for every depth: a set of mean intensities takes time and memory in proportion to the depths.

Depths come first and wavelengths last, which are swept together in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from ..arrays import Array, Numbers

__all__ = ["Beams", "DiffuseLight", "optical_steps"]

#: Wavelengths that are swept together: their intensities stay in the processor's nearest memory.
_BLOCK = 32
#: Below this step of optical depth its weights are summed as series.
_SERIES = 0.03
#: Beyond this step light is not weakened further: nothing is left of it.
_OPAQUE = 45.0
#: Steps of optical depth beyond which nothing changes.
_THIN, _THICK = 1e-12, 1e12

_compiled = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp"}
)


@_compiled
def optical_steps(opacity: Array, height: Array) -> Array:
    """Return the vertical steps of optical depth, [Nspace - 1, Nwave].

    Parameters
    ----------
    opacity : Array
        [m-1], [Nspace, Nwave].
    height : Array
        Height of the depths, downwards [m], [Nspace].
    """
    N, V = opacity.shape
    step = np.empty((N - 1, V))
    for i in range(N - 1):
        half = 0.5 * (height[i] - height[i + 1])
        for v in range(V):
            t = half * (opacity[i, v] + opacity[i + 1, v])
            step[i, v] = min(max(t, _THIN), _THICK)
    return step


@_compiled
def _slopes(step: Array, source: Array) -> tuple[Array, Array]:
    """Return how the limited derivative depends on the differences before and after a depth.

    As in `lw_rl.operator.bezier_1d`, per vertical optical depth, [Nspace, Nwave].
    """
    N, V = source.shape
    before, after = np.zeros((N, V)), np.zeros((N, V))
    for v in range(V):
        after[0, v] = 1.0 / step[0, v]
        before[N - 1, v] = 1.0 / step[N - 2, v]
    for i in range(1, N - 1):
        for v in range(V):
            t, t_next = step[i - 1, v], step[i, v]
            # Slopes times both steps: only their signs and ratios count.
            left = (source[i, v] - source[i - 1, v]) * t_next
            right = (source[i + 1, v] - source[i, v]) * t
            rises = left * right > 0.0
            weight = (1.0 + t_next / (t_next + t)) / 3.0
            mean = weight * right + (1.0 - weight) * left
            over = 1.0 / mean if rises else 0.0
            before[i, v] = weight * (right * over) ** 2 / t
            after[i, v] = (1.0 - weight) * (left * over) ** 2 / t_next
    return before, after


@_compiled
def _weights(step: Array, mu: Array, linear: Numbers, weights: Array) -> None:
    """Write decay, and weights of the source function at a step's end and of both derivatives.

    In blocks of wavelengths, [4, Nblock, Nspace - 1, Nray, block]; the last wavelength fills the
    last block up. Those of the derivatives are multiplied by a third of the vertical step: de la
    Cruz Rodriguez and Piskunov (2013), equations 14-17; where the step is thin, their series.
    """
    N, V = step.shape
    along, bare = np.empty(_BLOCK), np.empty(_BLOCK, np.bool_)
    for b in range(weights.shape[1]):
        for w in range(_BLOCK):
            bare[w] = linear[min(b * _BLOCK + w, V - 1)]
        for i in range(N):
            for w in range(_BLOCK):
                along[w] = step[i, min(b * _BLOCK + w, V - 1)]
            for k in range(mu.size):
                over, third = 1.0 / mu[k], mu[k] / 3.0
                es, os = weights[0, b, i, k], weights[1, b, i, k]
                ns, fs = weights[2, b, i, k], weights[3, b, i, k]
                for w in range(_BLOCK):
                    t = along[w] * over
                    # exp(-t), which the compiler can do for several wavelengths at once: a series
                    # of a 64th of it, squared six times.
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
                    c0 = t * (1 / 4 - t * (1 / 20 - t * (1 / 120))) if thin else c0
                    c1 = t * (1 / 4 - t * (1 / 10 - t * (1 / 40))) if thin else c1
                    c2 = t * (1 / 4 - t * (3 / 20 - t * (1 / 20))) if thin else c2
                    straight = 1.0 - (1.0 - e) * one
                    straight = t * (1 / 2 - t * (1 / 6 - t * (1 / 24))) if thin else straight
                    es[w] = e
                    os[w] = straight if bare[w] else c0 + c1
                    ns[w] = 0.0 if bare[w] else c1 * t * third
                    fs[w] = 0.0 if bare[w] else c2 * t * third


@_compiled
def _sweep(
    weights: Array,
    before: Array,
    after: Array,
    half: Array,
    down: bool,
    up: bool,
    source: Array,
    incident: Array,
    J: Array,
) -> None:
    """Write the mean intensity of a source function, [Nspace, Nwave]."""
    N, V = source.shape
    K = half.size
    decay, own, near, far = weights[0], weights[1], weights[2], weights[3]
    S, D, seen = np.empty((N, _BLOCK)), np.empty((N, _BLOCK)), np.empty((N, _BLOCK))
    beam = np.empty((K, _BLOCK))
    for b in range(decay.shape[0]):
        v0 = b * _BLOCK
        size = min(_BLOCK, V - v0)
        for i in range(N):
            for w in range(size):
                S[i, w] = source[i, v0 + w]
            for w in range(size, _BLOCK):
                S[i, w] = S[i, size - 1]
                D[i, w] = 0.0
        for i in range(N):
            above, below = max(i - 1, 0), min(i + 1, N - 1)
            for w in range(size):
                D[i, w] = before[i, v0 + w] * (S[i, w] - S[above, w])
                D[i, w] += after[i, v0 + w] * (S[below, w] - S[i, w])
        seen[:] = 0.0
        if down:
            beam[:] = 0.0
            for i in range(1, N):
                for k in range(K):
                    for w in range(_BLOCK):
                        o = own[b, i - 1, k, w]
                        e = decay[b, i - 1, k, w]
                        light = e * beam[k, w] + o * S[i, w] + (1.0 - e - o) * S[i - 1, w]
                        light += far[b, i - 1, k, w] * D[i - 1, w] - near[b, i - 1, k, w] * D[i, w]
                        beam[k, w] = light
                        seen[i, w] += half[k] * light
        if up:
            for k in range(K):
                for w in range(_BLOCK):
                    beam[k, w] = incident[k, min(v0 + w, V - 1)]
                    seen[N - 1, w] += half[k] * beam[k, w]
            for i in range(N - 2, -1, -1):
                for k in range(K):
                    for w in range(_BLOCK):
                        o = own[b, i, k, w]
                        e = decay[b, i, k, w]
                        light = e * beam[k, w] + o * S[i, w] + (1.0 - e - o) * S[i + 1, w]
                        light += near[b, i, k, w] * D[i, w] - far[b, i, k, w] * D[i + 1, w]
                        beam[k, w] = light
                        seen[i, w] += half[k] * light
        for i in range(N):
            for w in range(size):
                J[i, v0 + w] = seen[i, w]


@_compiled
def _diagonal(
    weights: Array,
    before: Array,
    after: Array,
    half: Array,
    down: bool,
    up: bool,
) -> Array:
    """Return the mean intensity at every depth per source function there, [Nspace, Nwave]."""
    N, V = before.shape
    K = half.size
    decay, own, near, far = weights[0], weights[1], weights[2], weights[3]
    diagonal = np.zeros((N, V))
    for b in range(decay.shape[0]):
        v0 = b * _BLOCK
        size = min(_BLOCK, V - v0)
        for i in range(N):
            for k in range(K):
                if down and i > 0:
                    for w in range(size):
                        v = v0 + w
                        seen = own[b, i - 1, k, w]
                        seen -= near[b, i - 1, k, w] * (before[i, v] - after[i, v])
                        seen += far[b, i - 1, k, w] * after[i - 1, v]
                        if i > 1:
                            earlier = near[b, i - 2, k, w] * after[i - 1, v]
                            seen -= decay[b, i - 1, k, w] * earlier
                        diagonal[i, v] += half[k] * seen
                if up and i < N - 1:
                    for w in range(size):
                        v = v0 + w
                        seen = own[b, i, k, w]
                        seen += near[b, i, k, w] * (before[i, v] - after[i, v])
                        seen += far[b, i, k, w] * before[i + 1, v]
                        if i < N - 2:
                            earlier = near[b, i + 1, k, w] * before[i + 1, v]
                            seen -= decay[b, i, k, w] * earlier
                        diagonal[i, v] += half[k] * seen
    return diagonal


@dataclass(frozen=True)
class Beams:
    """The rays of some wavelengths, with what each step adds to their intensities.

    Attributes
    ----------
    half : Array
        Half the quadrature weights of the rays, [Nray].
    down, up : bool
        Whether light that goes inward, outward is seen.
    incident : Array
        Intensity that enters at the lowest depth, [Nray, Nwave].
    weights : Array
        Of every step, in blocks of wavelengths, [4, Nblock, Nspace - 1, Nray, block].
    """

    half: Array
    down: bool
    up: bool
    incident: Array
    weights: Array
    _before: Array
    _after: Array

    @classmethod
    def around(
        cls,
        step: Array,
        source: Array,
        mu: Array,
        weight: Array,
        planck: Array,
        linear: Numbers | None = None,
        down: bool = True,
        up: bool = True,
        into: Array | None = None,
    ) -> Beams:
        """Return the rays, their limiter linearised around a source function.

        Parameters
        ----------
        step : Array
            From :func:`optical_steps`, [Nspace - 1, Nwave].
        source : Array
            Source function, [Nspace, Nwave].
        mu, weight : Array
            Cosines of the rays' angles and their quadrature weights, [Nray].
        planck : Array
            Planck function at the two lowest depths, [2, Nwave]: as the host's, the lower boundary
            is thermal, with its gradient.
        linear : Array, optional
            Wavelengths at which the source function is interpolated linearly, [Nwave].
        down, up : bool, optional
            Whether light that goes inward, outward is seen (default: True).
        into : Array, optional
            Memory of that size that is not needed any more; pages of new memory take as long as
            what is written to them.
        """
        if linear is None:
            linear = np.zeros(step.shape[1], bool)
        N, V = step.shape
        shape = (4, (V + _BLOCK - 1) // _BLOCK, N, mu.size, _BLOCK)
        if into is None or into.shape != shape:
            into = np.empty(shape)
        _weights(step, mu, linear, into)
        incident = planck[1] + (planck[1] - planck[0]) * mu[:, None] / step[-1]
        return cls(
            0.5 * weight,
            down,
            up,
            np.maximum(incident, 0.0),
            into,
            *_slopes(step, source),
        )

    def mean_intensity(self, source: Array) -> Array:
        """Return the mean intensity of a source function, both [Nspace, Nwave]."""
        J = np.empty_like(source)
        _sweep(
            self.weights, self._before, self._after, self.half,
            self.down, self.up, source, self.incident, J,
        )  # fmt: skip
        return J

    def diagonal(self) -> Array:
        """Return the mean intensity at every depth per source function there, [Nspace, Nwave]."""
        found: Array = _diagonal(
            self.weights, self._before, self._after, self.half,
            self.down, self.up,
        )  # fmt: skip
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
def _diffuse(above: Array, below: Array, over: Array, x: Array) -> Array:
    """Return the solution of the diffusion equation, [Nspace, Nwave]."""
    N, V = x.shape
    found = np.empty((N, V))
    for v in range(V):
        found[0, v] = x[0, v] * over[0, v]
    for i in range(1, N):
        for v in range(V):
            found[i, v] = (x[i, v] + above[i, v] * found[i - 1, v]) * over[i, v]
    for i in range(N - 2, -1, -1):
        for v in range(V):
            found[i, v] += below[i, v] * found[i + 1, v]
    return found


class DiffuseLight:
    """Scattered light in the Eddington approximation.

    ``-J'' / 3 + (1 - a) J = x``, with the albedo a, nothing that comes in from above
    (``J' = sqrt(3) J``) and no flux below: what removes the slow part of an iteration over
    scattered light (diffusion synthetic acceleration: Larsen 1984, Transp. Theory Stat. Phys. 13,
    107).

    Parameters
    ----------
    step : Array
        From :func:`optical_steps`, [Nspace - 1, Nwave].
    albedo : Array
        [Nspace, Nwave].
    """

    def __init__(self, step: Array, albedo: Array):
        self._factors = _factorised(step, albedo)

    def solve(self, x: Array) -> Array:
        """Return the mean intensity that emission x leads to, both [Nspace, Nwave]."""
        found: Array = _diffuse(*self._factors, x)
        return found
