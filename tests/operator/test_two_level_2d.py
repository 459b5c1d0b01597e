"""The operator of a two-level atom in two dimensions, and solves with it."""

from dataclasses import replace

import lightweaver as lw
import numpy as np
import pytest
from plane_helpers import plane_context, reference

import lw_rl
from lw_rl.certificate.settings import shipped
from lw_rl.host import adapter as host_adapter
from lw_rl.host.adapter import Adapter
from lw_rl.host.plane import plane_line
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


def test_a_step_of_mali_damps_what_the_limiter_leaves(monkeypatch):
    adapter = Adapter(plane_context("corrugated", Nz=41, Nx=16))
    line, geometry = adapter.atom(adapter.blocks[0]).source.plane(), Plane2D(adapter.grid.plane)
    truth = reference(plane_context("corrugated", Nz=41, Nx=16))

    def error():
        return np.abs(np.expm1(PlaneOperator.first(line, geometry).start() - truth)).max()

    with_steps = error()
    monkeypatch.setattr(two_level_2d, "_SMOOTHED", np.inf)
    assert with_steps < 0.5 * error()


@pytest.mark.parametrize("kind", ["smooth", "threads", "prominence"])
def test_a_default_solve_is_right_after_few_formal_solutions(kind):
    ctx = plane_context(kind)
    truth = reference(ctx)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal <= 2
    assert np.abs(np.expm1(Adapter(ctx).read() - truth)).max() < 1e-3


def test_it_stops_at_the_first_formal_solution_where_the_grid_is_not_coarse():
    ctx = plane_context("corrugated", Nz=41, Nx=16)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal == 1
    n = Adapter(ctx).populations()[0]
    for _ in range(60):
        ctx.formal_sol_gamma_matrices()
        ctx.stat_equil()
    assert np.abs(n / Adapter(ctx).populations()[0] - 1.0).max() < 1e-3


@pytest.mark.parametrize("wrong", ["epsilon", "opacity", "chi"])
def test_an_operator_that_is_wrong_is_found_out(wrong, monkeypatch):
    ctx = plane_context()
    truth = reference(ctx)

    def spoilt(*args):
        line = plane_line(*args)
        return replace(line, **{wrong: (1.5 * getattr(line, wrong)).astype(line.chi.dtype)})

    monkeypatch.setattr(host_adapter, "plane_line", spoilt)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.Nformal > 1
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


def a_line(epsilon, Nz=192, Nx=4, Nwave=24):
    """Return a Doppler line in an isothermal, isolated slab of equal columns, and where it is."""
    ctx = plane_context("homogeneous", Nz=Nz, Nx=Nx)
    grid = Adapter(ctx).grid.plane
    known = Adapter(ctx).atom(Adapter(ctx).blocks[0]).source.plane()
    height = np.linspace(1.0, 0.0, Nz)
    plane = replace(grid, z=1e6 * height, x=np.linspace(0.0, 3e4, Nx))
    # From an optical depth of 1e-4 to 1e8 at line centre, of which e-folds are even in height.
    scale = 1e6 / np.log(1e12)
    opacity = np.repeat(1e-4 / scale * np.exp((1.0 - height) * 1e6 / scale), Nx)
    v = np.linspace(-4.5, 4.5, Nwave)
    profile = np.tile(np.exp(-(v**2)), (1, Nz * Nx, 1)).astype(np.float32)
    T = np.full(Nz * Nx, 5e3)
    planck = 1.0 / np.expm1(known.excitation / 5e3)
    nothing = np.zeros((Nz * Nx, Nwave), np.float32)
    weight = np.full(Nwave, 1.0 / Nwave)
    line = replace(
        known, waves=np.zeros((2, Nwave), int), opacity=opacity, g_ratio=0.0, profile=profile,
        epsilon=np.full(Nz * Nx, epsilon), log_B=np.full(Nz * Nx, np.log(planck)), weight=weight,
        norm=1.0 / (profile[0] @ weight), chi=nothing + np.float32(1e-25), thermal=nothing,
        albedo=nothing, entering=(None, "thermalised", None, None), frequency=np.ones(Nwave),
        temperature=T, light=None,
    )  # fmt: skip
    return line, Plane2D(plane), planck


def test_the_surface_of_a_thick_isothermal_slab_emits_with_the_root_of_epsilon():
    """S(0) = sqrt(epsilon) B (Ivanov 1973, Transfer of Radiation in Spectral Lines, ch. 5)."""
    line, geometry, planck = a_line(1e-4)
    S = np.exp(PlaneOperator.first(line, geometry).start()).reshape(-1, 4)
    np.testing.assert_allclose(S[0] / planck, 1e-2, rtol=0.02)
    np.testing.assert_allclose(S[-1] / planck, 1.0, rtol=1e-3)
    assert np.all(np.abs(S / S[:, :1] - 1.0) < 1e-3), "equal columns stay equal"


def test_without_scattering_the_source_function_is_plancks():
    line, geometry, planck = a_line(1.0)
    S = np.exp(PlaneOperator.first(line, geometry).start())
    np.testing.assert_allclose(S, planck, rtol=1e-5)


def test_its_estimate_has_the_factor_of_the_defect_correction():
    proxy = lw_rl.accelerate(plane_context())
    proxy.begin()
    assert proxy.operator_factor == shipped().defect < shipped().step
