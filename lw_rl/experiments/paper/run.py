"""Reproduce the paper, and put it right: one call that runs everything and can be resumed.

`run_paper` runs every cell of `lw_rl.experiments.paper.cells` that the output directory does not
hold yet, each written at once and whole, then gathers them into one result file, from which alone
the figures (`lw_rl.experiments.paper.figures`) and the report (`lw_rl.experiments.paper.report`)
are made.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lw_rl.experiments.paper.cells import Cell, cells, run_cell
from lw_rl.experiments.store import Progress, check_run, head, kept_cells, run_cells, write_report

RESULT = "paper_result.json"
REPORT = "paper_report.md"


def run_paper(
    out: str | Path,
    seeds: int = 5,
    quick: bool = False,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run all experiments of the paper and write the result file, the figures and the report.

    Parameters
    ----------
    out : str or Path
        Output directory; cells that it holds from an earlier run are not repeated.
    seeds : int
        Seeds per experiment, at least 1.
    quick : bool
        A few hundred steps for each: exercises everything, measures nothing.
    workers : int
        Processes, at least 1, each on one thread.
    progress : callable, optional
        Called after each cell.

    Returns
    -------
    dict
        The content of the result file.

    Raises
    ------
    ValueError
        If ``seeds`` or ``workers`` is below 1.
    MissingExtraError
        If the packages for training are not installed.
    """
    check_run("lw-rl paper", seeds, workers)
    directory = Path(out)
    run_cells(directory, cells(seeds, quick), run_cell, workers, progress)
    return write_outputs(directory, gather(directory, seeds, quick))


def gather(directory: Path, seeds: int, quick: bool, partial: bool = False) -> dict[str, Any]:
    """Return the result file's content from the cells in a directory.

    Parameters
    ----------
    directory : Path
        Where `run_paper` writes.
    seeds, quick
        As for `run_paper`.
    partial : bool
        Whether cells may be missing; the first seed of every experiment may not.

    Raises
    ------
    FileNotFoundError
        If a cell that is needed is missing, or was run with other settings.
    """
    from lw_rl.experiments.paper.summary import summarise

    work = cells(seeds, quick)
    found = kept_cells(directory, work, partial)
    result: dict[str, Any] = {
        **head(seeds, quick, work, found),
        "versions": {
            "python": platform.python_version(),
            **{p: version(p) for p in ("numpy", "scipy", "torch", "stable_baselines3")},
        },
        "facts": {},
        "greedy": [],
        "sac": {},
    }
    for cell, kept in found:
        if cell.kind == "facts":
            result["facts"][cell.name] = kept["outcome"]
        elif cell.kind == "greedy":
            run = {"seed": cell.seed, **kept["outcome"], "cpu_seconds": kept["cpu_seconds"]}
            result["greedy"].append(run)
        else:
            run = {"seed": cell.seed, "options": kept["config"]["options"]}
            run |= _slim(cell, kept["outcome"])
            result["sac"].setdefault(cell.name, []).append(run)
    result["summary"] = summarise(result)
    return result


def _slim(cell: Cell, outcome: dict[str, Any]) -> dict[str, Any]:
    """Leave out the series that no figure draws: the result file is for keeping in a repository."""
    from lw_rl.experiments.paper.summary import MAIN

    kept = dict(outcome)
    if cell.name != "published":
        del kept["curve"]
    if cell.name not in MAIN:
        for series in ("true_error", "residual_mse"):
            kept[series] = kept[series][-1:]
        for series in ("relative_change", "mse_to_ali"):
            del kept[series]
    return kept


def write_outputs(directory: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Write result file, figures and report, and return the result as the file has it."""
    from lw_rl.experiments.paper.figures import save_figures
    from lw_rl.experiments.paper.report import report

    return write_report(directory, result, (RESULT, REPORT), save_figures, report)
