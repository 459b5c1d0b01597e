"""Reproductions of published claims: many experiments, one result file, its figures, its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Generic

from ..errors import MissingExtraError
from ..files import Json, versions, write_atomically, write_json
from .claims import ResultFile, Section, render, verdicts
from .store import E, OnFinished, kept_experiments, run_experiments
from .text import Content

__all__ = ["Reproduction", "origin"]


@dataclass(frozen=True)
class Reproduction(Generic[E]):
    """One call that runs all experiments, can be resumed, and reports on what is finished.

    Attributes
    ----------
    command : str
        Of `lw-rl`.
    name : str
        The files are ``name_result.json`` and ``name_report.md``.
    packages : tuple of str
        Whose versions are recorded beside those of every result.
    experiments : callable
        From the number of seeds, and whether it is a quick run, to all experiments.
    run_one : callable
        See `lw_rl.experiments.store.run_experiments`.
    collect : callable
        From the experiments and what is kept of them to the result's entries, the summary included.
    sections : sequence of Section
        The report.
    save_figures : callable
        Draws a result into a directory and returns the file name of each figure.
    """

    command: str
    name: str
    packages: tuple[str, ...]
    experiments: Callable[[int, bool], list[E]]
    run_one: Callable[[E, Path], Json]
    collect: Callable[[Sequence[tuple[E, Json]]], ResultFile]
    sections: Sequence[Section]
    save_figures: Callable[[ResultFile, Path], dict[str, str]]

    @property
    def result_name(self) -> str:
        """Name of the result file."""
        return f"{self.name}_result.json"

    @property
    def report_name(self) -> str:
        """Name of the report."""
        return f"{self.name}_report.md"

    def run(
        self,
        out: str | Path,
        seeds: int = 5,
        quick: bool = False,
        workers: int = 2,
        progress: OnFinished | None = None,
    ) -> ResultFile:
        """Run all experiments and write the result file, the figures and the report.

        Parameters
        ----------
        out : path-like
            Output directory; experiments that it holds from an earlier run are not repeated.
        seeds : int, optional
            Seeds of the training runs, at least 1; some have a cap (default: 5).
        quick : bool, optional
            A few steps of each: exercises everything, measures nothing (default: False).
        workers : int, optional
            Processes, at least 1, each on one thread (default: 2).
        progress : callable, optional
            Called after each experiment.

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
        for name, value in (("seeds", seeds), ("workers", workers)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, not {value}")
        if find_spec("stable_baselines3") is None:
            raise MissingExtraError.of(
                f"`lw-rl {self.command}` trains, which needs", "train", ["stable_baselines3"]
            )
        directory = Path(out)
        work = self.experiments(seeds, quick)
        run_experiments(directory, work, self.run_one, workers, progress)
        return self.write(directory, self.gather(directory, seeds, quick))

    def gather(self, directory: Path, seeds: int, quick: bool, partial: bool = False) -> ResultFile:
        """Return the result file's content from the experiments in a directory.

        Parameters
        ----------
        directory : Path
            Where `run` writes.
        seeds, quick
            As for `run`.
        partial : bool, optional
            Whether experiments may be missing; those of the first seed may not (default: False).

        Raises
        ------
        FileNotFoundError
            If an experiment that is needed is missing, or was run with other settings.
        """
        work = self.experiments(seeds, quick)
        found = kept_experiments(directory, work, partial)
        return {
            "quick": quick,
            "seeds": seeds,
            "kept": {"done": len(found), "all": len(work)},
            "cpu_seconds": sum(kept["cpu_seconds"] for _, kept in found),
            "versions": versions() | {p: version(p) for p in self.packages if find_spec(p)},
            **self.collect(found),
        }

    def write(self, directory: Path, result: ResultFile) -> ResultFile:
        """Write result file, figures and report, and return the result as the file has it."""
        write_json(directory / self.result_name, result)
        result = json.loads((directory / self.result_name).read_text())
        figures = self.save_figures(result, directory)
        text = render(self.sections, result, figures)
        write_atomically(directory / self.report_name, text.encode())
        return result

    def verdicts(self, result: ResultFile) -> list[Json]:
        """Return every claim of the report as plain data: ``claim``, ``found``, ``holds``."""
        return verdicts(self.sections, result)


def origin(command: str) -> Callable[[Content], str]:
    """Return the paragraphs of a report that say how its numbers were made.

    Parameters
    ----------
    command : str
        Of `lw-rl`.
    """
    made = f"""Made by `lw-rl {command} --seeds {{seeds}}`: {{kept/done}} experiments. A range in
        brackets runs from the first to the third quartile over the seeds. Seconds are processor
        time: every experiment runs on one thread, so that is the wall time of an idle core."""

    def block(c: Content) -> str:
        minutes = c["cpu_seconds"] / 60
        packages = ", ".join(f"{k} {v}" for k, v in c["versions"].items())
        left_out = ", ".join(c.get("left_out", ()))
        notes = (
            c.write(made),
            f"All took {minutes:.1f} minutes, that is {minutes / 2:.1f} on two cores ({packages}).",
            "**A quick run: a few hundred training steps. It shows that everything works; its "
            "numbers on learning mean nothing.**" * c["quick"],
            c.write("**Not finished: {kept/done} of {kept/all} experiments.**")
            * (c["kept/done"] < c["kept/all"]),
            f"**Left out, since a package is missing: {left_out}.**" * bool(left_out),
        )
        return "\n\n".join(note for note in notes if note)

    return block
