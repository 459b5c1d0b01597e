"""Frequencies and angles of an approximate operator against what they must integrate."""

import numpy as np
import pytest

from lw_rl.host.adapter import Adapter
from lw_rl.operator.line_quadrature import coarser, line_rays
from lw_rl.problems import random_problem, shipped_problem
from lw_rl.resample import table


def physics_of(problem):
    adapter = Adapter(problem.context())
    return adapter.line_physics(adapter.blocks[0])


@pytest.mark.parametrize(
    "problem",
    [shipped_problem("MgII_k", "FALX"), random_problem("moving", 4)],
    ids=["rest", "moving"],
)
def test_profiles_are_normalised(problem):
    physics = physics_of(problem)
    rays = line_rays(physics)
    for chosen in (rays, rays.rough()):
        np.testing.assert_allclose(chosen.weight.sum(axis=1), 1.0, rtol=1e-12)
        assert chosen.weight.min() >= 0.0
        assert (
            chosen.profile.shape
            == chosen.weight.shape
            == (*chosen.profile.shape[:1], *chosen.mu.shape)
        )
        assert 0.0 <= chosen.profile.min() and chosen.profile.max() <= 1.0 + 1e-12
    # One third of the frequencies, at every angle.
    assert 3 * rays.rough().mu.size == rays.mu.size


def test_motion_needs_both_halves_of_a_profile():
    rest = line_rays(physics_of(shipped_problem("CaII_K", "FALC")))
    assert np.unique(rest.mu).size == 2
    np.testing.assert_array_equal(
        rest.profile[:, : rest.mu.size // 2], rest.profile[:, rest.mu.size // 2 :]
    )
    moving = line_rays(physics_of(random_problem("moving", 4)))
    half = moving.mu.size // 2
    assert np.max(np.abs(moving.profile[:, :half] - moving.profile[:, half:])) > 1e-3


def test_fewer_depths_keep_ends_and_optical_depth():
    physics = physics_of(shipped_problem("CaII_K", "FALC", 328))
    fewer, rays = coarser(physics, line_rays(physics), table(328, 82))
    assert fewer.height.shape == (82,) and rays.weight.shape[0] == 82
    np.testing.assert_allclose(fewer.height[[0, -1]], physics.height[[0, -1]])

    def depth(p):
        return np.sum(0.5 * (p.opacity[1:] + p.opacity[:-1]) * -np.diff(p.height))

    assert depth(fewer) == pytest.approx(depth(physics), rel=0.02)
    np.testing.assert_allclose(rays.weight.sum(axis=1), 1.0, rtol=1e-12)
