"""Measurements of cubes: rate against peers, and memory."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import xarray as xr
from distributed import Client

from ...cube.column import OUTCOMES
from ...cube.engine import solve
from ...cube.source import Source, Window
from ...cube.synthetic import synthetic_cube
from .plain_pool import plain_pool, plain_tolerance
from .processes import Processes
from .scale import scale

Array = np.ndarray

#: Times that pool, workers and one worker are timed in turn. Odd, so that one is the middle one.
_ROUNDS = 3


@dataclass(frozen=True)
class Case:
    """What one run over a cube cost.

    Attributes
    ----------
    columns, blocks, workers : int
        Size of the cube, its blocks, and processes that solved it.
    seconds : float
        Wall time [s] of the run on a warm cluster: the cluster's start and the workers' imports
        are not in it, the client's reading and writing is.
    mean_formal_solutions : float
        Per converged column.
    failed : int
        Columns that did not converge.
    worker_seconds : float
        Sum over columns of the wall time in the worker [s].
    worker_peak_bytes : tuple of int
        Largest resident size that each worker ever had.
    client_cpu, scheduler_cpu : float
        Processor time of client and scheduler during the run [s].
    transitions : int
        Changes of state of tasks that the scheduler made.
    output_bytes, output_files : int
        The output on disk, compressed.
    sent_bytes, returned_bytes : int
        A column's way to the worker and back, before compression.
    """

    columns: int
    blocks: int
    workers: int
    seconds: float
    mean_formal_solutions: float
    failed: int
    worker_seconds: float
    worker_peak_bytes: tuple[int, ...]
    client_cpu: float
    scheduler_cpu: float
    transitions: int
    output_bytes: int
    output_files: int
    sent_bytes: int
    returned_bytes: int

    @property
    def rate(self) -> float:
        """Columns per second."""
        return self.columns / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Return the case as JSON-ready values, with the rate."""
        return {**asdict(self), "columns_per_second": self.rate}


def peak_bytes() -> int:
    """Return the largest resident size that this process ever had."""
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _scheduler_state(dask_scheduler: Any) -> tuple[float, int]:
    return process_time(), dask_scheduler.transition_counter


def run_case(folder: Path, cube: xr.Dataset, workers: int, **settings: Any) -> Case:
    """Solve a cube on a scheduler and workers of its own, and say what it cost.

    Parameters
    ----------
    folder : Path
        Where the output goes; it must not exist.
    cube : xarray.Dataset
        The cube.
    workers : int
        Number of workers.
    **settings
        As for :func:`lw_rl.cube.solve`.
    """
    source = Source(cube)
    with Processes(folder / "cluster", workers) as processes:
        client = Client(scheduler_file=str(processes.file))
        try:
            client.wait_for_workers(workers, timeout=300)
            # Imports and just-in-time compilation are paid for once in a worker's life.
            few = cube.isel(x=slice(0, 2), y=slice(0, workers))
            solve(few, folder / "warm.zarr", client=client, block=(1, 1), **settings)
            before = client.run_on_scheduler(_scheduler_state)
            start, cpu = perf_counter(), process_time()
            ds = solve(cube, folder / "out.zarr", client=client, **settings)
            seconds, cpu = perf_counter() - start, process_time() - cpu
            after = client.run_on_scheduler(_scheduler_state)
            peaks = tuple(client.run(peak_bytes).values())
        finally:
            client.close()
    converged = ds.outcome.values == OUTCOMES.index("converged")
    chunk = ds.outcome.encoding["chunks"]
    files = [p for p in (folder / "out.zarr").rglob("*") if p.is_file()]
    columns = source.read(Window(0, 0, 1, 0, 1))
    return Case(
        columns=int(converged.size),
        blocks=math.prod(math.ceil(n / c) for n, c in zip(source.shape, chunk, strict=True)),
        workers=workers,
        seconds=seconds,
        mean_formal_solutions=float(ds.formal_solutions.values[converged].mean()),
        failed=int((~converged).sum()),
        worker_seconds=float(ds.seconds.sum()),
        worker_peak_bytes=peaks,
        client_cpu=cpu,
        scheduler_cpu=after[0] - before[0],
        transitions=after[1] - before[1],
        output_bytes=sum(p.stat().st_size for p in files),
        output_files=len(files),
        sent_bytes=sum(v.nbytes for v in vars(columns).values()),
        returned_bytes=sum(
            v.nbytes // converged.size for v in ds.variables.values() if v.ndim >= 3
        ),
    )


def subsample(source: Source, number: int) -> list[dict[str, Array]]:
    """Return columns spread evenly over the first snapshot of a cube."""
    _, nx, ny = source.shape
    chosen = np.unique(np.linspace(0, nx * ny - 1, min(number, nx * ny)).astype(int))
    windows = [Window(0, k // ny, k // ny + 1, k % ny, k % ny + 1) for k in map(int, chosen)]
    return [source.read(w).column(0) for w in windows]


def _middle(cases: Sequence[Case]) -> Case:
    return sorted(cases, key=lambda case: case.rate)[len(cases) // 2]


def rates(
    folder: Path,
    side: int,
    seed: int,
    workers: int,
    sample: int,
    tell: Callable[[str], None],
    line: str,
    **settings: Any,
) -> dict[str, Any]:
    """Measure rate and memory on a large cube, and memory on a fourth and a sixteenth of it.

    Parameters
    ----------
    folder : Path
        Where the outputs go.
    side, seed : int
        The large cube.
    workers : int
        Number of workers, of the pool's processes too.
    sample : int
        Columns that the plain process pool is timed on.
    tell : callable
        Told what is going on.
    line : str
        The line.
    **settings
        As for :func:`lw_rl.cube.solve`.

    Returns
    -------
    found : dict
        Cases ``small``, ``middle``, ``large``, ``one_worker`` (of the last two the round of the
        median rate), the peer ``plain``, the rates of all ``rounds``, and ``times_plain_pool``,
        ``times_one_worker``: medians over the rounds of the rates' ratios in one round.
    """
    cube = synthetic_cube(side, side, seed=seed)
    columns = subsample(Source(cube), sample)
    settings = {"line": line, "frozen": True, **settings}
    tell("rate: tolerance of the pool")
    found: dict[str, Any] = {"plain": plain_tolerance(line, columns[:: max(1, sample // 12)])}
    popsTol = found["plain"]["popsTol"]

    def corner(size: int) -> xr.Dataset:
        return cube.isel(x=slice(0, size), y=slice(0, size))

    for name, part in (
        ("small", corner(max(side // 4, 4))),
        ("middle", corner(max(side // 2, 4))),
    ):
        tell(f"rate: {name}")
        found[name] = run_case(folder / name, part, workers, **settings).as_dict()
    # A machine's speed drifts by more than what is looked for: the three take turns.
    rounds: list[tuple[float, Case, Case]] = []
    for k in range(_ROUNDS):
        tell(f"rate: round {k + 1} of {_ROUNDS}")
        rounds.append(
            (
                len(columns) / plain_pool(line, columns, workers, popsTol),
                run_case(folder / f"large_{k}", cube, workers, **settings),
                run_case(folder / f"one_worker_{k}", cube, 1, **settings),
            )
        )
    pool, large, one = zip(*rounds, strict=True)
    found["plain"] |= {
        "workers": workers, "timed_columns": len(columns), "columns_per_second": median(pool),
    }  # fmt: skip
    found["large"] = _middle(large).as_dict()
    found["one_worker"] = _middle(one).as_dict()
    found["rounds"] = [
        {"plain": p, "large": two.rate, "one_worker": single.rate} for p, two, single in rounds
    ]
    found["times_plain_pool"] = median(two.rate / p for p, two, _ in rounds)
    found["times_one_worker"] = median(two.rate / single.rate for _, two, single in rounds)
    found["memory_growth"] = max(found["large"]["worker_peak_bytes"]) / max(
        found["small"]["worker_peak_bytes"]
    )
    found["scale"] = scale(found["small"], found["large"])
    return found
