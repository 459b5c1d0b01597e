"""The figures of the entropy report, drawn from the result file alone.

Each function takes the content of the result file and, where the caller wants it in a figure of
his own, that figure.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ...files import Json
from ...training.plots import boltzmann_panels, save_figure
from .experiments import GROUPS, RUNS
from .summary import AGREES, SOLVED

__all__ = [
    "FIGURES", "accuracy", "modes", "multigoal", "returns", "save_figures", "temperature",
    "transfer", "well",
]  # fmt: skip

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_KINDS = {
    "tracers": "SVGD, tracers (ours)",
    "particles": "SVGD, particles (published formula)",
    "langevin": "Langevin",
}
_SETTINGS = {
    "step_size": "step size, at equal total time",
    "steps": "steps",
    "bandwidth": "bandwidth over the chosen one",
    "particles": "particles",
}


def accuracy(result: Json, figure: Figure | None = None) -> Figure:
    """Error of the entropy against every setting of the samplers, for six distributions."""
    facts = {k: v for k, v in result["facts"].items() if k != "well"}
    fig = _figure(figure, (13.0, 2.1 * len(facts)))
    axes = fig.subplots(len(facts), len(_SETTINGS), sharex="col", squeeze=False)
    for row, (name, fact) in zip(axes, facts.items(), strict=True):
        family, d = name.split("-")
        for ax, (setting, label) in zip(row, _SETTINGS.items(), strict=True):
            for colour, (kind, title) in zip(_COLOURS, _KINDS.items(), strict=False):
                sweep = fact["sweeps"][setting].get(kind)
                if sweep is None:
                    continue
                x, y = sweep["values"], np.array(sweep["error"], float)
                ax.plot(x, y, "o-", ms=3.5, lw=1.2, color=colour, label=title)
                broken = [c is not None and c >= 1.0 for c in sweep["contraction"]]
                ax.plot(np.array(x)[broken], y[broken], "x", ms=9, color=colour)
            ax.axhspan(-AGREES * int(d), AGREES * int(d), color="0.9", zorder=0)
            ax.set_xscale("log")
            ax.set_xticks(x, [f"{v:g}" for v in x])
            # Linear where a reader compares, logarithmic where it has broken.
            if max(map(abs, ax.get_ylim())) > 3 * int(d):
                ax.set_yscale("symlog", linthresh=int(d))
            ax.xaxis.set_minor_formatter(NullFormatter())
            _plain(ax.yaxis)
            if ax.get_subplotspec().is_last_row():
                ax.set_xlabel(label)
        row[0].set_ylabel(f"{family}, d = {d}\nerror [nat]")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    fig.suptitle(
        "Entropy from the samplers minus the exact one (grey: 0.1 nat per dimension; "
        "cross: the step is beyond the bound of invertibility)"
    )
    return fig


def well(result: Json, figure: Figure | None = None) -> Figure:
    """Both samplers in a double well at three temperatures, against Boltzmann."""
    fact = result["facts"]["well"]
    fig = _figure(figure, (11.0, 3.4))
    panels = fig.subplots(1, len(fact["temperatures"]), sharex=True)
    for ax, (T, entry) in zip(panels, fact["temperatures"].items(), strict=True):
        ax.fill_between(fact["x"], entry["exact"], color="0.85", label="Boltzmann")
        for colour, kind in zip(_COLOURS, ("svgd", "langevin"), strict=False):
            ax.step(
                fact["x"], entry[kind]["density"], where="mid", color=colour, lw=1.2,
                label={"svgd": "SVGD", "langevin": "Langevin"}[kind],
            )  # fmt: skip
        ax.set(title=f"T = {T}", xlabel="x")
    panels[0].set_ylabel("density, all particles from the left well")
    panels[-1].legend(frameon=False)
    return fig


def multigoal(result: Json, figure: Figure | None = None) -> Figure:
    """First steps of each policy at the centre, and how often each goal is reached."""
    names = _group(result, "multigoal")
    fig = _figure(figure, (3.1 * len(names), 6.0))
    axes = fig.subplots(2, len(names), squeeze=False)
    for colour, name, above, below in zip(_COLOURS, names, axes[0], axes[1], strict=False):
        runs = result["runs"][name]
        draws = np.array(runs[0]["first_steps"])
        above.plot(*draws.T, ".", ms=4, color=colour)
        above.set(
            xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal", xlabel="action 0",
            title=result["labels"][name],
        )  # fmt: skip
        counts = np.array([r["goals"] for r in runs], float)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1.0)
        for k, row in enumerate(share):
            x = np.arange(row.size) + 0.8 * (k + 0.5) / len(share) - 0.4
            below.bar(x, row, 0.8 / len(share), color=colour, alpha=0.35 + 0.65 / (k + 1))
        below.axhline(1.0 / counts.shape[1], color="0.4", lw=0.8, ls=":")
        below.set(ylim=(0, 1), xlabel="goal (one bar per seed)", xticks=range(counts.shape[1]))
    axes[0, 0].set_ylabel("action 1, at the centre")
    axes[1, 0].set_ylabel("share of the episodes that end there")
    return fig


def temperature(result: Json, figure: Figure | None = None) -> Figure:
    """Entropy and temperature while training on Pendulum, for every rule of the temperature."""
    names = ["pendulum-sac", *_group(result, "temperature")]
    targets = result["summary"]["target_entropy"]
    fig = _figure(figure, (2.7 * len(names), 7.0))
    axes = fig.subplots(3, len(names), sharex=True, sharey="row", squeeze=False)
    for column, name in zip(axes.T, names, strict=True):
        for run in result["runs"][name]:
            c = run["curve"]
            steps = np.array(c["steps"], float)
            column[0].plot(steps, np.array(c["entropy"], float), color=_COLOURS[0], lw=1.0)
            column[1].plot(steps, np.array(c["alpha"], float), color=_COLOURS[1], lw=1.0)
            column[2].plot(steps, np.array(c["return"], float), color=_COLOURS[2], lw=1.0)
            if "deviation" in run:
                target = np.array(c["target"], float)
                column[0].plot(steps, target, color="0.2", lw=0.9, ls="--")
                low, high = target - 0.1 * abs(target), target + 0.1 * abs(target)
                column[0].fill_between(steps, low, high, color="0.88")
        column[1].set_yscale("log")
        column[2].axhline(SOLVED, color="0.4", lw=0.8, ls=":")
        column[2].set_xlabel("environment steps")
        label = "automatic" if name == "pendulum-sac" else result["labels"][name]
        column[0].set_title(fill(label, 24), fontsize=9)
        if name in targets:
            response = targets[name]["response"]["median"]
            random = result["runs"][name][0]["settings"]["learning_starts"]
            said = "not reached"
            if response is not None:
                said = f"there after {response:,.0f} steps,\n{random:,} of them random"
            column[0].text(
                0.97, 0.97, said, transform=column[0].transAxes, ha="right", va="top", fontsize=8
            )
    axes[0, 0].set_ylabel("measured entropy [nat]")
    axes[1, 0].set_ylabel(r"temperature $\alpha$")
    axes[2, 0].set_ylabel("return")
    # A run that collapsed early would flatten all others.
    axes[0, 0].set_ylim(-4.0, 1.0)
    return fig


def returns(result: Json, figure: Figure | None = None) -> Figure:
    """Return while training, against steps and time of one core, for every comparison."""
    groups = [g for g in result["summary"]["compared"] if g != "temperature"]
    fig = _figure(figure, (3.2 * len(groups), 6.4))
    axes = fig.subplots(2, len(groups), squeeze=False)
    for column, group in zip(axes.T, groups, strict=True):
        for colour, name in zip(_COLOURS, _group(result, group), strict=False):
            for ax, clock in zip(column, ("steps", "cpu"), strict=True):
                _band(ax, result["runs"][name], clock, colour, result["labels"][name])
        column[0].set(title=GROUPS[group], xlabel="environment steps")
        column[1].set(xlabel="wall time of an idle core [s]")
        if column[0].lines:
            column[0].legend(frameon=False, fontsize=7)
    for ax in axes[:, 0]:
        ax.set_ylabel("return, median and quartiles")
    return fig


def modes(result: Json, figure: Figure | None = None) -> Figure:
    """Draw exp(Q / alpha) by alpha, in the replayed state where the draws have most modes."""
    names = [n for n in result["runs"] if RUNS[n].group in ("multigoal", "sigmoid", "columns")]
    names = [n for n in names if not n.endswith("target")]
    fig = _figure(figure, (11.0, 2.9 * len(names)))
    parts = np.ravel(fig.subfigures(len(names), 1, squeeze=False))
    for name, part in zip(names, parts, strict=True):
        found = result["runs"][name][0]["modes"]
        boltzmann_panels(part, found["example"], (0.1, 0.3, 1.0, 3.0, 10.0))
        share = result["summary"]["modes"][name]
        part.suptitle(
            f"{GROUPS[RUNS[name].group]}, {result['labels'][name]}: several modes of the draws in "
            f"{share['multimodal']} of {share['states']} states, of exp(Q / alpha) in "
            f"{share['boltzmann']} of {share['seeds']}",
            fontsize=10,
        )
    return fig


def transfer(result: Json, figure: Figure | None = None) -> Figure:
    """Shared weights against one perceptron over all depths: learning, and errors in transfer."""
    names = _group(result, "shared")
    fig = _figure(figure, (9.6, 3.6))
    left, right = fig.subplots(1, 2)
    places = {"home_error": "at home", "unseen_error": "unseen", "fine_error": "twice the points"}
    for k, (colour, name) in enumerate(zip(_COLOURS, names, strict=False)):
        runs = result["runs"][name]
        _band(left, runs, "steps", colour, result["labels"][name])
        for place, key in enumerate(places):
            values = [float(np.median(r[key])) for r in runs]
            right.plot([place + 0.15 * (k - 0.5)] * len(values), values, "o", color=colour, ms=5)
    left.set(xlabel="environment steps", ylabel="return, median and quartiles")
    left.legend(frameon=False)
    right.set(
        xticks=range(len(places)), xticklabels=places.values(), yscale="log",
        ylabel=r"largest error of $\ln S$ after 10 steps",
    )  # fmt: skip
    return fig


FIGURES: dict[str, Callable[..., Figure]] = {
    "entropy_accuracy": accuracy,
    "double_well": well,
    "multigoal": multigoal,
    "temperature": temperature,
    "returns": returns,
    "modes": modes,
    "shared_weights": transfer,
}


def save_figures(result: Json, directory: Path) -> dict[str, str]:
    """Draw all figures into a directory; return the file name of each."""
    for name, draw in FIGURES.items():
        save_figure(draw(result), directory / f"{name}.png")
    return {name: f"{name}.png" for name in FIGURES}


def _group(result: Json, group: str) -> list[str]:
    return [name for name in result["runs"] if RUNS[name].group == group]


def _band(ax: Axes, runs: list[Json], clock: str, colour: str, label: str) -> None:
    """Draw median and quartiles of the return on a common clock."""
    end = min(r["curve"][clock][-1] for r in runs)
    x = np.linspace(0.0, end, 100)
    curves = []
    for run in runs:
        t, y = (np.array(run["curve"][k], float) for k in (clock, "return"))
        there = np.isfinite(y)
        if there.any():
            curves.append(np.interp(x, t[there], y[there], left=np.nan))
    if not curves:
        return
    shown = np.isfinite(curves).all(axis=0)
    low, median, high = np.quantile(np.array(curves)[:, shown], [0.25, 0.5, 0.75], axis=0)
    ax.plot(x[shown], median, color=colour, lw=1.5, label=label)
    ax.fill_between(x[shown], low, high, color=colour, alpha=0.18, lw=0)


def _plain(axis: Any) -> None:
    """Write ticks as ordinary numbers, and none between them."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _figure(figure: Figure | None, size: tuple[float, float]) -> Figure:
    fig = figure or Figure()
    fig.set_size_inches(*size)
    fig.set_layout_engine("constrained")
    return fig
