"""References that two starts agree on, and that the host's own step leaves alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import imbalance

from lw_rl import problems
from lw_rl.benchmark import confirmed as module
from lw_rl.benchmark.confirmed import REFERENCE_ERROR, confirmed_reference
from lw_rl.benchmark.reference import true_error
from lw_rl.errors import NoReferenceError
from lw_rl.iterate import accelerate


@pytest.fixture(scope="module")
def several():
    """Ca II with six levels on 20 depths. Not to be changed."""
    return problems.shipped_problem("CaII", "FALC", 20).context(Nrays=1)


@pytest.fixture(scope="module")
def found(several):
    return confirmed_reference(several)


def test_two_starts_agree_and_plain_steps_stay_there(found):
    assert 0.0 < found.starts < REFERENCE_ERROR and found.plain < REFERENCE_ERROR
    assert found.change < 1e-8 and found.particles < 1e-12 and found.seconds > 0.0


def test_the_reference_is_in_statistical_equilibrium_by_the_hosts_rates(several, found):
    ctx = copy.deepcopy(several)
    assert imbalance(ctx) > 1e-2
    ctx.activeAtoms[0].n[:] = found.n[0]
    proxy = accelerate(ctx, scheme="mali_scattering")
    for _ in range(40):  # the scattered light of these populations
        proxy.formal_sol_gamma_matrices()
    assert imbalance(ctx) < 1e-4


def test_the_start_is_not_changed(several, found):
    np.testing.assert_allclose(several.activeAtoms[0].n, several.activeAtoms[0].nStar, rtol=1e-12)


def test_a_two_level_atom_has_one_start(start, n_ref):
    found = confirmed_reference(start)
    assert found.starts == 0.0 and found.plain < 1e-9
    assert true_error(found.n, n_ref) < 1e-9


@pytest.fixture
def stands_still(monkeypatch):
    """What an acceleration would make that stands still where there is no equilibrium."""

    def wrong(ctx, prd=False):
        n = ctx.activeAtoms[0].n
        n[1] *= 1.1
        return [np.array(n)], 1e-12

    monkeypatch.setattr(module, "reference", wrong)


def test_what_plain_steps_leave_is_no_reference(several, stands_still, monkeypatch):
    monkeypatch.setattr(module, "second_start", lambda *arguments: 0.0)
    with pytest.raises(NoReferenceError, match="the host's own steps leave"):
        confirmed_reference(several)


def test_the_second_start_leads_to_the_equilibrium(several, stands_still, monkeypatch, found):
    monkeypatch.setattr(module, "plain_steps", lambda *arguments: 0.0)
    away = confirmed_reference(several).starts
    off = several.activeAtoms[0].n.copy()
    off[1] *= 1.1
    assert away == pytest.approx(true_error(found.n, [off]), rel=1e-3)
