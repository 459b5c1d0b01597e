"""Figures: one solve, and a suite of the benchmark."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from itertools import cycle
from typing import Any

import lightweaver as lw
import matplotlib
import numpy as np
from lightweaver.constants import CLight, HPlanck
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..arrays import Array
from ..files import Json, figure_format, write_atomically
from ..host.adapter import Adapter
from ..host.emergent import emergent_line
from ..host.emergent_lines import strongest_lines
from .level_plots import draw_departures, draw_lines
from .report import peer_names
from .solves import TARGET, PeerSolve, ProblemResult

__all__ = [
    "draw_errors",
    "draw_grid",
    "draw_median",
    "draw_profile",
    "draw_source",
    "save",
    "solve_figure",
    "styles",
    "suite_figure",
]

#: Okabe and Ito's palette, distinguishable with every common kind of colour vision; line styles
#: repeat the distinction for print.
_STYLES: dict[str, Json] = {
    "depthwise": {"color": "#0072B2", "lw": 2.4, "zorder": 5},
    "nonlocal": {"color": "#CC79A7", "ls": (0, (6, 1, 1, 1)), "zorder": 4},
    "anderson10": {"color": "#D55E00", "ls": "-"},
    "anderson5": {"color": "#E69F00", "ls": (0, (5, 1))},
    "ng": {"color": "#009E73", "ls": (0, (3, 1, 1, 1))},
    "mali": {"color": "#000000", "ls": (0, (1, 1))},
    "mali_scattering": {"color": "#117733", "ls": (0, (8, 2))},
    "lambda": {"color": "#999999", "ls": "-"},
    "lightweaver": {"color": "#56B4E9", "ls": (0, (4, 2))},
}
_OTHERS = ("#F0E442", "#661100", "#332288", "#AA4499")
_LABELS = {
    "depthwise": "policy (depthwise)",
    "nonlocal": "operator, no policy",
    "anderson10": "Anderson (10)",
    "anderson5": "Anderson (5)",
    "ng": "Ng",
    "mali": "MALI",
    "mali_scattering": "MALI + scattering",
    "lambda": "Lambda",
    "lightweaver": "iterate_ctx_se",
}

_SIZE = 9

#: Stands for errors that are not finite, far beyond every axis.
_HUGE = 1e50

#: Peers whose spread is drawn as well; more bands would hide one another.
_BANDS = ("depthwise", "anderson10", "mali")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure, whole or not at all; the suffix is the format.

    Raises
    ------
    FigureFormatError
        If it is none.
    """
    name = figure_format(path)
    buffer = BytesIO()
    # Text stays text in what journals take, with fonts that they accept.
    with matplotlib.rc_context({"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}):
        figure.savefig(buffer, format=name, dpi=200)
    write_atomically(path, buffer.getvalue())


def styles(names: Sequence[str]) -> dict[str, Json]:
    """Return colour, line style and label of every peer, by name, as matplotlib's keywords."""
    colours = cycle(_OTHERS)
    return {
        name: {
            "label": _LABELS.get(name, name),
            **(_STYLES.get(name) or {"color": next(colours), "lw": 2.0}),
        }
        for name in names
    }


def _finish(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=_SIZE + 1, loc="left")
    ax.tick_params(labelsize=_SIZE - 1, which="both", direction="in", top=True, right=True)
    ax.grid(alpha=0.25, lw=0.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_fontsize(_SIZE)


def _plain_counts(ax: Axes) -> None:
    """Label a logarithmic axis of counts with plain numbers."""
    # Labels closer than half a decade touch where counts span three.
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _legend(ax: Axes, **kwargs: Any) -> None:
    ax.legend(fontsize=_SIZE - 1.5, framealpha=0.85, edgecolor="none", handlelength=2.4, **kwargs)


def _legend_beside(ax: Axes) -> None:
    _legend(ax, loc="center left", bbox_to_anchor=(1.01, 0.5), borderaxespad=0.0)


def solve_figure(ctx: lw.Context, result: ProblemResult, figure: Figure | None = None) -> Figure:
    """Draw one solve: source function, convergence, emergent line.

    For atoms with more levels, or several: departure coefficients of every level, convergence, and
    the strongest lines.

    Parameters
    ----------
    ctx : lightweaver.Context
        A solved context in one dimension.
    result : ProblemResult
        What the schemes did on the problem (`lw_rl.benchmark.measure`).
    figure : Figure, optional
        The figure to draw in, e.g. one of pyplot's (default: a new one).

    Returns
    -------
    figure : Figure
    """
    adapter = Adapter(ctx)
    title = f"{result.problem.name}, {result.Nspace} depths"
    if not adapter.line_sources or len(adapter.blocks) > 1:
        return _multilevel_figure(adapter, result, title, figure)
    figure = figure or Figure(figsize=(11.5, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    block = adapter.blocks[0]
    line = emergent_line(adapter, block)
    draw_source(left, adapter, line.lambda0)
    draw_errors(middle, result.solves)

    in_line = np.abs(line.wavelength - line.lambda0) < _half_width(line.wavelength)
    intensity = lw.convert_specific_intensity(
        line.wavelength, line.intensity, "kW/(m2 nm sr)"
    ).value
    right.plot((line.wavelength - line.lambda0)[in_line], intensity[in_line], color="#0072B2")
    right.set_xlabel(f"$\\lambda - {line.lambda0:.3f}$ nm  [nm]")
    right.set_ylabel("$I_\\lambda$ at $\\mu = 1$  [kW m$^{-2}$ nm$^{-1}$ sr$^{-1}$]")
    right.set_ylim(bottom=0.0)
    right.set_xmargin(0.0)
    _finish(right, "emergent line")
    figure.suptitle(title, fontsize=_SIZE + 2)
    return figure


def _multilevel_figure(
    adapter: Adapter, result: ProblemResult, title: str, figure: Figure | None
) -> Figure:
    """Draw the solve of atoms with many levels: a panel for each atom, and two more."""
    Natom = len(adapter.blocks)
    columns = 2 if Natom == 2 else 3
    rows = -(-(Natom + 2) // columns)
    figure = figure or Figure(figsize=(4.8 * columns, 3.6 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns).flat)
    for spare in axes[Natom + 2 :]:
        spare.remove()
    for index, ax in enumerate(axes[:Natom]):
        _finish(ax, f"{draw_departures(ax, adapter, index)}: departure from LTE")
        _legend_beside(ax)
    draw_errors(axes[Natom], result.solves, beside=True)
    draw_lines(axes[Natom + 1], strongest_lines(adapter, number=6 // Natom))
    _finish(axes[Natom + 1], "strongest emergent lines")
    _legend_beside(axes[Natom + 1])
    figure.suptitle(title, fontsize=_SIZE + 2)
    return figure


def _half_width(wavelength: Array) -> float:
    """Return the distance from line centre to which the profile is drawn [nm]."""
    # The wings go on for nanometres; half of the sampled points lie in the core.
    return float(2.0 * np.median(np.abs(wavelength - np.median(wavelength))))


def draw_source(ax: Axes, adapter: Adapter, lambda0: float) -> None:
    """Draw line source function and Planck function against optical depth.

    Parameters
    ----------
    ax : Axes
    adapter : Adapter
        Of a context with one active two-level atom.
    lambda0 : float
        Wavelength of line centre [nm].
    """
    physics = adapter.line_physics(adapter.blocks[0])
    nu = CLight / (lambda0 * 1e-9)
    # W m-2 sr-1 Hz-1 to nW, which keeps the axis free of powers of ten beyond two figures.
    unit = 2.0 * HPlanck * nu**3 / CLight**2 * 1e9
    log_tau = physics.log_tau / np.log(10.0)
    ax.semilogy(log_tau, unit * np.exp(physics.log_B), color="#D55E00", ls="--", label="$B$")
    ax.semilogy(log_tau, unit * np.exp(adapter.read()), color="#0072B2", lw=2.0, label="$S$")
    ax.set_xlabel("$\\log_{10} \\tau$ (line centre)")
    ax.set_ylabel("$S$, $B$  [nW m$^{-2}$ sr$^{-1}$ Hz$^{-1}$]")
    ax.set_xmargin(0.02)
    # B of the transition region, orders of magnitude above S, would flatten everything else.
    S = unit * np.exp(adapter.read())
    inside = unit * np.exp(physics.log_B)[log_tau > -2.0]
    ax.set_ylim(0.4 * S.min(), 3.0 * max(S.max(), inside.max(initial=0.0)))
    _legend(ax)
    _finish(ax, "source function")


def draw_errors(ax: Axes, solves: Sequence[PeerSolve], beside: bool = False) -> None:
    """Draw true error against formal solutions, with a dot where each scheme stops by itself.

    Parameters
    ----------
    ax : Axes
    solves : sequence of PeerSolve
    beside : bool, optional
        Put the legend beside the axes, which then end at the largest error (default: False).
    """
    by_peer = styles([s.peer for s in solves])
    for s in solves:
        style = by_peer[s.peer]
        if beside and s.peer == "depthwise":
            # No policy acts on atoms with many levels.
            style = {**style, "label": "lw_rl (default)"}
        ax.loglog(np.arange(1, len(s.errors) + 1), s.errors, **style)
        if s.stop is not None and s.stop_error is not None:
            ax.plot(s.stop, s.stop_error, "o", ms=4.5, color=style["color"], zorder=6)
    ax.axhline(TARGET, color="0.4", lw=0.7)
    ax.set_ylim(1e-7, None if beside else 1e5)
    _plain_counts(ax)
    ax.set_xlabel("formal solutions")
    ax.set_ylabel("true error  max $|n / n_\\mathrm{ref} - 1|$")
    _legend_beside(ax) if beside else _legend(ax, loc="upper right")
    _finish(ax, "convergence (dot: own stop)")


def suite_figure(
    name: str, results: Sequence[ProblemResult], figure: Figure | None = None
) -> Figure:
    """Draw a suite: error, and fraction of problems solved, against formal solutions.

    For the suite ``"grid"`` the second panel is the cost against the number of depths.

    Parameters
    ----------
    name : str
        The suite.
    results : sequence of ProblemResult
        Its results.
    figure : Figure, optional
        The figure to draw in (default: a new one).
    """
    figure = figure or Figure(figsize=(8.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    # Lightweaver's own driver is MALI stopped early: the same curve again.
    names = [n for n in peer_names(results) if not n.startswith("lightweaver")]
    by_peer = styles(names)
    for peer in names:
        band = peer.startswith(_BANDS)
        draw_median(left, [r[peer] for r in results], by_peer[peer], band)
    left.axhline(TARGET, color="0.4", lw=0.7)
    left.set_ylim(1e-7, 1e3)
    _plain_counts(left)
    left.set_xlabel("formal solutions")
    left.set_ylabel("true error  max $|n / n_\\mathrm{ref} - 1|$")
    _finish(left, "median; band: 10th to 90th percentile")
    if name == "grid":
        draw_grid(right, results, names)
    else:
        draw_profile(right, results, names)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=len(names),
        fontsize=_SIZE - 1, frameon=False, handlelength=2.2, columnspacing=1.4,
    )  # fmt: skip
    figure.suptitle(f"{name}: {len(results)} problems", fontsize=_SIZE + 2)
    return figure


def draw_median(ax: Axes, solves: Sequence[PeerSolve], style: Json, band: bool) -> None:
    """Draw the median error of many solves, with the 10th to 90th percentile as a band."""
    length = max(len(s.errors) for s in solves)
    # A finished solve keeps its last error while the others go on.
    padded = np.array([np.pad(s.errors, (0, length - len(s.errors)), mode="edge") for s in solves])
    padded = np.where(np.isfinite(padded), np.minimum(padded, _HUGE), _HUGE)
    low, median, high = np.percentile(padded, (10, 50, 90), axis=0)
    k = np.arange(1, length + 1)
    ax.loglog(k, median, **style)
    if band:
        ax.fill_between(k, low, high, color=style["color"], alpha=0.15, lw=0)


def draw_profile(ax: Axes, results: Sequence[ProblemResult], names: Sequence[str]) -> None:
    """Draw the fraction of problems solved to :data:`TARGET` against formal solutions."""
    by_peer = styles(names)
    for peer in names:
        counts = np.sort([np.inf if (c := r[peer].to(TARGET)) is None else c for r in results])
        solved = counts[np.isfinite(counts)]
        if solved.size == 0:
            continue
        fraction = np.arange(1, solved.size + 1) / len(results)
        ax.step(
            np.append(solved[0], solved), np.append(0.0, fraction), where="post", **by_peer[peer]
        )
    ax.set_xscale("log")
    _plain_counts(ax)
    ax.set_ylim(0.0, 1.02)
    ax.set_xlabel("formal solutions")
    ax.set_ylabel("fraction of problems solved")
    _finish(ax, "solved to a true error of $10^{-3}$")


def draw_grid(ax: Axes, results: Sequence[ProblemResult], names: Sequence[str]) -> None:
    """Draw formal solutions to :data:`TARGET` against the number of depths."""
    by_peer = styles(names)
    for peer in names:
        points = [(r.Nspace, c) for r in results if (c := r[peer].to(TARGET)) is not None]
        if points:
            ax.loglog(*zip(*points, strict=True), marker="o", ms=4, **by_peer[peer])
    depths = sorted({r.Nspace for r in results})
    ax.set_xticks(depths, [str(d) for d in depths])
    ax.minorticks_off()
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("depths")
    ax.set_ylabel("formal solutions")
    _finish(ax, "to a true error of $10^{-3}$")
