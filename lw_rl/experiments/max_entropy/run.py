"""Maximum-entropy control, measured: one call that runs everything and can be resumed.

`run_entropy_report` runs every cell of `lw_rl.experiments.max_entropy.cells` that the output
directory does not hold yet, gathers them into one result file, and from that file alone makes the
figures (`lw_rl.experiments.max_entropy.figures`) and the report
(`lw_rl.experiments.max_entropy.report`).
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...provenance import (
    versions,
)
from ..store import Progress, check_run, head, kept_cells, run_cells, write_report
from .cells import RUNS, cells, left_out
from .modes import boltzmann_modes

RESULT = "entropy_result.json"
REPORT = "entropy_report.md"
_PACKAGES = ("torch", "stable_baselines3", "gymnasium", "mujoco")


def run_entropy_report(
    out: str | Path,
    seeds: int = 5,
    quick: bool = False,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run all experiments and write the result file, the figures and the report.

    Parameters
    ----------
    out : path-like
        Output directory; cells that it holds from an earlier run are not repeated.
    seeds : int, optional
        Seeds of the comparisons; some experiments have a cap (default: 5).
    quick : bool, optional
        A hundred steps of each: exercises everything, measures nothing (default: False).
    workers : int, optional
        Processes, each on one thread (default: 2).
    progress : callable, optional
        Called after each cell.

    Returns
    -------
    dict
        The content of the result file.

    Raises
    ------
    ValueError
        If `seeds` or `workers` is below 1.
    MissingExtraError
        If the packages for training are not installed.
    """
    check_run("lw-rl entropy-report", seeds, workers)
    from .runs import run_cell

    directory = Path(out)
    run_cells(directory, cells(seeds, quick), partial(run_cell, out=directory), workers, progress)
    return write_outputs(directory, gather(directory, seeds, quick))


def gather(directory: Path, seeds: int, quick: bool, partial: bool = False) -> dict[str, Any]:
    """Return the result file's content from the cells in a directory.

    Parameters
    ----------
    directory : Path
        Where `run_entropy_report` writes.
    seeds, quick
        As for `run_entropy_report`.
    partial : bool, optional
        Whether cells may be missing; the facts and the first seed may not (default: False).

    Raises
    ------
    FileNotFoundError
        If a cell that is needed is missing, or was run with other settings.
    """
    from .summary import summarise

    work = cells(seeds, quick)
    found = kept_cells(directory, work, partial)
    result: dict[str, Any] = {
        **head(seeds, quick, work, found),
        "left_out": left_out(),
        "versions": versions() | {p: version(p) for p in _PACKAGES if find_spec(p)},
        "facts": {},
        "runs": {},
    }
    for cell, kept in found:
        if cell.kind == "facts":
            result["facts"][cell.name] = kept["outcome"]
        else:
            run = {"seed": cell.seed, **kept["outcome"], "settings": kept["config"]["settings"]}
            result["runs"].setdefault(cell.name, []).append(_slim(run))
    result["labels"] = {name: RUNS[name].label for name in result["runs"]}
    result["summary"] = summarise(result)
    return result


def _slim(run: dict[str, Any]) -> dict[str, Any]:
    """Count the modes, and leave out the pictures of all but the first seed.

    The result file is for keeping in a repository.
    """
    example = run["modes"]["example"]
    modes = dict(run["modes"], boltzmann=boltzmann_modes(example["Q"], example["alpha"]))
    if run["seed"] == 0:
        return dict(run, modes=modes)
    del modes["example"]
    kept = dict(run, modes=modes)
    kept.pop("first_steps", None)
    return kept


def write_outputs(directory: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Write result file, figures and report, and return the result as the file has it."""
    from .figures import save_figures
    from .report import report

    return write_report(directory, result, (RESULT, REPORT), save_figures, report)
