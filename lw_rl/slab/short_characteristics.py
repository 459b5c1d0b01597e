"""Parabolic short characteristics along one direction of a one-dimensional atmosphere.

The intensity at a point is that of its upwind neighbour, extinguished, plus the integral of the
source function over the step, on which ``S`` is the parabola through the upwind, local and
downwind points (Olson & Kunasz 1987, JQSRT 38, 325).  The weights of those three
depend on the optical steps alone, so they are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from ..arrays import Array

__all__ = ["Sweep", "moments"]


@dataclass(frozen=True, eq=False)
class Sweep:
    """Coefficients of the short characteristics in one direction, depth counted along the ray.

    ``extinction`` [Nspace - 1, Nray] is exp(-dtau); ``psi`` [Nspace - 1, Nray, 3] are the weights
    of the upwind, local and downwind source at every point but the first; ``weight`` [Nray] is
    the quadrature weight of each (angle, frequency).
    """

    extinction: Array
    psi: Array
    weight: Array

    @classmethod
    def along(cls, dtau: Array, weight: Array) -> Sweep:
        """Build from the optical steps [Nspace - 1, Nray] in the order of the sweep."""
        up, down = dtau, dtau[1:]
        w0, w1, w2 = moments(up)
        psi = np.zeros((*dtau.shape, 3))
        u, v, w1_, w2_ = up[:-1], down, w1[:-1], w2[:-1]
        psi[:-1, :, 0] = (w2_ + w1_ * v) / (u * (u + v))
        psi[:-1, :, 1] = w0[:-1] + ((u - v) * w1_ - w2_) / (u * v)
        psi[:-1, :, 2] = (w2_ - u * w1_) / (v * (u + v))
        psi[-1, :, 0] = w1[-1] / up[-1]
        psi[-1, :, 1] = w0[-1] - w1[-1] / up[-1]
        return cls(np.exp(-dtau), psi, weight)

    @property
    def local(self) -> Array:
        """Weight of the local source in the mean intensity, [Nspace]; zero where rays enter."""
        return np.concatenate([[0.0], self.psi[:, :, 1] @ self.weight])

    def mean_intensity(self, S: Array, boundary: Array) -> Array:
        """Return this direction's share of ``Jbar``, [Nspace, Nbatch], for ``S`` of that shape."""
        padded = np.concatenate([S, np.zeros_like(S[:1])])  # The last point's psi_downwind is 0.
        stencil = np.stack([padded[:-2], padded[1:-1], padded[2:]], axis=1)
        source = self.psi @ stencil
        intensity = np.broadcast_to(boundary, (len(self.weight), S.shape[1]))
        Jbar = np.empty_like(S)
        Jbar[0] = self.weight @ intensity
        for k in range(len(source)):
            intensity = self.extinction[k, :, None] * intensity + source[k]
            Jbar[k + 1] = self.weight @ intensity
        return Jbar


def moments(d: Array) -> tuple[Array, Array, Array]:
    """Integrals of t**n exp(-t) over 0..d for n = 0, 1, 2.

    The closed forms cancel for small ``d``; there, the series of positive terms
    ``n! exp(-d) sum_{k > n} d^k / k!`` keeps full precision.
    """
    e = np.exp(-d)
    small = np.minimum(d, 1.0)
    terms = [small**k / factorial(k) for k in range(1, 22)]
    closed = (-np.expm1(-d), 1.0 - (1.0 + d) * e, 2.0 - (2.0 + 2.0 * d + d**2) * e)
    series = [factorial(n) * e * sum(reversed(terms[n:])) for n in range(3)]
    w0, w1, w2 = (np.where(d < 1.0, s, c) for s, c in zip(series, closed, strict=True))
    return w0, w1, w2
