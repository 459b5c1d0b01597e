"""Long experiments, run side by side, each kept in a file of its own, and never repeated.

An experiment is described by plain data: a worker process can run it, and the file that keeps its
outcome says whether it was run with these very settings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Protocol, TypeVar

from ..files import Json, plain, write_json
from ..processes import processes

__all__ = [
    "Experiment", "OnFinished", "experiment_path", "finished", "kept_experiments", "outcome",
    "run_experiments",
]  # fmt: skip

OnFinished = Callable[[str, int, int], None]
"""Called with the key of the experiment just finished, the number finished, and that of all."""


class Experiment(Protocol):
    """A unit of work whose outcome is kept."""

    @property
    def key(self) -> str:
        """Name of the file that keeps the outcome."""

    @property
    def seed(self) -> int:
        """Number of the repetition, from 0."""

    @property
    def config(self) -> Json:
        """Everything that decides the outcome, as plain data."""


E = TypeVar("E", bound=Experiment)


def run_experiments(
    directory: Path,
    work: Sequence[E],
    run: Callable[[E, Path], Json],
    workers: int,
    progress: OnFinished | None = None,
) -> None:
    """Run the experiments that a directory does not hold, and write each as soon as it is done.

    Parameters
    ----------
    directory : Path
        Output directory.
    work : sequence of Experiment
        The experiments.
    run : callable
        From an experiment and the output directory to what is kept of it (see `outcome`); a
        function of a module, so that a worker process can import it.
    workers : int
        Processes, each on one thread.
    progress : callable, optional
        Called after each experiment.
    """
    todo = [experiment for experiment in work if finished(directory, experiment) is None]
    done = len(work) - len(todo)
    with processes(workers) as pool:
        futures = {pool.submit(run, experiment, directory): experiment for experiment in todo}
        for future in as_completed(futures):
            experiment = futures[future]
            write_json(experiment_path(directory, experiment), future.result())
            done += 1
            if progress is not None:
                progress(experiment.key, done, len(work))


def outcome(experiment: E, run: Callable[[E], Json]) -> Json:
    """Run an experiment and return what is kept of it.

    Returns
    -------
    dict
        ``config``, ``outcome`` as plain data, and what it took: ``seconds`` and ``cpu_seconds``.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    found = run(experiment)
    return {
        "config": experiment.config,
        "outcome": plain(found),
        "seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
    }


def experiment_path(directory: Path, experiment: Experiment) -> Path:
    """Return the file that keeps an experiment."""
    # The folder's name is older than the class's, and directories of earlier runs have it.
    return directory / "cells" / f"{experiment.key}.json"


def finished(directory: Path, experiment: Experiment) -> Json | None:
    """Return what is kept of an experiment, if it was run with these very settings."""
    try:
        kept = json.loads(experiment_path(directory, experiment).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    # Through JSON, so that tuples and lists compare equal.
    return kept if kept.get("config") == json.loads(json.dumps(experiment.config)) else None


def kept_experiments(
    directory: Path, work: Sequence[E], partial: bool = False
) -> list[tuple[E, Json]]:
    """Return each experiment with what is kept of it.

    Parameters
    ----------
    directory : Path
        Output directory.
    work : sequence of Experiment
        The experiments.
    partial : bool, optional
        Whether experiments may be missing; those of the first seed may not (default: False).

    Raises
    ------
    FileNotFoundError
        If an experiment that is needed is missing, or was run with other settings.
    """
    found = []
    for experiment in work:
        kept = finished(directory, experiment)
        if kept is not None:
            found.append((experiment, kept))
        elif not partial or experiment.seed == 0:
            path = experiment_path(directory, experiment)
            raise FileNotFoundError(f"{path} is missing or of other settings")
    return found
