"""The command `lw-rl paper`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lw_rl.cli_terminal import output, progress_bar


@click.command()
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Seeds per experiment.",
)
@click.option("--quick", is_flag=True, help="A few hundred steps each: checks, measures nothing.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("paper"),
    show_default=True,
    help="Output directory. What it holds of an earlier run is not repeated.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes."
)
@click.option(
    "--report-only", is_flag=True, help="Run nothing; report on what is finished, if it is enough."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
@click.option("--quiet", is_flag=True, help="No progress bar and no closing lines.")
def paper(
    seeds: int,
    quick: bool,
    out: Path,
    workers: int,
    report_only: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Reproduce Panos & Milic (2025, arXiv:2504.15679), and put it right.

    Trains the paper's Soft Actor-Critic and its greedy ablation, runs the classical schemes
    beside them, searches the optimum of each reward, and answers the questions that the paper
    leaves open.  Writes a result file (paper_result.json), the figures, and a report
    (paper_report.md) in which every number comes from that file.  It can be interrupted and
    started again.

    \b
    Examples:
      lw-rl paper --quick --out runs/quick     about a minute: does everything work?
      lw-rl paper --seeds 5 --out paper         under 45 minutes on two cores
      lw-rl paper --seeds 5 --out paper --json  the same, with the summary on stdout
      lw-rl paper --seeds 5 --out paper --report-only      after an interruption
    """  # noqa: D301 -- click needs the escape itself, not a raw string
    # Imported late: the help must not wait for scipy and the engine.
    from lw_rl.paper import REPORT, RESULT, gather, write_outputs

    if report_only:
        try:
            content = gather(out, seeds, quick, partial=True)
        except FileNotFoundError as error:
            raise click.ClickException(f"too little is finished to report on: {error}") from error
        result = write_outputs(out, content)
    else:
        result = _run(out, seeds, quick, workers, quiet)
    if as_json:
        click.echo(json.dumps(result["summary"], indent=2))
        return
    console = output(quiet)
    console.print(f"{out / REPORT}: the report, with its figures beside it")
    console.print(f"{out / RESULT}: every number in it")


def _run(out: Path, seeds: int, quick: bool, workers: int, quiet: bool) -> dict[str, Any]:
    from lw_rl.paper import run_paper

    with progress_bar(quiet) as bar:
        task = bar.add_task("experiments", total=None)

        def advance(key: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=key)

        return run_paper(out, seeds, quick, workers, advance)
