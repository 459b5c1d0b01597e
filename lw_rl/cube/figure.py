"""The picture of a cube: maps of the light, a spectrum, cost, error and failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightweaver as lw
import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..arrays import Array
from ..files import Json
from .column import OUTCOMES
from .lines import select_line

__all__ = ["cube_figure"]

Extent = tuple[float, float, float, float]

_SIZE = 10
#: Distance of the wing from line centre, in Doppler widths of the coolest solar gas or so [km/s].
_WING = 60.0
#: How far from line centre the spectrum is drawn [km/s].
_SHOWN = 200.0
_LIGHT = 299792.458
_INTENSITY = "kW m$^{-2}$ nm$^{-1}$ sr$^{-1}$"
#: Colours of Okabe and Ito (2008): converged, not solved yet, failed.
_DONE, _PENDING, _FAILED = "#56B4E9", "#DDDDDD", "#D55E00"
#: Lines that are drawn unless one is named.
_LINES = 4
#: Counts that get a colour of their own before neighbours share one.
_COLOURS = 10


def cube_figure(
    ds: xr.Dataset,
    t: int = 0,
    mu: int = 0,
    figure: Figure | None = None,
    line: str | None = None,
) -> Figure:
    """Draw a solved cube: line centre and wing, the spectrum, cost, error and failures.

    Parameters
    ----------
    ds : xarray.Dataset
        The output of a cube (:func:`lw_rl.cube.solve`), finished or not.
    t, mu : int, optional
        Which snapshot and which angle (default: the first).
    figure : Figure, optional
        The figure to draw in, e.g. one of pyplot's (default: a new one).
    line : str, optional
        Which line (default: all, the first four of more).

    Returns
    -------
    figure : Figure

    Raises
    ------
    UnknownNameError
        If the output has no such line.
    """
    names: list[str | None] = [line]
    if line is None and "line" in ds:
        names = [str(name) for name in ds.line.values[:_LINES]]
    extent, unit = _extent(ds)
    shape = (extent[3] - extent[2]) / (extent[1] - extent[0])
    height = float(np.clip(3.1 * shape, 0.7, 4.2)) + 1.2
    rows = len(names) + 1
    figure = figure or Figure(figsize=(10.5, rows * height + 0.3), layout="constrained")
    axes = figure.subplots(rows, 3)
    for row, name in zip(axes, names, strict=False):
        _draw_line(row, select_line(ds, name), t, mu, extent, several=len(names) > 1)
    outcome = ds.outcome.isel(t=t).values
    converged = outcome == OUTCOMES.index("converged")
    counts = np.where(converged, ds.formal_solutions.isel(t=t).values, np.nan).astype(float)
    errors = np.where(converged, ds.error_estimate.isel(t=t).values, np.nan)
    _draw_counts(axes[-1, 0], counts, extent)
    _draw_errors(axes[-1, 1], errors, extent)
    _draw_outcomes(axes[-1, 2], outcome, extent)
    for ax in (*axes[:-1, :2].flat, *axes[-1]):
        ax.tick_params(labelsize=_SIZE - 1)
        ax.set_xlabel(f"x [{unit}]" if unit else "x", fontsize=_SIZE)
        ax.set_ylabel(f"y [{unit}]" if unit else "y", fontsize=_SIZE)
    title, _, source = ds.attrs["title"].partition(": 1.5D non-LTE synthesis of ")
    shown = ", ".join(filter(None, names)) or title
    figure.suptitle(
        f"{shown} of {source}, $\\mu$ = {float(ds.mu[mu]):g}"
        + (f", snapshot {t}" if ds.sizes["t"] > 1 else ""),
        fontsize=_SIZE + 2,
    )
    return figure


def _draw_line(
    row: Sequence[Axes], part: xr.Dataset, t: int, mu: int, extent: Extent, several: bool
) -> None:
    """Draw one line: maps at its centre and in its wing, and its spectrum."""
    wavelength, centre = part.wavelength.values, part.attrs["line_centre_nm"]
    if not wavelength.size:
        # None of the wavelengths that were asked for lies in it.
        for ax in row:
            ax.set_axis_off()
        return
    intensity = _per_nanometre(wavelength, part.intensity.isel(t=t, mu=mu).values)
    in_wing = centre * (1.0 + _WING / _LIGHT)
    before = f"{part.attrs['line_name']}: " if several else ""
    for ax, where, name in ((row[0], centre, "centre"), (row[1], in_wing, "wing")):
        k = int(np.argmin(np.abs(wavelength - where)))
        _map(ax, intensity[..., k], extent, cmap="inferno", label=_INTENSITY)
        _title(ax, f"{before}{name}, {wavelength[k] - centre:+.3f} nm")
    _draw_spectrum(row[2], wavelength, centre, intensity)


def _per_nanometre(wavelength: Array, intensity: Array) -> Array:
    """Return intensities per wavelength [kW m-2 nm-1 sr-1]; wavelength is the last axis."""
    shown = [
        lw.convert_specific_intensity(w, intensity[..., k], "kW/(m2 nm sr)").value
        for k, w in enumerate(wavelength)
    ]
    return np.stack(shown, axis=-1)


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


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, fontsize=_SIZE + 1, loc="left")


def _map(ax: Axes, values: Array, extent: Extent, label: str, **kwargs: Any) -> Colorbar:
    ax.set_facecolor("0.85")
    image = ax.imshow(
        values.T, origin="lower", extent=extent, interpolation="nearest", aspect="equal", **kwargs
    )
    assert ax.figure is not None
    bar = ax.figure.colorbar(image, ax=ax, location="bottom", shrink=0.95, pad=0.02)
    bar.set_label(label, fontsize=_SIZE - 1)
    bar.ax.tick_params(labelsize=_SIZE - 1)
    return bar


def _draw_spectrum(ax: Axes, wavelength: Array, centre: float, intensity: Array) -> None:
    """Draw the mean line, and what four of five columns lie between."""
    near = np.abs(wavelength / centre - 1.0) * _LIGHT <= _SHOWN
    columns = intensity[..., near].reshape(-1, int(near.sum()))
    columns = columns[np.isfinite(columns).all(axis=1)]
    ax.set_xlabel(f"$\\lambda - {centre:.3f}$ nm", fontsize=_SIZE)
    ax.set_ylabel(_INTENSITY, fontsize=_SIZE)
    ax.tick_params(labelsize=_SIZE - 1)
    _title(ax, "spectrum: mean, 10 to 90 %")
    if not columns.size:
        return
    x = wavelength[near] - centre
    # A wavelength or two of one's own are no curve.
    dots = "o" if x.size < 8 else ""
    low, high = np.percentile(columns, (10, 90), axis=0)
    ax.fill_between(x, low, high, color="#56B4E9", alpha=0.4, lw=0)
    ax.plot(x, columns.mean(axis=0), color="#0072B2", lw=1.6, marker=dots, ms=3)
    ax.set_ylim(bottom=0.0)
    ax.margins(x=0.0)


def _draw_counts(ax: Axes, counts: Array, extent: Extent) -> None:
    """Draw the formal solutions of every column, one colour for a count while there are few."""
    finite = counts[np.isfinite(counts)]
    _title(ax, f"cost, mean {finite.mean():.1f}" if finite.size else "cost")
    if not finite.size:
        _map(ax, counts, extent, label="formal solutions")
        return
    # Of many the largest few would take the whole scale.
    low, high = int(finite.min()), int(finite.max())
    if high - low >= _COLOURS:
        high = int(np.percentile(finite, 99))
    step = max(1, -(-(high - low + 1) // _COLOURS))
    edges = np.arange(low, high + step + 1, step) - 0.5
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 1.0, max(len(edges) - 1, 2)))
    kwargs: Json = {
        "cmap": ListedColormap(colours[: len(edges) - 1]),
        "norm": BoundaryNorm(edges, len(edges) - 1, clip=True),
    }
    bar = _map(ax, counts, extent, label="formal solutions", **kwargs)
    if step == 1:
        names = [f"{e + 0.5:g}" for e in edges[:-1]]
        names[-1] += "+" if finite.max() > edges[-1] else ""
        bar.set_ticks(list(0.5 * (edges[1:] + edges[:-1])), labels=names)
        bar.ax.tick_params(length=0)
    else:
        shown = edges[:: -(-len(edges) // 6)]
        bar.set_ticks(list(shown), labels=[f"{e + 0.5:g}" for e in shown])


def _draw_errors(ax: Axes, errors: Array, extent: Extent) -> None:
    """Draw the estimated error of every column."""
    finite = errors[np.isfinite(errors) & (errors > 0.0)]
    _title(ax, f"estimated error, at most {finite.max():.1e}" if finite.size else "estimated error")
    kwargs: Json = {}
    if finite.size:
        low, high = float(np.percentile(finite, 1)), float(finite.max())
        kwargs["norm"] = LogNorm(min(low, high / 2.0), high)
    bar = _map(ax, errors, extent, label="largest relative error of $n$", cmap="cividis", **kwargs)
    if kwargs:
        decades = np.log10(kwargs["norm"].vmax / kwargs["norm"].vmin)
        bar.ax.xaxis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 5.0) if decades < 1.5 else (1.0,))
        )
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))
        bar.ax.xaxis.set_minor_formatter(NullFormatter())


def _draw_outcomes(ax: Axes, outcome: Array, extent: Extent) -> None:
    state = np.where(outcome == 0, 1, np.where(outcome == 1, 0, 2))
    colours = ListedColormap([_DONE, _PENDING, _FAILED])
    bar = _map(
        ax, state, extent, label="", cmap=colours, norm=BoundaryNorm([-0.5, 0.5, 1.5, 2.5], 3)
    )
    bar.set_ticks([0, 1, 2], labels=["converged", "not yet", "failed"])
    bar.ax.tick_params(length=0)
    failed = int(np.sum(state == 2))
    _title(ax, f"failed: {failed} of {state.size}")
