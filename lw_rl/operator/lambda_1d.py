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
    ways,
)
from .line_quadrature import Rays, line_rays, profile_rays

__all__ = ["Medium", "Plane1D"]

#: Scattered light is followed until the orders to come, as a geometric series, are this share of
#: all of them in the line, and no further than so many.
_LEFT, _MOST_ORDERS = 0.01, 50


def _saturation(y: Array, g_ratio: float) -> Array:
    """Return the line's opacity at `y` over that of atoms which are all in the lower level."""
    excited = 1.0 / (1.0 + np.exp(-y))
    return (1.0 - excited) / (1.0 + g_ratio * excited)


Steps = tuple[Array, Array, Array, Array]
"""Steps of optical depth t and exp(-t), [Nspace - 1, Nray], and where rays end, [2, Nray]."""


@njit(cache=True, nogil=True, error_model="numpy")
def _along_rays(
    height: Array, line: Array, continuum: Array, profile: Array, mu: Array, B: Array, S: Array,
    given: Array,
) -> tuple[Array, Array, Array, Array, Array, Array]:  # fmt: skip
    """Return what light meets along rays.

    Steps of optical depth and those at the ends of rays, [2, Nray], the line's share of opacity,
    source functions of the background alone and of both, and what enters at the first and at the
    last depth, [2, Nray].

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
    given : Array
        What enters, [2, Nray]; not a number at the last depth where that is the Planck function.
    """
    N, K = profile.shape
    total, share = np.empty((N, K)), np.empty((N, K))
    background, source = np.empty((N, K)), np.empty((N, K))
    incident, last = given.copy(), np.empty((2, K))
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
    for side, i in enumerate((0, N - 2)):
        for k in range(K):
            mean = 0.5 * (height[i] - height[i + 1]) * (total[i, k] + total[i + 1, k])
            last[side, k] = min(max(mean / mu[k], THIN), THICK)
    for k in range(K):
        if np.isnan(given[1, k]):
            # As the host's, the lower boundary is thermal, with the gradient of B.
            incident[1, k] = max(B[N - 1] + (B[N - 1] - B[N - 2]) / last[1, k], 0.0)
    return step, last, share, background, source, incident


@njit(cache=True, nogil=True)
def _beams(steps: Steps, source: Array, incident: Array, monotone: bool) -> tuple[Array, Array]:
    """Return the intensities inward and outward, each [Nspace, Nray]."""
    step, decay, last, last_decay = steps
    return intensities(step, decay, source, monotone, last, last_decay, incident)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _swept(steps: Steps, weight: Array, source: Array, incident: Array, monotone: bool) -> Array:
    """Return the mean intensity of a source function, [Nspace]."""
    inward, outward = _beams(steps, source, incident, monotone)
    J = np.zeros(len(source))
    for i in range(len(source)):
        seen = 0.0
        for k in range(source.shape[1]):
            seen += weight[i, k] * (inward[i, k] + outward[i, k])
        J[i] = 0.5 * seen
    return J


@njit(cache=True, nogil=True)
def _responses(
    steps: Steps,
    weight: Array,
    share: Array,
    background: Array,
    source: Array,
    incident: Array,
    monotone: bool,
) -> tuple[Array, Array]:
    """Return the Lambda operator and the mean intensity of background and boundaries."""
    step, decay, last, last_decay = steps
    inward, outward = stencils(step, decay, source, monotone, last, last_decay)
    down, up = ways(decay, last_decay)
    Lambda = unit_responses(inward, outward, down, up, weight, share)
    return Lambda, mean_intensity(inward, outward, down, up, weight, background, incident)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _scattered(
    step: Array,
    decay: Array,
    weight: Array,
    mu_weight: Array,
    share: Array,
    albedo: Array,
    light: Array,
    moving: bool,
) -> tuple[Array, Array]:
    """Return the mean intensity of light that the background scatters, and that at wavelengths.

    Of all orders of scattering, until those to come are :data:`_LEFT` of their sum in the line.

    Parameters
    ----------
    step, decay, weight, share : Array
        Steps of optical depth t, exp(-t), quadrature weights, and the line's share of the opacity.
    mu_weight : Array
        Weights of the rays of a wavelength, which lie side by side, [Nray of a wavelength].
    albedo : Array
        Scattering share of the background opacity, [Nspace].
    light : Array
        What is scattered at every wavelength, [Nspace, Nwave].
    moving : bool
        Whether the wavelengths are both halves of the line: light that goes inward sees the mirror
        images of those that light that goes outward does.

    Returns
    -------
    J, J_nu : Array
        [Nspace] and [Nspace, Nwave].
    """
    N, K = share.shape
    R, W = mu_weight.size, light.shape[1]
    source, beam, J = np.empty((N, K)), np.zeros(K), np.zeros(N)
    before, order, summed = light.copy(), np.empty((N, W)), np.zeros((N, W))
    last_size = 0.0
    for _ in range(_MOST_ORDERS):
        order[:] = 0.0
        seen = np.zeros(N)
        for inward in (True, False):
            mirrored = inward and moving
            for i in range(N):
                for wave in range(W):
                    scattered = albedo[i] * before[i, W - 1 - wave if mirrored else wave]
                    for k in range(wave * R, (wave + 1) * R):
                        source[i, k] = (1.0 - share[i, k]) * scattered
            beam[:] = 0.0
            for at in range(1, N):
                i = at if inward else N - 1 - at
                behind, between = (i - 1, i - 1) if inward else (i + 1, i)
                total = 0.0
                for k in range(K):
                    end, begin = linear(step[between, k], decay[between, k])
                    fresh = end * source[i, k] + begin * source[behind, k]
                    beam[k] = beam[k] * decay[between, k] + fresh
                    total += weight[i, k] * beam[k]
                seen[i] += 0.5 * total
                for wave in range(W):
                    mean = 0.0
                    for m in range(R):
                        mean += mu_weight[m] * beam[wave * R + m]
                    order[i, W - 1 - wave if mirrored else wave] += 0.5 * mean
        J += seen
        summed += order
        before[:] = order
        size = np.abs(seen).max()
        ratio = min(size / max(last_size, 1e-300), 1.0)
        if not size * ratio > _LEFT * (1.0 - ratio) * np.abs(J).max():
            break
        last_size = size
    return J, summed


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
    ) -> tuple[Steps, Array, Array, Array, Array]:
        """Return what :func:`_along_rays` does, and what is left of light after every step."""
        B = np.exp(line.log_B)
        # Without an estimate atoms are in the lower level.
        S = B if y is None else np.exp(y)
        opacity = line.opacity if y is None else line.opacity * _saturation(y, line.g_ratio)
        continuum = line.opacity * line.background
        step, last, share, background, source, incident = _along_rays(
            self.height, opacity, continuum, rays.profile, rays.mu, B, S, rays.incident
        )
        # numpy's exponential, which treats several numbers together.
        steps = step, np.exp(-step), last, np.exp(-last)
        return steps, share, background, source, incident

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
        steps, _, _, source, incident = self._medium(line, rays, y)
        J: Array = _swept(steps, rays.weight, source, incident, linear)
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
        steps, _, _, source, incident = self._medium(line, rays, y)
        shape = len(y), -1, profile.mu.size
        beams = _beams(steps, source, incident, linear)
        J: Array = 0.5 * np.einsum("ik,ik->i", rays.weight, beams[0] + beams[1])
        down, up = ((beam.reshape(shape) @ profile.mu_weight).T for beam in beams)
        # Light that goes inward belongs to the mirror images of the wavelengths.
        if len(up) == profile.Nwave:
            return J, 0.5 * (up + down[::-1])
        return J, _whole(0.5 * (up + down), profile)

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
            Mean intensity of background and boundaries as c^2 J / 2 h nu^3, shape [Nspace].
        medium : Medium
            What light meets, for :meth:`scattered`.
        """
        steps, share, background, source, incident = self._medium(line, rays, y)
        Lambda, known = _responses(
            steps, rays.weight, share, background, source, incident, linear or y is None
        )
        return Lambda, known, Medium(*steps[:2], share)

    def scattered(
        self,
        line: LinePhysics,
        rays: Rays,
        medium: Medium,
        light: Array,
        profile: LineProfile | None,
    ) -> tuple[Array, Array]:
        """Return a line's mean intensity of light that the background scatters, and that itself.

        Parameters
        ----------
        line, rays : LinePhysics, Rays
            As for :meth:`mean_intensity`.
        medium : Medium
            Of :meth:`lambda_operator`.
        light : Array
            What is scattered, as c^2 J / 2 h nu^3, [Nwave, Nspace], at the host's wavelengths.
        profile : LineProfile or None
            The line's profile there. None: light is scattered once, all of it like the most that
            there is.

        Returns
        -------
        J, J_nu : Array
            [Nspace] and, scattered as often as it is, [Nwave, Nspace].
        """
        moving = profile is not None and profile.value.shape[1] == profile.Nwave
        if profile is None:
            scattered, mu_weight = np.abs(light).max(axis=0)[:, None], np.zeros(rays.mu.size)
        else:
            # A line at rest is the same on both sides, and wavelengths are those of one of them.
            both = light if moving else 0.5 * (light + light[::-1])
            scattered, mu_weight = both[: profile.value.shape[1]].T, profile.mu_weight
        J, found = _scattered(
            medium.step, medium.decay, rays.weight, mu_weight, medium.share, line.albedo,
            np.ascontiguousarray(scattered), moving,
        )  # fmt: skip
        return J, found.T if profile is None or moving else _whole(found.T, profile)


def _whole(half: Array, profile: LineProfile) -> Array:
    """Return what is the same on both sides of a line, at all of its wavelengths."""
    return np.concatenate([half, half[: profile.Nwave - len(half)][::-1]])
