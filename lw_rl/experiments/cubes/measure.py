"""Rate and memory on cubes of several sizes, against a plain process pool and one worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ...arrays import Array
from ...cube.source import Source
from ...cube.synthetic import synthetic_cube
from ...cube.window import Window
from ...files import Json
from .case import Case, run_case
from .plain_pool import plain_pool, plain_tolerance
from .scale import scale

__all__ = ["rates", "subsample"]


#: Times that pool, workers and one worker are timed in turn. Odd, so that one is the middle one.
_ROUNDS = 3


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
    notify: Callable[[str], None],
    line: str,
    **settings: Any,
) -> Json:
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
    notify : callable
        Called with what is going on.
    line : str
        The line.
    **settings
        As for :func:`lw_rl.cube.solve`.

    Returns
    -------
    found : dict
        Cases ``small``, ``middle``, ``large``, ``one_worker`` (of the last two the round of the
        median rate), the peers ``plain`` and ``prepared_pool`` (given what does not belong to the
        scheme), the rates of all ``rounds``, and ``times_plain_pool``, ``times_prepared_pool``,
        ``times_one_worker``: medians over the rounds of the rates' ratios in one round.
    """
    cube = synthetic_cube(side, side, seed=seed)
    columns = subsample(Source(cube), sample)
    settings = {"line": line, "frozen": True, **settings}
    notify("rate: tolerance of the pool")
    found: Json = {"plain": plain_tolerance(line, columns[:: max(1, sample // 12)])}
    popsTol = found["plain"]["popsTol"]

    cases: dict[str, Case] = {}
    for name, size in (("small", max(side // 4, 4)), ("middle", max(side // 2, 4))):
        notify(f"rate: {name}")
        corner = cube.isel(x=slice(0, size), y=slice(0, size))
        cases[name] = run_case(folder / name, corner, workers, **settings)
    # A machine's speed drifts by more than what is looked for: they take turns.
    rounds: list[tuple[float, float, Case, Case]] = []
    for k in range(_ROUNDS):
        notify(f"rate: round {k + 1} of {_ROUNDS}")
        rounds.append(
            (
                len(columns) / plain_pool(line, columns, workers, popsTol),
                len(columns) / plain_pool(line, columns, workers, popsTol, prepared=True),
                run_case(folder / f"large_{k}", cube, workers, **settings),
                run_case(folder / f"one_worker_{k}", cube, 1, **settings),
            )
        )
    pool, prepared, large, one = zip(*rounds, strict=True)
    found["plain"] |= {
        "workers": workers, "timed_columns": len(columns), "columns_per_second": median(pool),
    }  # fmt: skip
    found["prepared_pool"] = {"workers": workers, "columns_per_second": median(prepared)}
    cases |= {"large": _middle(large), "one_worker": _middle(one)}
    found |= {name: case.as_dict() for name, case in cases.items()}
    found["rounds"] = [
        {"plain": p, "prepared": q, "large": two.rate, "one_worker": single.rate}
        for p, q, two, single in rounds
    ]
    found["times_plain_pool"] = median(two.rate / p for p, _, two, _ in rounds)
    found["times_prepared_pool"] = median(two.rate / q for _, q, two, _ in rounds)
    found["times_one_worker"] = median(two.rate / single.rate for *_, two, single in rounds)
    peaks = {name: max(case.worker_peak_bytes) for name, case in cases.items()}
    found["memory_growth"] = peaks["large"] / peaks["small"]
    found["scale"] = scale(cases["small"], cases["large"])
    return found
