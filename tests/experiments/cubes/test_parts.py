"""Where a column begins and what learning brings, measured."""

from __future__ import annotations

import pytest
from cube_helpers import small_cube, solve

from lw_rl.cube.source import Source
from lw_rl.experiments.cubes.parts import compare_starts, curve, learning_curve, shocked_cube


def test_cost_along_a_run_is_in_the_order_of_the_blocks(client, tmp_path):
    ds = solve(small_cube(4, 2), tmp_path / "out.zarr", client=client, block=(2, 1))
    ds.load()
    ds.formal_solutions[0] = [[1, 2], [1, 2], [3, 4], [3, 4]]
    ds.policy_version[0, 2:] = 1
    ds.outcome[0, 3, 1] = 3
    found = curve(ds, ds, points=4)
    assert [p["learning"] for p in found] == [1.0, 2.0, 3.0, 4.0]
    assert [p["columns"] for p in found] == [2, 4, 6, 8]
    assert [p["version"] for p in found] == [0, 0, 1, 1]
    assert [p["columns"] for p in curve(ds, ds, points=2)] == [4, 8]


def test_starts_are_compared_on_the_same_columns():
    found = compare_starts(Source(small_cube(4, 4)), block=(2, 2), blocks=2)
    assert found["policy"]["columns"] == found["neighbour"]["columns"] == 6
    assert found["neighbour"]["mean_formal_solutions"] > 0


def test_a_block_is_cut_to_the_cube():
    found = compare_starts(Source(small_cube(2, 1)))
    assert found["measured"]["columns"] == 1


@pytest.mark.slow
def test_learning_costs_nothing_on_a_cube_unlike_the_training_family(tmp_path):
    """The whole way: a cube with shocks, and versions taken up only where they save something."""
    found = learning_curve(tmp_path, shocked_cube(48), workers=2)
    assert found["failed"] == 0 and found["learning"]
    for entry in found["learning"]:
        assert not entry["accepted"] or (
            entry["after"] < entry["before"]
            and entry["failed_after"] <= entry["failed_before"]
            and entry["early_after"] <= entry["early_before"]
        )
    for part in found["by_version"]:
        assert part["mean_formal_solutions"] < part["frozen_mean_formal_solutions"] + 0.2
