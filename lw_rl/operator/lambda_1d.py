"""The plane-parallel geometry: mean intensity of a line, and its Lambda operator.

Both are those of the host's own interpolation between depths (`lw_rl.operator.bezier_1d`), on few
frequencies and angles (`lw_rl.operator.line_quadrature`). Opacity follows the populations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..host.state import LinePhysics
from .bezier_1d import mean_intensity, optical_steps, stencils, unit_responses
from .line_quadrature import Rays, line_rays

__all__ = ["Plane1D"]


def _saturation(y: Array, g_ratio: float) -> Array:
    """Return the line's opacity at `y` over that of atoms which are all in the lower level."""
    excited = 1.0 / (1.0 + np.exp(-y))
    return (1.0 - excited) / (1.0 + g_ratio * excited)


@dataclass(frozen=True)
class _Medium:
    """What rays go through at one state of the line.

    Attributes
    ----------
    step : Array
        Steps of optical depth along the rays, [Nspace - 1, Nray].
    share : Array
        The line's share of the opacity, [Nspace, Nray].
    background : Array
        What the background adds to the source function, [Nspace, Nray].
    incident : Array
        Intensity that enters at the last depth, [Nray].
    inward, outward : Array
        From `stencils`.
    """

    step: Array
    share: Array
    background: Array
    incident: Array
    inward: Array
    outward: Array


@dataclass(frozen=True)
class Plane1D:
    """A plane-parallel atmosphere.

    Attributes
    ----------
    height : Array
        Height of the depths, downwards [m], shape [Nspace].
    """

    height: Array

    def rays(self, line: LinePhysics) -> Rays:
        """Return the frequencies and angles on which a line is seen."""
        return line_rays(line)

    def _medium(self, line: LinePhysics, rays: Rays, y: Array | None, linear: bool) -> _Medium:
        B = np.exp(line.log_B)
        saturation = np.ones_like(B) if y is None else _saturation(y, float(line.g_ratio))
        opacity = (line.opacity * saturation)[:, None] * rays.profile
        total = opacity + (line.opacity * line.background)[:, None]
        share = opacity / total
        step = optical_steps(total, self.height, rays.mu)
        background = (1.0 - share) * B[:, None]
        source = background if y is None else share * np.exp(y)[:, None] + background
        # As the host's, the lower boundary is thermal, with the gradient of B.
        incident = np.maximum(B[-1] + (B[-1] - B[-2]) / step[-1], 0.0)
        inward, outward = stencils(step, source, linear or y is None)
        return _Medium(step, share, background, incident, inward, outward)

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
        m = self._medium(line, rays, y, linear)
        source = m.share * np.exp(y)[:, None] + m.background
        J: Array = mean_intensity(m.inward, m.outward, m.step, rays.weight, source, m.incident)
        return J

    def lambda_operator(
        self, line: LinePhysics, rays: Rays, y: Array | None, linear: bool = False
    ) -> tuple[Array, Array]:
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
            Mean intensity per source function, shape [Nspace, Nspace].
        known : Array
            Mean intensity of background and lower boundary as c^2 J / 2 h nu^3, shape [Nspace].
        """
        m = self._medium(line, rays, y, linear)
        Lambda = unit_responses(m.inward, m.outward, m.step, rays.weight, m.share)
        known = mean_intensity(m.inward, m.outward, m.step, rays.weight, m.background, m.incident)
        return Lambda, known
