"""The command `lw-rl cube-bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..cube import require_extra
from ..terminal import output, progress_bar
from .cube import quiet_dask
from .options import (
    command_line,
    folder_option,
    json_option,
    quiet_option,
    readme_option,
    workers_option,
)

__all__ = ["cube_bench"]

#: Block of a page that says what was measured.
_BLOCK = "cubes"
_PARTS = ("truth", "column", "start", "rate", "kills", "learn")


@click.command("cube-bench")
@click.option(
    "--part", "parts", type=click.Choice(_PARTS), multiple=True, default=_PARTS,
    help="What to measure; may be repeated.  [default: everything]",
)  # fmt: skip
@click.option(
    "--side", type=click.IntRange(min=8), default=64, show_default=True,
    help="Columns in x and in y of the large cube.",
)  # fmt: skip
@click.option("--line", default="CaII_K", show_default=True, help="The line; see `lw-rl info`.")
@click.option(
    "--start", type=click.Choice(["policy", "neighbour", "measured"]), help="As for `lw-rl cube`."
)  # fmt: skip
@workers_option()
@click.option(
    "--sample", type=click.IntRange(min=2), default=256, show_default=True,
    help="Columns that the plain process pool is timed on.",
)  # fmt: skip
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True, help="Kills.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the cube.")
@click.option(
    "--cube", type=click.Path(exists=True),
    help="Cube of the part truth, e.g. FALC_82_5x5.hdf5.  [default: a synthetic one]",
)  # fmt: skip
@click.option("--again", is_flag=True, help="Measure again what the result file holds already.")
@folder_option("cube_bench", "Directory of the result file (cube_bench.json) and of the figure.")
@readme_option("Renew the cubes' block in this file.")
@json_option("what was measured")
@quiet_option()
@click.pass_context
def cube_bench(
    ctx: click.Context,
    parts: tuple[str, ...],
    again: bool,
    out: Path,
    readme: Path | None,
    as_json: bool,
    quiet: bool,
    **plan: Any,
) -> None:
    """Measure what solving a cube costs, on schedulers and workers of its own.

    truth: every column of a cube against a reference of its own.  column: one process, no Dask.
    start: a neighbour's departure coefficients against the scheme's own start.  rate: columns per
    second against a plain process pool around iterate_ctx_se at the same true error and against
    one worker, memory per worker on a small, a middle and a large cube, and from these the cost
    of 10^7 columns.  kills: worker, scheduler and client killed at random moments; the output
    must be that of an undisturbed run.  learn: a cube with shocks, with learning and with a frozen
    policy.  Each part is written when it is done; the same command goes on with those that are
    missing, or were measured with other settings, another policy or another version.

    \b
    Examples:
      lw-rl cube-bench --cube FALC_82_5x5.hdf5
      lw-rl cube-bench --part start --side 16
      lw-rl cube-bench --part kills --side 32 --kills 20
      lw-rl cube-bench --part rate --side 16 --sample 16 --out quick
      lw-rl cube-bench --part column --readme page.md
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    require_extra()
    from ..benchmark.plots import save
    from ..experiments.cubes import bench
    from ..experiments.cubes.figure import bench_figure
    from ..experiments.cubes.text import markdown, sentences

    if readme is not None:
        from ..benchmark.readme import require_blocks

        require_blocks(readme.read_text(), [_BLOCK])
    quiet_dask()
    chosen = bench.Plan(**plan)
    file = out / "cube_bench.json"
    with progress_bar(quiet, time_left=True) as bar:
        task = bar.add_task("", total=len(parts))
        for part in parts:
            if again or not bench.kept(bench.load(file), part, chosen):
                bench.run(
                    part, chosen, out, command_line(ctx),
                    lambda text: bar.update(task, description=text),
                )  # fmt: skip
            bar.advance(task)
    document = bench.load(file)
    figure = bench_figure(document)
    picture = out / "cube_bench.png"
    if figure is not None:
        save(figure, picture)
    if readme is not None:
        from ..benchmark.readme import renew_block

        renew_block(readme, _BLOCK, markdown(document))
    if as_json:
        click.echo(json.dumps({part: document[part] for part in parts}, indent=2))
    elif not quiet:
        console = output(quiet, width=110)
        for line in sentences({part: document[part] for part in parts}):
            console.print(line, highlight=False, soft_wrap=True)
        click.echo(f"results: {file}")
        if figure is not None:
            click.echo(f"figure: {picture}")
