"""What a column tells the learner: recorded without taking part, packed, and unpacked the same."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from lw_rl.host.adapter import Adapter
from lw_rl.iterate import accelerate
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.schemes import Anderson, Depthwise, Safeguarded

pytest.importorskip("distributed")

from lw_rl.cube.learn import pack, unpack
from lw_rl.cube.recorder import Recorder
from lw_rl.host.state import LinePhysics

COLUMN = {"z": np.linspace(1e6, 0.0, 4), "vz": np.zeros(4)}


def recorded(ctx, scheme, steps=4):
    recorder = Recorder(ctx)
    proxy = accelerate(ctx, scheme=Safeguarded(scheme), callback=recorder)
    for _ in range(steps):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
    return recorder


@pytest.mark.parametrize("scheme", [Depthwise(None), Anderson()])
def test_a_recorder_does_not_take_part(scheme, ctx):
    other = copy.deepcopy(ctx)
    recorded(ctx, scheme)
    proxy = accelerate(other, scheme=Safeguarded(scheme))
    for _ in range(4):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)


def test_what_is_recorded_is_what_the_scheme_saw(ctx):
    adapter = Adapter(copy.deepcopy(ctx))
    visited = recorded(ctx, Depthwise(None)).visited(COLUMN)
    assert visited.y.shape == visited.r.shape == visited.lambda_residual.shape == (4, 82)
    assert visited.starts.tolist() == [True, False, False, False]
    for k in range(4):
        evaluation = adapter.evaluate(visited.y[k])
        np.testing.assert_allclose(visited.r[k], evaluation.r, atol=1e-10)
        np.testing.assert_allclose(
            visited.lambda_residual[k], evaluation.lambda_residual, atol=1e-10
        )
    first = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0])).start()
    np.testing.assert_allclose(visited.y[0], first, rtol=1e-9)


def test_nothing_visited_is_nothing(ctx):
    assert Recorder(ctx).visited(COLUMN) is None


def test_packed_and_unpacked(ctx, tmp_path):
    both = [recorded(copy.deepcopy(ctx), s).visited(COLUMN) for s in (Depthwise(None), Anderson())]
    path = tmp_path / "samples.npz"
    path.write_bytes(pack(both))
    for before, after in zip(both, unpack(path), strict=True):
        for name in ("y", "r", "lambda_residual", "starts"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        for name, values in before.physics.items():
            np.testing.assert_array_equal(after.physics[name], values)
        np.testing.assert_array_equal(after.column["z"], COLUMN["z"])
        assert isinstance(LinePhysics(**after.physics).g_ratio, float)
