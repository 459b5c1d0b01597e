"""Which operator an atom has, and that it can do what the protocol says."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from lightweaver.rh_atoms import MgII_hk_atom
from plane_helpers import plane_context
from solver_helpers import slab

from lw_rl import atmospheres
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.host.state import Atom, Grid, Line
from lw_rl.norms import largest
from lw_rl.operator.base import (
    EquilibriumOperator,
    Geometry,
    KnowsScattering,
    able,
    geometry_for,
    lit,
    operator_for,
)
from lw_rl.operator.lambda_1d import Plane1D
from lw_rl.operator.plane_2d import Plane2D
from lw_rl.operator.two_level import TwoLevelOperator


def two_level(physics):
    line = Line(0, 1, lambda: physics)
    return Atom("X", 2, (line,), line)


def members(protocol):
    names = {*vars(protocol), *protocol.__annotations__}
    return {n for n in names if not n.startswith("_")}


@pytest.mark.parametrize("index", [300, 851])
def test_scattered_light_of_the_state_is_what_the_host_has_later(index):
    """Formal solutions at one state differ by the scattered light that each has of the last."""
    adapter = Adapter(HostileProblem(101, index).context())
    (block,) = adapter.blocks
    operator = operator_for(adapter.atom(block), geometry_for(adapter.grid))
    assert able(operator, KnowsScattering)
    y = operator.start()
    first, _, last = (adapter.evaluate(y) for _ in range(3))
    own = lit(first, {block: operator})
    lag = largest(last.lambda_residual - first.lambda_residual)
    assert lag > 1e-4
    assert largest(last.lambda_residual - own.lambda_residual) < 0.1 * lag
    # It is done once, and not where an operator is missing.
    assert lit(own, {block: operator}) is own and lit(first, {}) is first


def test_without_the_host_s_rays_the_largest_change_counts(ctx):
    adapter = Adapter(ctx)
    (block,) = adapter.blocks
    physics = adapter.line(block)
    operator = TwoLevelOperator(physics, adapter.read())
    evaluation = adapter.evaluate()
    assert operator.profile is None
    y, residual = evaluation.y, evaluation.lambda_residual
    change = np.zeros((7, y.size))
    np.testing.assert_array_equal(operator.lit(y, residual, change), residual)
    change[3] = 1e-3 * np.exp(y)
    more = operator.lit(y, residual, change) - residual
    assert np.all(more >= 0.0) and more.max() > 0.0
    np.testing.assert_array_equal(operator.lit(y, residual, -change) - residual, more)


def test_a_two_level_atom_in_one_dimension_has_one(ctx):
    adapter = Adapter(ctx)
    (block,) = adapter.blocks
    geometry = geometry_for(adapter.grid)
    assert isinstance(geometry, Plane1D)
    atom = adapter.atom(block)
    operator = operator_for(atom, geometry)
    assert isinstance(operator, TwoLevelOperator) and operator.regular
    # Around its own solution, as `TwoLevelOperator.first` makes it.
    line, profile = adapter.line(block), atom.source.profile()
    first = TwoLevelOperator.first(line, geometry, geometry.rays(line, profile), profile)
    np.testing.assert_array_equal(operator.y, first.y)
    assert operator.start_radiation().shape == (profile.Nwave, adapter.Nspace)


def test_it_is_linearised_where_it_is_told(ctx):
    adapter = Adapter(ctx)
    y = adapter.read()
    operator = operator_for(adapter.atom(adapter.blocks[0]), geometry_for(adapter.grid), y)
    np.testing.assert_array_equal(operator.y, y)
    np.testing.assert_array_equal(operator.relinearised(y + 0.1).y, y + 0.1)


def test_no_other_atom_has_one():
    adapter = Adapter(build_context(MgII_hk_atom(), atmospheres.load("FALC", 10), Nrays=1))
    atom, geometry = adapter.atom(adapter.blocks[0]), geometry_for(adapter.grid)
    assert operator_for(atom, geometry) is None
    assert operator_for(atom, geometry, adapter.read()) is None


def test_nor_is_there_one_in_more_dimensions():
    physics = slab(N=20)
    grid = Grid(2, physics.height)
    assert geometry_for(grid) is None
    assert operator_for(two_level(physics), None) is None
    # The same atom on a line of heights has one.
    assert operator_for(two_level(physics), geometry_for(Grid(1, physics.height))) is not None


@pytest.mark.parametrize(
    ("protocol", "made"),
    [(Geometry, Plane1D(slab(N=20).height)), (EquilibriumOperator, None)],
)
def test_what_is_made_can_do_what_the_protocol_says(protocol, made):
    physics = slab(N=20)
    if made is None:
        made = operator_for(two_level(physics), Plane1D(physics.height))
    assert len(members(protocol)) >= 2
    for name in members(protocol):
        assert hasattr(made, name), name


def test_a_step_of_an_operator_solves_its_own_linear_problem():
    """Scheme and certificate rely on it: the error that it sees is the one that there is."""
    # So little light that the opacity does not depend on it.
    physics = slab(N=60, epsilon=1e-3, log_B=np.full(60, -30.0))
    operator = operator_for(two_level(physics), Plane1D(physics.height))
    y = operator.start()
    operator = operator.relinearised(y)
    for k in range(3):
        shift = 1e-3 * np.sin(np.linspace(0.0, 4.0, 60) + k)
        residual = operator.residual(y + shift)
        lambda_residual = np.log1p(residual / np.exp(y + shift))
        error = operator.error(y + shift, lambda_residual)
        np.testing.assert_allclose(error, np.expm1(-shift), atol=2e-5)
        np.testing.assert_allclose(operator.solve(residual), error * np.exp(y + shift), rtol=1e-9)


def test_a_copy_of_an_operator_is_another(ctx):
    """Solves side by side share none."""
    adapter = Adapter(ctx)
    made = operator_for(adapter.atom(adapter.blocks[0]), geometry_for(adapter.grid))
    assert copy.deepcopy(made) is not made


def test_a_plane_is_at_home_where_the_host_interpolates_linearly():
    grid = Adapter(plane_context()).grid
    assert isinstance(geometry_for(grid), Plane2D)
    other = replace(grid, plane=replace(grid.plane, between=False))
    assert geometry_for(other) is None
