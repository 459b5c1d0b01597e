"""A result file of `lw-rl cube-bench`, made up."""

from __future__ import annotations

_STARTS = {
    start: {"mean_formal_solutions": 3.0, "worst_formal_solutions": 4, "median_ms": 9.0}
    for start in ("policy", "neighbour", "measured")
}
#: What its parts return.
BENCH = {
    "truth": {
        "cube": "FALC.hdf5", "columns": 25, "failed": 0, "within_estimate": 24,
        "worst_true_error": 1e-4, "worst_estimate": 9e-4, "mean_formal_solutions": 3.0,
    },
    "column": {
        "columns": 9, "columns_per_second": 40.0, "columns_per_cpu_second": 41.0, "column_ms": 25.0,
        "context_ms": 4.0, "rays_ms": 3.0, "mean_formal_solutions": 3.0,
    },
    "start": {"smooth": _STARTS, "shocks": _STARTS},
    "rate": {
        "plain": {
            "popsTol": 1e-4, "worst_true_error": 9e-4, "policy_worst_true_error": 5e-4,
            "columns": 12, "columns_per_second": 8.0,
        },
        **{
            name: {
                "columns": n, "workers": 2, "columns_per_second": 50.0, "failed": 0,
                "mean_formal_solutions": 3.0, "worker_peak_bytes": [2e8, 3e8],
            }
            for name, n in (("small", 4), ("middle", 16), ("large", 64), ("one_worker", 64))
        },
        "times_plain_pool": 6.2, "times_prepared_pool": 3.1, "times_one_worker": 1.9,
        "prepared_pool": {"workers": 2, "columns_per_second": 16.1},
        "rounds": [{"plain": 8.0, "prepared": 16.1, "large": 50.0, "one_worker": 26.0}],
        "scale": {
            "per_column": {
                "bytes_sent": 1000, "bytes_returned": 2000, "bytes_on_disk": 900.0,
                "scheduler_transitions": 0.1,
            },
            "columns": 10**7, "worker_hours": 55.0, "terabytes_on_disk": 0.01, "files": 400000,
            "workers_fed_by": {"client": 90.0, "scheduler": 900.0}, "gives_way_first": "client",
            "hours_at_that_many_workers": 0.6,
        },
    },
    "kills": {"kills": {"worker": 3, "client": 1}, "different": ["intensity"], "columns": 64},
    "learn": {
        "columns": 64,
        "learning": [
            {
                "version": 1, "accepted": False, "columns": 32, "before": 3.0, "after": 3.1,
                "formal_solutions": 120,
            }
        ],
        "by_version": [
            {
                "version": 0, "columns": 64, "mean_formal_solutions": 3.0,
                "frozen_mean_formal_solutions": 3.0,
            }
        ],
        "curve": [{"columns": 64, "learning": 3.0, "frozen": 3.0, "version": 0}],
    },
}  # fmt: skip
