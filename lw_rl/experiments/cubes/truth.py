"""Columns of a cube against references of their own, and what one costs without Dask."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import xarray as xr

from ...arrays import Array
from ...benchmark.reference import reference, true_error
from ...cube.column import OUTCOMES, Workshop
from ...cube.engine import solve
from ...cube.rays import emergent
from ...cube.settings import CubeSettings
from ...cube.source import Source
from ...cube.window import Window
from ...files import Json
from ...policies.base import make_policy
from .plain_pool import plain_context

__all__ = ["against_references", "stages"]


#: The output is in single precision: half a unit in the last place for each level.
_ROUNDING = 1e-6


def against_references(
    folder: Path,
    source: Source,
    data: str | os.PathLike[str] | xr.Dataset,
    workers: int = 1,
    notify: Callable[[str], None] = lambda text: None,
    **settings: Any,
) -> Json:
    """Solve a cube and compare every column with a reference from a plain context.

    Parameters
    ----------
    folder : Path
        Where the output goes.
    source : Source
        The cube, to read columns from.
    data : path-like or xarray.Dataset
        The same, to solve.
    workers : int, optional
        Processes (default: 1).
    notify : callable, optional
        Called with what is going on.
    **settings
        As for :func:`lw_rl.cube.solve`.

    Returns
    -------
    found : dict
        ``columns``; ``failed``; ``within_estimate``, columns whose true error is not above their
        estimate; ``worst_true_error``; ``worst_estimate``; ``mean_formal_solutions``.

    Raises
    ------
    NoReferenceError
        If there is no reference for a column.
    """
    ds = solve(
        data, folder / "out.zarr", workers=workers, keep="populations", frozen=True, **settings
    )
    line = settings.get("line", CubeSettings.line)
    Nrays = settings.get("Nrays", CubeSettings.Nrays)
    # Columns of FALC_82_5x5 are all alike: one reference serves them.
    known: dict[bytes, list[Array]] = {}
    errors, estimates = [], []
    nt, nx, ny = source.shape
    places = [(t, x, y) for t in range(nt) for x in range(nx) for y in range(ny)]
    converged = ds.outcome.values == OUTCOMES.index("converged")
    for k, (t, x, y) in enumerate(places):
        notify(f"truth: reference {k + 1} of {len(places)}")
        if not converged[t, x, y]:
            continue
        column = source.read(Window(t, x, x + 1, y, y + 1)).column(0)
        key = b"".join(values.tobytes() for values in column.values())
        if key not in known:
            known[key] = reference(plain_context(line, column, Nrays))[0]
        found = ds.populations.values[t, x, y].astype(float)
        errors.append(true_error([found], known[key]))
        estimates.append(float(ds.error_estimate.values[t, x, y]))
    covered = [e <= estimate + _ROUNDING for e, estimate in zip(errors, estimates, strict=True)]
    return {
        "columns": int(converged.size),
        "failed": int((~converged).sum()),
        "within_estimate": sum(covered),
        "worst_true_error": max(errors, default=float("nan")),
        "worst_estimate": max(estimates, default=float("nan")),
        "mean_formal_solutions": float(ds.formal_solutions.values[converged].mean()),
    }


def stages(columns: Sequence[dict[str, Array]], **settings: Any) -> Json:
    """Time one column after another in this process: in all, its context, its emergent rays.

    Parameters
    ----------
    columns : sequence of dict
        Keywords of :func:`lw_rl.atmospheres.from_arrays`.
    **settings
        Of :class:`lw_rl.cube.settings.CubeSettings`.

    Returns
    -------
    found : dict
        ``columns``; ``columns_per_second`` and ``columns_per_cpu_second``; medians [ms] of wall
        time: ``column_ms`` in all, of which ``context_ms`` and ``rays_ms``;
        ``mean_formal_solutions``.
    """
    chosen = CubeSettings(**settings)
    shop, policy = Workshop(chosen), make_policy("default")
    # Imports and just-in-time compilation are not a column's.
    shop.solve(columns[0], policy)
    start, cpu = perf_counter(), process_time()
    solved = [shop.solve(column, policy) for column in columns]
    seconds, cpu = perf_counter() - start, process_time() - cpu
    contexts, rays = [], []
    for column in columns:
        begin = perf_counter()
        ctx = shop.context(column)
        between = perf_counter()
        # What leaves a column in LTE takes as long as what leaves it in equilibrium.
        emergent(ctx, chosen.mus, chosen.tau_one)
        contexts.append(between - begin)
        rays.append(perf_counter() - between)
    return {
        "columns": len(columns),
        "columns_per_second": len(columns) / seconds,
        "columns_per_cpu_second": len(columns) / cpu,
        "column_ms": 1e3 * median(s.seconds for s in solved),
        "context_ms": 1e3 * median(contexts),
        "rays_ms": 1e3 * median(rays),
        "mean_formal_solutions": float(np.mean([s.Nformal for s in solved])),
    }
