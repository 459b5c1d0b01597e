"""Runs through kills, and outputs that differ."""

from __future__ import annotations

import time

import pytest
from cube_helpers import small_cube, solve

from lw_rl.experiments.cubes.endurance import differences, endure


def test_differences_are_found(client, tmp_path):
    expected = solve(small_cube(2, 2), tmp_path / "out.zarr", client=client).load()
    other = expected.copy(deep=True)
    assert differences(expected, other) == ()
    other.seconds[:] = time.monotonic()
    assert differences(expected, other) == ()
    other.intensity[0, 0, 0, 0, 0] *= 1.0 + 1e-6
    assert differences(expected, other) == ("intensity",)
    assert "reason" in differences(expected, expected.drop_vars("reason"))


@pytest.mark.slow
def test_a_client_that_is_killed_is_taken_up_again_with_an_identical_output(tmp_path):
    endured = endure(tmp_path / "kills", kills=1, side=16, victims=("client",))
    assert endured.kills == {"client": 1} and 0 < endured.unfinished[0] < 256
    assert endured.different == ()


@pytest.mark.slow
def test_twenty_kills_leave_the_output_identical(tmp_path):
    endured = endure(tmp_path / "kills", kills=20, side=32, seed=0)
    assert sum(endured.kills.values()) == 20
    assert endured.different == ()
