"""Columns against references of their own, and what one costs without Dask."""

from __future__ import annotations

import numpy as np
from cube_helpers import small_cube

from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.experiments.cubes import truth


def column_of(cube):
    return Source(cube).read(Window(0, 0, 1, 0, 1)).column(0)


def test_every_column_is_compared_with_its_reference(tmp_path, monkeypatch, client):
    cube = small_cube(2, 2)
    found = truth.against_references(tmp_path, Source(cube), cube, client=client)
    assert found["columns"] == found["within_estimate"] == 4 and found["failed"] == 0
    assert 0.0 < found["worst_true_error"] < found["worst_estimate"] < 1e-3
    # Another solution than the one that it says it is.
    spoilt = np.array(truth.reference(truth.plain_context("CaII_K", column_of(cube)))[0]) * 1.01
    monkeypatch.setattr(truth, "reference", lambda ctx: (list(spoilt), 0.0))
    found = truth.against_references(tmp_path / "b", Source(cube), cube, client=client)
    assert found["within_estimate"] == 0 and found["worst_true_error"] > 5e-3


def test_stages_of_a_column():
    found = truth.stages([column_of(small_cube(1, 1))])
    assert found["columns"] == 1 and found["mean_formal_solutions"] >= 1
    assert all(found[k] > 0.0 for k in ("column_ms", "context_ms", "rays_ms"))
