"""What the commands share that run experiments cell by cell and report on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import click

from ..terminal import (
    output,
    progress_bar,
)
from .options import (
    folder_option,
    json_option,
    quiet_option,
    workers_option,
)


class Experiments(Protocol):
    """A module of experiments, such as `lw_rl.experiments.paper.run`."""

    RESULT: str
    REPORT: str

    def gather(
        self, directory: Path, seeds: int, quick: bool, partial: bool = False
    ) -> dict[str, Any]:
        """Return the result file's content from the cells in a directory."""

    def write_outputs(self, directory: Path, result: dict[str, Any]) -> dict[str, Any]:
        """Write result file, figures and report."""


def experiment_options(out: str, seeds: str, quick: str) -> Callable[[Any], Any]:
    """Return a decorator with the options of a command, to be handed to `run_experiments`.

    Parameters
    ----------
    out : str
        Default of ``--out``.
    seeds, quick : str
        Help of ``--seeds`` and ``--quick``.
    """
    options = (
        click.option(
            "--seeds", type=click.IntRange(min=1), help=f"{seeds}  [default: 5; with --quick: 1]"
        ),
        click.option("--quick", is_flag=True, help=quick),
        folder_option(out, "Output directory. What it holds of an earlier run is not repeated."),
        workers_option(),
        click.option(
            "--report-only", is_flag=True,
            help="Run nothing; report on what is finished, if it is enough.",
        ),
        json_option("the summary"),
        quiet_option("No progress bar and no closing lines."),
    )  # fmt: skip

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def run_experiments(
    module: Experiments,
    run: Callable[..., dict[str, Any]],
    *,
    seeds: int | None,
    quick: bool,
    out: Path,
    workers: int,
    report_only: bool,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Run experiments under a progress bar, or report on the finished ones, and say where.

    Parameters
    ----------
    module : Experiments
        Where the experiments are.
    run : callable
        ``run(out, seeds, quick, workers, progress)``, which returns the result file's content.
    seeds, quick, out, workers, report_only, as_json, quiet
        Of `experiment_options`.

    Returns
    -------
    dict
        The content of the result file.

    Raises
    ------
    click.ClickException
        If only a report is asked for, and too little is finished for it.
    """
    seeds = seeds or (1 if quick else 5)
    if report_only:
        try:
            content = module.gather(out, seeds, quick, partial=True)
        except FileNotFoundError as error:
            raise click.ClickException(f"too little is finished to report on: {error}") from error
        result = module.write_outputs(out, content)
    else:
        with progress_bar(quiet) as bar:
            task = bar.add_task("experiments", total=None)

            def advance(key: str, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, description=key)

            result = run(out, seeds, quick, workers, advance)
    if as_json:
        click.echo(json.dumps(result["summary"], indent=2))
    else:
        console = output(quiet)
        console.print(f"{out / module.REPORT}: the report, with its figures beside it")
        console.print(f"{out / module.RESULT}: every number in it")
    return result
