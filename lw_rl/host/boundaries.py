"""What boundary conditions of a user's own let in."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import ContextError
from .names import Named

__all__ = ["HOSTS", "given_light", "kind"]

#: Boundary conditions of the host's own.
HOSTS = ("NoBc", "PeriodicRadiation", "ThermalisedRadiation", "ZeroRadiation")


def kind(bc: Any) -> str:
    """Return which of :data:`HOSTS` a boundary condition is, or else the name of its class."""
    names = [c.__name__ for c in type(bc).__mro__]
    return next((name for name in names if name in HOSTS), names[0])


def given_light(bc: Any, ctx: Any, along: int) -> Array:
    """Return what a boundary condition of the user's own lets in, [Nwave, Nbcmu, along].

    Raises
    ------
    ContextError
        If it is not what the host expects.
    """
    data = np.asarray(bc.compute_bc(ctx.kwargs["atmos"], ctx.spect), dtype=float)
    shape = len(ctx.spect.wavelength), int(np.max(Named(bc).index_vector)) + 1, along
    name = type(bc).__name__
    if data.shape != shape:
        raise ContextError(
            f"compute_bc of the boundary condition {name} returns an array of shape {data.shape}; "
            f"the host expects intensities of shape {shape}: wavelengths, entries of indexVector, "
            "points along the edge"
        )
    if not np.all(data >= 0.0) or not np.all(np.isfinite(data)):
        bad = float(data[~(np.isfinite(data) & (data >= 0.0))][0])
        raise ContextError(
            f"compute_bc of the boundary condition {name} returns {bad!r}; the host expects "
            "intensities that are finite and not negative [J s-1 m-2 sr-1 Hz-1]"
        )
    return data
