"""Frequencies and angles on which an approximate operator sees a line.

Few of them do: an operator need not be right to more than a few per cent
(`lw_rl.operator.two_level`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from lightweaver import voigt_H

from ..arrays import Array
from ..host.state import LinePhysics, LineProfile, unlit
from ..resample import Table, resample

__all__ = ["Rays", "coarser", "line_rays", "profile_rays"]

#: Spacing of the frequencies at line centre in the smallest Doppler width, at rest and moving.
_SPACING, _SPACING_MOVING = 0.3, 0.5
#: Rough rays are every third frequency: of three midpoints, the middle one is the midpoint of all.
_ROUGH = 3
#: A velocity field is seen if it spans this much of the smallest Doppler width.
_AT_REST = 0.1
#: Frequencies on either side of line centre, a multiple of the above.
_FEWEST, _MOST = 6, 63
#: Cosines of the angles, two Gauss-Legendre points, and their weights, which are equal.
_MU, _WEIGHT_MU = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3.0), np.array([0.5, 0.5])


@dataclass(frozen=True)
class Rays:
    """Frequencies and angles, flattened.

    Attributes
    ----------
    weight : Array
        Line profile and quadrature weight, shape [Nspace, Nray]; the sum over rays is one.
    profile : Array
        Line profile over its value at line centre, shape [Nspace, Nray].
    mu : Array
        Cosine of every ray's angle, shape [Nray].
    incident : Array
        Intensity that enters at the top and at the bottom, shape [2, Nray], as of `LineProfile`.
    """

    weight: Array
    profile: Array
    mu: Array
    incident: Array

    def rough(self) -> Rays:
        """Return every third frequency."""
        some = slice(_ROUGH // 2, None, _ROUGH)
        weight = self.weight[:, some]
        total = weight.sum(axis=1, keepdims=True)
        profile, mu, incident = self.profile[:, some], self.mu[some], self.incident[:, some]
        return Rays(weight / total, profile.copy(), mu.copy(), incident.copy())


def _frequencies(physics: LinePhysics, span: float) -> tuple[Array, Array]:
    """Return frequencies [m s-1] from line centre, and their weights.

    The midpoint rule in t of ``u = core sinh(s t)``: the integrand is smooth, even at rest, and
    vanishes at the ends, so it converges geometrically (Trefethen and Weideman 2014, SIAM Rev. 56,
    385).
    """
    narrowest = float(physics.broadening.min())
    core = narrowest + 0.5 * span
    s = float(np.arcsinh(max(float(physics.extent), 4.0 * core) / core))
    spacing = (_SPACING_MOVING if span > 0.0 else _SPACING) * narrowest
    N = _ROUGH * int(np.ceil(s * core / spacing / _ROUGH))
    N = min(max(N, _FEWEST), _MOST)
    t = (np.arange(-N if span > 0.0 else 0, N) + 0.5) / N
    return core * np.sinh(s * t), np.cosh(s * t)


def line_rays(physics: LinePhysics) -> Rays:
    """Return the rays of a line: at rest, one half of an even profile."""
    broadening, damping = physics.broadening, physics.damping
    velocity = physics.velocity * broadening
    span = float(np.ptp(velocity))
    if span <= _AT_REST * float(broadening.min()):
        # Without motion a profile is even, and the same at every angle.
        span, velocity, mus = 0.0, np.zeros_like(velocity), np.zeros(1)
    else:
        velocity = velocity - 0.5 * (float(velocity.max()) + float(velocity.min()))
        mus = _MU
    u, w = _frequencies(physics, span)
    N, moving = len(damping), len(mus)
    x = np.abs(u - mus[:, None] * velocity[:, None, None]) / broadening[:, None, None]
    H = voigt_H(damping.repeat(x[0].size), x.ravel()).reshape(x.shape)
    # The host normalises its profiles on its own wavelengths, too, angle by angle.
    weight = H * w
    weight *= (_WEIGHT_MU[:moving] / weight.sum(axis=2))[:, :, None]
    H /= voigt_H(damping, np.zeros_like(damping))[:, None, None]
    if moving < len(_MU):
        # At rest all angles see the same.
        weight, H = (np.repeat(values, len(_MU), axis=1) for values in (weight, H))
    mu = _MU.repeat(len(u))
    return Rays(weight.reshape(N, -1), H.reshape(N, -1), mu, unlit(mu.size))


def profile_rays(profile: LineProfile) -> Rays:
    """Return the rays on which the host itself sees a line, rays of a wavelength side by side."""
    value, mu = profile.value, profile.mu
    N = len(value)
    weight = value * profile.wavelength_weight[:, None]
    # The host normalises its profiles on its own wavelengths and rays.
    weight = weight * profile.mu_weight
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    if value.shape[2] < mu.size:
        # At rest all rays see the same.
        value = np.repeat(value, mu.size, axis=2)
    mu, incident = np.tile(mu, value.shape[1]), profile.incident.reshape(2, -1)
    return Rays(weight.reshape(N, -1), value.reshape(N, -1), mu, incident)


def coarser(physics: LinePhysics, rays: Rays, to: Table) -> tuple[LinePhysics, Rays]:
    """Return a line and its rays on fewer depths."""

    def log(values: Array) -> Array:
        return np.exp(resample(np.log(values), to))

    fewer = replace(
        physics,
        height=resample(physics.height, to),
        opacity=log(physics.opacity),
        background=log(physics.background),
        epsilon=log(physics.epsilon),
        log_B=resample(physics.log_B, to),
    )
    nearest = to[0] + (to[2] > 0.5)
    return fewer, replace(rays, weight=rays.weight[nearest], profile=rays.profile[nearest])
