"""The strongest lines of active atoms with many levels, as they leave an atmosphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lightweaver.constants import CLight, HPlanck, KBoltzmann

from ..arrays import Array
from .adapter import Adapter
from .names import Named

__all__ = ["StrongLine", "strongest_lines"]

#: Half width to which a line is followed, as a velocity [m s-1], and its points.
_EXTENT, _POINTS = 200e3, 161


@dataclass(frozen=True)
class StrongLine:
    """A line as it leaves an atmosphere.

    Attributes
    ----------
    element : str
        Symbol of its element.
    stage : int
        Charge of the ion that it belongs to.
    i, j : int
        Its lower and upper level.
    lambda0 : float
        Vacuum wavelength of line centre [nm].
    velocity : Array
        Distance from line centre [km s-1], shape [Nwave].
    brightness : Array
        Brightness temperature [K], shape [Nwave].
    strength : float
        Size of the power that the line takes from or adds to its surroundings [W m-2 sr-1].
    """

    element: str
    stage: int
    i: int
    j: int
    lambda0: float
    velocity: Array
    brightness: Array
    strength: float


def strongest_lines(adapter: Adapter, number: int, mu: float = 1.0) -> list[StrongLine]:
    """Return the strongest lines of each active atom, by wavelength.

    A line is as strong as the integral of its distance from the straight line between the
    intensities at both ends of its wavelengths is large. Lines within 200 km/s of a stronger one
    of the atom are left out.

    Parameters
    ----------
    adapter : Adapter
        Access to the context, of one dimension.
    number : int
        How many lines of each atom.
    mu : float, optional
        Cosine of the angle with the vertical (default: 1, disc centre).
    """
    velocity = np.linspace(-_EXTENT, _EXTENT, _POINTS)
    atoms = [Named(atom) for atom in Named(adapter.ctx).active_atoms]
    models = [line for atom in atoms for line in atom.atomic_model.lines]
    drawn = np.outer([line.lambda0 for line in models], 1.0 + velocity / CLight)
    grid = np.unique(np.concatenate([drawn.ravel(), *(line.wavelength() for line in models)]))
    intensity = np.asarray(adapter.ctx.compute_rays(wavelengths=grid, mus=mu)).reshape(-1)
    found = []
    for atom in atoms:
        lines = []
        for line in atom.atomic_model.lines:
            wavelength = line.lambda0 * (1.0 + velocity / CLight)
            core = np.interp(wavelength, grid, intensity)
            lines.append(
                StrongLine(
                    element=str(atom.element.name),
                    stage=int(atom.atomic_model.levels[line.i].stage),
                    i=int(line.i),
                    j=int(line.j),
                    lambda0=float(line.lambda0),
                    velocity=velocity * 1e-3,
                    brightness=_brightness_temperature(core, wavelength),
                    strength=_strength(line.wavelength(), grid, intensity),
                )
            )
        found += _apart(sorted(lines, key=lambda one: -one.strength))[:number]
    return sorted(found, key=lambda one: one.lambda0)


def _apart(lines: list[StrongLine]) -> list[StrongLine]:
    """Leave out lines that lie within a stronger one."""
    kept: list[StrongLine] = []
    for line in lines:
        if all(abs(line.lambda0 / k.lambda0 - 1.0) * CLight > _EXTENT for k in kept):
            kept.append(line)
    return kept


def _strength(wavelength: Array, grid: Array, intensity: Array) -> float:
    """Return the integral of a line's distance from its surroundings [W m-2 sr-1]."""
    nu = CLight / (np.array([wavelength[0], wavelength[-1]]) * 1e-9)
    inside = (grid >= wavelength[0]) & (grid <= wavelength[-1])
    all_nu, profile = CLight / (grid[inside] * 1e-9), intensity[inside]
    around = np.interp(all_nu, nu[::-1], profile[[-1, 0]])
    return abs(float(np.trapezoid(profile - around, all_nu)))


def _brightness_temperature(intensity: Array, wavelength: Array) -> Array:
    """Return the temperature [K] at which the Planck function is an intensity."""
    nu = CLight / (wavelength * 1e-9)
    ratio = 2.0 * HPlanck * nu**3 / CLight**2 / intensity
    T: Array = HPlanck * nu / KBoltzmann / np.log1p(ratio)
    return T
