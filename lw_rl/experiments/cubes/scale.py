"""Scale on paper: what a large cube costs, from what two small ones did."""

from __future__ import annotations

from typing import Any

#: Columns of a block of a large cube (`lw_rl.cube.store.block_shape`).
_BLOCK = 256


def scale(small: dict[str, Any], large: dict[str, Any], columns: int = 10**7) -> dict[str, Any]:
    """Extrapolate from two measured runs to a large cube, and say what gives way first.

    Workers share nothing, so that their rates add up. All blocks pass through one client and one
    scheduler, whose processor time is taken to be ``a`` times the blocks plus ``b`` times the
    columns; the two runs, with blocks of different size, give ``a`` and ``b``. Neither can feed
    more workers than one block keeps busy while it deals with another.

    Parameters
    ----------
    small, large : dict
        ``Case.as_dict()`` of runs with few and with many columns in a block.
    columns : int, optional
        The cube (default: 10^7 columns).

    Returns
    -------
    found : dict
        Costs per column and per block, and for the large cube worker hours, bytes, files, and how
        many workers client and scheduler can feed; ``gives_way_first`` names the smaller.
    """
    blocks = -(-columns // _BLOCK)
    worker = large["worker_seconds"] / large["columns"]
    costs = {who: _costs(small, large, f"{who}_cpu") for who in ("client", "scheduler")}
    totals = {who: a * blocks + b * columns for who, (a, b) in costs.items()}
    feeds = {who: worker * columns / total for who, total in totals.items()}
    first = min(feeds, key=feeds.__getitem__)
    travels = large["sent_bytes"] + large["returned_bytes"]
    per_column = large["output_bytes"] / large["columns"]
    return {
        "per_column": {
            "worker_seconds": worker,
            "client_seconds": costs["client"][1],
            "scheduler_seconds": costs["scheduler"][1],
            "scheduler_transitions": large["transitions"] / large["columns"],
            "bytes_sent": large["sent_bytes"],
            "bytes_returned": large["returned_bytes"],
            "bytes_on_disk": per_column,
        },
        "per_block": {
            "client_seconds": costs["client"][0],
            "scheduler_seconds": costs["scheduler"][0],
            "scheduler_transitions": large["transitions"] / large["blocks"],
            "files": large["output_files"] / large["blocks"],
        },
        "columns": columns,
        "columns_per_block": _BLOCK,
        "worker_hours": columns * worker / 3600.0,
        "terabytes_on_disk": columns * per_column / 1e12,
        "terabytes_through_client": columns * travels / 1e12,
        "files": round(blocks * large["output_files"] / large["blocks"]),
        "workers_fed_by": feeds,
        "gives_way_first": first,
        "hours_at_that_many_workers": totals[first] / 3600.0,
    }


def _costs(small: dict[str, Any], large: dict[str, Any], key: str) -> tuple[float, float]:
    """Return what a block and what a column costs, neither negative [s]."""
    n, m = small["columns"], small["blocks"]
    N, M = large["columns"], large["blocks"]
    # Blocks of one size leave the two inseparable: it is then all the blocks', the worse case.
    column = 0.0 if N * m == n * M else (large[key] / M - small[key] / m) / (N / M - n / m)
    column = max(column, 0.0)
    return max(large[key] - column * N, 0.0) / M, column
