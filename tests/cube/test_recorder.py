"""The states visited on a column: recorded without taking part, packed, and unpacked the same."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from lw_rl.cube.column import Workshop
from lw_rl.cube.recorder import StateRecorder, VisitedStates, pack, unpack
from lw_rl.cube.settings import CubeSettings
from lw_rl.host.adapter import Adapter
from lw_rl.host.state import LinePhysics
from lw_rl.iterate import accelerate
from lw_rl.operator.base import geometry_for, lit, operator_for
from lw_rl.schemes import Anderson, Depthwise, Safeguarded

COLUMN = {"z": np.linspace(1e6, 0.0, 4), "vz": np.zeros(4)}


def recorded(ctx, scheme, steps=4):
    recorder = StateRecorder(ctx)
    proxy = accelerate(ctx, scheme=Safeguarded(scheme), callback=recorder)
    proxy.begin()
    for _ in range(steps):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
    return recorder


@pytest.mark.parametrize("scheme", [Depthwise(None), Anderson()])
def test_a_recorder_does_not_take_part(scheme, ctx):
    other = copy.deepcopy(ctx)
    recorded(ctx, scheme)
    proxy = accelerate(other, scheme=Safeguarded(scheme))
    proxy.begin()
    for _ in range(4):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)


def test_what_is_recorded_is_what_the_scheme_saw(ctx):
    adapter = Adapter(copy.deepcopy(ctx))
    visited = recorded(ctx, Depthwise(None)).visited(COLUMN)
    assert visited.y.shape == visited.r.shape == visited.lambda_residual.shape == (4, 82)
    assert visited.starts.tolist() == [True, False, False, False]
    (block,) = adapter.blocks
    first = operator_for(adapter.atom(block), geometry_for(adapter.grid))
    np.testing.assert_allclose(visited.y[0], first.start(), rtol=1e-9)
    adapter.write_line_radiation(block, first.start_radiation())
    for k in range(4):
        evaluation = lit(adapter.evaluate(visited.y[k]), {block: first})
        np.testing.assert_allclose(visited.r[k], evaluation.r, atol=1e-10)
        np.testing.assert_allclose(
            visited.lambda_residual[k], evaluation.lambda_residual, atol=1e-10
        )


def test_nothing_visited_is_nothing(ctx):
    assert StateRecorder(ctx).visited(COLUMN) is None


def test_packed_and_unpacked(ctx, tmp_path):
    both = [recorded(copy.deepcopy(ctx), s).visited(COLUMN) for s in (Depthwise(None), Anderson())]
    path = tmp_path / "samples.npz"
    path.write_bytes(pack(both))
    for before, after in zip(both, unpack(path), strict=True):
        for name in ("y", "r", "lambda_residual", "starts"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        for name, values in vars(before.physics).items():
            np.testing.assert_array_equal(getattr(after.physics, name), values)
        np.testing.assert_array_equal(after.column["z"], COLUMN["z"])
        assert isinstance(after.physics.g_ratio, float)


def test_what_is_recorded_in_a_worker_is_what_was_visited(visited):
    one = visited[4]
    assert isinstance(one, VisitedStates) and isinstance(one.physics, LinePhysics)
    assert one.y.shape == one.r.shape and one.starts[0] and not one.starts[1:].any()
    # At fixed opacity or nearly so, the plain update of a late state is closer to the end.
    assert np.abs(one.r[-1]).max() < 0.1 * np.abs(one.r[0]).max()
    adapter = Adapter(Workshop(CubeSettings()).context(one.column))
    (block,) = adapter.blocks
    first = operator_for(adapter.atom(block), geometry_for(adapter.grid))
    adapter.write_line_radiation(block, first.start_radiation())
    evaluation = adapter.evaluate(one.y[0])
    np.testing.assert_allclose(evaluation.r, one.r[0], rtol=1e-9, atol=1e-12)


def test_columns_survive_the_file(tmp_path, visited):
    (tmp_path / "samples.npz").write_bytes(pack(visited))
    found = unpack(tmp_path / "samples.npz")
    assert len(found) == 9
    for a, b in zip(visited, found, strict=True):
        assert a.column.keys() == b.column.keys()
        for name, values in a.column.items():
            np.testing.assert_array_equal(values, b.column[name])
        for name, values in vars(a.physics).items():
            np.testing.assert_array_equal(values, getattr(b.physics, name))
        for name in ("y", "r", "starts"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
