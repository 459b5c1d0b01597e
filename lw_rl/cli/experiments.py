"""What the commands share that reproduce published claims: their options, and how they run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..files import Json
from ..terminal import output, progress_bar
from .options import folder_option, json_option, quiet_option, workers_option

if TYPE_CHECKING:
    from ..experiments.reproduction import Reproduction

__all__ = ["experiment_options", "run_or_report"]


def experiment_options(out: str, seeds: str, quick: str) -> Callable[[Any], Any]:
    """Return a decorator with the options of a command, to be handed to `run_or_report`.

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
        json_option("the summary, and every claim with its verdict,"),
        quiet_option("No progress bar and no closing lines."),
    )  # fmt: skip

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def run_or_report(
    reproduction: Reproduction[Any],
    *,
    seeds: int | None,
    quick: bool,
    out: Path,
    workers: int,
    report_only: bool,
    as_json: bool,
    quiet: bool,
) -> Json:
    """Run experiments under a progress bar, or report on the finished ones, and say where.

    Parameters
    ----------
    reproduction : Reproduction
        The experiments.
    seeds, quick, out, workers, report_only, as_json, quiet
        Of `experiment_options`.

    Returns
    -------
    dict
        The content of the result file.

    Raises
    ------
    click.ClickException
        If only a report is wanted, and too few experiments are finished for it.
    """
    seeds = seeds or (1 if quick else 5)
    if report_only:
        try:
            content = reproduction.gather(out, seeds, quick, partial=True)
        except FileNotFoundError as error:
            raise click.ClickException(f"too little is finished to report on: {error}") from error
        result = reproduction.write(out, content)
    else:
        with progress_bar(quiet, time_left=True) as bar:
            task = bar.add_task("experiments", total=None)

            def advance(key: str, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, description=key)

            result = reproduction.run(out, seeds, quick, workers, advance)
    if as_json:
        claims = reproduction.verdicts(result)
        click.echo(json.dumps({**result["summary"], "claims": claims}, indent=2))
    else:
        console = output(quiet)
        console.print(f"{out / reproduction.report_name}: the report, with its figures beside it")
        console.print(f"{out / reproduction.result_name}: every number in it")
    return result
