"""The approximate operator against limits with known answers, and against the host."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import lw_rl
from lw_rl import atmospheres, atoms, build_context
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.cube.column import Workshop
from lw_rl.cube.settings import Settings
from lw_rl.cube.source import Source, Window
from lw_rl.experiments.cubes.parts import shocked_cube
from lw_rl.host.adapter import Adapter
from lw_rl.host.state import LinePhysics
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.problems import random_problem, shipped_problem


def slab(N=91, epsilon=1e-4, log_tau=(-4.0, 7.0), **changes):
    """Return an isothermal slab without background, of constant everything; B = 1."""
    tau = 10.0 ** np.linspace(*log_tau, N)
    height = -(tau - tau[0])
    one = np.ones(N)
    values = {
        "height": height,
        "opacity": one,
        "log_tau": np.log(tau),
        "epsilon": epsilon * one,
        "log_B": 0.0 * one,
        "damping": 1e-10 * one,
        "background": 1e-30 * one,
        "albedo": 0.0 * one,
        "velocity": 0.0 * one,
        "broadening": 3e3 * one,
        "temperature": 6e3 * one,
        "g_ratio": 0.0,
        "extent": 3e4,
    }
    return LinePhysics(**{**values, **changes})


def test_nothing_is_lost_or_made():
    # With S = B = 1 everywhere, a background of the same and a thermal boundary, J is 1 at depth.
    physics = slab(background=1e-5 * np.ones(91), damping=1e-3 * np.ones(91))
    operator, _ = TwoLevelOperator.first(physics)
    J = operator.Lambda.sum(axis=1) + operator.known
    assert np.allclose(J[-20:], 1.0, atol=1e-6)
    # At the surface one half of the sphere is dark; the top of the grid is thin.
    assert J[0] == pytest.approx(0.5, abs=0.01)
    assert np.all(np.diff(J) > -1e-9)


@pytest.mark.parametrize("epsilon", [1e-2, 1e-4, 1e-6])
def test_square_root_law(epsilon):
    # S(0) = sqrt(epsilon) B in a semi-infinite isothermal atmosphere (Mihalas 1978, section 11-2).
    operator, y = TwoLevelOperator.first(slab(N=141, epsilon=epsilon, log_tau=(-4.0, 9.0)))
    assert np.exp(y[0]) == pytest.approx(np.sqrt(epsilon), rel=0.02)
    # Thermalised deep down.
    assert np.exp(y[-1]) == pytest.approx(1.0, rel=1e-3)
    assert operator.regular


def test_optically_thin_slab_keeps_what_is_created():
    physics = slab(N=31, epsilon=1e-3, log_tau=(-8.0, -5.0))
    # No light from below.
    physics = replace(physics, log_B=np.where(np.arange(31) >= 29, -60.0, 0.0))
    _, y = TwoLevelOperator.first(physics)
    assert np.allclose(np.exp(y[:25]), 1e-3, rtol=0.01)


def test_large_epsilon_gives_the_planck_function():
    _, y = TwoLevelOperator.first(slab(epsilon=1.0))
    assert np.allclose(y, 0.0, atol=1e-12)


def test_a_refined_grid_changes_little():
    ys = [TwoLevelOperator.first(slab(N=N))[1] for N in (78, 155, 309)]
    first, second = (np.abs(fine[::2] - coarse) for coarse, fine in pairwise(ys))
    assert second.max() < 0.9 * first.max() < 0.03
    # The surface, which is what one sees, is better still.
    assert first[0] < 2e-4 and second[0] < 0.5 * first[0]


def test_motion_of_the_whole_changes_nothing():
    at_rest = TwoLevelOperator.first(slab())[1]
    moving = TwoLevelOperator.first(slab(velocity=5.0 * np.ones(91)))[1]
    assert np.allclose(at_rest, moving, atol=1e-12)


def test_the_sign_of_a_velocity_field_does_not_matter():
    # Inward with +v is outward with -v, and a profile is even.
    v = 3.0 * np.sin(np.linspace(0.0, 6.0, 91))
    one = TwoLevelOperator.first(slab(velocity=v))[1]
    other = TwoLevelOperator.first(slab(velocity=-v))[1]
    assert np.allclose(one, other, atol=1e-8)
    assert np.max(np.abs(one - TwoLevelOperator.first(slab())[1])) > 0.05


def test_thick_and_thin_steps_do_not_overflow():
    N = 20
    height = -np.concatenate(([0.0], np.cumsum(np.where(np.arange(N - 1) % 2, 1e12, 1e-14))))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        operator, y = TwoLevelOperator.first(slab(N=N, height=height))
    assert operator.regular and np.all(np.isfinite(y))


@pytest.mark.parametrize("problem", ["FALC", "FALX", "moving"])
def test_it_is_the_hosts_operator_to_a_few_per_cent(problem):
    p = random_problem("moving", 4) if problem == "moving" else shipped_problem("CaII_K", problem)
    adapter = Adapter(p.context())
    physics = adapter.line_physics(adapter.blocks[0])
    operator, y = TwoLevelOperator.first(physics)
    # Small changes of S at three depths: what the host's formal solutions make of them.
    for depth in (0.3, 0.5, 0.7):
        bump = 1e-4 * np.exp(-0.5 * ((np.linspace(0, 1, y.size) - depth) / 0.05) ** 2)
        lambda_residual = []
        for sign in (1.0, -1.0):
            for _ in range(3):
                evaluation = adapter.evaluate(y + sign * bump)
            lambda_residual.append(evaluation.lambda_residual + sign * bump)
        response = 0.5 * (lambda_residual[0] - lambda_residual[1]) * np.exp(y + lambda_residual[0])
        expected = (1.0 - physics.epsilon) * (operator.Lambda @ (np.exp(y) * np.sinh(bump)))
        assert np.max(np.abs(response - expected) / np.exp(y)) < 0.06 * bump.max()


def test_it_knows_the_error():
    adapter = Adapter(shipped_problem("MgII_k", "FALA").context())
    operator, y = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0]))
    for k in range(12):
        evaluation = adapter.evaluate(y)
        y = y + np.log1p(operator.error(y, evaluation.lambda_residual))
        if k == 1:
            state, estimate = evaluation.y, operator.error(evaluation.y, evaluation.lambda_residual)
    error = np.expm1(y - state)
    assert np.max(np.abs(estimate)) == pytest.approx(np.max(np.abs(error)), rel=0.5)
    assert 1e-4 < np.max(np.abs(error)) < 0.1


def shocked():
    """The physics of a column whose source function is far from where a first guess has it."""
    columns = Source(shocked_cube(8, seed=0)).read(Window(0, 4, 5, 3, 4))
    adapter = Adapter(Workshop(Settings()).context(columns.column(0)))
    return adapter.line_physics(adapter.blocks[0])


def test_it_is_made_around_its_own_solution():
    physics = shocked()
    operator, y = TwoLevelOperator.first(physics)
    np.testing.assert_array_equal(y, np.log(operator.source_function()))
    # Around the rough guess it is another operator, and that guess is far off.
    rough, around = [], TwoLevelOperator._around
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            TwoLevelOperator, "_around", lambda *args: rough.append(around(*args)) or rough[-1]
        )
        TwoLevelOperator.first(physics)
    moved = [np.abs(np.log(o.source_function()) - o.y).max() for o in rough]
    assert len(rough) > 1 and moved[-1] < 0.5 * moved[0] and moved[0] > 0.2


def test_an_operator_that_can_be_inverted_is_not_given_up(monkeypatch):
    made, around = [], TwoLevelOperator._around

    def spoilt(*args):
        made.append(around(*args))
        made[-1].regular = len(made) == 1
        return made[-1]

    monkeypatch.setattr(TwoLevelOperator, "_around", spoilt)
    operator, y = TwoLevelOperator.first(shocked())
    assert len(made) == 2 and operator is made[0] and operator.regular
    assert np.all(np.isfinite(y))


def test_without_an_estimate_it_starts_within_a_tenth_of_the_solution():
    ctx = build_context(atoms.CaII_K(), atmospheres.load("FALC"))
    adapter = Adapter(ctx)
    _, y = TwoLevelOperator.first(adapter.line_physics(adapter.blocks[0]))
    assert adapter.Nformal == 0
    import lw_rl

    lw_rl.iterate_ctx_rl(ctx, scheme="anderson", popsTol=1e-8, quiet=True)
    assert np.max(np.abs(np.expm1(y - adapter.read()))) < 0.1


def test_an_operator_that_is_not_positive_is_interpolated_linearly(monkeypatch):
    problem = HostileProblem(1, 679)
    adapter = Adapter(problem.context())
    physics = adapter.line_physics(adapter.blocks[0])
    thermal = physics.epsilon * np.exp(physics.log_B)
    operator, _ = TwoLevelOperator.first(physics)
    assert np.all(operator._own() >= 0.99 * thermal)
    few = lw_rl.solve(problem.context(), scheme="nonlocal", quiet=True, bound=False).Nformal
    monkeypatch.setattr("lw_rl.operator.two_level._POSITIVE", -np.inf)
    assert not np.all(TwoLevelOperator.first(physics)[0]._own() >= 0.99 * thermal)
    many = lw_rl.solve(problem.context(), scheme="nonlocal", quiet=True, bound=False).Nformal
    assert few < many
