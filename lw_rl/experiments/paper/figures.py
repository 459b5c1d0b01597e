"""The figures of the paper, and those on its corrections, drawn from the result file alone.

Each function takes the content of the result file and, where the caller wants it in a figure of
his own (one of pyplot, say), that figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from ...envs.sigmoid_source import PAPER_MSE
from ...files import Json
from ...slab.slab import paper_slab
from .summary import MAIN

__all__ = [
    "COLOURS", "FIGURES", "LABELS", "convergence", "cost", "discount", "greedy", "optima",
    "save_figures", "sparse", "training", "transfer",
]  # fmt: skip

Array = NDArray[np.float64]

COLOURS = {
    "published": "#c1272d",
    "preconditioned": "#e68a00",
    "sigmoid": "#d96fa8",
    "spline": "#0b6e4f",
    "greedy": "#7b3fa0",
    "ali": "#000000",
    "anderson": "#1f77b4",
    "gmres": "#17a2c4",
    "sor": "#8c6d31",
    "gauss_seidel": "#b5a16b",
    "ng": "#5a8f29",
    "lambda": "#a0a0a0",
}
LABELS = {
    "published": "SAC, as published",
    "preconditioned": "SAC, preconditioned",
    "sigmoid": "SAC, preconditioned, tuned",
    "spline": "SAC, preconditioned, tuned, splines",
    "greedy": "greedy network",
    "ali": "ALI",
    "anderson": "Anderson(10)",
    "gmres": "GMRES",
    "sor": "SOR, best ω",
    "gauss_seidel": "Gauss-Seidel",
    "ng": "Ng, order 3",
    "lambda": "Λ iteration",
}
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:,.6g} %")
"""Ticks of a relative error, as the report words it."""


def training(result: Json, figure: Figure | None = None) -> Figure:
    """Fig. 3 of the paper: mean reward and critic loss against training step."""
    fig, (top, bottom) = _panels(figure, 2, (9.0, 3.6))
    runs = result["sac"]["published"]
    steps = np.array(runs[0]["curve"]["steps"]) / 1e3
    for ax, key in ((top, "reward"), (bottom, "critic_loss")):
        curves = _array([r["curve"][key] for r in runs])
        shown = -curves if key == "reward" else curves
        _band(ax, steps, shown, COLOURS["published"])
        ax.set(yscale="log", xlabel="environment steps [thousands]")
    top.set(ylabel="mean of $-$reward $= \\langle (S - S[J])^2 \\rangle$")
    top.invert_yaxis()
    top.set_title("mean reward (upwards is better)")
    bottom.set(ylabel="critic loss", title="critic loss")
    return _done(fig, f"Fig. 3: SAC as published, median and quartiles, {_seeds(runs)}")


def convergence(result: Json, figure: Figure | None = None) -> Figure:
    """Fig. 4 of the paper, with peers: the paper's measure, the true error, the last change."""
    fig, axes = _panels(figure, 3, (13.0, 4.6))
    peers = result["facts"]["peers"]["curves"]
    for name, curve in peers.items():
        style: Json = {"color": COLOURS[name], "lw": 1.4, "label": LABELS[name]}
        axes[0].plot(curve["cost"], curve["mse"], **style)
        axes[1].plot(curve["cost"], curve["Te"], **style)
        axes[2].plot(curve["cost"][1:], curve["Re"], **style)
    for name in MAIN:
        runs = result["sac"][name]
        for ax, key, first in (
            (axes[0], "mse_to_ali", 0),
            (axes[1], "true_error", 0),
            (axes[2], "relative_change", 1),
        ):
            values = np.maximum(_array([r[key] for r in runs]), 1e-9)
            x = np.arange(first, first + values.shape[1])
            _band(ax, x, values, COLOURS[name], lw=2.4, label=LABELS[name])
    axes[0].axhline(PAPER_MSE, color="0.4", ls=":", lw=1)
    axes[0].text(49.5, PAPER_MSE * 1.3, "the paper's stop", ha="right", fontsize=8, color="0.3")
    titles = ("mean square error (ref: exact; SAC: ALI)", "true error Te", "last change Re")
    labels = (
        r"$\langle (S - S_{\rm ref})^2 \rangle$",
        r"max $|S/S_{\rm exact} - 1|$",
        r"max $|\Delta S/S|$",
    )
    for ax, title, label in zip(axes, titles, labels, strict=True):
        ax.set(yscale="log", xlabel="formal solutions", ylabel=label, title=title, xlim=(0, 50))
    axes[0].set_ylim(1e-10, 2)
    axes[1].set_ylim(1e-6, 200)
    axes[2].set_ylim(1e-6, 200)  # Below lies the rounding of the policy's single precision.
    handles, names = axes[1].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=6, frameon=False, fontsize=8.5)
    return _done(fig, "Fig. 4: convergence on the paper's slab (SAC after training)")


def greedy(result: Json, figure: Figure | None = None) -> Figure:
    """Fig. 6 of the paper: loss and parameters of the greedy feed-forward network."""
    fig, axes = _panels(figure, 3, (13.0, 3.8))
    runs = result["greedy"]
    for r in runs:
        steps = np.array(r["steps"]) / 1e3
        p = _array(r["parameters"])
        axes[0].plot(steps, r["loss"], lw=0.7, color=COLOURS["greedy"])
        axes[1].plot(steps, p[:, 2], lw=0.7, color=COLOURS["greedy"])
        axes[2].plot(steps, p[:, 0], lw=0.7, color=COLOURS["greedy"])
    best = result["facts"]["optima"]["least_error"]["parameters"]
    for ax, k in ((axes[1], 2), (axes[2], 0)):
        ax.axhline(best[k], color="k", ls="--", lw=1, label="least true error")
        ax.legend(frameon=False, fontsize=8.5)
    axes[0].set(yscale="log", ylabel=r"$\langle (S - S[J])^2 \rangle$", title="loss")
    spread = np.concatenate([_array(r["parameters"])[len(r["steps"]) // 4 :, 2] for r in runs])
    middle, width = float(np.median(spread)), float(np.ptp(spread)) + 0.05
    axes[1].set(ylabel=r"centre [log$_{10}\,\tau_c$]", title="centre")
    axes[1].set_ylim(middle - width, middle + width)
    axes[2].set(yscale="log", ylabel="floor [B]", title="floor (sets the surface value)")
    for ax in axes:
        ax.set_xlabel("updates [thousands]")
    return _done(fig, f"Fig. 6: greedy feed-forward network, a line for each of {_seeds(runs)}")


def optima(result: Json, figure: Figure | None = None) -> Figure:
    """Source functions at the optimum of each reward, beside the truth."""
    fig, (left, right) = _panels(figure, 2, (11.0, 4.8))
    facts = result["facts"]["optima"]
    slab = paper_slab()
    log_tau, exact = np.log10(slab.tau), slab.solution
    shown = (
        ("published", "optimum of the published reward", COLOURS["published"], "-"),
        ("earlier_point", "another one, nearly as good", COLOURS["published"], ":"),
        ("preconditioned", "optimum of the preconditioned reward", COLOURS["preconditioned"], "-"),
        ("closest", "least mean square error", "0.55", "-"),
    )
    left.plot(log_tau, exact, "k", lw=2.2, label="exact")
    for key, label, colour, dash in shown:
        S = np.array(facts[key]["S"])
        left.plot(log_tau, S, dash, color=colour, lw=1.5, label=label)
        right.plot(log_tau, S / exact - 1.0, dash, color=colour, lw=1.5)
    S = np.median(_array([r["S"] for r in result["sac"]["spline"]]), axis=0)
    left.plot(log_tau, S, color=COLOURS["spline"], lw=1.5, label="SAC on splines (median)")
    right.plot(log_tau, S / exact - 1.0, color=COLOURS["spline"], lw=1.5)
    left.set(yscale="log", xlabel=r"log$_{10}\,\tau_c$", ylabel="S / B")
    fig.legend(loc="outside lower center", frameon=False, fontsize=8.5, ncols=3)
    right.axhline(0, color="k", lw=0.8)
    right.set(xlabel=r"log$_{10}\,\tau_c$", ylabel=r"$S/S_{\rm exact} - 1$", ylim=(-1.05, 0.3))
    right.yaxis.set_major_formatter(PERCENT)
    return _done(fig, "What each reward asks for: the best sigmoid inside the action box")


def discount(result: Json, figure: Figure | None = None) -> Figure:
    """Error and residual after training with several discount factors."""
    return _ablation(figure, result, "gamma", "discount factor")


def sparse(result: Json, figure: Figure | None = None) -> Figure:
    """Error and residual after training with a reward every few steps."""
    return _ablation(figure, result, "sparse", "steps from one reward to the next")


def transfer(result: Json, figure: Figure | None = None) -> Figure:
    """Error on problems that were not trained on, beside what the family can represent."""
    fig, (ax,) = _panels(figure, 1, (9.0, 4.8))
    table = result["summary"]["transfer"]["by"]
    limits = result["facts"]["expressiveness"]
    problems = list(limits)
    x = np.arange(len(problems))
    for k, name in enumerate(MAIN):
        _points(ax, x + 0.12 * (k - 1.5), [table[name][p] for p in problems], COLOURS[name],
                label=LABELS[name])  # fmt: skip
    for family, colour, label in (
        ("sigmoid", "0.45", "best sigmoid for each problem"),
        ("spline", "0.05", "best spline for each problem"),
    ):
        values = [limits[p][family] for p in problems]
        ax.plot(x, values, "_", ms=26, mew=2, color=colour, label=label)
    names = [p.replace("eps=0.0001", "eps=0.0001\n(trained on)") for p in problems]
    ax.set_xticks(x, [n.replace("eps=", r"$\epsilon$=") for n in names])
    ax.set(yscale="log", ylabel=r"true error, max $|S/S_{\rm exact} - 1|$")
    ax.yaxis.set_major_formatter(PERCENT)
    fig.legend(loc="outside lower center", frameon=False, fontsize=8.5, ncols=3)
    return _done(fig, "Transfer without retraining (isothermal, and a gradient of B)")


def cost(result: Json, figure: Figure | None = None) -> Figure:
    """Formal solutions spent against the number of solves, training included."""
    fig, (ax,) = _panels(figure, 1, (9.0, 5.2))
    table = result["summary"]["cost"]
    solves = np.logspace(0, 7, 100)
    peers = table["published"]["peers"]
    for peer in ("ali", "anderson"):
        per = peers[peer]["to_1e-3"]
        ax.plot(solves, per * solves, color=COLOURS[peer], label=f"{LABELS[peer]}, from S = B")
    for name in MAIN:
        training_cost = table[name]["training_formal_solutions"]
        for peer, dash in (("ali", "-"), ("anderson", "--")):
            per = table[name]["peers"][peer]["to_1e-3_from_policy"]["median"]
            if per is not None:
                ax.plot(solves, training_cost + per * solves, dash, color=COLOURS[name],
                        lw=1.6, label=f"{LABELS[name]}, then {LABELS[peer]}")  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="solves of the same problem to a true error of 1e-3",
           ylabel="formal solutions in all, training included")  # fmt: skip
    fig.legend(loc="outside lower center", frameon=False, fontsize=8, ncols=3)
    return _done(fig, "Cost: a trained policy as the start of a classical solve")


FIGURES: dict[str, Callable[..., Figure]] = {
    "fig3_training": training,
    "fig4_convergence": convergence,
    "fig6_greedy": greedy,
    "optima": optima,
    "discount": discount,
    "sparse": sparse,
    "transfer": transfer,
    "cost": cost,
}


def save_figures(result: Json, directory: Path) -> dict[str, str]:
    """Draw every figure into a directory as PNG and return the file names."""
    files = {}
    for name, draw in FIGURES.items():
        files[name] = f"{name}.png"
        draw(result).savefig(directory / files[name], dpi=130)
    return files


def _panels(
    figure: Figure | None, columns: int, size: tuple[float, float]
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a row of panels, a new one unless one is given."""
    # Without pyplot: no global state, no window, no figure left open.
    fig = Figure() if figure is None else figure
    fig.set_size_inches(size)
    fig.set_layout_engine("constrained")
    axes = np.atleast_1d(fig.subplots(1, columns)).ravel().tolist()
    for ax in axes:
        ax.grid(alpha=0.25, lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    return fig, axes


def _done(fig: Figure, title: str) -> Figure:
    fig.suptitle(title, fontsize=11.5)
    return fig


def _seeds(runs: Sequence[Any]) -> str:
    return f"{len(runs)} seed" + "s" * (len(runs) != 1)


def _array(rows: Sequence[Any]) -> Array:
    return np.array(rows, dtype=float)  # None, which JSON has for NaN, becomes NaN.


def _band(ax: Axes, x: Any, curves: Array, colour: str, **style: Any) -> None:
    """Draw the median of curves [Nrun, N] and shade their quartiles."""
    keep = np.all(np.isfinite(curves), axis=0)
    low, middle, high = np.quantile(curves[:, keep], [0.25, 0.5, 0.75], axis=0)
    ax.fill_between(np.asarray(x)[keep], low, high, color=colour, alpha=0.22, lw=0)
    ax.plot(np.asarray(x)[keep], middle, color=colour, **style)


def _points(ax: Axes, x: Any, stats: list[Json], colour: str, **style: Any) -> None:
    """Draw medians with bars from quartile to quartile."""
    y = np.array([s["median"] for s in stats])
    bars = np.array([[s["median"] - s["q25"], s["q75"] - s["median"]] for s in stats]).T
    marker = {"fmt": "o", "ms": 6, "capsize": 3, **style}
    ax.errorbar(x, y, yerr=bars, color=colour, **marker)


def _ablation(figure: Figure | None, result: Json, key: str, label: str) -> Figure:
    """Draw an entry of the summary on experiments that differ in one thing."""
    fig, (left, right) = _panels(figure, 2, (10.0, 3.8))
    summary = result["summary"][key]
    ticks = list(summary["by"])
    x = np.arange(len(ticks))
    rows = list(summary["by"].values())
    end = [row["true_error"] for row in rows]
    half = [row["true_error_halfway"] for row in rows]
    steps = summary["steps"]
    colour = COLOURS["spline"]
    _points(left, x - 0.05, half, "0.6", label=f"after {steps // 2:,} steps")
    _points(left, x + 0.05, end, colour, label=f"after {steps:,} steps")
    _points(right, x, [row["residual_mse"] for row in rows], colour)
    for ax in (left, right):
        ax.set_xticks(x, ticks)
        ax.set(yscale="log", xlabel=label)
        ax.margins(x=0.12)
    left.set(ylabel=r"true error, max $|S/S_{\rm exact} - 1|$", title="true error")
    # Often within one decade, where the default labels every minor tick or none.
    left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    left.yaxis.set_major_formatter(PERCENT)
    left.yaxis.set_minor_formatter(NullFormatter())
    right.set(ylabel=r"$\langle (S - S[J])^2 \rangle$", title="residual")
    left.legend(frameon=False, fontsize=8.5)
    return _done(fig, "SAC on splines, preconditioned reward (median and quartiles)")
