"""Figures: one solve, and a suite of the benchmark."""

from __future__ import annotations

import copy
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
from scipy.signal import find_peaks

from ..arrays import Array
from ..files import Json, figure_format, write_atomically
from ..host.adapter import Adapter
from ..host.emergent import emergent_line
from ..host.emergent_lines import strongest_lines
from ..host.names import iterate_ctx_se
from .level_plots import draw_departures, draw_lines
from .peers import LABELS
from .plane_plots import draw_map, plane_maps
from .report import peer_names
from .solves import TARGET, PeerSolve, ProblemResult
from .tables import title_of

__all__ = [
    "draw_cost",
    "draw_emergent",
    "draw_errors",
    "draw_grid",
    "draw_median",
    "draw_profile",
    "draw_source",
    "draw_stop",
    "opening_figure",
    "save",
    "solve_figure",
    "styles",
    "suite_figure",
]

#: Okabe and Ito's palette, distinguishable with every common kind of colour vision; line styles
#: repeat the distinction for print. What is nearly the same curve is thin over thick.
_STYLES: dict[str, Json] = {
    "depthwise": {"color": "#0072B2", "lw": 3.4, "zorder": 3},
    "nonlocal": {"color": "#CC79A7", "lw": 1.3, "zorder": 6},
    "anderson10": {"color": "#D55E00", "ls": "-"},
    "anderson5": {"color": "#E69F00", "ls": (0, (5, 1))},
    "ng": {"color": "#009E73", "ls": (0, (3, 1, 1, 1))},
    "mali": {"color": "#000000", "ls": (0, (1, 1)), "zorder": 5},
    "mali_scattering": {"color": "#117733", "ls": (0, (8, 2))},
    "anderson_scattering": {"color": "#882255", "ls": (0, (1, 2))},
    "lambda": {"color": "#999999", "ls": "-"},
    "lightweaver": {"color": "#56B4E9", "lw": 4.0, "zorder": 2},
    "lightweaver to 1e-3": {"color": "#CC6677", "lw": 4.0, "zorder": 2},
}
_OTHERS = ("#661100", "#332288", "#AA4499", "#DDCC77")
#: The first figure's names for what is ours: no policy acts on atoms with many levels.
_OPENING_LABELS = {
    LABELS["depthwise"]: "lw_rl, default",
    LABELS["nonlocal"]: "lw_rl, operator alone",
}

#: Width of a page [inches]: what is drawn for it is read at its own size.
_PAGE = 7.2
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
        figure.savefig(buffer, format=name, dpi=160)
    write_atomically(path, buffer.getvalue())


def styles(names: Sequence[str]) -> dict[str, Json]:
    """Return colour, line style and label of every peer, by name, as matplotlib's keywords."""
    colours = cycle(_OTHERS)
    return {
        name: {
            "label": LABELS.get(name, name),
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


def _legend_below(figure: Figure, ax: Axes, ncols: int) -> None:
    """Put the legend of one panel's curves, which are those of others too, below all of them."""
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=ncols,
        fontsize=_SIZE - 0.5, frameon=False, handlelength=2.4, columnspacing=1.4,
    )  # fmt: skip


def solve_figure(ctx: lw.Context, result: ProblemResult, figure: Figure | None = None) -> Figure:
    """Draw one solve: source function, convergence, emergent line, what a user pays.

    For atoms with more levels, or several: departure coefficients of every level, convergence, and
    the strongest lines. For a line in two dimensions: maps of S/B and J/S, and of the errors of the
    solve and of the host's own call, convergence, what a user pays.

    Parameters
    ----------
    ctx : lightweaver.Context
        A solved context; it is not changed.
    result : ProblemResult
        What the schemes did on the problem (`lw_rl.benchmark.measure`).
    figure : Figure, optional
        The figure to draw in, e.g. one of pyplot's (default: a new one).

    Returns
    -------
    figure : Figure
    """
    adapter = Adapter(ctx)
    size = f" {result.Nspace}"
    title = f"{result.problem.name.removesuffix(size)},{size} depths"
    if not adapter.line_sources or len(adapter.blocks) > 1:
        return _multilevel_figure(adapter, result, title, figure)
    if adapter.grid.plane is not None:
        return _plane_figure(adapter, result, figure)
    figure = figure or Figure(figsize=(_PAGE, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    source, convergence, cost = (figure.add_subplot(grid[k]) for k in ((0, 0), (0, 1), (1, 1)))
    parts = grid[1, 0].subgridspec(2, 1, height_ratios=(3, 1))
    line, residual = figure.add_subplot(parts[0]), figure.add_subplot(parts[1])
    draw_source(source, adapter, float(emergent_line(adapter, adapter.blocks[0]).lambda0))
    draw_errors(convergence, result.solves)
    draw_emergent(line, residual, adapter)
    draw_cost(cost, result.solves)
    _legend_below(figure, convergence, 4)
    figure.suptitle(title, fontsize=_SIZE + 2)
    return figure


def draw_emergent(above: Axes, below: Axes, adapter: Adapter) -> None:
    """Draw the emergent line, that of the host's own call, and how far both are from equilibrium.

    Parameters
    ----------
    above, below : Axes
        For the lines, and for their deviation from the line of MALI iterated on from the solution.
    adapter : Adapter
        Of a solved context with one active two-level atom; it is not changed.
    """
    block = adapter.blocks[0]
    solved = emergent_line(adapter, block)
    truth, host = (Adapter(copy.deepcopy(adapter.ctx)) for _ in range(2))
    iterate_ctx_se(truth.ctx, Nscatter=0, max_iter=2000, J_tol=1.0, pops_tol=1e-7, quiet=True)
    host.write(host.line_physics(block).log_B)
    iterate_ctx_se(host.ctx, quiet=True)
    reference, theirs = (emergent_line(a, block).intensity for a in (truth, host))
    x = solved.wavelength - solved.lambda0
    shown = np.abs(x) <= _half_width(solved.wavelength, solved.intensity)
    ours: Json = {"color": "#0072B2", "lw": 2.2}
    dashed: Json = {"color": "#D55E00", "ls": (0, (3, 1.5)), "lw": 1.3}
    for intensity, style, name in (
        (solved.intensity, ours, "lw_rl"), (theirs, dashed, "iterate_ctx_se")
    ):  # fmt: skip
        per_nm = lw.convert_specific_intensity(solved.wavelength, intensity, "kW/(m2 nm sr)").value
        above.plot(x[shown], per_nm[shown], label=name, **style)
        below.plot(x[shown], 100.0 * (intensity / reference - 1.0)[shown], **style)
    above.set_ylabel("$I_\\lambda$ [kW m$^{-2}$ nm$^{-1}$ sr$^{-1}$]")
    above.set_ylim(0.0, 1.32 * above.get_ylim()[1])
    above.tick_params(labelbottom=False)
    below.axhline(0.0, color="0.4", lw=0.7, zorder=0)
    below.set_ylabel("error [%]")
    below.set_xlabel(f"$\\lambda - {solved.lambda0:.3f}$ nm [nm, vacuum]")
    below.margins(y=0.2)
    for ax in (above, below):
        ax.set_xmargin(0.0)
    _legend(above, loc="upper center", ncols=2)
    _finish(above, "emergent line, $\\mu = 1$")
    _finish(below, "")
    above.tick_params(labelbottom=False)


def draw_cost(ax: Axes, solves: Sequence[PeerSolve]) -> None:
    """Draw the true error of what each scheme's default call returns against its wall time."""
    by_peer = styles([s.peer for s in solves])
    for s in solves:
        if s.seconds is not None and s.stop_error:
            ax.loglog(
                1e3 * s.seconds, s.stop_error, "o", ms=7, color=by_peer[s.peer]["color"],
                label=by_peer[s.peer]["label"], mec="white", mew=0.6,
            )  # fmt: skip
    ax.axhline(TARGET, color="0.4", lw=0.7)
    ax.margins(0.12)
    _plain_counts(ax)
    ax.set_xlabel("wall time of the default call [ms]")
    ax.set_ylabel("true error of what it returns")
    _finish(ax, "what a user pays")


def _multilevel_figure(
    adapter: Adapter, result: ProblemResult, title: str, figure: Figure | None
) -> Figure:
    """Draw the solve of atoms with many levels: a panel for each atom, and two more."""
    Natom = len(adapter.blocks)
    rows = -(-(Natom + 2) // 2)
    figure = figure or Figure(figsize=(1.15 * _PAGE, 3.0 * rows), layout="constrained")
    axes = list(figure.subplots(rows, 2).flat)
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


def _plane_figure(adapter: Adapter, result: ProblemResult, figure: Figure | None) -> Figure:
    """Draw the solve of a line in two dimensions: four maps, and two panels more."""
    figure = figure or Figure(figsize=(_PAGE, 8.6), layout="constrained")
    axes = figure.subplots(3, 2)
    plane, maps = adapter.grid.plane, plane_maps(adapter)
    assert plane is not None
    draw_map(axes[0, 0], plane, maps["S"], "$S/B$")
    _finish(axes[0, 0], "source function")
    spread = max(float(np.abs(maps["J"] - 1.0).max()), 1e-3)
    draw_map(axes[0, 1], plane, maps["J"], "$J/S$", (1.0 - spread, 1.0 + spread), False, "RdBu_r")
    _finish(axes[0, 1], "mean intensity")
    errors = maps["error"], maps["host"]
    limits = min(float(e.min()) for e in errors), max(float(e.max()) for e in errors)
    titles = "error, lw_rl", "error, iterate_ctx_se"
    for ax, values, name in zip(axes[1], errors, titles, strict=True):
        draw_map(ax, plane, values, "$|\\delta S|/S$", limits, colours="magma")
        _finish(ax, name)
    for ax in axes[:2].flat:
        ax.grid(False)
    draw_errors(axes[2, 0], result.solves, policy=False)
    draw_cost(axes[2, 1], result.solves)
    _legend_below(figure, axes[2, 0], 4)
    figure.suptitle(title_of(result), fontsize=_SIZE + 2)
    return figure


def _half_width(wavelength: Array, intensity: Array) -> float:
    """Return the distance from line centre to which the profile is drawn [nm]."""
    away = np.abs(wavelength - np.median(wavelength))
    # The wings go on for nanometres; half of the sampled points lie in the core. Peaks belong to
    # it wherever they are.
    peaks, _ = find_peaks(intensity, prominence=0.05 * float(np.ptp(intensity)))
    return float(max(2.0 * np.median(away), 2.5 * away[peaks].max(initial=0.0)))


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


def draw_errors(
    ax: Axes, solves: Sequence[PeerSolve], beside: bool = False, policy: bool | None = None
) -> None:
    """Draw true error against formal solutions, with a dot where each scheme stops by itself.

    Up to its own stop a curve is what a user gets; what it would go on to is drawn faintly. The
    host's own call with another tolerance is the same curve with another dot.

    Parameters
    ----------
    ax : Axes
    solves : sequence of PeerSolve
    beside : bool, optional
        Put the legend beside the axes (default: False, no legend).
    policy : bool, optional
        Whether a policy acts; it does not on atoms with many levels, nor in two dimensions
        (default: unless `beside`).
    """
    policy = not beside if policy is None else policy
    by_peer = styles([s.peer for s in solves])
    for s in solves:
        style = by_peer[s.peer]
        if s.peer == "depthwise" and not policy:
            style = {**style, "label": "lw_rl (default)"}
        k, errors = np.arange(1, len(s.errors) + 1), np.asarray(s.errors)
        stop = None if s.stop is None or s.stop_error is None else (s.stop, s.stop_error)
        if s.peer == "lightweaver to 1e-3" and any(o.peer == "lightweaver" for o in solves):
            # A dot on the curve that is there.
            if stop is not None:
                ax.plot([], [], "o", ms=5, **{n: style[n] for n in ("color", "label")})
        elif stop is not None:
            made = min(stop[0], len(errors) + 1)
            # What the call returns is the state of its last formal solution.
            until = np.append(errors[: made - 1], stop[1])
            ax.loglog(np.arange(1, made + 1), until, **style)
            rest = slice(max(made - 2, 0), None)
            ax.loglog(k[rest], errors[rest], **{**style, "label": None, "alpha": 0.35})
        else:
            ax.loglog(k, errors, **style)
        if stop is not None:
            ax.plot(
                *stop, "o", ms=5, color=style["color"], zorder=8, mec="white",
                mew=0.5,
            )  # fmt: skip
    ax.axhline(TARGET, color="0.4", lw=0.7)
    ax.set_ylim(1e-7, None)
    _plain_counts(ax)
    ax.set_xlabel("formal solutions")
    ax.set_ylabel("true error  max $|n / n_\\mathrm{ref} - 1|$")
    if beside:
        _legend_beside(ax)
    _finish(ax, "convergence (dot: own stop)")


def opening_figure(
    problems: Sequence[tuple[str, Sequence[PeerSolve]]], figure: Figure | None = None
) -> Figure:
    """Draw problems one below the other: true error against formal solutions and wall time.

    Parameters
    ----------
    problems : sequence of tuple of str and sequence of PeerSolve
        Title and solves of each.
    figure : Figure, optional
        The figure to draw in (default: a new one).
    """
    figure = figure or Figure(figsize=(_PAGE, 2.6 * len(problems) + 0.7), layout="constrained")
    rows = figure.subplots(len(problems), 2, squeeze=False, sharey="row")
    handles: dict[str, Any] = {}
    for (left, right), (title, solves) in zip(rows, problems, strict=True):
        draw_errors(left, solves)
        draw_cost(right, solves)
        _finish(left, title)
        right.set_ylabel("")
        for handle, name in zip(*left.get_legend_handles_labels(), strict=True):
            handles.setdefault(_OPENING_LABELS.get(name, name), handle)
        right.set_title("", loc="left")
    rows[0][1].set_title("what the default call returns", fontsize=_SIZE + 1, loc="left")
    for ax in rows[:-1].flat:
        ax.set_xlabel("")
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=4,
        fontsize=_SIZE - 0.5, frameon=False, handlelength=2.0, columnspacing=1.0,
    )  # fmt: skip
    return figure


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
    figure = figure or Figure(figsize=(_PAGE, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = peer_names(results)
    by_peer = styles(names)
    for peer in names:
        solves = [r[peer] for r in results]
        if peer.startswith("lightweaver"):
            # The host's own driver is MALI stopped early: the same curve, so its stop alone.
            draw_stop(left, solves, by_peer[peer])
        else:
            draw_median(left, solves, by_peer[peer], peer.startswith(_BANDS))
    left.axhline(TARGET, color="0.4", lw=0.7)
    left.set_ylim(1e-7, 1e3)
    _plain_counts(left)
    left.set_xlabel("formal solutions")
    left.set_ylabel("true error  max $|n / n_\\mathrm{ref} - 1|$")
    _finish(left, "median; band: 10th to 90th percentile")
    curves = [peer for peer in names if not peer.startswith("lightweaver")]
    if name == "grid":
        draw_grid(right, results, curves)
    else:
        draw_profile(right, results, curves)
    _legend_below(figure, left, 4)
    figure.suptitle(f"{name}: {len(results)} problems", fontsize=_SIZE + 2)
    return figure


def draw_stop(ax: Axes, solves: Sequence[PeerSolve], style: Json) -> None:
    """Draw the median of where solves stop by themselves, and of their error there, as a dot."""
    stops = [(s.stop, s.stop_error) for s in solves if s.stop is not None and s.stop_error]
    if stops:
        ax.loglog(
            *np.median(stops, axis=0)[:, None], "D", ms=6, mec="white", mew=0.6, zorder=8,
            color=style["color"], label=f"{style['label']} (stop)",
        )  # fmt: skip


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
