"""The operator of a two-level atom in two dimensions, and solves with it."""

import lightweaver as lw
import numpy as np
import pytest
from plane_helpers import plane_context, reference

import lw_rl
from lw_rl.host.adapter import Adapter
from lw_rl.operator import two_level_2d
from lw_rl.operator.base import geometry_for, operator_for
from lw_rl.operator.plane_2d import Plane2D
from lw_rl.operator.two_level_2d import PlaneOperator


def made(adapter, y=None):
    return operator_for(adapter.atom(adapter.blocks[0]), geometry_for(adapter.grid), y)


@pytest.fixture(scope="module")
def truth():
    return {kind: reference(plane_context(kind)) for kind in ("smooth", "blobs", "prominence")}


@pytest.mark.parametrize("kind", ["smooth", "blobs", "prominence"])
def test_its_own_solution_is_near_the_hosts_without_a_formal_solution(kind, truth):
    adapter = Adapter(plane_context(kind))
    operator = made(adapter)
    assert isinstance(operator, PlaneOperator)
    assert np.abs(np.expm1(operator.start() - truth[kind])).max() < 0.02
    assert adapter.Nformal == 0


def test_it_removes_most_of_an_error(truth):
    adapter = Adapter(plane_context("blobs"))
    y = truth["blobs"] + 0.03 * np.sin(np.linspace(0.0, 9.0, truth["blobs"].size))
    adapter.write(y)
    for _ in range(3):
        # The scattered light of these populations.
        adapter.formal_solution()
    evaluation = adapter.plain_update()[1]
    error = made(adapter, y).error(y, evaluation.lambda_residual)
    left = np.abs(np.log1p(error) + y - truth["blobs"]).max()
    assert left < 0.1 * 0.03


def test_residual_and_inverse_belong_together(monkeypatch):
    monkeypatch.setattr(two_level_2d, "_ROUGH", 1e-3)
    adapter = Adapter(plane_context())
    operator = made(adapter)
    y = operator.start()
    operator = operator.relinearised(y)
    S = np.exp(y)
    direction = S * np.sin(np.linspace(0.0, 7.0, y.size))
    change = 1e-3
    linear = (operator.residual(np.log(S + change * direction)) - operator.residual(y)) / change
    # Without the scattered light, which `residual` takes for given.
    operator.scatters = False
    assert np.abs((operator.solve(-linear) - direction) / S).max() < 0.1


def test_steps_of_mali_damp_what_the_limiter_leaves(monkeypatch):
    adapter = Adapter(plane_context("blobs", Nz=41, Nx=16))
    line, geometry = adapter.atom(adapter.blocks[0]).source.plane(), Plane2D(adapter.grid.plane)
    truth = reference(plane_context("blobs", Nz=41, Nx=16))

    def error():
        return np.abs(np.expm1(PlaneOperator.first(line, geometry).start() - truth)).max()

    with_steps = error()
    monkeypatch.setattr(two_level_2d, "_SMOOTHING", ())
    assert with_steps < 0.5 * error()


@pytest.mark.parametrize("kind", ["smooth", "threads", "prominence"])
def test_a_default_solve_is_right_after_few_formal_solutions(kind):
    ctx = plane_context(kind)
    truth = reference(ctx)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal <= 4
    assert np.abs(np.expm1(Adapter(ctx).read() - truth)).max() < 1e-3


def test_the_drop_in_call_does_the_same():
    ctx = plane_context()
    assert lw_rl.iterate_ctx_rl(ctx, quiet=True) <= 4


def test_the_hosts_own_driver_does_too():
    ctx = plane_context()
    truth = reference(ctx)
    lw.iterate_ctx_se(lw_rl.accelerate(ctx), quiet=True)
    assert np.abs(np.expm1(Adapter(ctx).read() - truth)).max() < 1e-2


def test_the_scattered_light_is_written_with_the_populations():
    ctx = plane_context()
    adapter = Adapter(ctx)
    operator = made(adapter)
    operator.carry(operator.start())
    adapter.write(operator.start())
    light = operator.line.light
    adapter.formal_solution()
    before, after = light.of(adapter.read())
    scattering = operator.line.albedo > 0.1
    assert np.allclose(before[scattering], after[scattering], rtol=0.02)


def test_the_fallback_without_kept_weights_solves_as_well(monkeypatch):
    ctx = plane_context()
    truth = reference(ctx)
    monkeypatch.setattr(Plane2D, "keeps", lambda self, line: False)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal <= 4
    assert np.abs(np.expm1(Adapter(ctx).read() - truth)).max() < 1e-3


def test_what_it_does_not_know_it_does_not_say():
    operator = made(Adapter(plane_context()))
    assert operator.negative_share == np.inf
    assert np.all(operator.thermal > 0.0)
