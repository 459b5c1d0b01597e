"""The commands `lw-rl cube` and `lw-rl cube-synthetic`."""

from __future__ import annotations

import json
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..cube import require_extra
from ..errors import CubeOutputError
from ..files import Json
from ..terminal import progress_bar
from .options import command_line, json_option, policy_option, quiet_option

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

    from ..cube.progress import Progress as CubeProgress

__all__ = ["cube", "cube_synthetic", "quiet_dask"]

# Before anything of a cube is imported, so that its message is what a user without it sees.
require_extra()


def cube_bar(quiet: bool) -> Progress:
    """Return a progress bar with rate, cost, failures and time left."""
    bar = progress_bar(quiet)
    bar.columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    return bar


def quiet_dask() -> None:
    """Keep Dask's logs of processes that die off the terminal: the run reports what matters."""
    import distributed  # noqa: F401 (its loggers are there, with levels of their own, after this)

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def check_place(path: Path) -> None:
    """Check that a file can be written, before there are hours of work behind it.

    Raises
    ------
    CubeOutputError
        If it cannot be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as err:
        raise CubeOutputError(
            f"{path} cannot be written: {err}; give another place (--figure) or none (--no-figure)"
        ) from err


def status(progress: CubeProgress, rate: float | None) -> str:
    """Return what the progress bar says beside the count of columns."""
    words = [f"{rate:.3g}/s" if rate else "-/s"]
    words.append(f"{progress.mean_Nformal:.1f} FS" if progress.Nformal else "- FS")
    words.append(f"{progress.failed} failed")
    if progress.version:
        words.append(f"policy {progress.version}")
    return ", ".join(words)


@click.command()
@click.argument("cube_in", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--line", default="CaII_K", show_default=True, help="The line; see `lw-rl info`.")
@click.option("--scheme", default="depthwise", show_default=True, help="Scheme to solve with.")
@policy_option()
@click.option(
    "--mu", "mus", type=float, multiple=True, default=(1.0,), show_default=True,
    help="Cosine of an angle to keep the emergent intensity at; may be repeated.",
)  # fmt: skip
@click.option(
    "--rays", "Nrays", type=int, default=5, show_default=True, help="Rays per hemisphere."
)
@click.option(
    "--tol", "popsTol", type=float, default=1e-3, show_default=True,
    help="Relative error of the populations at which a column is finished.",
)  # fmt: skip
@click.option(
    "--keep", type=click.Choice(["departure", "populations", "none"]), default="departure",
    show_default=True, help="What of the solution is kept at every depth.",
)  # fmt: skip
@click.option("--tau-one", is_flag=True, help="Keep the height of tau = 1 for every wavelength.")
@click.option(
    "--start", type=click.Choice(["policy", "neighbour", "measured"]), default="measured",
    show_default=True,
    help="Begin as the scheme does by itself, at the solved neighbour's departure coefficients, or "
    "as was cheaper so far.",
)  # fmt: skip
@click.option("--frozen", is_flag=True, help="One policy throughout: no learning.")
@click.option(
    "--block", type=click.IntRange(min=1), nargs=2, metavar="NX NY",
    help="Columns of a block, which is what a kill can lose.  [default: by the size of the cube]",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS|FILE",
    help="A running Dask scheduler, or its scheduler file.  [default: a cluster of its own]",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(min=1),
    help="Processes of the cluster of its own.  [default: one for every core]",
)  # fmt: skip
@click.option(
    "--figure", type=click.Path(dir_okay=False, path_type=Path),
    help="Where the picture goes.  [default: OUT with the suffix .png]",
)  # fmt: skip
@click.option("--no-figure", is_flag=True, help="Draw no picture.")
@json_option("a summary")
@quiet_option()
@click.pass_context
def cube(
    ctx: click.Context,
    cube_in: Path,
    out: Path,
    line: str,
    policy: str,
    block: tuple[int, int] | None,
    scheduler: str | None,
    workers: int | None,
    figure: Path | None,
    no_figure: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Solve LINE in every column of the cube IN (1.5D) and write OUT, a zarr.

    IN is an RH 1.5D atmosphere (HDF5/netCDF4), or a zarr with the same names.  Whatever kills the
    run, the same command goes on where it was; on a finished OUT it does nothing.  `python -m
    pydoc lw_rl.cube` shows how to run it under SLURM.

    \b
    Examples:
      lw-rl cube cube.hdf5 cube.zarr --line CaII_K
      lw-rl cube cube.hdf5 cube.zarr --line MgII_k --mu 1 --mu 0.5 --tau-one
      lw-rl cube cube.hdf5 cube.zarr --scheduler tcp://host:8786 --frozen
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from ..cube import solve

    quiet_dask()
    path = None if no_figure else figure or out.with_suffix(".png")
    if path is not None:
        check_place(path)
    with cube_bar(quiet) as bar:
        task = bar.add_task("cube", total=None, status="starting")
        last = ""

        def show(progress: CubeProgress) -> None:
            nonlocal last
            bar.update(
                task,
                description="cube" if progress.workers else "cube: waiting for workers",
                total=progress.total,
                completed=progress.columns,
                status=status(progress, bar.tasks[0].speed),
            )
            if progress.note and progress.note != last and progress.workers and not quiet:
                bar.console.print(progress.note)
            last = progress.note

        def connected(client: Client) -> None:
            if not quiet and "dashboard" in client.scheduler_info()["services"]:
                bar.console.print(f"dashboard: {client.dashboard_link}", soft_wrap=True)

        ds = solve(
            cube_in, out, line, policy=policy, scheduler=scheduler, workers=workers,
            block=block or None, listener=show, on_connect=connected, **settings,
        )  # fmt: skip
    found = summary(ds)
    if path is not None:
        from ..benchmark.plots import save
        from ..cube import cube_figure

        save(cube_figure(ds), path)
    if as_json:
        fields = {
            "command": command_line(ctx),
            "output": str(out),
            "figure": None if path is None else str(path),
            **found,
        }
        click.echo(json.dumps(fields, indent=2))
    elif not quiet:
        click.echo(
            f"{found['columns']} columns, {found['failed']} failed; formal solutions per column: "
            f"mean {found['mean_formal_solutions']:.2f}, worst {found['worst_formal_solutions']}"
        )
        for reason, count in found["reasons"].items():
            click.echo(f"  {count} x {reason}")
        click.echo(f"output: {out}")
        if path is not None:
            click.echo(f"figure: {path}")


def summary(ds: xr.Dataset) -> Json:
    """Return what a finished output amounts to, JSON-ready."""
    from ..cube.column import OUTCOMES

    outcome = ds.outcome.values
    converged = outcome == OUTCOMES.index("converged")
    counts = ds.formal_solutions.values[converged]
    failures = Counter(
        f"{OUTCOMES[o]}: {reason}"
        for o, reason in zip(outcome[~converged], ds.reason.values[~converged], strict=True)
    )
    return {
        "columns": int(outcome.size),
        "failed": int((~converged).sum()),
        "retried": int((ds.attempts.values[converged] > 1).sum()),
        "mean_formal_solutions": float(counts.mean()) if counts.size else float("nan"),
        "worst_formal_solutions": int(counts.max()) if counts.size else 0,
        "worst_error_estimate": float(ds.error_estimate.values[converged].max())
        if counts.size
        else float("nan"),
        "worker_seconds": float(ds.seconds.sum()),
        "policy_versions": sorted(int(v) for v in set(ds.policy_version.values.ravel())),
        "learning": json.loads(ds.attrs.get("learning", "[]")),
        "reasons": dict(failures.most_common(5)),
    }


@click.command("cube-synthetic")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--nx", type=int, default=64, show_default=True, help="Columns in x.")
@click.option("--ny", type=int, default=64, show_default=True, help="Columns in y.")
@click.option("--nt", type=int, default=1, show_default=True, help="Snapshots.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the perturbations.")
@click.option("--model", default="FALC", show_default=True, help="The FAL model to perturb.")
@click.option("--depths", "Nspace", type=click.IntRange(min=3), help="Resample to so many depths.")
@click.option(
    "--amplitude", type=float, default=0.06, show_default=True, help="Standard deviation of ln T."
)
@click.option(
    "--velocity", type=float, default=5e3, show_default=True,
    help="Standard deviation of the velocity at the top [m/s].",
)  # fmt: skip
@click.option(
    "--correlation", type=float, default=6.0, show_default=True,
    help="Correlation length in columns.",
)  # fmt: skip
@click.option(
    "--shocks", type=float, default=0.0, show_default=True,
    help="Relative jump in temperature of a train of shocks.",
)  # fmt: skip
@json_option("a summary")
@quiet_option()
@click.pass_context
def cube_synthetic(
    ctx: click.Context, out: Path, as_json: bool, quiet: bool, **arguments: Any
) -> None:
    """Write OUT, a seeded cube of perturbed FAL columns in the RH 1.5D atmosphere format.

    \b
    Examples:
      lw-rl cube-synthetic cube.hdf5
      lw-rl cube-synthetic small.hdf5 --nx 8 --ny 8 --seed 1
      lw-rl cube-synthetic shocks.hdf5 --shocks 0.5 --amplitude 0.1
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from ..cube import synthetic_cube, write

    made = synthetic_cube(**arguments)
    write(made, out)
    sizes = {str(d): int(n) for d, n in made.sizes.items()}
    if as_json:
        click.echo(json.dumps({"command": command_line(ctx), "output": str(out), **sizes}))
    elif not quiet:
        click.echo(f"cube: {out} ({', '.join(f'{d} {n}' for d, n in sizes.items())})")
