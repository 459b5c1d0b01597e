"""The commands `lw-rl cube` and `lw-rl cube-synthetic`."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
)

from ..cube import require_extra
from ..errors import CubeOutputError, CubeSettingsError
from ..files import Json
from ..terminal import progress_bar
from .options import (
    Atom,
    Interrupted,
    Line,
    Scheme,
    check_place,
    command_line,
    figure_option,
    json_option,
    policy_option,
    quiet_option,
)

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

    from ..cube.progress import Progress as CubeProgress

__all__ = ["cube", "cube_synthetic", "quiet_dask"]

#: Seconds between two lines where there is no terminal for a bar.
EVERY = 60.0


def cube_bar(quiet: bool) -> Progress:
    """Return a progress bar with time left, rate, cost and failures."""
    bar = progress_bar(quiet)
    bar.columns = (
        BarColumn(bar_width=6),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
    )
    return bar


def quiet_dask() -> None:
    """Keep Dask's logs of processes that die off the terminal: the run reports what matters."""
    import distributed  # noqa: F401 (its loggers are there, with levels of their own, after this)

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def status(progress: CubeProgress) -> str:
    """Return time left, rate, cost [formal solutions] and failures, as bar and log say them."""
    if not progress.workers:
        return "waiting for workers"
    words = ["first block under way"]
    if progress.rate == progress.rate:
        words = [f"{in_words(progress.left)} left, {progress.rate:.3g}/s"]
    if progress.Nformal:
        words.append(f"{progress.mean_Nformal:.1f} FS each")
    if progress.failed:
        words.append(f"{progress.failed} failed")
    if progress.version:
        words.append(f"policy {progress.version}")
    return ", ".join(words)


def in_words(seconds: float) -> str:
    """Return a duration as a person says it: 40 s, 12 min, 3.5 h."""
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    if seconds < 5400.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h"


@click.command()
@click.argument("cube_in", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--atom", "atoms", type=Atom(), multiple=True, metavar="NAME",
    help="Active atom, such as CaII or H+CaII; may be repeated.  [default: the two-level atom of "
    "--line]",
)  # fmt: skip
@click.option(
    "--line", "lines", type=Line(), multiple=True, metavar="NAME",
    help="Line to keep, such as CaII_K or 'CaII 8542'; may be repeated.  One alone, without "
    "--atom, is solved as a two-level atom.  [default: all of --atom; CaII_K]",
)  # fmt: skip
@click.option(
    "--wavelengths", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Text file of vacuum wavelengths [nm] to keep in the place of the lines' own.",
)  # fmt: skip
@click.option(
    "--scheme", type=Scheme(), default="depthwise", show_default=True, metavar="NAME",
    help="Scheme to solve with.",
)  # fmt: skip
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
@click.option(
    "--stokes", is_flag=True, help="Keep Stokes Q, U and V too, in the magnetic field of IN."
)
@click.option("--tau-one", is_flag=True, help="Keep the height of tau = 1 for every wavelength.")
@click.option(
    "--start", default="policy", show_default=True, metavar="policy|neighbour|measured|FILE",
    help="Begin as the scheme does by itself, at the solved neighbour's departure coefficients, as "
    "was cheaper so far, or with the populations of FILE: another OUT, or a zarr or netCDF with "
    "n_Ca or departure_Ca.",
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
@figure_option("OUT with the suffix .png")
@json_option("a summary")
@quiet_option()
@click.pass_context
def cube(
    ctx: click.Context,
    cube_in: Path,
    out: Path,
    atoms: tuple[str, ...],
    lines: tuple[str, ...],
    wavelengths: Path | None,
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
    """Solve every column of the cube IN by itself (1.5D) and write OUT, a zarr.

    IN is an RH 1.5D atmosphere (HDF5/netCDF4), a zarr with the same names, or a snapshot of a
    simulation: Bifrost's NAME_NNN.idl or published NAME_lgtg_NNN.fits, MURaM's Header.NNNNNN.
    Whatever kills the run, the same command goes on where it was; on a finished OUT it does
    nothing.  The bar says the time left, columns per second and formal solutions (FS) of each.
    `python -m pydoc lw_rl.cube` shows how to run it under SLURM.

    \b
    Examples:
      lw-rl cube cube.hdf5 cube.zarr --line CaII_K
      lw-rl cube cube.hdf5 cube.zarr --line "CaII 8542"
      lw-rl cube cube.hdf5 cube.zarr --atom CaII --line CaII_K --line "CaII 8542"
      lw-rl cube cube.hdf5 cube.zarr --line MgII_k --mu 1 --mu 0.5 --tau-one
      lw-rl cube Header.020000 cube.zarr --line CaII_K --figure map.pdf
      lw-rl cube cube.hdf5 cube.zarr --atom CaII --start emulator.nc
      lw-rl cube cube.hdf5 cube.zarr --scheduler tcp://host:8786 --frozen
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    require_extra()
    path = None if no_figure else figure or out.with_suffix(".png")
    if path is not None:
        check_place(path)
    grid = () if wavelengths is None else read_wavelengths(wavelengths)
    from ..cube import solve

    quiet_dask()
    alone = len(lines) == 1 and not atoms
    with cube_bar(quiet) as bar:
        task = bar.add_task("", total=None, status="starting")
        last, said = "", monotonic()

        def show(progress: CubeProgress) -> None:
            nonlocal last, said
            words = status(progress)
            bar.update(task, total=progress.total, completed=progress.columns, status=words)
            if quiet:
                return
            if not bar.console.is_terminal and monotonic() - said >= EVERY:
                said = monotonic()
                click.echo(f"{progress.columns} of {progress.total} columns, {words}", err=True)
            if progress.note and progress.note != last and progress.workers:
                bar.console.print(progress.note)
            last = progress.note

        def connected(client: Client) -> None:
            if not quiet and "dashboard" in client.scheduler_info()["services"]:
                bar.console.print(f"dashboard: {client.dashboard_link}", soft_wrap=True)

        try:
            ds = solve(
                cube_in, out, lines[0] if alone else "CaII_K", atoms=atoms,
                lines=() if alone else lines, wavelengths=grid, policy=policy, scheduler=scheduler,
                workers=workers, block=block or None, listener=show, on_connect=connected,
                **settings,
            )  # fmt: skip
        except KeyboardInterrupt:
            done = bar.tasks[task].completed
            raise Interrupted(
                f"interrupted after {done:g} of {bar.tasks[task].total or 0:g} columns; the same "
                "command goes on from there"
            ) from None
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


def read_wavelengths(path: Path) -> list[float]:
    """Return the numbers of a text file, in whatever lines and columns they stand.

    Raises
    ------
    CubeSettingsError
        If it holds anything else, or nothing.
    """
    words = path.read_bytes().decode(errors="replace").replace(",", " ").split()
    try:
        numbers = [float(word) for word in words]
    except ValueError as err:
        raise CubeSettingsError(f"{path} holds something else than wavelengths: {err}") from err
    if not numbers:
        raise CubeSettingsError(f"{path} holds no wavelengths")
    return numbers


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
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is there.")
@json_option("a summary")
@quiet_option()
@click.pass_context
def cube_synthetic(
    ctx: click.Context, out: Path, overwrite: bool, as_json: bool, quiet: bool, **arguments: Any
) -> None:
    """Write OUT, a seeded cube of perturbed FAL columns in the RH 1.5D atmosphere format.

    \b
    Examples:
      lw-rl cube-synthetic cube.hdf5
      lw-rl cube-synthetic small.hdf5 --nx 8 --ny 8 --seed 1
      lw-rl cube-synthetic shocks.hdf5 --shocks 0.5 --amplitude 0.1
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    require_extra()
    if out.exists() and not overwrite:
        raise CubeOutputError(f"{out} is there already; take another name or --overwrite")
    from ..cube import synthetic_cube, write

    made = synthetic_cube(**arguments)
    write(made, out)
    sizes = {str(d): int(n) for d, n in made.sizes.items()}
    if as_json:
        click.echo(json.dumps({"command": command_line(ctx), "output": str(out), **sizes}))
    elif not quiet:
        click.echo(f"cube: {out} ({', '.join(f'{d} {n}' for d, n in sizes.items())})")
