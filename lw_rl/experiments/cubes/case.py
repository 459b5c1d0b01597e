"""One run over a cube on processes of its own, and what it cost."""

from __future__ import annotations

import math
import os
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import xarray as xr
from distributed import Client, Scheduler

from ...cube.column import OUTCOMES
from ...cube.engine import solve
from ...cube.source import Source
from ...cube.window import Window
from ...files import Json
from .processes import Processes

__all__ = ["Case", "peak_bytes", "run_case"]


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

    def as_dict(self) -> Json:
        """Return the case as JSON-ready values, with the rate."""
        return {**asdict(self), "columns_per_second": self.rate}


def peak_bytes() -> int:
    """Return the largest resident size that this process ever had."""
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _scheduler_state(dask_scheduler: Scheduler) -> tuple[float, int]:
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
    chunk = ds.intensity.encoding["chunks"][:3]
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
        sent_bytes=sum(getattr(v, "nbytes", 0) for v in vars(columns).values()),
        returned_bytes=sum(
            v.nbytes // converged.size for v in ds.variables.values() if v.ndim >= 3
        ),
    )
