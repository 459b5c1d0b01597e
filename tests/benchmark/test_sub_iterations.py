"""Sub-iterations of partial redistribution, as the host reports them and as shares of the grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lw_rl.benchmark import sub_iterations


@pytest.fixture(scope="module")
def redistributed(problem):
    return replace(problem, prd=True).context()


def test_they_are_counted_from_the_hosts_report(redistributed):
    redistributed.formal_sol_gamma_matrices()
    redistributed.stat_equil()
    for most in (1, 2):
        update = redistributed.prd_redistribute(maxIter=most, tol=0.0)
        assert sub_iterations.made(update) == most
    assert sub_iterations.made(None) == 0


def test_a_sub_iteration_sweeps_the_wavelengths_of_the_lines_only(start, redistributed):
    assert sub_iterations.share(start) == 0.0, "complete redistribution"
    J = redistributed.spect.J
    redistributed.formal_sol_gamma_matrices()
    redistributed.stat_equil()
    J[:] = -1.0  # what is swept is computed again
    redistributed.prd_redistribute(maxIter=1, tol=0.0)
    swept = np.any(np.asarray(J) != -1.0, axis=1)
    assert 0.0 < sub_iterations.share(redistributed) == swept.mean() < 1.0
