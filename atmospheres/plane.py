"""Atmospheres of two dimensions: FAL-C in columns that differ, and a prominence lit by the Sun.

Arrays are [Nz, Nx], heights decrease, x increases. Periodic atmospheres repeat their first column
in the last. Fields are functions of place, so that a seed gives the same atmosphere on any grid.
"""

from __future__ import annotations

from typing import Any

import lightweaver as lw
import numpy as np
from lightweaver.constants import HC, KBoltzmann

from lw_rl.errors import AtmosphereError, UnknownNameError

from .fal import load

__all__ = ["PLANE_KINDS", "UniformDisk", "slab_2d"]

#: Kinds of atmospheres.
PLANE_KINDS = ("homogeneous", "smooth", "blobs", "threads", "corrugated", "prominence")

#: Width of periodic atmospheres [m].
_WIDTH = 2e6
#: Radius of the Sun [m].
_SUN = 6.957e8
#: Prominence: height of its lower edge, extent in height and in x [m], temperature [K], hydrogen
#: and electron density [m-3], turbulence [m s-1], and the Sun's radiation temperature [K].
_ALTITUDE, _TALL, _WIDE = 1e7, 1e7, 2e6
_PROMINENCE = {"temperature": 8e3, "nHTot": 2e17, "ne": 5e16, "vturb": 5e3}
_SUNLIGHT = 5000.0


class UniformDisk(lw.BoundaryCondition):  # type: ignore[misc]
    """Light of the Sun, a uniform disk seen from a height, and none from elsewhere.

    Parameters
    ----------
    height : float
        Height above the surface [m].
    temperature : float, optional
        Radiation temperature of the disk [K] (default: 5000).
    """

    def __init__(self, height: float, temperature: float = _SUNLIGHT):
        self.height, self.temperature = height, temperature

    def compute_bc(self, atmos: lw.Atmosphere, spect: Any) -> np.ndarray:
        """Return the intensity [J s-1 m-2 sr-1 Hz-1] of every ray, [Nwave, Nray, Npoint]."""
        wavelength = np.asarray(spect.wavelength) * 1e-9
        x = HC / (KBoltzmann * self.temperature * wavelength)
        disk = 2.0 * HC / wavelength**3 / np.expm1(np.minimum(x, 700.0))
        horizon = np.sqrt(1.0 - (_SUN / (_SUN + self.height)) ** 2)
        seen = np.asarray(self.muz) > horizon
        points = atmos.Nx if self in (atmos.zLowerBc, atmos.zUpperBc) else atmos.Nz
        intensity = disk[:, None, None] * seen[None, :, None]
        return np.ascontiguousarray(np.broadcast_to(intensity, (*intensity.shape[:2], points)))


def _field(rng: np.random.Generator, s: np.ndarray, t: np.ndarray, modes: int = 4) -> np.ndarray:
    """Return a smooth random field of unit variance, periodic in t, both from 0 to 1."""
    total = np.zeros((len(s), len(t)))
    power = 0.0
    for i in range(1, modes + 1):
        for k in range(modes + 1):
            phase_s, phase_t = rng.uniform(0.0, 2.0 * np.pi, 2)
            amplitude = rng.standard_normal() / np.hypot(i, k)
            power += 0.25 / np.hypot(i, k) ** 2
            vertical = np.cos(np.pi * k * s + phase_s)[:, None]
            total += amplitude * vertical * np.cos(2.0 * np.pi * i * t + phase_t)
    return total / np.sqrt(power)


def _blobs(rng: np.random.Generator, s: np.ndarray, t: np.ndarray, number: int) -> np.ndarray:
    """Return a sum of Gaussian blobs of either sign, periodic in t."""
    total = np.zeros((len(s), len(t)))
    for _ in range(number):
        s0, t0 = rng.uniform(0.1, 0.7), rng.uniform()
        width_s, width_t = rng.uniform(0.05, 0.12), rng.uniform(0.06, 0.15)
        apart = np.abs(t - t0)
        apart = np.minimum(apart, 1.0 - apart)
        shape = np.exp(-0.5 * ((s[:, None] - s0) / width_s) ** 2 - 0.5 * (apart / width_t) ** 2)
        total += rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.0) * shape
    return total


def slab_2d(
    kind: str = "smooth",
    Nz: int = 82,
    Nx: int = 32,
    seed: int | np.random.SeedSequence = 0,
    width: float | None = None,
    model: str = "FALC",
) -> lw.Atmosphere:
    """Return an atmosphere of two dimensions.

    Parameters
    ----------
    kind : str, optional
        ``"homogeneous"``: equal columns, as in the host's gallery. ``"smooth"``: temperatures
        differ by 5 %, densities by 15 % (standard deviation), smoothly. ``"blobs"``: ten blobs of
        up to 40 % in temperature and a factor of three in density. ``"threads"``: vertical threads,
        up to five times denser and cooler, that move by some km/s. ``"corrugated"``: the layers
        above 0.5 Mm go up and down by 0.3 Mm. These are made of `model`, periodic in x, lit by
        themselves. ``"prominence"``: an isothermal slab 10 Mm above the Sun, which lights it from
        below and from both sides, and not periodic (default: ``"smooth"``).
    Nz, Nx : int, optional
        Rows and columns (default: 82, 32).
    seed : int or SeedSequence, optional
        Of what is random (default: 0).
    width : float, optional
        Extent in x [m] (default: 2 Mm).
    model : str, optional
        An atmosphere that ships (default: ``"FALC"``).

    Raises
    ------
    UnknownNameError
        If there is no such kind or atmosphere.
    AtmosphereError
        For fewer than three rows or columns, or a width that is not positive.
    """
    if kind not in PLANE_KINDS:
        raise UnknownNameError("kind of atmosphere", kind, PLANE_KINDS)
    if Nz < 3 or Nx < 3:
        raise AtmosphereError(f"a slab needs at least 3 rows and 3 columns, got {Nz} x {Nx}")
    width = (_WIDE if kind == "prominence" else _WIDTH) if width is None else float(width)
    if not 0.0 < width < np.inf:
        raise AtmosphereError(f"the width must be positive and finite, got {width!r} m")
    x = np.linspace(0.0, width, Nx)
    if kind == "prominence":
        return _prominence(x, Nz)
    column = load(model, Nz)
    z = np.array(column.z)
    rng = np.random.default_rng(seed)
    # The index of a row is the better coordinate: heights are crowded where it matters.
    s, t = np.linspace(0.0, 1.0, Nz), x / width
    names = ("temperature", "ne", "nHTot", "vturb")
    values = {name: np.repeat(np.asarray(getattr(column, name))[:, None], Nx, 1) for name in names}
    moving: dict[str, np.ndarray] = {}
    if kind == "corrugated":
        shift = 0.3e6 * _field(rng, np.zeros(1), t, 2)[0] / 1.5
        above = 0.5 * (1.0 + np.tanh((z - 0.5e6) / 0.2e6))
        for name in names:
            logarithm = np.log(np.asarray(getattr(column, name))[::-1])
            for j in range(Nx):
                at = z - above * shift[j]
                values[name][:, j] = np.exp(np.interp(at, z[::-1], logarithm))
    else:
        hot, dense = np.zeros((Nz, Nx)), np.zeros((Nz, Nx))
        if kind == "smooth":
            hot, dense = 0.05 * _field(rng, s, t), 0.15 * _field(rng, s, t)
        elif kind == "blobs":
            hot, dense = 0.3 * _blobs(rng, s, t, 10), 1.1 * _blobs(rng, s, t, 10)
        elif kind == "threads":
            thread = np.maximum(_field(rng, np.zeros(1), t, 4), 0.0)
            above = 0.5 * (1.0 - np.tanh((s[:, None] - 0.6) / 0.1))
            dense, hot = 0.8 * thread * above, -0.1 * thread * above
            moving = {
                "vz": 4e3 * above * _field(rng, s, t, 2),
                "vx": 2e3 * above * _field(rng, s, t, 2),
            }
        values["temperature"] *= np.exp(hot)
        values["ne"] *= np.exp(dense)
        values["nHTot"] *= np.exp(dense)
    for array in (*values.values(), *moving.values()):
        # To the bit: rounding of a period is a seam.
        array[:, -1] = array[:, 0]
    return lw.Atmosphere.make_2d(z, x, **values, **moving)


def _prominence(x: np.ndarray, Nz: int) -> lw.Atmosphere:
    """Return an isothermal slab above the Sun, finer at its edges."""

    def fine(N: int, extent: float) -> np.ndarray:
        u = np.linspace(-1.0, 1.0, N)
        edge = np.sinh(4.0 * (1.0 - np.abs(u))) / np.sinh(4.0)
        return 0.5 * extent * (1.0 + np.sign(u) * (1.0 - edge))

    z = _ALTITUDE + fine(Nz, _TALL)[::-1]
    x = fine(len(x), float(x[-1]))
    values = {name: np.full((Nz, len(x)), value) for name, value in _PROMINENCE.items()}
    return lw.Atmosphere.make_2d(
        z,
        x,
        **values,
        xLowerBc=UniformDisk(_ALTITUDE),
        xUpperBc=UniformDisk(_ALTITUDE),
        zLowerBc=UniformDisk(_ALTITUDE),
        zUpperBc=lw.ZeroRadiation(),
    )
