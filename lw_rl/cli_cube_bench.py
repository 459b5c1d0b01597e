"""The command `lw-rl cube-bench`."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .cli_cube import quiet_dask
from .cli_terminal import (
    command_line,
    folder_option,
    json_option,
    output,
    progress_bar,
    quiet_option,
    workers_option,
)

_PARTS = ("rate", "start", "kills", "learn")


@click.command("cube-bench")
@click.option(
    "--part", "parts", type=click.Choice(_PARTS), multiple=True, default=("rate", "start"),
    show_default=True, help="What to measure; may be repeated.",
)  # fmt: skip
@click.option(
    "--side", type=click.IntRange(min=8), default=64, show_default=True,
    help="Columns in x and in y of the large cube.",
)  # fmt: skip
@click.option("--line", default="CaII_K", show_default=True, help="The line; see `lw-rl info`.")
@click.option(
    "--start", type=click.Choice(["policy", "neighbour"]), help="As for `lw-rl cube`."
)  # fmt: skip
@workers_option()
@click.option(
    "--sample", type=click.IntRange(min=2), default=256, show_default=True,
    help="Columns that the plain process pool is timed on.",
)  # fmt: skip
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True, help="Kills.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the cube.")
@folder_option("cube_bench", "Directory of the result file (cube_bench.json) and of the outputs.")
@json_option("what was measured")
@quiet_option()
@click.pass_context
def cube_bench(
    ctx: click.Context,
    parts: tuple[str, ...],
    side: int,
    line: str,
    start: str | None,
    workers: int,
    sample: int,
    kills: int,
    seed: int,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure what solving a cube costs, on scheduler and workers of its own.

    rate: columns per second against a plain process pool around iterate_ctx_se at the same true
    error and against one worker, memory per worker on a small and a large cube, and from these
    the cost of 10^7 columns.  start: a neighbour's departure coefficients against the scheme's
    own start.  kills: worker, scheduler and client killed at random moments; the output must be
    that of a run in peace.  learn: a cube with shocks, with learning and with a frozen policy.
    What is measured is put into the result file beside what was measured before.

    \b
    Examples:
      lw-rl cube-bench
      lw-rl cube-bench --part start --side 16
      lw-rl cube-bench --part kills --side 32 --kills 20
      lw-rl cube-bench --part rate --side 16 --sample 16 --out quick
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from .cube import experiments, measure, synthetic_cube
    from .cube.source import Source
    from .files import write_atomically
    from .report import versions

    quiet_dask()
    chosen = {"line": line, **({"start": start} if start else {})}
    work = out / "work"
    found: dict[str, Any] = {}
    with progress_bar(quiet) as bar:
        task = bar.add_task("", total=None)

        def tell(text: str) -> None:
            bar.update(task, description=text)

        for part in parts:
            shutil.rmtree(work, ignore_errors=True)
            tell(part)
            if part == "start":
                cubes = {
                    "smooth": synthetic_cube(side, side, seed=seed),
                    "shocks": experiments.shocked_cube(side, seed),
                }
                found[part] = {
                    name: experiments.compare_starts(Source(cube), line)
                    for name, cube in cubes.items()
                }
            elif part == "kills":
                from .cube.endurance import endure

                found[part] = asdict(endure(work, kills, side, seed, tell=tell))
            elif part == "learn":
                found[part] = experiments.learning_curve(
                    work, experiments.shocked_cube(side, seed), workers,
                    lambda p: tell(f"learn: {p.columns} of {p.total}"), **chosen,
                )  # fmt: skip
            else:
                found[part] = measure.rates(work, side, seed, workers, sample, tell, **chosen)
    shutil.rmtree(work, ignore_errors=True)
    file = out / "cube_bench.json"
    document: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for part, measured in found.items():
        document[part] = {
            "command": command_line(ctx), "side": side, "versions": versions(), **measured
        }  # fmt: skip
    write_atomically(file, (json.dumps(document, indent=1) + "\n").encode())
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif not quiet:
        console = output(quiet, width=110)
        for line_ in measure.sentences(found):
            console.print(line_)
        click.echo(f"results: {file}")
