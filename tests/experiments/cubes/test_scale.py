"""Extrapolation to a large cube."""

from __future__ import annotations

import pytest

from lw_rl.experiments.cubes.case import Case
from lw_rl.experiments.cubes.scale import scale


def case(columns, blocks, per_block, per_column):
    cpu = per_block * blocks + per_column * columns
    return Case(
        columns=columns, blocks=blocks, workers=2, seconds=1.0, mean_formal_solutions=3.0,
        failed=0, worker_seconds=0.02 * columns, worker_peak_bytes=(1,), client_cpu=cpu,
        scheduler_cpu=0.1 * cpu, transitions=6 * blocks, output_bytes=900 * columns,
        output_files=11 * blocks, sent_bytes=3000, returned_bytes=1000,
    )  # fmt: skip


def test_extrapolation_when_all_blocks_are_of_one_size():
    found = scale(case(16, 16, 0.02, 0.0), case(64, 64, 0.02, 0.0))
    assert found["per_block"]["client_seconds"] == pytest.approx(0.02)
    assert found["per_column"]["client_seconds"] == 0.0


def test_extrapolation_from_costs_that_are_known():
    found = scale(case(256, 64, 0.02, 1e-5), case(4096, 64, 0.02, 1e-5), columns=256_000)
    assert found["per_block"]["client_seconds"] == pytest.approx(0.02)
    assert found["per_column"]["client_seconds"] == pytest.approx(1e-5)
    assert found["worker_hours"] == pytest.approx(0.02 * 256_000 / 3600)
    client = 0.02 * 1000 + 1e-5 * 256_000
    assert found["workers_fed_by"]["client"] == pytest.approx(0.02 * 256_000 / client)
    assert found["workers_fed_by"]["scheduler"] == pytest.approx(0.2 * 256_000 / client)
    assert found["gives_way_first"] == "client"
    assert found["hours_at_that_many_workers"] == pytest.approx(client / 3600)
    assert found["files"] == 11_000
