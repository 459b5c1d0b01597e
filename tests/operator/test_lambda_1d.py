"""The plane-parallel geometry against limits with known answers, and against the host."""

import numpy as np
import pytest
from solver_helpers import slab

from lw_rl.host.adapter import Adapter
from lw_rl.operator.lambda_1d import Plane1D
from lw_rl.problems import random_problem, shipped_problem


def parts(physics, y=None, linear=False):
    """Return geometry, rays, Lambda operator and what does not depend on S."""
    geometry = Plane1D(physics.height)
    rays = geometry.rays(physics)
    return geometry, rays, *geometry.lambda_operator(physics, rays, y, linear)[:2]


def test_nothing_is_lost_or_made():
    # With S = B = 1 everywhere, a background of the same and a thermal boundary, J is 1 at depth.
    physics = slab(background=1e-5 * np.ones(91), damping=1e-3 * np.ones(91))
    *_, Lambda, known = parts(physics)
    J = Lambda.sum(axis=1) + known
    assert np.allclose(J[-20:], 1.0, atol=1e-6)
    # At the surface one half of the sphere is dark; the top of the grid is thin.
    assert J[0] == pytest.approx(0.5, abs=0.01)
    assert np.all(np.diff(J) > -1e-9)


@pytest.mark.parametrize("linear", [False, True])
def test_the_operator_makes_the_mean_intensity(linear):
    physics = slab(background=1e-4 * np.ones(91))
    y = -2.0 + np.sin(np.linspace(0.0, 7.0, 91))
    geometry, rays, Lambda, known = parts(physics, y, linear)
    J = geometry.mean_intensity(physics, rays, y, linear)
    np.testing.assert_allclose(Lambda @ np.exp(y) + known, J, rtol=1e-12)


def test_linear_interpolation_is_monotone():
    y = np.sin(np.linspace(0.0, 20.0, 91))
    physics = slab(velocity=3.0 * np.sin(np.linspace(0.0, 6.0, 91)))
    *_, Lambda, _ = parts(physics, y, linear=True)
    assert Lambda.min() >= 0.0 and Lambda.sum(axis=1).max() <= 1.0 + 1e-9
    *_, cubic, _ = parts(physics, y)
    assert cubic.min() < 0.0
    # Without an estimate atoms are in the lower level, and it is linear.
    *_, without, _ = parts(physics)
    *_, unexcited, _ = parts(physics, np.full(91, -40.0), linear=True)
    np.testing.assert_allclose(without, unexcited, rtol=1e-12)


def test_excited_atoms_let_light_through():
    """Absorption minus stimulated emission: n_l - n_u g_l / g_u of all atoms."""
    physics = slab(N=60, log_tau=(-3.0, 1.0), g_ratio=2.0)
    y = np.full(60, 3.0)
    excited = 1.0 / (1.0 + np.exp(-3.0))
    left = (1.0 - excited) / (1.0 + 2.0 * excited)
    *_, Lambda, known = parts(physics, y, linear=True)
    thinner = slab(N=60, log_tau=(-3.0, 1.0), opacity=np.full(60, left))
    *_, expected, expected_known = parts(thinner)
    np.testing.assert_allclose(Lambda, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(known, expected_known, rtol=1e-6)


def test_a_stretched_atmosphere_of_less_opacity_is_the_same():
    """Only optical depth counts."""
    physics = slab()
    other = slab(height=10.0 * physics.height, opacity=0.1 * physics.opacity)
    *_, Lambda, known = parts(physics)
    *_, same, same_known = parts(other)
    np.testing.assert_allclose(same, Lambda, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(same_known, known, rtol=1e-9)


@pytest.mark.parametrize("problem", ["FALC", "FALX", "moving"])
def test_it_is_the_hosts_operator_to_a_few_per_cent(problem):
    p = random_problem("moving", 4) if problem == "moving" else shipped_problem("CaII_K", problem)
    adapter = Adapter(p.context())
    physics = adapter.line(adapter.blocks[0])
    for _ in range(20):
        y = adapter.evaluate().y_plain
    *_, Lambda, _ = parts(physics, y)
    # Small changes of S at three depths: what the host's formal solutions make of them.
    for depth in (0.3, 0.5, 0.7):
        bump = 1e-4 * np.exp(-0.5 * ((np.linspace(0, 1, y.size) - depth) / 0.05) ** 2)
        lambda_residual = []
        for sign in (1.0, -1.0):
            for _ in range(3):
                evaluation = adapter.evaluate(y + sign * bump)
            lambda_residual.append(evaluation.lambda_residual + sign * bump)
        response = 0.5 * (lambda_residual[0] - lambda_residual[1]) * np.exp(y + lambda_residual[0])
        expected = (1.0 - physics.epsilon) * (Lambda @ (np.exp(y) * np.sinh(bump)))
        assert np.max(np.abs(response - expected) / np.exp(y)) < 0.06 * bump.max()


@pytest.mark.parametrize("problem", ["FALC", "moving"])
def test_on_the_hosts_own_rays_it_is_the_hosts_formal_solver(problem):
    """To what scattering in the background leaves."""
    p = random_problem("moving", 4) if problem == "moving" else shipped_problem("CaII_K", problem)
    adapter = Adapter(p.context())
    line = adapter.atom(adapter.blocks[0]).source
    physics, profile = line.physics(), line.profile()
    geometry = Plane1D(physics.height)
    rays = geometry.rays(physics, profile)
    for _ in range(30):
        evaluation = adapter.evaluate()
    y, S = evaluation.y, np.exp(evaluation.y)
    thermal = physics.epsilon * np.exp(physics.log_B)
    of_host = (S * np.exp(evaluation.lambda_residual) - thermal) / (1.0 - physics.epsilon)
    J = geometry.mean_intensity(physics, rays, y)
    np.testing.assert_allclose(J, of_host, rtol=2e-3)
    assert np.median(np.abs(J / of_host - 1.0)) < 1e-5
    again, of_waves = geometry.radiation(physics, rays, y, profile)
    np.testing.assert_allclose(again, J, rtol=1e-12)
    # At every wavelength of the line.
    adapter.write_line_radiation(adapter.blocks[0], of_waves)
    written = np.array(adapter.ctx.spect.J)
    adapter.evaluate(y)
    found = np.array(adapter.ctx.spect.J)
    assert np.median(np.abs(written / found - 1.0)) < 2e-3


@pytest.mark.parametrize("problem", [("train", 49), ("train", 24), ("moving", 4)])
def test_where_rays_end_it_is_the_hosts_formal_solver(problem):
    """At the core of a line, which is all there is at the top; the first step is a thick one."""
    adapter = Adapter(random_problem(*problem).context())
    block = adapter.blocks[0]
    line = adapter.atom(block).source
    physics, profile = line.physics(), line.profile()
    geometry = Plane1D(physics.height)
    rays = geometry.rays(physics, profile)
    for _ in range(30):
        evaluation = adapter.evaluate()
    y = evaluation.y
    adapter.evaluate(y)
    found = np.array(adapter.ctx.spect.J)
    _, of_waves = geometry.radiation(physics, rays, y, profile)
    adapter.write_line_radiation(block, of_waves)
    core = np.argmin(
        np.abs(
            adapter.ctx.spect.wavelength - adapter.ctx.activeAtoms[0].atomicModel.lines[0].lambda0
        )
    )
    np.testing.assert_allclose(adapter.ctx.spect.J[core][:4], found[core][:4], rtol=2e-5)
