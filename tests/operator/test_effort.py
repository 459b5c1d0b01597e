"""Effort of operators: wavelengths merged, work counted."""

from __future__ import annotations

import numpy as np

from lw_rl.host.adapter import Adapter
from lw_rl.operator.base import geometry_for, operator_for
from lw_rl.operator.effort import Effort, merged
from lw_rl.operator.line_quadrature import profile_rays
from lw_rl.problems import shipped_problem


def line():
    adapter = Adapter(shipped_problem("CaII_K", "FALC", 41).context())
    return adapter.atom(adapter.blocks[0]), geometry_for(adapter.grid)


def test_merged_rays_keep_the_weight_and_the_mean_profile():
    atom, _ = line()
    profile = atom.source.profile()
    rays = profile_rays(profile)
    half = merged(rays, profile.mu.size, 0.5)
    assert half.weight.shape[1] < 0.6 * rays.weight.shape[1]
    np.testing.assert_allclose(half.weight.sum(axis=1), 1.0)
    np.testing.assert_allclose(
        (half.weight * half.profile).sum(axis=1), (rays.weight * rays.profile).sum(axis=1)
    )
    assert merged(rays, profile.mu.size, 1.0) is rays
    assert merged(rays, profile.mu.size, 1e-9).mu.size == profile.mu.size


def test_less_fidelity_is_less_work_of_every_operator_of_the_lineage():
    atom, geometry = line()
    whole, half = Effort(), Effort(fidelity=0.5)
    first = operator_for(atom, geometry, effort=whole)
    second = operator_for(atom, geometry, effort=half)
    assert 0.0 < half.work["matrix"] < whole.work["matrix"]
    assert np.max(np.abs(first.start() - second.start())) < 0.5
    before = half.work["matrix"]
    assert second.relinearised(second.start()).effort is half
    assert half.work["matrix"] > before
