"""What leaves a solved column: intensity along chosen rays, and where it comes from."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import lightweaver as lw
import numpy as np

from ..adapter import Adapter

Array = np.ndarray


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

    A third of the cost of ``ctx.compute_rays``, which copies the whole model first: the rays get
    a context of their own that shares the populations, and a copy of J.

    Parameters
    ----------
    ctx : lightweaver.Context
        A solved context; it is not changed.
    mus : tuple of float
        Cosines of the angles with the vertical.
    tau_one : bool, optional
        Whether to find the heights of tau = 1 too (default: False).
    """
    atmos = copy.copy(ctx.kwargs["atmos"])
    atmos.rays(list(mus), upOnly=True)
    # One context: the populations in `eqPops` are taken as they are.
    rays = lw.Context(atmos, ctx.kwargs["spect"], ctx.kwargs["eqPops"], Nthreads=1)
    adapter = Adapter(rays)
    adapter.restore(Adapter(ctx).snapshot())
    rays.formal_sol(upOnly=True)
    wavelength = np.asarray(rays.spect.wavelength)
    line = np.isin(wavelength, np.asarray(rays.activeAtoms[0].trans[0].wavelength))
    intensity = np.asarray(rays.spect.I).reshape(wavelength.size, len(mus))[line].T
    if not tau_one:
        return Emergent(intensity.copy(), None)
    rays.depthData.fill = True
    # The rays' weights are zero, so that the rates which this computes as well mean nothing.
    rays.formal_sol_gamma_matrices()
    chi = np.asarray(rays.depthData.chi)[line][:, :, 1]
    heights = _tau_one(np.asarray(atmos.z), chi, np.asarray(mus))
    return Emergent(intensity.copy(), heights.T)


def _tau_one(z: Array, chi: Array, mus: Array) -> Array:
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
