"""A figure of the calibrated settings: how often an error is above what a value allows."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from ..files import Json

__all__ = ["settings_figure"]

#: What is asked of false convergence: 1 in 1,000 stops.
_ASKED = 1e-3
_BLUE, _RED = "#0072B2", "#D55E00"


def settings_figure(content: Json) -> Figure:
    """Draw what the calibration of a settings file saw.

    A panel for each safety factor: the part of the stops whose error is above so many times the
    estimate, which with that factor would be false at worst. A panel for `moved`: by how much an
    operator's estimate of the error is off where it was linearised so far away. The value of the
    file is marked.

    Parameters
    ----------
    content : dict
        Of a settings file (`lw_rl.benchmark.settings_calibration`).
    """
    values = content["values"]
    factors = [name for name, entry in values.items() if "quantiles" in entry]
    figure = Figure(figsize=(8.0, 4.6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for ax, name in zip(axes, factors, strict=False):
        _draw_factor(ax, name, values[name])
    _draw_moved(axes[len(factors)], values["moved"])
    for ax in axes[len(factors) + 1 :]:
        ax.remove()
    for ax in (axes[0], axes[3]):
        ax.set_ylabel("part of the stops\nwith a larger error")
    return figure


def _draw_factor(ax: Axes, name: str, entry: Json) -> None:
    seen = sorted((float(q), value) for q, value in entry["quantiles"].items())
    ax.plot([v for _, v in seen], [1.0 - q for q, _ in seen], "o-", color=_BLUE, ms=3.5, lw=1.5)
    ax.axhline(_ASKED, color="0.6", lw=0.8, ls=(0, (4, 2)))
    _mark(ax, entry["value"])
    ax.set(xscale="log", yscale="log", ylim=(5e-4, 1.0), xlabel="error / estimate")
    ax.set_title(f"{name}: {entry['stops']} stops", fontsize=10)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    ax.set_xlim(0.5, max(8.0, 1.3 * entry["value"]))


def _draw_moved(ax: Axes, entry: Json) -> None:
    seen = [(float(distance), 100.0 * defect) for distance, defect in entry["defects"].items()]
    ax.plot(*zip(*seen, strict=True), "o-", color=_BLUE, ms=3.5, lw=1.5)
    _mark(ax, entry["value"])
    ax.set(xscale="log", xlabel="distance in ln S", ylabel="9 in 10 are off by\nless than [%]")
    ax.set_title(f"moved: {entry['pairs']} pairs", fontsize=10)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _mark(ax: Axes, value: float) -> None:
    ax.axvline(value, color=_RED, lw=1.5)
    ax.annotate(
        f"{value:g}", (value, 1.0), (3, -11), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=_RED, fontsize=9,
    )  # fmt: skip
