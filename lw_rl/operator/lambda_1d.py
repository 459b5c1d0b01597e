"""The plane-parallel geometry: mean intensity of a line, and its Lambda operator.

Both are those of the host's own interpolation between depths (`lw_rl.operator.bezier_1d`), on few
frequencies and angles (`lw_rl.operator.line_quadrature`). Opacity follows the populations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from ..arrays import Array
from ..host.state import LinePhysics, LineProfile
from .bezier_1d import (
    THICK,
    THIN,
    intensities,
    linear,
    mean_intensity,
    optical_depths,
    stencils,
    unit_responses,
)
from .line_quadrature import Rays, line_rays, profile_rays

__all__ = ["Medium", "Plane1D"]


def _saturation(y: Array, g_ratio: float) -> Array:
    """Return the line's opacity at `y` over that of atoms which are all in the lower level."""
    excited = 1.0 / (1.0 + np.exp(-y))
    return (1.0 - excited) / (1.0 + g_ratio * excited)


@njit(cache=True, nogil=True, error_model="numpy")
def _along_rays(
    height: Array, line: Array, continuum: Array, profile: Array, mu: Array, B: Array, S: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return steps of optical depth, the line's share, both parts of the source, what enters.

    Parameters
    ----------
    height : Array
        [m], downwards, [Nspace].
    line, continuum : Array
        Opacity at line centre and of the background [m-1], [Nspace].
    profile, mu
        Of `Rays`.
    B, S : Array
        Source functions of background and line, [Nspace].
    """
    N, K = profile.shape
    total, share = np.empty((N, K)), np.empty((N, K))
    background, source = np.empty((N, K)), np.empty((N, K))
    incident = np.empty(K)
    for i in range(N):
        for k in range(K):
            own = line[i] * profile[i, k]
            total[i, k] = own + continuum[i]
            share[i, k] = own / total[i, k]
            background[i, k] = (1.0 - share[i, k]) * B[i]
            source[i, k] = share[i, k] * S[i] + background[i, k]
    step = optical_depths(height, total)
    for i in range(N - 1):
        for k in range(K):
            step[i, k] = min(max(step[i, k] / mu[k], THIN), THICK)
    for k in range(K):
        # As the host's, the lower boundary is thermal, with the gradient of B.
        incident[k] = max(B[N - 1] + (B[N - 1] - B[N - 2]) / step[N - 2, k], 0.0)
    return step, share, background, source, incident


@njit(cache=True, nogil=True)
def _swept(
    step: Array, decay: Array, weight: Array, source: Array, incident: Array, monotone: bool
) -> Array:
    """Return the mean intensity of a source function, [Nspace]."""
    inward, outward = stencils(step, decay, source, monotone, True)
    return mean_intensity(inward, outward, decay, weight, source, incident)


@njit(cache=True, nogil=True)
def _beams(
    step: Array, decay: Array, source: Array, incident: Array, monotone: bool
) -> tuple[Array, Array]:
    """Return the intensities inward and outward, each [Nspace, Nray]."""
    inward, outward = stencils(step, decay, source, monotone, True)
    return intensities(inward, outward, decay, source, incident)


@njit(cache=True, nogil=True)
def _responses(
    step: Array,
    decay: Array,
    weight: Array,
    share: Array,
    background: Array,
    source: Array,
    incident: Array,
    monotone: bool,
) -> tuple[Array, Array]:
    """Return the Lambda operator and the mean intensity of background and lower boundary."""
    inward, outward = stencils(step, decay, source, monotone, True)
    Lambda = unit_responses(inward, outward, decay, weight, share)
    return Lambda, mean_intensity(inward, outward, decay, weight, background, incident)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _scattered(
    step: Array, decay: Array, weight: Array, share: Array, albedo: Array, light: Array
) -> Array:
    """Return the mean intensity of light that the background scatters, [Nspace].

    Parameters
    ----------
    step, decay, weight, share : Array
        Steps of optical depth t, exp(-t), quadrature weights, and the line's share of the opacity.
    albedo : Array
        Scattering share of the background opacity, [Nspace].
    light : Array
        What is scattered at every wavelength, [Nspace, Nwave]; rays of a wavelength side by side.
    """
    N, K = share.shape
    rays = K // light.shape[1]
    source, beam, J = np.empty((N, K)), np.zeros(K), np.zeros(N)
    for i in range(N):
        for wave in range(light.shape[1]):
            scattered = albedo[i] * light[i, wave]
            for k in range(wave * rays, (wave + 1) * rays):
                source[i, k] = (1.0 - share[i, k]) * scattered
    for i in range(1, N):
        seen = 0.0
        for k in range(K):
            end, begin = linear(step[i - 1, k], decay[i - 1, k])
            beam[k] = beam[k] * decay[i - 1, k] + end * source[i, k] + begin * source[i - 1, k]
            seen += weight[i, k] * beam[k]
        J[i] = 0.5 * seen
    beam[:] = 0.0
    for i in range(N - 2, -1, -1):
        seen = 0.0
        for k in range(K):
            end, begin = linear(step[i, k], decay[i, k])
            beam[k] = beam[k] * decay[i, k] + end * source[i, k] + begin * source[i + 1, k]
            seen += weight[i, k] * beam[k]
        J[i] += 0.5 * seen
    return J


@dataclass(frozen=True)
class Medium:
    """What light meets along rays, shapes [Nspace - 1, Nray] and [Nspace, Nray].

    Attributes
    ----------
    step, decay : Array
        Steps of optical depth t, and exp(-t).
    share : Array
        The line's share of the opacity.
    """

    step: Array
    decay: Array
    share: Array


@dataclass(frozen=True)
class Plane1D:
    """A plane-parallel atmosphere.

    Attributes
    ----------
    height : Array
        Height of the depths, downwards [m], shape [Nspace].
    """

    height: Array

    def rays(self, line: LinePhysics, profile: LineProfile | None = None) -> Rays:
        """Return the frequencies and angles on which a line is seen: the host's, if known."""
        return line_rays(line) if profile is None else profile_rays(profile)

    def _medium(
        self, line: LinePhysics, rays: Rays, y: Array | None
    ) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Return what :func:`_along_rays` does, and what is left of light after every step."""
        B = np.exp(line.log_B)
        # Without an estimate atoms are in the lower level.
        S = B if y is None else np.exp(y)
        opacity = line.opacity if y is None else line.opacity * _saturation(y, line.g_ratio)
        continuum = line.opacity * line.background
        step, share, background, source, incident = _along_rays(
            self.height, opacity, continuum, rays.profile, rays.mu, B, S
        )
        # numpy's exponential, which treats several numbers together.
        return step, np.exp(-step), share, background, source, incident

    def mean_intensity(
        self, line: LinePhysics, rays: Rays, y: Array, linear: bool = False
    ) -> Array:
        """Return a line's mean intensity as c^2 J / 2 h nu^3, shape [Nspace].

        Parameters
        ----------
        line : LinePhysics
            The line.
        rays : Rays
            Frequencies and angles.
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        linear : bool, optional
            Interpolate linearly between depths (default: False).
        """
        step, decay, _, _, source, incident = self._medium(line, rays, y)
        J: Array = _swept(step, decay, rays.weight, source, incident, linear)
        return J

    def radiation(
        self, line: LinePhysics, rays: Rays, y: Array, profile: LineProfile, linear: bool = False
    ) -> tuple[Array, Array]:
        """Return the line's mean intensity, and that at each of the host's wavelengths.

        Parameters
        ----------
        line, y, linear
            As for :meth:`mean_intensity`.
        rays : Rays
            Those of the profile.
        profile : LineProfile
            The line's profile on the host's own wavelengths.

        Returns
        -------
        J, J_nu : Array
            As c^2 J / 2 h nu^3, [Nspace] and [Nwave, Nspace].
        """
        step, decay, _, _, source, incident = self._medium(line, rays, y)
        shape = len(y), -1, profile.mu.size
        beams = _beams(step, decay, source, incident, linear)
        J: Array = 0.5 * np.einsum("ik,ik->i", rays.weight, beams[0] + beams[1])
        down, up = ((beam.reshape(shape) @ profile.mu_weight).T for beam in beams)
        # Light that goes inward belongs to the mirror images of the wavelengths.
        if len(up) == profile.Nwave:
            return J, 0.5 * (up + down[::-1])
        half = 0.5 * (up + down)
        return J, np.concatenate([half, half[: profile.Nwave - len(half)][::-1]])

    def lambda_operator(
        self, line: LinePhysics, rays: Rays, y: Array | None, linear: bool = False
    ) -> tuple[Array, Array, Medium]:
        """Return the Lambda operator at fixed opacity and limiter, and what does not depend on S.

        Parameters
        ----------
        line, rays, linear
            As for :meth:`mean_intensity`.
        y : Array or None
            Around what it is linearised, ``ln(c^2 S / 2 h nu^3)``, shape [Nspace]. None: atoms in
            the lower level, and linear interpolation.

        Returns
        -------
        Lambda : Array
            Mean intensity per source function, shape [Nspace, Nspace], columns contiguous.
        known : Array
            Mean intensity of background and lower boundary as c^2 J / 2 h nu^3, shape [Nspace].
        medium : Medium
            What light meets, for :meth:`scattered`.
        """
        step, decay, share, background, source, incident = self._medium(line, rays, y)
        Lambda, known = _responses(
            step, decay, rays.weight, share, background, source, incident, linear or y is None
        )
        return Lambda, known, Medium(step, decay, share)

    def scattered(self, line: LinePhysics, rays: Rays, medium: Medium, light: Array) -> Array:
        """Return a line's mean intensity of light that the background scatters, [Nspace].

        Parameters
        ----------
        line, rays : LinePhysics, Rays
            As for :meth:`mean_intensity`.
        medium : Medium
            Of :meth:`lambda_operator`.
        light : Array
            What is scattered, [Nspace, Nwave]: of one wavelength the same on all of its rays.
        """
        J: Array = _scattered(
            medium.step, medium.decay, rays.weight, medium.share, line.albedo, light
        )
        return J
