"""The command `lw-rl plot`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import folder_option, json_option, quiet_option

__all__ = ["plot"]


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@folder_option(None, "Folder of the figures.  [default: the run's]")
@json_option("the last row of the log")
@quiet_option()
def plot(run: Path, out: Path | None, as_json: bool, quiet: bool) -> None:
    """Draw a training run from its log.

    RUN is the folder of any run of stable-baselines3 that wrote a progress.csv, one of `lw-rl
    train` or of the entropy report for instance.  Draws return, measured entropy, temperature and
    losses against steps and wall time, and where the run kept them, maps of the policy.

    \b
    Examples:
      lw-rl plot runs/default
      lw-rl plot entropy/runs/pendulum-sac-0 --out figures
      lw-rl plot runs/default --json --quiet
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from ..training.plots import draw_run, read_log

    files = draw_run(run, out)
    if as_json:
        last = {k: float(v[-1]) for k, v in read_log(run).items() if v[-1] == v[-1]}
        click.echo(json.dumps({"files": [str(f) for f in files], "last": last}, indent=2))
    elif not quiet:
        for file in files:
            click.echo(str(file))
