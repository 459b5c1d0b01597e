"""What was measured, in words."""

from __future__ import annotations

import pytest
from bench_document import BENCH

from lw_rl.experiments.cubes.text import markdown, sentences


def test_what_learning_cost_is_reported_with_what_it_brought():
    refused = BENCH["learn"]
    assert sentences({"learn": refused})[-1] == (
        "Learning itself took 120 formal solutions, comparisons included"
    )
    taken = {
        **refused,
        "learning": [{**refused["learning"][0], "accepted": True, "after": 2.6}],
        "by_version": [
            *refused["by_version"],
            {
                "version": 1, "columns": 32, "mean_formal_solutions": 2.6,
                "frozen_mean_formal_solutions": 3.0,
            },
        ],
    }  # fmt: skip
    version, cost = sentences({"learn": taken})[-2:]
    assert version.endswith("a frozen policy 3.00 on the same: fewer")
    assert cost.endswith("120 formal solutions, comparisons included, which 300 columns pay back")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("truth", "FALC.hdf5: the true error is not above the estimate in 24 of 25 columns"),
        ("column", "One process, no Dask: 40.0 columns/s, 25.0 ms a column"),
        ("start", "from whichever was cheaper so far 3.00 formal solutions (worst 4), 9.0 ms"),
        ("rate", "8.0 columns/s, 6.2 times slower (median of 1 rounds, as below)"),
        ("rate", "300 MB at 4, 300 MB at 16, 300 MB at 64 columns"),
        ("rate", "Extrapolated to 1e+07 columns: 55 worker hours, 0.01 TB in 400000 files"),
        ("rate", "The client is the bottleneck, beyond 90 workers, where it takes 0.6 h"),
        ("kills", "4 kills on 64 columns (worker 3, client 1): the output is different in"),
        ("learn", "version 1 refused at 3.00 to 3.10 formal solutions on held-out columns"),
        ("learn", "Policy version 0: 3.00 formal solutions on 64 columns"),
    ],
)
def test_every_part_has_its_sentences(part, said):
    assert any(said in line for line in sentences({part: BENCH[part]}))


def test_an_older_result_file_lacks_what_learning_cost():
    learn = BENCH["learn"]
    entry = {k: v for k, v in learn["learning"][0].items() if k != "formal_solutions"}
    lines = sentences({"learn": {**learn, "learning": [entry]}})
    assert lines and not any("Learning itself" in line for line in lines)


def test_markdown_names_every_command_once():
    document = {part: {**BENCH[part], "command": "lw-rl cube-bench"} for part in ("truth", "kills")}
    text = markdown(document)
    assert text.endswith("Measured by `lw-rl cube-bench`.") and text.count("\n- ") == 1
