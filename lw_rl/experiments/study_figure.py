"""The figure of a study of the training."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure

__all__ = ["study_figure"]

_SIZE = 9
#: What is drawn of every score, and what it is called.
_METRIC = "error_after_2"
_LABEL = "true error after two formal solutions\n(geometric mean)"


def study_figure(result: Mapping[str, Any]) -> Figure:
    """Draw the scores of a study's variants along their training.

    Parameters
    ----------
    result : Mapping
        The result file of `lw-rl study`.

    Returns
    -------
    figure : Figure
        Error after two formal solutions, against the training's formal solutions and wall time:
        median over seeds, and the band of all seeds.
    """
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]
    for ax, key, label, unit in (
        (axes[0], "formal_solutions", "formal solutions of the training", 1.0),
        (axes[1], "seconds", "wall time of the training [min]", 60.0),
    ):
        for variant, colour in zip(result["variants"], cycle(colours)):
            runs = [r["scores"] for r in variant["runs"]]
            length = min(map(len, runs))
            x = np.median([[e[key] / unit for e in run[:length]] for run in runs], axis=0)
            y = np.array([[e[_METRIC] for e in run[:length]] for run in runs])
            ax.plot(x, np.median(y, axis=0), "o-", color=colour, ms=4, label=variant["name"])
            ax.fill_between(x, y.min(axis=0), y.max(axis=0), color=colour, alpha=0.15, lw=0)
        ax.axhline(
            result["without_policy"][_METRIC], color="black", ls=(0, (1, 1)), label="no policy"
        )
        ax.set_yscale("log")
        ax.set_xlabel(label, fontsize=_SIZE)
        ax.tick_params(labelsize=_SIZE - 1)
        ax.grid(alpha=0.3, which="both")
    axes[0].set_ylabel(_LABEL, fontsize=_SIZE)
    figure.legend(
        *axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3,
        fontsize=_SIZE - 1, frameon=False,
    )  # fmt: skip
    figure.suptitle(
        f"What the parts of the training contribute ({result['study']}, "
        f"{len(result['seeds'])} seeds, validation stream)",
        fontsize=_SIZE + 1,
    )
    return figure
