"""What one run over a cube cost."""

from __future__ import annotations

import json

import pytest
from cube_helpers import small_cube

from lw_rl.experiments.cubes.case import Case, peak_bytes, run_case


def test_a_case_has_a_rate_and_goes_into_json():
    case = Case(
        columns=64, blocks=16, workers=2, seconds=4.0, mean_formal_solutions=3.0, failed=0,
        worker_seconds=7.0, worker_peak_bytes=(3, 4), client_cpu=1.0, scheduler_cpu=0.5,
        transitions=99, output_bytes=1000, output_files=12, sent_bytes=10, returned_bytes=5,
    )  # fmt: skip
    assert case.rate == 16.0
    found = json.loads(json.dumps(case.as_dict()))
    assert found["columns_per_second"] == 16.0 and found["worker_peak_bytes"] == [3, 4]


def test_memory_is_counted_in_bytes():
    # An interpreter with numpy has some tens of megabytes.
    assert 2e7 < peak_bytes() < 2e11


@pytest.mark.slow
def test_a_run_on_processes_of_its_own(tmp_path):
    case = run_case(tmp_path, small_cube(4, 4), workers=1, line="CaII_K", frozen=True)
    assert case.columns == 16 and case.blocks == 4 and case.failed == 0
    assert case.seconds > 0.0 and case.mean_formal_solutions > 1.0
    assert len(case.worker_peak_bytes) == 1 and case.output_files > 10
    assert case.sent_bytes > 0 and case.returned_bytes > 0
