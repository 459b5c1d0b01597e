"""What leaves a solved column: intensity along chosen rays, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import lightweaver as lw
import numpy as np
import numpy.typing as npt

from ..arrays import Array
from ..host.adapter import Adapter
from ..host.emergent import emergent_at, emergent_rays

__all__ = ["Emergent", "emergent", "height_of_tau_one"]


Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Emergent:
    """The lines as they leave a column.

    Attributes
    ----------
    intensity : Array
        Emergent specific intensity [J s-1 m-2 sr-1 Hz-1], shape [Nmu, Nwave].
    tau_one : Array or None
        Height at which the optical depth along the ray is one [m], NaN where the column is
        thinner than that, shape [Nmu, Nwave].
    polarisation : Array or None
        Stokes Q, U and V in the unit of the intensity, shape [3, Nmu, Nwave].
    """

    intensity: Array
    tau_one: Array | None
    polarisation: Array | None = None


def emergent(
    ctx: lw.Context,
    mus: tuple[float, ...],
    tau_one: bool = False,
    kept: Mask | None = None,
    wavelengths: Sequence[float] = (),
    stokes: bool = False,
) -> Emergent:
    """Return what leaves a solved context.

    Parameters
    ----------
    ctx : lightweaver.Context
        A solved context; it is not changed.
    mus : tuple of float
        Cosines of the angles with the vertical.
    tau_one : bool, optional
        Whether to find the heights of tau = 1 too (default: False).
    kept : array of bool, optional
        Which of the context's wavelengths are kept, shape [Nwave of the context] (default: those
        of the first active atom's first line).
    wavelengths : sequence of float, optional
        Increasing vacuum wavelengths [nm] in the place of the context's own.
    stokes : bool, optional
        Whether the light is polarised; the atmosphere then has a magnetic field (default: False).
    """
    adapter = Adapter(ctx)
    polarisation = None
    if stokes or len(wavelengths):
        grid = np.asarray(
            wavelengths if len(wavelengths) else np.asarray(ctx.spect.wavelength)[kept]
        )
        intensity, z, chi = emergent_at(adapter, mus, grid, opacity=tau_one, stokes=stokes)
        if stokes:
            intensity, polarisation = intensity[0], intensity[1:]
    else:
        intensity, z, chi = emergent_rays(adapter, mus, opacity=tau_one, kept=kept)
    if chi is None:
        return Emergent(intensity, None, polarisation)
    return Emergent(intensity, height_of_tau_one(z, chi, np.asarray(mus)).T, polarisation)


def height_of_tau_one(z: Array, chi: Array, mus: Array) -> Array:
    """Return the height of tau = 1 along each ray, shape [Nwave, Nmu].

    Parameters
    ----------
    z : Array
        Height, decreasing [m], shape [Nspace].
    chi : Array
        Opacity [m-1], shape [Nwave, Nmu, Nspace].
    mus : Array
        Cosines of the rays, shape [Nmu].
    """
    step = -np.diff(z) * 0.5 * (chi[..., 1:] + chi[..., :-1]) / mus[:, None]
    tau = np.concatenate((np.zeros((*chi.shape[:2], 1)), np.cumsum(step, axis=-1)), axis=-1)
    below = np.minimum(np.sum(tau < 1.0, axis=-1), z.size - 1)
    upper = np.take_along_axis(tau, below[..., None] - 1, axis=-1)[..., 0]
    lower = np.take_along_axis(tau, below[..., None], axis=-1)[..., 0]
    weight = (1.0 - upper) / (lower - upper)
    height = z[below - 1] + weight * (z[below] - z[below - 1])
    return np.where(tau[..., -1] >= 1.0, height, np.nan)
