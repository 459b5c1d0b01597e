"""What leaves a solved column: intensity along chosen rays, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..host.adapter import Adapter
from ..host.emergent import emergent_rays

__all__ = ["Emergent", "emergent", "height_of_tau_one"]


@dataclass(frozen=True)
class Emergent:
    """The line as it leaves a column, on the line's own wavelengths.

    Attributes
    ----------
    intensity : Array
        Emergent specific intensity [J s-1 m-2 sr-1 Hz-1], shape [Nmu, Nwave].
    tau_one : Array or None
        Height at which the optical depth along the ray is one [m], NaN where the column is
        thinner than that, shape [Nmu, Nwave].
    """

    intensity: Array
    tau_one: Array | None


def emergent(ctx: lw.Context, mus: tuple[float, ...], tau_one: bool = False) -> Emergent:
    """Return the line of the first active atom as it leaves a solved context.

    Parameters
    ----------
    ctx : lightweaver.Context
        A solved context; it is not changed.
    mus : tuple of float
        Cosines of the angles with the vertical.
    tau_one : bool, optional
        Whether to find the heights of tau = 1 too (default: False).
    """
    intensity, z, chi = emergent_rays(Adapter(ctx), mus, opacity=tau_one)
    if chi is None:
        return Emergent(intensity, None)
    return Emergent(intensity, height_of_tau_one(z, chi, np.asarray(mus)).T)


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
