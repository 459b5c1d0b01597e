"""The command `lw-rl entropy-report`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lw_rl.cli_terminal import output, progress_bar


@click.command("entropy-report")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True,
    help="Seeds of the comparisons.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="A hundred steps each: checks, measures nothing.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("entropy"),
    show_default=True, help="Output directory. What it holds of an earlier run is not repeated.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes."
)
@click.option(
    "--report-only", is_flag=True, help="Run nothing; report on what is finished, if it is enough."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
@click.option("--quiet", is_flag=True, help="No progress bar and no closing lines.")
def entropy_report(
    seeds: int,
    quick: bool,
    out: Path,
    workers: int,
    report_only: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure maximum-entropy control: S2AC, temperatures, entropy held at a level.

    Checks the samplers' entropy against exact values, trains SAC and S2AC on the four goals, on
    Pendulum, on a MuJoCo task and in radiative transfer, holds the entropy at several levels, and
    compares shared weights with one network over all depths.  Writes a result file
    (entropy_result.json), figures, a report (entropy_report.md) in which every number comes from
    that file, and the log of every run (runs/).  It can be interrupted and started again.

    \b
    Examples:
      lw-rl entropy-report --quick --seeds 1 --out runs/quick
      lw-rl entropy-report --seeds 5 --out entropy      under an hour on two cores
      lw-rl entropy-report --seeds 5 --out entropy --report-only
      lw-rl plot entropy/runs/pendulum-sac-0
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    # Imported late: the help must not wait for torch.
    from lw_rl.entropy_experiments import (
        REPORT,
        RESULT,
        gather,
        run_entropy_report,
        write_outputs,
    )

    if report_only:
        try:
            content = gather(out, seeds, quick, partial=True)
        except FileNotFoundError as error:
            raise click.ClickException(f"too little is finished to report on: {error}") from error
        result = write_outputs(out, content)
    else:
        with progress_bar(quiet) as bar:
            task = bar.add_task("experiments", total=None)

            def advance(key: str, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, description=key)

            result = run_entropy_report(out, seeds, quick, workers, advance)
    if as_json:
        click.echo(json.dumps(result["summary"], indent=2))
        return
    console = output(quiet)
    console.print(f"{out / REPORT}: the report, with its figures beside it")
    console.print(f"{out / RESULT}: every number in it")
