"""The light that leaves an atmosphere."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import numpy.typing as npt

from ..arrays import Array
from ..errors import ContextError
from .adapter import Adapter
from .names import Named, entry, keywords
from .state import Block, EmergentLine

__all__ = ["emergent_at", "emergent_line", "emergent_rays"]


def emergent_line(adapter: Adapter, block: Block, mu: float = 1.0) -> EmergentLine:
    """Return the line of a two-level atom as it leaves the atmosphere.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    block : Block
        One of its blocks, of a two-level atom.
    mu : float, optional
        Cosine of the angle with the vertical (default: 1, disc centre).

    Raises
    ------
    ContextError
        If the block is not of a two-level atom.
    """
    if adapter.line(block) is None:
        raise ContextError("the emergent line is defined for two-level atoms only")
    ctx = adapter.ctx
    trans = Named(ctx).active_atoms[adapter.blocks.index(block)].trans[0]
    # The line's own grid, which is made for integrals, four times finer, which is for the eye.
    grid = np.asarray(trans.wavelength)
    N = grid.shape[0]
    wavelength = np.interp(np.linspace(0.0, N - 1.0, 4 * N - 3), np.arange(N), grid)
    intensity = np.asarray(ctx.compute_rays(wavelengths=wavelength, mus=mu))
    return EmergentLine(float(trans.lambda0), wavelength, intensity.reshape(-1))


def emergent_rays(
    adapter: Adapter,
    mus: tuple[float, ...],
    opacity: bool = False,
    kept: npt.NDArray[np.bool_] | None = None,
) -> tuple[Array, Array, Array | None]:
    """Return what leaves the atmosphere along rays, on the context's own wavelengths.

    A third of the cost of ``ctx.compute_rays``, which copies the whole model first: the rays
    get a context of their own that shares the populations, and a copy of J.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    mus : tuple of float
        Cosines of the angles with the vertical.
    opacity : bool, optional
        Whether to return the opacity too (default: False).
    kept : array of bool, optional
        Which of the context's wavelengths are returned (default: those of the first active atom's
        first line).

    Returns
    -------
    intensity : Array
        Specific intensity [J s-1 m-2 sr-1 Hz-1], shape [Nmu, Nwave].
    height : Array
        Height of every depth point [m], shape [Nspace].
    chi : Array or None
        Opacity [m-1], shape [Nwave, Nmu, Nspace].
    """
    kwargs = adapter.ctx.kwargs
    atmos = copy.copy(kwargs["atmos"])
    atmos.rays(list(mus), **keywords(atmos.rays, up_only=True))
    # One context: the populations in `eq_pops` are taken as they are.
    rays = lw.Context(atmos, kwargs["spect"], entry(kwargs, "eq_pops"), Nthreads=1)
    rays.spect.J[:] = adapter.ctx.spect.J
    rays.formal_sol(**keywords(rays.formal_sol, up_only=True))
    wavelength = np.asarray(rays.spect.wavelength)
    if kept is None:
        kept = np.isin(wavelength, np.asarray(Named(rays).active_atoms[0].trans[0].wavelength))
    intensity = np.asarray(rays.spect.I).reshape(wavelength.size, len(mus))[kept].T.copy()
    if not opacity:
        return intensity, np.array(atmos.z), None
    return intensity, np.array(atmos.z), _opacity(rays)[kept]


def emergent_at(
    adapter: Adapter,
    mus: tuple[float, ...],
    wavelength: Array,
    opacity: bool = False,
    stokes: bool = False,
) -> tuple[Array, Array, Array | None]:
    """Return what leaves the atmosphere along rays, on wavelengths of one's own.

    Takes and returns what :func:`emergent_rays` does, but for the wavelengths; with `stokes` the
    intensity has shape [4, Nmu, Nwave]: I, Q, U, V.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    mus : tuple of float
        Cosines of the angles with the vertical.
    wavelength : Array
        Vacuum wavelengths [nm], increasing, shape [Nwave].
    opacity : bool, optional
        Whether to return the opacity too (default: False).
    stokes : bool, optional
        Whether the light is polarised; the atmosphere then has a magnetic field (default: False).
    """
    given = {"wavelengths": wavelength, "mus": list(mus), "return_ctx": True, "squeeze": False}
    given["stokes"] = stokes
    found, rays = adapter.ctx.compute_rays(**keywords(adapter.ctx.compute_rays, **given))
    shape = (4, wavelength.size, len(mus)) if stokes else (wavelength.size, len(mus))
    intensity = np.asarray(found).reshape(shape).swapaxes(-1, -2).copy()
    z = np.array(adapter.ctx.kwargs["atmos"].z)
    return intensity, z, _opacity(rays) if opacity else None


def _opacity(rays: lw.Context) -> Array:
    """Return the opacity along the upward rays of a context [m-1], [Nwave, Nmu, Nspace]."""
    depth_data = Named(rays).depth_data
    depth_data.fill = True
    # The rays' weights are zero, so that the rates which this computes as well mean nothing.
    rays.formal_sol_gamma_matrices()
    chi: Array = np.asarray(depth_data.chi)[:, :, 1]
    return chi
