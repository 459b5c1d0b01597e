"""Figures of any training run, from the log that stable-baselines3 writes (`progress.csv`).

Every run of this package is drawn by this module: by a callback while it trains, and by
`lw-rl plot RUN` afterwards. No torch here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ..errors import RunFolderError
from ..files import Json, write_atomically

__all__ = [
    "ARGUMENTS",
    "LOG",
    "MAPS",
    "PANELS",
    "SECONDS",
    "STEPS",
    "LogColumns",
    "boltzmann",
    "boltzmann_panels",
    "draw_run",
    "maps_figure",
    "read_log",
    "run_figure",
    "save_figure",
    "title_of",
]

LOG = "progress.csv"
#: What a run of `lw-rl train` keeps beside its log.
ARGUMENTS, SCORES = "arguments.json", "scores.json"
MAPS = "maps.json"
#: Panels of a run: columns of the log, label of the axis.
PANELS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("rollout/ep_rew_mean",), "return of an episode"),
    (("train/entropy", "train/target_entropy"), "entropy of the policy [nat]"),
    (("train/ent_coef",), r"temperature $\alpha$"),
    (("train/critic_loss",), "critic loss"),
    (("train/actor_loss", "train/imitation_loss"), "actor loss"),
    (("validation/mean_1e-03", "validation/mean_1e-06"), "formal solutions (unseen)"),
)
STEPS, SECONDS = "time/total_timesteps", "time/time_elapsed"
#: Wall time of all of a run's processes together, where a run keeps it.
_ALL_SECONDS = "time/seconds"
_COLOURS = ("#0072B2", "#D55E00")
_BLUES = "cividis"

LogColumns = dict[str, np.ndarray]


def read_log(run: str | Path) -> LogColumns:
    """Return the columns of a run's log; what a row lacks is NaN.

    A run that was resumed has one log for each start, below it. They are put one after another:
    what a later start did again is that start's, and the wall time goes on where it was.

    Parameters
    ----------
    run : path-like
        Folder of the run, or its progress.csv.

    Raises
    ------
    RunFolderError
        If there is no log, or none with a row and a count of steps.
    """
    path = Path(run)
    files = [path] if path.is_file() else sorted(path.rglob(LOG))
    if not files:
        raise RunFolderError(f"{path} holds no {LOG}: is it the folder of a training run?")
    starts = [rows for rows in map(_rows, files) if rows]
    if not starts:
        raise RunFolderError(f"{files[0]} holds no finished row with {STEPS}: is it still empty?")
    joined: list[dict[str, float]] = []
    for rows in sorted(starts, key=lambda rows: rows[0][STEPS]):
        joined = [row for row in joined if row[STEPS] < rows[0][STEPS]]
        before = max((t for row in joined if np.isfinite(t := _seconds(row))), default=0.0)
        for row in rows:
            # The log's own clock begins anew, the run's does not.
            elapsed = row.get(SECONDS, np.nan) + before
            joined.append({**row, SECONDS: elapsed if np.isfinite(elapsed) else _all_seconds(row)})
    joined = sorted(joined + _validation(path), key=lambda row: row[STEPS])
    names = dict.fromkeys(name for row in joined for name in row)
    columns = {name: np.array([row.get(name, np.nan) for row in joined]) for name in names}
    clock = columns[SECONDS]
    known = np.isfinite(clock)
    clock[known] = np.maximum.accumulate(clock[known])
    if not known.any():
        del columns[SECONDS]
    return columns


def _rows(file: Path) -> list[dict[str, float]]:
    """Return the rows of a log that have a count of steps, by that count."""
    with file.open(newline="") as text:
        rows = [
            {
                name: value
                for name, cell in row.items()
                if name and (value := _number(cell)) == value
            }
            for row in csv.DictReader(text)
        ]
    return sorted((row for row in rows if STEPS in row), key=lambda row: row[STEPS])


def _validation(run: Path) -> list[dict[str, float]]:
    """Return the scores that a run keeps in its folder, as rows of a log."""
    kept = run / SCORES
    if not kept.is_file():
        return []
    return [
        {STEPS: float(entry["environment_steps"]), SECONDS: float(entry["seconds"])}
        | {f"validation/{n}": float(v) for n, v in entry.items() if n.startswith("mean_")}
        for entry in json.loads(kept.read_text())
    ]


def _seconds(row: dict[str, float]) -> float:
    return row.get(SECONDS, np.nan)


def _all_seconds(row: dict[str, float]) -> float:
    return row.get(_ALL_SECONDS, np.nan)


def run_figure(columns: LogColumns, title: str = "", figure: Figure | None = None) -> Figure:
    """Draw return, entropy, temperature and losses against steps (above) and wall time (below).

    Parameters
    ----------
    columns : dict
        As :func:`read_log` returns them.
    title : str, optional
        Title of the figure.
    figure : Figure, optional
        The figure to draw in (default: a new one).
    """
    shown = [(names, label) for names, label in PANELS if any(_has(columns, n) for n in names)]
    clocks = [(STEPS, "environment steps"), (SECONDS, "wall time [s]")]
    clocks = [clock for clock in clocks if _has(columns, clock[0])]
    if not shown:
        raise RunFolderError(
            f"the log has none of the columns that are drawn, only: {', '.join(columns)}"
        )
    fig = figure or Figure()
    fig.set_size_inches(2.6 * len(shown), 2.4 * len(clocks) + 0.4)
    fig.set_layout_engine("constrained")
    axes = np.atleast_2d(fig.subplots(len(clocks), len(shown), squeeze=False))
    for row, (clock, clock_label) in zip(axes, clocks, strict=True):
        for ax, (names, label) in zip(row, shown, strict=True):
            _panel(ax, columns, clock, names)
            ax.set(xlabel=clock_label, ylabel=label)
    if title:
        fig.suptitle(title)
    return fig


def maps_figure(maps: Json, title: str = "", figure: Figure | None = None) -> Figure:
    """Draw action value and action over a slice of the state, and the Boltzmann policy by alpha.

    Parameters
    ----------
    maps : dict
        As :func:`lw_rl.training.maps.policy_maps` returns them.
    """
    fig = figure or Figure()
    fig.set_size_inches(12.6, 6.2)
    fig.set_layout_engine("constrained")
    parts: Any = fig.subfigures(2, 1)
    above, below = parts
    first, second = maps["dimensions"]
    x, y = maps["axes"]
    for ax, key, label, cmap in zip(
        above.subplots(1, 2),
        ("value", "action"),
        ("value Q of the policy's action", "action 0 of the policy"),
        (_BLUES, "RdBu"),
        strict=True,
    ):
        limits = {"vmin": -1.0, "vmax": 1.0} if key == "action" else {}
        mesh = ax.pcolormesh(x, y, np.array(maps[key]).T, cmap=cmap, shading="auto", **limits)
        above.colorbar(mesh, ax=ax, label=label)
        ax.set(xlabel=f"observation {first}", ylabel=f"observation {second}")
    boltzmann_panels(below, maps["boltzmann"], maps["alphas"])
    if title:
        fig.suptitle(title)
    return fig


def boltzmann(Q: np.ndarray, alpha: float, cell: float) -> np.ndarray:
    """Return exp(Q / alpha) normalised on a grid of cells of that size."""
    weight = np.exp((Q - Q.max()) / alpha)
    return weight / (weight.sum() * cell)


def boltzmann_panels(fig: Any, state: Json, factors: Sequence[float]) -> None:
    """Draw the Boltzmann policy of one state for several temperatures, and the policy's draws."""
    axis, Q = np.array(state["axis"]), np.array(state["Q"])
    draws = np.array(state["draws"])
    cell = (axis[1] - axis[0]) ** Q.ndim
    if Q.ndim == 1:
        ax = fig.subplots(1, 1)
        for k, factor in enumerate(factors):
            alpha = factor * state["alpha"]
            ax.plot(
                axis, boltzmann(Q, alpha, cell), label=rf"$\alpha = {alpha:.2g}$",
                color=_colour(k, len(factors)),
            )  # fmt: skip
        ax.hist(
            draws[:, 0], 40, range=(-1, 1), density=True, color="0.8", label="draws of the policy"
        )
        ax.set(xlabel="action", ylabel="density")
        ax.legend(frameon=False, fontsize=8)
        return
    for ax, factor in zip(
        fig.subplots(1, len(factors), sharex=True, sharey=True), factors, strict=True
    ):
        alpha = factor * state["alpha"]
        density = boltzmann(Q, alpha, cell)
        ax.pcolormesh(axis, axis, density.T, cmap=_BLUES, shading="auto")
        own = factor == 1.0
        if own:
            ax.plot(*draws.T, ".", color="white", ms=2.5, alpha=0.7)
        ax.set_title(rf"$\alpha = {alpha:.2g}$" + (", with draws" if own else ""), fontsize=9)
        ax.set(xlabel="action 0", aspect="equal")
    fig.axes[0].set_ylabel("action 1")


def draw_run(run: str | Path, out: str | Path | None = None) -> list[Path]:
    """Draw what a run's folder holds; return the files, ``training.png`` and ``policy.png``.

    Parameters
    ----------
    run : path-like
        Folder of the run.
    out : path-like, optional
        Where the figures go (default: the folder).

    Raises
    ------
    RunFolderError
        See :func:`read_log`.
    """
    folder = Path(run)
    target = Path(out) if out is not None else folder if folder.is_dir() else folder.parent
    name = title_of(folder)
    files = [save_figure(run_figure(read_log(folder), name), target / "training.png")]
    maps = folder / MAPS
    if maps.is_file():
        files.append(
            save_figure(maps_figure(json.loads(maps.read_text()), name), target / "policy.png")
        )
    return files


def title_of(folder: Path) -> str:
    """Return what a run is: its folder, and where it keeps its arguments, seed and steps."""
    path = folder.resolve() if folder.is_dir() else folder.resolve().parent
    title = f"training run {path.parent.name}/{path.name}"
    arguments = path / ARGUMENTS
    if arguments.is_file():
        given = json.loads(arguments.read_text())
        title += f": {given.get('steps')} steps, seed {given.get('seed')}"
    return title


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, in one step, and return its path."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    write_atomically(path, buffer.getvalue())
    return path


def _panel(ax: Axes, columns: LogColumns, clock: str, names: Sequence[str]) -> None:
    drawn = [name for name in names if _has(columns, name)]
    for name, colour in zip(drawn, _COLOURS, strict=False):
        there = np.isfinite(columns[name])
        target = name.endswith("target_entropy")
        ax.plot(
            columns[clock][there], columns[name][there], color=colour, lw=1.3,
            ls="--" if target else "-", label=_label(name),
        )  # fmt: skip
        if name.endswith(("ent_coef", "critic_loss")) and np.all(columns[name][there] > 0.0):
            ax.set_yscale("log")
            # Plain numbers, and enough of them: between the powers of ten where these are few.
            low, high = float(np.nanmin(columns[name])), float(np.nanmax(columns[name]))
            few = high < 30.0 * low
            ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
            if high < 2.0 * low:
                ax.yaxis.set_major_locator(MaxNLocator(4))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
            ax.yaxis.set_minor_formatter(NullFormatter())
    if len(drawn) > 1:
        # Above the axes, not over the curves.
        ax.legend(
            frameon=False, fontsize=7.5, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2,
            borderaxespad=0.1, handlelength=1.4, columnspacing=1.0,
        )  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)


def _label(name: str) -> str:
    """Return what a column is called in a legend."""
    last = name.split("/")[1]
    return (
        f"to {last[5:].replace('e-0', 'e-')}"
        if last.startswith("mean_")
        else last.replace("_", " ")
    )


def _has(columns: LogColumns, name: str) -> bool:
    return name in columns and bool(np.isfinite(columns[name]).any())


def _colour(k: int, n: int) -> Any:
    import matplotlib

    return matplotlib.colormaps[_BLUES](k / max(n - 1, 1) * 0.9)


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")
