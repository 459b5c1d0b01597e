"""Extrapolate to a large cube from what two small ones cost."""

from __future__ import annotations

from ...files import Json
from .case import Case

__all__ = ["scale"]

#: Columns of a block of a large cube (`lw_rl.cube.store.block_shape`).
_BLOCK = 256


def scale(small: Case, large: Case, columns: int = 10**7) -> Json:
    """Extrapolate from two measured runs to a large cube, and name the bottleneck.

    Workers share nothing, so that their rates add up. All blocks pass through one client and one
    scheduler, whose processor time is taken to be ``a`` times the blocks plus ``b`` times the
    columns; the two runs, with blocks of different size, give ``a`` and ``b``. Neither can feed
    more workers than one block keeps busy while it deals with another.

    Parameters
    ----------
    small, large : Case
        Runs with few and with many columns in a block.
    columns : int, optional
        The cube (default: 10^7 columns).

    Returns
    -------
    found : dict
        Costs per column and per block, and for the large cube worker hours, bytes, files, and how
        many workers client and scheduler can feed; ``gives_way_first`` names the smaller.
    """
    blocks = -(-columns // _BLOCK)
    worker = large.worker_seconds / large.columns
    costs = {
        "client": _costs(small, large, small.client_cpu, large.client_cpu),
        "scheduler": _costs(small, large, small.scheduler_cpu, large.scheduler_cpu),
    }
    totals = {who: a * blocks + b * columns for who, (a, b) in costs.items()}
    feeds = {who: worker * columns / total for who, total in totals.items()}
    first = min(feeds, key=feeds.__getitem__)
    travels = large.sent_bytes + large.returned_bytes
    per_column = large.output_bytes / large.columns
    return {
        "per_column": {
            "worker_seconds": worker,
            "client_seconds": costs["client"][1],
            "scheduler_seconds": costs["scheduler"][1],
            "scheduler_transitions": large.transitions / large.columns,
            "bytes_sent": large.sent_bytes,
            "bytes_returned": large.returned_bytes,
            "bytes_on_disk": per_column,
        },
        "per_block": {
            "client_seconds": costs["client"][0],
            "scheduler_seconds": costs["scheduler"][0],
            "scheduler_transitions": large.transitions / large.blocks,
            "files": large.output_files / large.blocks,
        },
        "columns": columns,
        "columns_per_block": _BLOCK,
        "worker_hours": columns * worker / 3600.0,
        "terabytes_on_disk": columns * per_column / 1e12,
        "terabytes_through_client": columns * travels / 1e12,
        "files": round(blocks * large.output_files / large.blocks),
        "workers_fed_by": feeds,
        "gives_way_first": first,
        "hours_at_that_many_workers": totals[first] / 3600.0,
    }


def _costs(small: Case, large: Case, small_cpu: float, large_cpu: float) -> tuple[float, float]:
    """Return the processor time [s] of a block and of a column, neither negative."""
    n, m = small.columns, small.blocks
    N, M = large.columns, large.blocks
    # Blocks of one size leave the two inseparable: it is then all the blocks', the worse case.
    column = 0.0 if N * m == n * M else (large_cpu / M - small_cpu / m) / (N / M - n / m)
    column = max(column, 0.0)
    return max(large_cpu - column * N, 0.0) / M, column
