"""The picture of `lw-rl cube-bench`: rate, memory, starts, and cost along a run that learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["bench_figure"]

_SIZE = 9
#: Colours of Okabe and Ito (2008).
_OURS, _PEER, _OTHER, _GREY = "#0072B2", "#D55E00", "#E69F00", "#999999"


def bench_figure(document: Mapping[str, Any]) -> Figure | None:
    """Draw what a result file holds; None if it holds nothing that is drawn.

    Parameters
    ----------
    document : mapping
        The result file.
    """
    panels: list[tuple[Callable[[Axes, Mapping[str, Any]], None], Mapping[str, Any]]] = []
    if "rate" in document:
        panels += [(_rate, document["rate"]), (_memory, document["rate"])]
    if "start" in document:
        panels.append((_start, document["start"]))
    if "learn" in document:
        panels.append((_learn, document["learn"]))
    if not panels:
        return None
    figure = Figure(figsize=(3.4 * len(panels), 3.2), layout="constrained")
    for ax, (draw, part) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True
    ):
        draw(ax, part)
        ax.tick_params(labelsize=_SIZE - 1)
        ax.spines[["top", "right"]].set_visible(False)
        for axis in (ax.xaxis, ax.yaxis):
            axis.label.set_fontsize(_SIZE)
    return figure


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, fontsize=_SIZE + 1, loc="left")


def _rate(ax: Axes, part: Mapping[str, Any]) -> None:
    workers = part["large"]["workers"]
    shown = {
        "plain": ("plain\npool", _PEER),
        "prepared_pool": ("its profiles\nand rays ours", _PEER),
        "one_worker": ("one\nworker", _OURS),
        "large": (f"{workers}\nworkers", _OURS),
    }
    shown = {name: look for name, look in shown.items() if name in part}
    names, colours = zip(*shown.values(), strict=True)
    rates = [part[name]["columns_per_second"] for name in shown]
    bars = ax.bar(names, rates, color=colours, width=0.6)
    ax.bar_label(bars, fmt="%.1f", fontsize=_SIZE - 1)
    ax.set_ylabel("columns per second")
    _title(ax, f"rate, {part['large']['columns']} columns")


def _memory(ax: Axes, part: Mapping[str, Any]) -> None:
    cases = [part[name] for name in ("small", "middle", "large")]
    columns = [c["columns"] for c in cases]
    peaks = [max(c["worker_peak_bytes"]) / 1e6 for c in cases]
    ax.plot(columns, peaks, "o-", color=_OURS)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set_xticks(columns, labels=[str(c) for c in columns])
    ax.set_ylim(0.0, 1.2 * max(peaks))
    ax.set(xlabel="columns", ylabel="MB")
    _title(ax, "peak memory of a worker")


def _start(ax: Axes, part: Mapping[str, Any]) -> None:
    cubes = ("smooth", "shocks")
    for k, (start, label, colour) in enumerate(
        (
            ("policy", "scheme's own", _OURS),
            ("neighbour", "neighbour's", _OTHER),
            ("measured", "cheaper so far", _GREY),
        )
    ):
        places = np.arange(len(cubes)) + 0.3 * (k - 1)
        means = [part[cube][start]["mean_formal_solutions"] for cube in cubes]
        bars = ax.bar(places, means, width=0.28, color=colour, label=label)
        ax.bar_label(bars, fmt="%.2f", fontsize=_SIZE - 1)
    ax.set_xticks(range(len(cubes)), labels=["smooth cube", "with shocks"])
    ax.set_ylabel("formal solutions per column")
    ax.margins(y=0.35)
    ax.legend(fontsize=_SIZE - 1, frameon=False, ncols=2, loc="upper center")
    _title(ax, "where a column begins")


def _learn(ax: Axes, part: Mapping[str, Any]) -> None:
    points = part["curve"]
    columns = [p["columns"] for p in points]
    ax.plot(columns, [p["frozen"] for p in points], color=_GREY, lw=1.6, label="frozen")
    ax.plot(columns, [p["learning"] for p in points], color=_OURS, lw=1.6, label="learning")
    for entry in part["learning"]:
        # Refused versions are drawn too: the curve goes on as before there.
        ax.axvline(entry["columns"], color="k", lw=0.8, ls="-" if entry["accepted"] else ":")
    for accepted, style, label in ((True, "-", "accepted"), (False, ":", "refused")):
        if any(entry["accepted"] is accepted for entry in part["learning"]):
            ax.plot([], [], color="k", lw=0.8, ls=style, label=f"version {label}")
    ax.set_xlim(left=0.0)
    ax.set_ylim(bottom=0.0)
    ax.set(xlabel="columns solved", ylabel="formal solutions per column")
    ax.legend(
        fontsize=_SIZE - 1, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2
    )
    _title(ax, "learning, cube with shocks")
