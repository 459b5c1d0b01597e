"""Long experiments as cells that are run side by side, kept one by one, and never repeated.

A cell is described by plain data: a worker process can run it, and the file that keeps its outcome
says whether it was run with these very settings.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from .files import write_atomically

Progress = Callable[[str, int, int], None]
"""Called with the key of the cell just finished, the number finished, and the number of all."""


class Cell(Protocol):
    """One unit of work."""

    @property
    def key(self) -> str:
        """Name of the file that keeps the cell."""

    @property
    def config(self) -> dict[str, Any]:
        """Everything that decides the outcome."""


C = TypeVar("C", bound=Cell)


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
    # Spawned and not forked: torch's threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    with one_thread_each(), ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        futures = {pool.submit(run, cell): cell for cell in todo}
        try:
            for future in as_completed(futures):
                cell = futures[future]
                write_json(cell_path(directory, cell), future.result())
                done += 1
                if progress is not None:
                    progress(cell.key, done, len(work))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole."""
    write_atomically(path, json.dumps(content).encode())


def plain(value: Any) -> Any:
    """Return plain data for JSON: no arrays, six significant digits, None for what is no number."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let worker processes started meanwhile use one thread; the matrices here are small."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
