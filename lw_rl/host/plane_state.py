"""What the adapter hands out of an atmosphere of two dimensions: the grid, and a line in it.

Points are numbered with x fastest; a *ray* is one direction of the host's quadrature, inward (even
numbers) or outward (odd ones).

Source functions and intensities are photon occupation numbers of the line's centre, c^2 S / 2 h
nu0^3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..arrays import Array, Integers, Numbers

__all__ = ["Light", "Plane", "PlaneLight", "PlaneLine"]


class Light(Protocol):
    """The mean intensity of a context at a line's wavelengths, each [Nspace, Nwave]."""

    def of(self, y: Array) -> tuple[Numbers, Numbers] | None:
        """Return what was scattered in the last formal solution, and the field it led to.

        None if it was not made at `y`.
        """
        ...

    def last(self) -> Numbers | None:
        """Return the field of the last formal solution; None without any."""
        ...

    def write(self, J: Numbers) -> None:
        """Set the field that belongs to the populations of the next formal solution."""
        ...


@dataclass(frozen=True)
class Plane:
    """Grid and rays of an atmosphere of two dimensions.

    Attributes
    ----------
    x, z : Array
        Where columns are, increasing, and rows, decreasing [m], [Nx] and [Nz].
    mux, muz : Array
        Cosines of the outward rays, [Nmu].
    weight : Array
        Their weights, which sum to one, [Nmu].
    periodic : bool
        Whether the last column repeats the first.
    besser : bool
        Whether the formal solver is the BESSER method; else it is linear.
    between : bool
        Whether what is between grid points is interpolated linearly, the host's default.
    """

    x: Array
    z: Array
    mux: Array
    muz: Array
    weight: Array
    periodic: bool
    besser: bool
    between: bool = True

    @property
    def Nspace(self) -> int:
        """Number of points."""
        return len(self.x) * len(self.z)

    @property
    def Nray(self) -> int:
        """Number of rays, inward and outward."""
        return 2 * len(self.mux)


@dataclass(frozen=True)
class PlaneLine:
    """A two-level atom's line at every point of a plane.

    Attributes
    ----------
    waves : Array
        Indices of its wavelengths in the context's grid, [2, Nwave]. Both sides of a line at rest
        are taken together.
    opacity : Array
        Opacity of atoms which are all in the lower level, per profile [m-1], [Nspace].
    g_ratio : float
        Statistical weight of the upper level over that of the lower one.
    epsilon : Array
        Photon destruction probability, [Nspace].
    log_B : Array
        Planck function at line centre, its logarithm, [Nspace].
    profile : Array
        Absorption profile, [Nray, Nspace, Nwave], or [1, Nspace, Nwave] where nothing moves.
    weight : Array
        Weights of the wavelengths, [Nwave].
    norm : Array
        What makes ``profile * weight`` sum to one over wavelengths and rays, [Nspace].
    chi : Array
        Opacity of all else [m-1], [Nspace, Nwave].
    thermal : Array
        Its emissivity over its opacity, [Nspace, Nwave].
    albedo : Array
        The part of it that scatters coherently, [Nspace, Nwave].
    entering : tuple
        What enters at the upper and lower edge and at the left and right side: None for nothing,
        ``"thermalised"``, or intensities by ray, a dictionary of [Nx, Nwave] or [Nz, Nwave].
    frequency : Array
        Frequencies over that of the line's centre, [Nwave].
    excitation : float
        Energy of the line's photons as a temperature [K].
    temperature : Array
        [Nspace].
    unit : float
        2 h nu0^3 / c^2 [J s-1 m-2 sr-1 Hz-1].
    light : Light or None
        The radiation field of the context.
    """

    waves: Integers
    opacity: Array
    g_ratio: float
    epsilon: Array
    log_B: Array
    profile: Numbers
    weight: Array
    norm: Array
    chi: Numbers
    thermal: Numbers
    albedo: Numbers
    entering: tuple[Any, Any, Any, Any]
    frequency: Array
    excitation: float
    temperature: Array
    unit: float
    light: Light | None = None

    def planck(self, temperature: Array) -> Array:
        """Return the Planck function at all wavelengths, shape [..., Nwave]."""
        x = self.excitation * self.frequency / temperature[..., None]
        planck: Array = self.frequency**3 / np.expm1(np.minimum(x, 700.0))
        return planck


@dataclass(frozen=True)
class PlaneLight:
    """Intensities in a plane at some wavelengths, in units in which they are of order one or less.

    Attributes
    ----------
    scale : Array
        The unit: the Planck function where it is hottest [J s-1 m-2 sr-1 Hz-1], [Nwave].
    excitation : Array
        Energy of the photons as a temperature [K], [Nwave].
    temperature : Array
        [Nspace].
    entering : tuple
        What enters at the edges, as in `PlaneLine`.
    """

    scale: Array
    excitation: Array
    temperature: Array
    entering: tuple[Any, Any, Any, Any]

    def planck(self, temperature: Array) -> Array:
        """Return the Planck function, shape [..., Nwave]."""
        hot = np.expm1(np.minimum(self.excitation / self.temperature.max(), 700.0))
        planck: Array = hot / np.expm1(np.minimum(self.excitation / temperature[..., None], 700.0))
        return planck

    def at(self, waves: Integers) -> PlaneLight:
        """Return it at some of the wavelengths."""

        def some(edge: Any) -> Any:
            if isinstance(edge, dict):
                return {ray: np.ascontiguousarray(light[:, waves]) for ray, light in edge.items()}
            return edge

        top, bottom, left, right = map(some, self.entering)
        edges = top, bottom, left, right
        return PlaneLight(self.scale[waves], self.excitation[waves], self.temperature, edges)
