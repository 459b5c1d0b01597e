"""The peer of a cube: the host alone, at the same true error."""

from __future__ import annotations

import numpy as np
import pytest
from cube_helpers import small_cube

from lw_rl.cube.source import Source
from lw_rl.experiments.cubes.measure import subsample
from lw_rl.experiments.cubes.plain_pool import (
    TARGET,
    plain_column,
    plain_context,
    plain_pool,
    plain_tolerance,
    prepared_column,
)
from lw_rl.host.context import build_context


@pytest.fixture
def columns():
    return subsample(Source(small_cube(2, 1)), 2)


def test_the_context_is_the_hosts_in_lte(columns):
    ctx = plain_context("CaII_K", columns[0], Nrays=3)
    n = np.asarray(ctx.activeAtoms[0].n)
    np.testing.assert_array_equal(n, np.asarray(ctx.activeAtoms[0].nStar))
    assert n.shape == (2, 32) and ctx.kwargs["atmos"].Nrays == 3
    phi = np.asarray(build_context("CaII_K", "FALC").activeAtoms[0].trans[0].wavelength)
    np.testing.assert_array_equal(np.asarray(ctx.activeAtoms[0].trans[0].wavelength), phi)


def test_the_tolerance_is_the_largest_that_keeps_the_target(columns):
    found = plain_tolerance("CaII_K", columns)
    assert found["columns"] == 2 and found["policy_failed"] == 0
    assert found["worst_true_error"] <= TARGET < found["worst_true_error_default"]
    assert found["popsTol"] < 1e-3 and found["policy_worst_true_error"] <= TARGET


@pytest.mark.slow
def test_the_pool_is_timed(columns):
    assert plain_pool("CaII_K", columns, workers=1, tolerance=1e-3) > 0.0


def test_a_pool_with_the_cubes_profiles_sees_the_same_light(columns):
    plain, prepared = (f("CaII_K", 1e-4, columns[0]) for f in (plain_column, prepared_column))
    line = np.squeeze(prepared)
    # The host adds its reference wavelength at the end.
    np.testing.assert_allclose(np.squeeze(plain)[: len(line)], line, rtol=1e-3)
