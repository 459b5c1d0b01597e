"""The approximate operator against limits with known answers, and against the host."""

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from solver_helpers import slab

import lw_rl
from lw_rl import build_context
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.cube.column import Workshop
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source, Window
from lw_rl.experiments.cubes.parts import shocked_cube
from lw_rl.host.adapter import Adapter
from lw_rl.operator.base import geometry_for
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.problems import random_problem, shipped_problem


@pytest.mark.parametrize("epsilon", [1e-2, 1e-4, 1e-6])
def test_square_root_law(epsilon):
    # S(0) = sqrt(epsilon) B in a semi-infinite isothermal atmosphere (Mihalas 1978, section 11-2).
    operator = TwoLevelOperator.first(slab(N=141, epsilon=epsilon, log_tau=(-4.0, 9.0)))
    y = operator.start()
    assert np.exp(y[0]) == pytest.approx(np.sqrt(epsilon), rel=0.02)
    # Thermalised deep down.
    assert np.exp(y[-1]) == pytest.approx(1.0, rel=1e-3)
    assert operator.regular


def test_optically_thin_slab_keeps_what_is_created():
    physics = slab(N=31, epsilon=1e-3, log_tau=(-8.0, -5.0))
    # No light from below.
    physics = replace(physics, log_B=np.where(np.arange(31) >= 29, -60.0, 0.0))
    y = TwoLevelOperator.first(physics).start()
    assert np.allclose(np.exp(y[:25]), 1e-3, rtol=0.01)


def test_large_epsilon_gives_the_planck_function():
    y = TwoLevelOperator.first(slab(epsilon=1.0)).start()
    assert np.allclose(y, 0.0, atol=1e-12)


def test_a_refined_grid_changes_little():
    ys = [TwoLevelOperator.first(slab(N=N)).start() for N in (78, 155, 309)]
    first, second = (np.abs(fine[::2] - coarse) for coarse, fine in pairwise(ys))
    assert second.max() < 0.9 * first.max() < 0.03
    # At the surface the last step of a ray is linear, as the host's.
    assert first[0] < 1e-2 and second[0] < 0.5 * first[0]


def test_motion_of_the_whole_changes_nothing():
    at_rest = TwoLevelOperator.first(slab()).start()
    moving = TwoLevelOperator.first(slab(velocity=5.0 * np.ones(91))).start()
    assert np.allclose(at_rest, moving, atol=1e-12)


def test_the_sign_of_a_velocity_field_does_not_matter():
    # Inward with +v is outward with -v, and a profile is even.
    v = 3.0 * np.sin(np.linspace(0.0, 6.0, 91))
    one = TwoLevelOperator.first(slab(velocity=v)).start()
    other = TwoLevelOperator.first(slab(velocity=-v)).start()
    assert np.allclose(one, other, atol=1e-8)
    assert np.max(np.abs(one - TwoLevelOperator.first(slab()).start())) > 0.05


def test_thick_and_thin_steps_do_not_overflow():
    N = 20
    height = -np.concatenate(([0.0], np.cumsum(np.where(np.arange(N - 1) % 2, 1e12, 1e-14))))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        operator = TwoLevelOperator.first(slab(N=N, height=height))
        y = operator.start()
    assert operator.regular and np.all(np.isfinite(y))


def test_it_knows_the_error():
    adapter = Adapter(shipped_problem("MgII_k", "FALA").context())
    operator = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0]))
    y = operator.start()
    for k in range(12):
        evaluation = adapter.evaluate(y)
        y = y + np.log1p(operator.error(y, evaluation.lambda_residual))
        if k == 1:
            state, estimate = evaluation.y, operator.error(evaluation.y, evaluation.lambda_residual)
    error = np.expm1(y - state)
    assert np.max(np.abs(estimate)) == pytest.approx(np.max(np.abs(error)), rel=0.5)
    assert 1e-4 < np.max(np.abs(error)) < 0.1


@pytest.fixture
def falc(ctx):
    """The physics of Ca II K in FAL C."""
    adapter = Adapter(ctx)
    return adapter.line(adapter.blocks[0])


def shocked():
    """The physics of a column whose source function is far from where a first guess has it."""
    columns = Source(shocked_cube(8, seed=0)).read(Window(0, 4, 5, 3, 4))
    adapter = Adapter(Workshop(CubeSettings()).context(columns.column(0)))
    return adapter.line_physics(adapter.blocks[0])


class Traced(TwoLevelOperator):
    """An operator that lists all that are made of it."""

    made: ClassVar[list[TwoLevelOperator]] = []

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.made.append(self)


def test_it_is_linearised_around_its_own_solution():
    physics = shocked()
    Traced.made.clear()
    operator = Traced.first(physics)
    assert np.abs(operator.start() - operator.y).max() < 0.03
    # Around the rough guess it is another operator, and that guess is far off.
    whole = [o for o in Traced.made if o.y is not None]
    moved = [np.abs(o.start() - o.y).max() for o in whole]
    assert len(whole) > 1 and moved[-1] < 0.5 * moved[0] and moved[0] > 0.2
    np.testing.assert_array_equal(operator.start(), TwoLevelOperator.first(physics).start())


def test_an_operator_that_can_be_inverted_is_not_given_up():
    class Spoilt(Traced):
        def _linearise(self):
            super()._linearise()
            # The first that is linearised around an estimate is the last that can be inverted.
            self.regular = not any(o.y is not None for o in self.made)

    Traced.made.clear()
    operator = Spoilt.first(shocked())
    whole = [o for o in Traced.made if o.y is not None]
    assert len(whole) == 2 and operator is whole[0] and operator.regular
    assert np.all(np.isfinite(operator.start()))


def test_without_an_estimate_it_starts_within_a_tenth_of_the_solution():
    ctx = build_context("CaII_K", "FALC")
    adapter = Adapter(ctx)
    y = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0])).start()
    assert adapter.Nformal == 0
    lw_rl.iterate_ctx_rl(ctx, scheme="anderson", popsTol=1e-8, quiet=True)
    assert np.max(np.abs(np.expm1(y - adapter.read()))) < 0.1


def test_an_operator_that_is_not_positive_is_interpolated_linearly():
    """Where cubic interpolation makes the solution fall below what is created, it is worthless."""

    class Cubic(TwoLevelOperator):
        """One that is always taken for positive."""

        positive = True

    problem = HostileProblem(1, 115)
    adapter = Adapter(problem.context())
    physics = adapter.line(adapter.blocks[0])
    Traced.made.clear()
    operator, cubic = Traced.first(physics), Cubic.first(physics)
    assert any(o.linear and o.y is not None for o in Traced.made)
    assert operator.positive
    assert not cubic.linear and not TwoLevelOperator.positive.fget(cubic)
    # A source function that would be negative is put at a floor, here at two of eight depths.
    assert np.unique(operator.start()).size == 8 and np.unique(cubic.start()).size == 7
    solved = problem.context()
    assert lw_rl.solve(solved, scheme="nonlocal", popsTol=1e-5, quiet=True).converged
    y = Adapter(solved).read()
    assert np.abs(operator.start() - y).max() < 1.0 and np.abs(cubic.start() - y).max() > 5.0


def test_monotone_interpolation_obeys_the_maximum_principle(falc):
    operator = TwoLevelOperator.first(falc)
    assert not operator.linear and 1e-6 < operator.negative_share < 0.01

    class Linear(TwoLevelOperator):
        """One that is not taken for positive, so that it interpolates linearly."""

        positive = False

    linear = Linear(falc, operator.y)
    assert linear.linear and abs(linear.negative_share) < 1e-12


def test_its_own_residual_vanishes_at_its_solution(falc):
    operator = TwoLevelOperator.first(falc)
    # Linearised around it, its solution is that of the equations that are not linearised.
    for _ in range(8):
        operator = operator.relinearised(operator.start())
    y = operator.start()
    assert np.abs(operator.residual(y) / np.exp(y)).max() < 1e-9


@pytest.mark.parametrize("index", [14, 23])
def test_its_own_solution_knows_light_that_the_background_scatters(index):
    """All orders of it, at rest and in a flow, where light goes inward at other wavelengths."""
    ctx = random_problem("train", index).context()
    adapter = Adapter(ctx)
    source = adapter.atom(adapter.blocks[0]).source
    line, profile = source.physics(), source.profile()
    geometry = geometry_for(adapter.grid)
    rays = geometry.rays(line, profile)
    lw_rl.solve(ctx, popsTol=1e-8, quiet=True)
    solution = Adapter(ctx).read()

    def wrong(line):
        start = TwoLevelOperator.first(line, geometry, rays, profile).start()
        return np.abs(start - solution).max()

    assert wrong(line) < 2e-4
    assert wrong(replace(line, albedo=0.0 * line.albedo)) > 3e-2
