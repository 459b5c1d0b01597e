"""Maps of a line in two dimensions."""

from __future__ import annotations

import copy

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from ..arrays import Array
from ..host.adapter import Adapter
from ..host.names import iterate_ctx_se
from ..host.plane_state import Plane

__all__ = ["draw_map", "plane_maps"]

#: Change of a plain step at which the truth is taken to be found, and errors that are not shown.
_TRUTH, _LEAST = 1e-7, 1e-7


def plane_maps(adapter: Adapter) -> dict[str, Array]:
    """Return maps of a solved line, each [Nz, Nx].

    ``"S"``: source function over the Planck function. ``"J"``: mean intensity over the source
    function. ``"error"``, ``"host"``: relative error of the source function, of the context and of
    the host's own call with its defaults; the truth is MALI iterated on from the solution.

    Parameters
    ----------
    adapter : Adapter
        Of a solved context in two dimensions with one two-level atom; it is not changed.
    """
    plane, physics = adapter.grid.plane, adapter.line_physics(adapter.blocks[0])
    assert plane is not None
    truth, host = (Adapter(copy.deepcopy(adapter.ctx)) for _ in range(2))
    iterate_ctx_se(truth.ctx, Nscatter=0, max_iter=2000, J_tol=1.0, pops_tol=_TRUTH, quiet=True)
    host.write(host.line_physics(host.blocks[0]).log_B)
    iterate_ctx_se(host.ctx, quiet=True)
    y, y_true = adapter.read(), truth.read()
    thermal = physics.epsilon * np.exp(physics.log_B - y_true)
    maps = {
        "S": np.exp(y - physics.log_B),
        "J": (1.0 - thermal) / (1.0 - physics.epsilon),
        "error": np.maximum(np.abs(np.expm1(y - y_true)), _LEAST),
        "host": np.maximum(np.abs(np.expm1(host.read() - y_true)), _LEAST),
    }
    return {name: values.reshape(len(plane.z), len(plane.x)) for name, values in maps.items()}


def draw_map(
    ax: Axes, plane: Plane, values: Array, label: str, limits: tuple[float, float] | None = None,
    logarithmic: bool = True, colours: str = "viridis",
) -> None:  # fmt: skip
    """Draw a map with its scale of colours beside it.

    Parameters
    ----------
    ax : Axes
    plane : Plane
        The grid.
    values : Array
        [Nz, Nx].
    label : str
        Of the scale.
    limits : tuple of float, optional
        Of the scale (default: those of the values).
    logarithmic : bool, optional
        (default: True)
    colours : str, optional
        Matplotlib's name of the scale (default: ``"viridis"``).
    """
    low, high = limits or (float(values.min()), float(values.max()))
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high)
    image = ax.pcolormesh(
        plane.x * 1e-6, plane.z * 1e-6, values, norm=norm, cmap=colours, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    ax.set_xlabel("$x$ [Mm]")
    ax.set_ylabel("$z$ [Mm]")
    assert ax.figure is not None
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.set_label(label)
