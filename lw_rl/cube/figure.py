"""The picture of a cube: intensity at line centre and in the wing, cost, failures."""

from __future__ import annotations

from typing import Any

import lightweaver as lw
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..arrays import Array
from ..files import Json
from .column import OUTCOMES

__all__ = ["cube_figure"]

Extent = tuple[float, float, float, float]

_SIZE = 9
#: Distance of the wing from line centre, in Doppler widths of the coolest solar gas or so [km/s].
_WING = 60.0
_LIGHT = 299792.458
#: Colours of Okabe and Ito (2008): converged, not solved yet, failed.
_DONE, _PENDING, _FAILED = "#56B4E9", "#DDDDDD", "#D55E00"


def cube_figure(ds: xr.Dataset, t: int = 0, mu: int = 0, figure: Figure | None = None) -> Figure:
    """Draw a solved cube: line centre, wing, formal solutions, failures.

    Parameters
    ----------
    ds : xarray.Dataset
        The output of a cube (:func:`lw_rl.cube.solve`), finished or not.
    t, mu : int, optional
        Which snapshot and which angle (default: the first).
    figure : Figure, optional
        The figure to draw in, e.g. one of pyplot's (default: a new one).

    Returns
    -------
    figure : Figure
    """
    figure = figure or Figure(figsize=(12.0, 3.7), layout="constrained")
    axes = figure.subplots(1, 4)
    wavelength = ds.wavelength.values
    centre = ds.attrs["line_centre_nm"]
    extent, unit = _extent(ds)
    wing = int(np.argmin(np.abs(wavelength - centre * (1.0 + _WING / _LIGHT))))
    for ax, k, name in (
        (axes[0], int(np.argmin(np.abs(wavelength - centre))), "line centre"),
        (axes[1], wing, "wing"),
    ):
        values = ds.intensity.isel(t=t, mu=mu, wavelength=k).values
        shown = lw.convert_specific_intensity(wavelength[k], values, "kW/(m2 nm sr)").value
        _map(ax, shown, extent, cmap="inferno", label="kW m$^{-2}$ nm$^{-1}$ sr$^{-1}$")
        ax.set_title(f"{name}, {wavelength[k] - centre:+.3f} nm", fontsize=_SIZE + 1, loc="left")
    outcome = ds.outcome.isel(t=t).values
    converged = outcome == OUTCOMES.index("converged")
    counts = np.where(converged, ds.formal_solutions.isel(t=t).values, np.nan).astype(float)
    _draw_counts(axes[2], counts, extent)
    _draw_outcomes(axes[3], outcome, extent)
    for ax in axes:
        ax.set_xlabel(f"x [{unit}]" if unit else "x", fontsize=_SIZE)
        ax.tick_params(labelsize=_SIZE - 1)
    axes[0].set_ylabel(f"y [{unit}]" if unit else "y", fontsize=_SIZE)
    for ax in axes[1:]:
        ax.tick_params(labelleft=False)
    figure.suptitle(
        f"{ds.attrs['title']}, $\\mu$ = {float(ds.mu[mu]):g}"
        + (f", snapshot {t}" if ds.sizes["t"] > 1 else ""),
        fontsize=_SIZE + 2,
    )
    return figure


def _extent(ds: xr.Dataset) -> tuple[Extent, str]:
    """Return the edges of the map and the unit of its axes, columns if there is none."""
    lengths = [_edges(ds, axis) for axis in ("x", "y")]
    if all(lengths):
        edges = [edge for pair in lengths if pair for edge in pair]
        unit = "Mm"
    else:
        edges = [edge for axis in ("x", "y") for edge in (-0.5, ds.sizes[axis] - 0.5)]
        unit = ""
    return (edges[0], edges[1], edges[2], edges[3]), unit


def _edges(ds: xr.Dataset, axis: str) -> tuple[float, float] | None:
    """Return the edges along an axis [Mm], None if its coordinate is not a length."""
    if axis not in ds.coords or ds.sizes[axis] < 2 or ds[axis].attrs.get("units") != "m":
        return None
    values = ds[axis].values.astype(float) * 1e-6
    half = 0.5 * (values[1] - values[0])
    # Columns a metre apart are numbers of columns that someone gave a unit to.
    return (values[0] - half, values[-1] + half) if half > 5e-5 else None


def _map(ax: Axes, values: Array, extent: Extent, label: str, **kwargs: Any) -> Colorbar:
    ax.set_facecolor("0.85")
    image = ax.imshow(
        values.T, origin="lower", extent=extent, interpolation="nearest", aspect="equal", **kwargs
    )
    assert ax.figure is not None
    bar = ax.figure.colorbar(image, ax=ax, location="bottom", shrink=0.95, pad=0.02)
    bar.set_label(label, fontsize=_SIZE - 1)
    bar.ax.tick_params(labelsize=_SIZE - 1.5)
    return bar


def _draw_counts(ax: Axes, counts: Array, extent: Extent) -> None:
    finite = counts[np.isfinite(counts)]
    mean = f"{finite.mean():.1f}" if finite.size else "none"
    if finite.size:
        # One colour for a count: the largest few would take the whole scale.
        low, high = int(finite.min()), int(np.percentile(finite, 99))
        high = max(high, low + 1)
        kwargs: Json = {"cmap": "viridis", "vmin": low - 0.5, "vmax": high + 0.5}
    else:
        kwargs = {}
    bar = _map(ax, counts, extent, label="formal solutions", **kwargs)
    bar.locator = MaxNLocator(integer=True, nbins=6)
    bar.update_ticks()
    ax.set_title(f"cost, mean {mean}", fontsize=_SIZE + 1, loc="left")


def _draw_outcomes(ax: Axes, outcome: Array, extent: Extent) -> None:
    state = np.where(outcome == 0, 1, np.where(outcome == 1, 0, 2))
    colours = ListedColormap([_DONE, _PENDING, _FAILED])
    bar = _map(
        ax, state, extent, label="", cmap=colours, norm=BoundaryNorm([-0.5, 0.5, 1.5, 2.5], 3)
    )
    bar.set_ticks([0, 1, 2], labels=["converged", "not yet", "failed"])
    bar.ax.tick_params(length=0)
    failed = int(np.sum(state == 2))
    ax.set_title(f"failed: {failed} of {state.size}", fontsize=_SIZE + 1, loc="left")
