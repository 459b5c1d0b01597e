"""Figures of the study of drivers."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ...files import Json
from ...policies.drive import parts
from .problems import GROUPS
from .study import mean_of

__all__ = ["choices_figure", "cost_figure", "learning_figure"]

_SIZE = 9
#: Names in figures, and colours.
_LEARNERS = {
    "package": ("as it ships", "#999999"),
    "random": ("random choice", "#E69F00"),
    "bandit": ("contextual bandit", "#009E73"),
    "tree": ("decision tree", "#0072B2"),
    "sac": ("Soft Actor-Critic", "#D55E00"),
    "s2ac": ("S2AC", "#CC79A7"),
}


def _groups(result: Json) -> list[str]:
    found = [p["group"] for p in result["problems"]]
    return [g for g in GROUPS if g in found]


def _plain(ax: Axes) -> None:
    ax.tick_params(labelsize=_SIZE - 1)
    ax.grid(alpha=0.3)


def cost_figure(result: Json) -> Figure:
    """Draw cost over that of the best fixed setting, by group: quartiles over problems."""
    figure = Figure(figsize=(7.4, 3.8), layout="constrained")
    ax = figure.subplots()
    groups = _groups(result)
    for k, (name, (label, colour)) in enumerate(_LEARNERS.items()):
        for i, group in enumerate(groups):
            test = result["tests"][name][group]
            low, mid, high = test["quartiles"]
            x = i + 0.13 * (k - 2.5)
            ax.plot([x, x], [low, high], color=colour, lw=2)
            ax.plot(x, mid, "o", color=colour, ms=5, label=label if i == 0 else None)
            ax.plot(x, test["ratio"], "_", color=colour, ms=10)
    ax.axhline(1.0, color="black", ls=(0, (1, 1)))
    ax.set_xticks(range(len(groups)), [GROUPS[g].replace(", ", ",\n") for g in groups])
    ax.set_ylabel("cost over best fixed setting", fontsize=_SIZE)
    ax.set_title("Quartiles (bars), median (dots) and mean (dashes), unseen problems",
                 fontsize=_SIZE + 1)  # fmt: skip
    _plain(ax)
    figure.legend(loc="outside lower center", ncols=6, fontsize=_SIZE - 1, frameon=False)
    return figure


def choices_figure(result: Json) -> Figure:
    """Draw what the learned drivers choose where: each dot is one seed on one unseen problem."""
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    there = _groups(result)
    lines = ("coarse", "fine", "redistribution")
    panels = [
        p
        for p in (
            ("fidelity", 0, "share of the wavelengths\n(one line)", lines),
            ("tolerance", 0, "factor on tolerances, start\n(one line and 2D)", (*lines, "plane")),
            ("tolerance", -1, "factor on tolerances, later\n(many levels and 2D)",
             ("levels", "plane")),
        )
        if set(p[3]) & set(there)
    ]  # fmt: skip
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    marks = dict(zip(GROUPS, ("o", "s", "v", "^", "D"), strict=True))
    colours = dict(
        zip(GROUPS, ("#0072B2", "#56B4E9", "#CC79A7", "#D55E00", "#009E73"), strict=True)
    )
    for ax, (name, at, label, shown) in zip(axes, panels, strict=True):
        points: list[int] = []
        for group in there:
            if group not in shown:
                continue
            x, y = [], []
            for seed, choices in enumerate(result["choices"]):
                for problem, choice in zip(result["problems"], choices, strict=True):
                    if problem["group"] == group:
                        x.append(choice["points"])
                        y.append(choice["decisions"][at][name] * 1.04 ** (seed - 2))
            points += x
            ax.plot(x, y, marks[group], color=colours[group], ms=4, alpha=0.6, mec="none",
                    label=GROUPS[group])  # fmt: skip
        ax.set_xscale("log")
        ax.set_yscale("log")
        low, high = (0.2, 1.3) if name == "fidelity" else (0.07, 14.0)
        ax.set_ylim(low, high)
        ticks = (0.25, 0.5, 1.0) if name == "fidelity" else (0.1, 0.3, 1.0, 3.0, 10.0)
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.yaxis.set_minor_locator(NullLocator())
        sizes = [t for t in (30, 100, 300, 1000, 3000) if min(points) / 2 < t < 2 * max(points)]
        ax.set_xticks(sizes, [f"{t:g}" for t in sizes])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.axhline(1.0, color="black", ls=(0, (1, 1)))
        ax.set_xlabel("points", fontsize=_SIZE)
        ax.set_title(label, fontsize=_SIZE)
        _plain(ax)
    handles: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles[label] = handle
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=2,
        fontsize=_SIZE - 1, frameon=False,
    )  # fmt: skip
    return figure


def learning_figure(result: Json) -> Figure:
    """Draw learning curves, and what the parts of the observation are worth."""
    figure = Figure(figsize=(7.4, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    for seed, curve in enumerate(result["curves"]):
        left.plot(*np.array(curve).T, ".-", color="#D55E00", alpha=0.5,
                  label="Soft Actor-Critic, each seed" if seed == 0 else None)  # fmt: skip
    left.axhline(np.mean(result["train"]["fixed"]), color="black", ls=(0, (1, 1)),
                 label="best fixed setting")  # fmt: skip
    left.axhline(np.mean(result["train"]["best"]), color="#009E73", ls="--",
                 label="best arm of each problem")  # fmt: skip
    left.set_xlabel("decisions", fontsize=_SIZE)
    left.set_ylabel("cost over that of the package", fontsize=_SIZE)
    left.set_title("Training problems", fontsize=_SIZE + 1)
    for k, (name, label, colour) in enumerate(
        (("sac", "Soft Actor-Critic, one seed", "#D55E00"), ("tree", "tree", "#0072B2"))
    ):
        names = [name, *(f"{name} without {part}" for part in parts())]
        values = [float(mean_of(result["results"][n][:1]).mean()) for n in names]
        right.plot(values, np.arange(len(values)) + 0.15 * k, "o", color=colour, label=label)
    right.set_yticks(range(len(parts()) + 1), ["all", *(f"without {p}" for p in parts())])
    right.invert_yaxis()
    right.set_xlabel("cost over that of the package", fontsize=_SIZE)
    right.set_title("Unseen problems, parts left out", fontsize=_SIZE + 1)
    right.locator_params(axis="x", nbins=5)
    for ax in (left, right):
        _plain(ax)
        # What parts are worth can lie anywhere, beneath a legend too.
        box = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 2}
        ax.legend(fontsize=_SIZE - 2, frameon=False, **box)
    return figure
