"""Long experiments as cells that are run side by side, kept one by one, and never repeated.

A cell is described by plain data: a worker process can run it, and the file that keeps its outcome
says whether it was run with these very settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..errors import MissingExtraError
from ..files import write_atomically, write_json
from ..processes import processes

Progress = Callable[[str, int, int], None]
"""Called with the key of the cell just finished, the number finished, and the number of all."""


class Cell(Protocol):
    """One unit of work."""

    @property
    def key(self) -> str:
        """Name of the file that keeps the cell."""

    @property
    def seed(self) -> int:
        """Number of the repetition, from 0."""

    @property
    def config(self) -> dict[str, Any]:
        """Everything that decides the outcome."""


C = TypeVar("C", bound=Cell)


def check_run(command: str, seeds: int, workers: int) -> None:
    """Check what every experiment needs before it begins.

    Raises
    ------
    ValueError
        If ``seeds`` or ``workers`` is below 1.
    MissingExtraError
        If the packages for training are not installed.
    """
    for name, value in (("seeds", seeds), ("workers", workers)):
        if value < 1:
            raise ValueError(f"{name} must be >= 1, not {value}")
    if find_spec("stable_baselines3") is None:
        raise MissingExtraError(f"`{command}` trains: pip install 'lw-rl[train]'")


def run_cells(
    directory: Path,
    work: Sequence[C],
    run: Callable[[C], dict[str, Any]],
    workers: int,
    progress: Progress | None = None,
) -> None:
    """Run the cells that a directory does not hold, and write each as soon as it is done.

    Parameters
    ----------
    directory : Path
        Output directory.
    work : sequence of Cell
        The cells.
    run : callable
        From a cell to its outcome, plain data with the entry ``config``; of a module, so that a
        process can import it.
    workers : int
        Processes, each on one thread.
    progress : callable, optional
        Called after each cell.
    """
    todo = [cell for cell in work if finished(directory, cell) is None]
    done = len(work) - len(todo)
    with processes(workers) as pool:
        futures = {pool.submit(run, cell): cell for cell in todo}
        for future in as_completed(futures):
            cell = futures[future]
            write_json(cell_path(directory, cell), future.result())
            done += 1
            if progress is not None:
                progress(cell.key, done, len(work))


def cell_path(directory: Path, cell: Cell) -> Path:
    """Return the file that keeps a cell."""
    return directory / "cells" / f"{cell.key}.json"


def finished(directory: Path, cell: Cell) -> dict[str, Any] | None:
    """Return what is kept of a cell, if it was run with these very settings."""
    try:
        kept = json.loads(cell_path(directory, cell).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    # Through JSON, so that tuples and lists compare equal.
    return kept if kept.get("config") == json.loads(json.dumps(cell.config)) else None


def kept_cells(
    directory: Path, work: Sequence[C], partial: bool = False
) -> list[tuple[C, dict[str, Any]]]:
    """Return each cell with what is kept of it.

    Parameters
    ----------
    directory : Path
        Output directory.
    work : sequence of Cell
        The cells.
    partial : bool, optional
        Whether cells may be missing; those of the first seed may not (default: False).

    Raises
    ------
    FileNotFoundError
        If a cell that is needed is missing, or was run with other settings.
    """
    found = []
    for cell in work:
        kept = finished(directory, cell)
        if kept is not None:
            found.append((cell, kept))
        elif not partial or cell.seed == 0:
            raise FileNotFoundError(f"{cell_path(directory, cell)} is missing or of other settings")
    return found


def head(
    seeds: int, quick: bool, work: Sequence[Cell], found: Sequence[tuple[Cell, dict[str, Any]]]
) -> dict[str, Any]:
    """Return what every result file begins with: how much of which run it holds, and its cost."""
    return {
        "quick": quick,
        "seeds": seeds,
        "cells": {"done": len(found), "all": len(work)},
        "cpu_seconds": sum(kept["cpu_seconds"] for _, kept in found),
    }


def write_report(
    directory: Path,
    result: dict[str, Any],
    names: tuple[str, str],
    save_figures: Callable[[dict[str, Any], Path], dict[str, str]],
    report: Callable[[dict[str, Any], dict[str, str]], str],
) -> dict[str, Any]:
    """Write result file, figures and report, and return the result as the file has it.

    Parameters
    ----------
    directory : Path
        Output directory.
    result : dict
        Content of the result file.
    names : (str, str)
        Of the result file and of the report.
    save_figures : callable
        Draws the result into a directory and returns the file name of each figure.
    report : callable
        Returns Markdown from the result and the figures' file names.
    """
    result_name, report_name = names
    write_json(directory / result_name, result)
    result = json.loads((directory / result_name).read_text())
    files = save_figures(result, directory)
    write_atomically(directory / report_name, report(result, files).encode())
    return result
