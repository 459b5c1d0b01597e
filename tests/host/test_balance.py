"""Statistical equilibrium with given rates, where the host's preconditioned ones have none."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import lw_rl
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.host.adapter import Adapter
from lw_rl.host.balance import balanced_shares
from lw_rl.problems import random_atoms


def some_rates(seed: int, N: int = 6, K: int = 5) -> np.ndarray:
    rates = 10.0 ** np.random.default_rng(seed).uniform(-6, 8, (N, N, K))
    rates[np.arange(N), np.arange(N)] = np.nan  # not looked at
    return rates


@pytest.mark.parametrize("seed", range(5))
def test_what_enters_a_level_leaves_it(seed):
    rates = some_rates(seed)
    shares = balanced_shares(rates)
    rates[np.arange(6), np.arange(6)] = 0.0
    lost = rates.sum(axis=0) * shares
    np.testing.assert_allclose(np.einsum("ijk,jk->ik", rates, shares), lost, rtol=1e-12)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-14)


def test_detailed_balance_however_small_a_share():
    """Rates between levels in proportion to a Boltzmann factor lead to it, to rounding."""
    n = np.array([1.0, 1e-30, 1e-60, 1e-200])
    both = 10.0 ** np.random.default_rng(1).uniform(0, 6, (4, 4))
    rates = (both + both.T) / n * 1e-250  # of j, over the share of j
    np.testing.assert_allclose(balanced_shares(rates[:, :, None])[:, 0], n, rtol=1e-13)


def test_levels_that_nothing_connects_have_no_shares():
    rates = np.zeros((3, 3, 1))
    rates[0, 1] = rates[1, 0] = 1.0
    assert not np.isfinite(balanced_shares(rates)).all()


def test_a_step_that_is_not_positive_is_one_of_lambda_iteration():
    """The host's own update of this hydrogen atom, from LTE, has a negative population."""
    ctx = random_atoms(30002).context()
    host, solved = copy.deepcopy(ctx), copy.deepcopy(ctx)
    host.formal_sol_gamma_matrices()
    host.stat_equil()
    n_host = np.asarray(host.activeAtoms[0].n)
    assert n_host.min() < 0.0
    adapter = Adapter(ctx)
    adapter.formal_solution()
    update, evaluation = adapter.plain_update()
    n = np.asarray(ctx.activeAtoms[0].n)
    good = (n_host > 0.0).all(axis=0)
    assert evaluation.valid and "not positive at 1 depths" in evaluation.note
    np.testing.assert_array_equal(n[:, good], n_host[:, good])
    np.testing.assert_allclose(n.sum(axis=0), ctx.activeAtoms[0].nTotal)
    assert n.min() > 0.0 and update.dPopsMax < np.inf
    result = lw_rl.solve(solved, quiet=True)
    assert result.converged and result.Nformal <= 8
    assert "Lambda iteration" in result.records[0].note


def test_an_electron_density_that_is_not_positive_is_that_of_the_ions():
    """The host's own Newton step from LTE makes both negative, and its next matrix is singular."""
    ctx = HostileProblem(110, 4940).context()
    host = copy.deepcopy(ctx)
    host.formal_sol_gamma_matrices()
    host.stat_equil()
    assert host.atmos.ne.min() < 0.0 and np.asarray(host.activeAtoms[0].n).min() < 0.0
    result = lw_rl.solve(ctx, scheme="mali", quiet=True)
    n, ne = np.asarray(ctx.activeAtoms[0].n), np.asarray(ctx.atmos.ne)
    assert result.converged and n.min() > 0.0
    assert np.all(ne >= (1.0 - 1e-9) * n[-1])  # electrons of its protons at least
