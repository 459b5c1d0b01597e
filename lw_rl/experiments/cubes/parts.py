"""Measurements of two choices: where a column begins, and learning while a cube is solved."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any, get_args

import numpy as np
import xarray as xr

from ...cube.block import Order, required_versions, snake, solve_block
from ...cube.column import OUTCOMES
from ...cube.engine import solve
from ...cube.progress import Listener
from ...cube.settings import CubeSettings, Start
from ...cube.source import Source
from ...cube.synthetic import synthetic_cube
from ...cube.window import Window, windows
from ...files import Json
from ...policies.base import make_policy

__all__ = ["compare_starts", "curve", "learning_curve", "shocked_cube"]

_CONVERGED = OUTCOMES.index("converged")


def compare_starts(
    source: Source, line: str = "CaII_K", block: tuple[int, int] = (8, 8), blocks: int = 4
) -> dict[str, dict[str, float]]:
    """Measure a neighbour's departure coefficients against the scheme's own start.

    Parameters
    ----------
    source : Source
        The cube.
    line : str, optional
        The line (default: ``"CaII_K"``).
    block : tuple of int, optional
        Columns of a block in x and y, cut to the cube (default: 8 each).
    blocks : int, optional
        Blocks, spread over the cube (default: 4).

    Returns
    -------
    found : dict
        By `start` of `CubeSettings`: formal solutions per column (mean, worst), median wall time
        [ms] of a column, and failures; in one process, the same columns in turn.
    """
    policy = make_policy("default")
    _, nx, ny = source.shape
    block = min(block[0], nx), min(block[1], ny)
    starts = get_args(Start)
    counts: dict[str, list[int]] = {s: [] for s in starts}
    seconds: dict[str, list[float]] = {s: [] for s in starts}
    failed = dict.fromkeys(starts, 0)
    corners = [
        (x, y)
        for x in range(0, nx - block[0] + 1, block[0])
        for y in range(0, ny - block[1] + 1, block[1])
    ]
    picked = [corners[k] for k in np.unique(np.linspace(0, len(corners) - 1, blocks).astype(int))]
    for x, y in picked:
        columns = source.read(Window(0, x, x + block[0], y, y + block[1]))
        for start in starts:
            settings = CubeSettings(line=line, start=start)  # type: ignore[arg-type]
            values = solve_block(Order(columns, block, settings, 0, required_versions()), policy)
            # The first column of a block has no neighbour.
            inner = snake(block)[1:]
            ok = values["outcome"][inner] == _CONVERGED
            counts[start] += values["formal_solutions"][inner][ok].tolist()
            seconds[start] += values["seconds"][inner][ok].tolist()
            failed[start] += int((~ok).sum())
    return {
        start: {
            "columns": len(counts[start]),
            "mean_formal_solutions": float(np.mean(counts[start])),
            "worst_formal_solutions": max(counts[start]),
            "median_ms": 1e3 * median(seconds[start]),
            "failed": failed[start],
        }
        for start in starts
    }


def learning_curve(
    folder: Path,
    cube: xr.Dataset,
    workers: int = 1,
    listener: Listener | None = None,
    **settings: Any,
) -> Json:
    """Solve a cube with learning and with a frozen policy.

    Parameters
    ----------
    folder : Path
        Where the outputs go.
    cube : xarray.Dataset
        The cube.
    workers : int, optional
        Processes (default: 1).
    listener : callable, optional
        Called with the progress of either run.
    **settings
        As for :func:`lw_rl.cube.solve`.

    Returns
    -------
    found : dict
        ``learning``: the versions tried; ``by_version``: columns and mean formal solutions of
        each version of the learning run, and those of the frozen run on the same columns;
        ``curve``: both along the run (:func:`curve`).
    """
    learned = solve(
        cube, folder / "learning.zarr", workers=workers, frozen=False, listener=listener,
        **settings,
    )  # fmt: skip
    frozen = solve(
        cube, folder / "frozen.zarr", workers=workers, frozen=True, listener=listener, **settings
    )
    version = learned.policy_version.values
    ok = (learned.outcome.values == _CONVERGED) & (frozen.outcome.values == _CONVERGED)
    by_version = []
    for v in sorted(set(version.ravel().tolist())):
        here = ok & (version == v)
        by_version.append(
            {
                "version": v,
                "columns": int(here.sum()),
                "mean_formal_solutions": float(learned.formal_solutions.values[here].mean()),
                "frozen_mean_formal_solutions": float(frozen.formal_solutions.values[here].mean()),
                "retried": int((learned.attempts.values[here] > 1).sum()),
                "frozen_retried": int((frozen.attempts.values[here] > 1).sum()),
            }
        )
    return {
        "columns": int(ok.size),
        "failed": int((~ok).sum()),
        "learning": json.loads(learned.attrs.get("learning", "[]")),
        "by_version": by_version,
        "curve": curve(learned, frozen),
    }


def curve(learned: xr.Dataset, frozen: xr.Dataset, points: int = 32) -> list[Json]:
    """Return formal solutions per column along a run with learning, and without on the same.

    Parameters
    ----------
    learned, frozen : xarray.Dataset
        Outputs of one cube, in equal blocks.
    points : int, optional
        At most so many means, each over neighbouring blocks in the order in which they were solved
        (default: 32).

    Returns
    -------
    found : list of dict
        ``columns`` up to and with this point, means ``learning`` and ``frozen``, and the largest
        ``version`` of the policy.
    """
    # What is one number for a column is stored in larger chunks than blocks.
    _, bx, by, *_ = learned.intensity.encoding["chunks"]
    blocks = windows(learned.outcome.shape, (bx, by))
    ok = (learned.outcome.values == _CONVERGED) & (frozen.outcome.values == _CONVERGED)
    found, columns = [], 0
    for part in np.array_split(np.arange(len(blocks)), min(points, len(blocks))):
        mask = np.zeros_like(ok)
        for k in part:
            mask[blocks[k].slices] = True
        columns += int(mask.sum())
        mask &= ok
        if mask.any():
            found.append(
                {
                    "columns": columns,
                    "learning": float(learned.formal_solutions.values[mask].mean()),
                    "frozen": float(frozen.formal_solutions.values[mask].mean()),
                    "version": int(learned.policy_version.values[mask].max()),
                }
            )
    return found


def shocked_cube(side: int = 32, seed: int = 5) -> xr.Dataset:
    """Return a cube that no policy of the random family was trained on: it has shocks."""
    return synthetic_cube(side, side, seed=seed, amplitude=0.08, velocity=8e3, shocks=0.6)
