"""Transfer in a plane is the host's own, to single precision."""

import tracemalloc

import numpy as np
import pytest
from plane_helpers import after_some_steps, plane_context, transfer_of

import lw_rl
from lw_rl.errors import MemoryLimitError
from lw_rl.host.adapter import Adapter
from lw_rl.operator.plane_2d import Plane2D, Transfer2D, available_memory


@pytest.mark.parametrize("solver", ["piecewise_besser_2d", "piecewise_linear_2d"])
@pytest.mark.parametrize("kind", ["blobs", "threads", "prominence"])
def test_mean_intensities_are_those_of_the_hosts_formal_solution(kind, solver):
    adapter = after_some_steps(plane_context(kind, solver=solver))
    transfer, S, scattered = transfer_of(adapter)
    line = adapter.atom(adapter.blocks[0]).source.plane()
    others, J = transfer.mean_intensity(S, scattered, True)
    host = line.light.of(adapter.evaluated)[1]
    # Both sides of a line at rest are taken together, where the background differs a little.
    within = 3e-6 if kind == "threads" else 3e-3
    assert np.allclose(J, host, rtol=within, atol=1e-6 * host.max())
    trans = adapter.ctx.activeAtoms[0].trans[0]
    Jbar = others + (1.0 - transfer.escape) * S
    assert np.allclose(Jbar, np.asarray(trans.Rij) / trans.Bij / line.unit, rtol=2e-4)


def test_weights_that_are_not_kept_give_the_same():
    adapter = after_some_steps(plane_context("threads"))
    kept, S, scattered = transfer_of(adapter, keep=True)
    made, _, _ = transfer_of(adapter, keep=False)
    assert np.array_equal(
        kept.mean_intensity(S, scattered, True)[1], made.mean_intensity(S, scattered, True)[1]
    )
    others = made.nonlinear()
    assert np.allclose(others, kept.mean_intensity(S, scattered, True)[0], rtol=1e-6)
    assert np.allclose(made.escape, kept.escape, rtol=1e-9)


def test_memory_is_used_once_and_given_up():
    adapter = after_some_steps(plane_context())
    line = adapter.atom(adapter.blocks[0]).source.plane()
    geometry = Plane2D(adapter.grid.plane)
    y, dark = adapter.evaluated, np.zeros_like(line.chi)
    first = Transfer2D(line, geometry, y, dark, True)
    before = first.mean_intensity(np.exp(y), dark, True)[0]
    Transfer2D(line, geometry, y + 0.1, dark, True)
    # The memory is another's now; the answer is the same.
    assert np.allclose(first.mean_intensity(np.exp(y), dark, True)[0], before, rtol=1e-6)


def test_what_a_point_emits_is_seen_by_itself_and_by_others_but_never_made():
    adapter = after_some_steps(plane_context("homogeneous", solver="piecewise_linear_2d"))
    transfer, S, _ = transfer_of(adapter)
    dark = np.zeros_like(transfer.mean_intensity(S, np.zeros((248, 1), np.float32), False)[1])
    one = np.ones_like(S)
    others, _ = transfer.mean_intensity(one, dark, False)
    Lambda_one = others + (1.0 - transfer.escape)
    assert np.all(Lambda_one > 0.0) and np.all(Lambda_one < 1.0 + 1e-5)
    assert np.all(transfer.escape > 0.0) and np.all(transfer.diagonal <= 1.0 + 1e-6)


def test_memory_that_is_not_there_is_said_before_the_work_begins():
    adapter = after_some_steps(plane_context(), 0)
    line, plane = adapter.atom(adapter.blocks[0]).source.plane(), adapter.grid.plane
    weights = 3 * 4 * plane.Nray * line.chi.size
    least = Plane2D(plane).needs(line)[0]
    assert Plane2D(plane, memory=2 * (weights + least)).keeps(line)
    assert not Plane2D(plane, memory=2 * least).keeps(line)
    with pytest.raises(MemoryLimitError, match=r"needs \d+ MiB for 248 points .*anderson"):
        Plane2D(plane, memory=1000).keeps(line)
    assert available_memory() > 0


@pytest.mark.parametrize("kind", ["smooth", "threads"])
def test_memory_per_point_is_what_is_stated(kind):
    lw_rl.solve(plane_context(kind), quiet=True)
    ctx = plane_context(kind, Nz=41, Nx=16)
    adapter = Adapter(ctx)
    line = adapter.atom(adapter.blocks[0]).source.plane()
    stated = sum(Plane2D(adapter.grid.plane).needs(line))
    del adapter, line
    tracemalloc.start()
    lw_rl.solve(ctx, quiet=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.5 * stated < peak < stated
