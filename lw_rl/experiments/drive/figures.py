"""Figures of the study of drivers."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
            x = i + 0.15 * (k - 2)
            ax.plot([x, x], [low, high], color=colour, lw=2)
            ax.plot(x, mid, "o", color=colour, ms=5, label=label if i == 0 else None)
            ax.plot(x, test["ratio"], "_", color=colour, ms=10)
    ax.axhline(1.0, color="black", ls=(0, (1, 1)))
    ax.set_xticks(range(len(groups)), [GROUPS[g].replace(", ", ",\n") for g in groups])
    ax.set_ylabel("cost over best fixed setting", fontsize=_SIZE)
    ax.set_title("Quartiles (bars), median (dots) and mean (dashes), unseen problems",
                 fontsize=_SIZE + 1)  # fmt: skip
    _plain(ax)
    figure.legend(loc="outside lower center", ncols=5, fontsize=_SIZE - 1, frameon=False)
    return figure


def choices_figure(result: Json) -> Figure:
    """Draw what the learned drivers choose where: each dot is one seed on one unseen problem."""
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    panels = (
        ("fidelity", 0, "share of the wavelengths\n(one line)"),
        ("tolerance", 0, "tolerance of the start\n(one line and 2D)"),
        ("tolerance", -1, "inner tolerance later\n(many levels and 2D)"),
    )
    axes = figure.subplots(1, len(panels))
    marks = dict(zip(GROUPS, ("o", "s", "^", "D"), strict=True))
    colours = dict(zip(GROUPS, ("#0072B2", "#56B4E9", "#D55E00", "#009E73"), strict=True))
    applies = (("coarse", "fine"), ("coarse", "fine", "plane"), ("levels", "plane"))
    for ax, (name, at, label), shown in zip(axes, panels, applies, strict=True):
        for group in _groups(result):
            if group not in shown:
                continue
            x, y = [], []
            for seed, choices in enumerate(result["choices"]):
                for problem, choice in zip(result["problems"], choices, strict=True):
                    if problem["group"] == group:
                        x.append(choice["points"])
                        y.append(choice["decisions"][at][name] * 1.03 ** (seed - 2))
            ax.plot(x, y, marks[group], color=colours[group], ms=4, alpha=0.6, mec="none",
                    label=GROUPS[group])  # fmt: skip
        ax.set_xscale("log")
        ax.set_yscale("log")
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
    figure = Figure(figsize=(7.4, 3.4), layout="constrained")
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
    left.legend(fontsize=_SIZE - 2)
    for k, (name, label, colour) in enumerate(
        (("sac", "Soft Actor-Critic, one seed", "#D55E00"), ("tree", "tree", "#0072B2"))
    ):
        names = [name, *(f"{name} without {part}" for part in parts())]
        values = [float(mean_of(result["results"][n][:1]).mean()) for n in names]
        right.plot(values, np.arange(len(values)) + 0.15 * k, "o", color=colour, label=label)
    right.set_yticks(range(len(parts()) + 1), ["all", *(f"without {p}" for p in parts())])
    right.invert_yaxis()
    right.set_xlabel("cost over that of the package", fontsize=_SIZE)
    right.set_title("Unseen problems, parts of the observation left out", fontsize=_SIZE + 1)
    right.legend(fontsize=_SIZE - 2)
    for ax in (left, right):
        _plain(ax)
    return figure
