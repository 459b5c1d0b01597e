"""A figure of the calibrated settings: what a value buys, in false and in dear solves."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from ..files import Json

__all__ = ["settings_figure"]

#: What is asked of false convergence: 1 in 1,000 stops.
_ASKED = 1e-3
_BLUE, _RED, _GREEN, _BLACK = "#0072B2", "#D55E00", "#009E73", "0.2"
#: Where what was never seen is drawn, and the lower end of the axes.
_NEVER, _LOWEST = 4e-4, 3e-4


def settings_figure(content: Json) -> Figure:
    """Draw what the calibration of a settings file saw.

    A panel for each safety factor: the part of the stops whose error is above so many times the
    estimate, which with that factor would be false at worst; the part of the solves that would
    have stopped falsely, all other estimates included, and that which would have cost more than
    1.1 times MALI and 3. A panel for the allowance, and one for `moved`: by how much an operator's
    estimate of the error is off where it was linearised so far away. The value of the file is
    marked; what was never seen lies at the bottom.

    Parameters
    ----------
    content : dict
        Of a settings file (`lw_rl.benchmark.settings_calibration`).
    """
    values = content["values"]
    factors = [name for name, entry in values.items() if "quantiles" in entry]
    figure = Figure(figsize=(10.0, 5.0), layout="constrained")
    *axes, last = figure.subplots(2, 4).ravel()
    for ax, name in zip(axes, factors, strict=False):
        _draw_factor(ax, name, values[name])
    _draw_allowance(axes[len(factors)], values["allowance"])
    _draw_moved(axes[len(factors) + 1], values["moved"])
    last.axis("off")
    last.legend(*axes[0].get_legend_handles_labels(), loc="center", frameon=False, fontsize=9)
    for ax in (axes[0], axes[4]):
        ax.set_ylabel("part of the stops or solves")
    return figure


def _draw_factor(ax: Axes, name: str, entry: Json) -> None:
    seen = sorted((float(q), value) for q, value in entry["quantiles"].items())
    ax.plot(
        [v for _, v in seen], [1.0 - q for q, _ in seen], "o-", color=_BLUE, ms=3.5, lw=1.5,
        label="error above so many\ntimes this estimate",
    )  # fmt: skip
    _draw_rates(ax, entry)
    _mark(ax, entry["value"])
    ax.set(xscale="log", xlabel="factor")
    ax.set_title(f"{name}: {entry['stops']} stops", fontsize=10)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    ax.set_xlim(0.5, max(25.0, 1.3 * entry["value"]))


def _draw_rates(ax: Axes, entry: Json) -> None:
    """Draw how many solves would have stopped falsely, and cost too much, by the value."""
    rates = entry.get("rates", [])
    at = [rate["value"] for rate in rates]
    for part, whole, style, color, label in (
        ("false", "stops", "v:", _BLACK, "false convergence"),
        ("over_budget", "compared", "s--", _GREEN, "over budget"),
    ):
        shares = [max(rate[part] / max(rate[whole], 1), _NEVER) for rate in rates]
        ax.plot(at, shares, style, color=color, ms=4, lw=1.2, label=label)
    ax.axhline(_ASKED, color="0.6", lw=0.8, ls=(0, (4, 2)), label="1 in 1,000")
    ax.set(yscale="log", ylim=(_LOWEST, 1.0))


def _draw_allowance(ax: Axes, entry: Json) -> None:
    _draw_rates(ax, entry)
    _mark(ax, entry["value"])
    ax.set(xlabel="formal solutions")
    ax.set_title("allowance", fontsize=10)


def _draw_moved(ax: Axes, entry: Json) -> None:
    seen = [(float(distance), 100.0 * defect) for distance, defect in entry["defects"].items()]
    ax.plot(*zip(*seen, strict=True), "o-", color=_BLUE, ms=3.5, lw=1.5)
    _mark(ax, entry["value"])
    ax.set(xscale="log", xlabel="distance in ln S", ylabel="9 in 10 are off by\nless than [%]")
    ax.set_title(f"moved: {entry['pairs']} pairs", fontsize=10)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _mark(ax: Axes, value: float) -> None:
    ax.axvline(value, color=_RED, lw=1.5, label="in use")
    # On the left of its line: the largest values stand near the end of the axis.
    ax.annotate(
        f"{value:.3g}", (value, 1.0), (-3, -11), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=_RED, fontsize=9, ha="right",
    )  # fmt: skip
