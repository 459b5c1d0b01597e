"""The certified stop: what is claimed of the error against the error itself.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
the stop looks at the error, not at the change      test_a_tolerance_is_one_on_the_error
(Certified.is_converged)
a policy's word is not taken alone                  test_bad_policies: test_a_policy_that_hardly_...
(Certificate: distance and residual)
the certified state is what the context holds       test_the_context_holds_the_certified_state
(Certificate.settle)
J has to be settled where an atom has no operator   test_a_stop_knows_of_the_radiation_field
(Certified.is_converged, Certificate)
a tolerance below rounding ends at the floor        test_a_tolerance_below_rounding_ends_...
(Certified.is_converged)
collisional-radiative switching ends first          tests/test_contexts: test_collisional_...
(Certified.is_converged)
=================================================== ==========================================
"""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from conftest import error, with_policy
from lightweaver.rh_atoms import CaII_atom, MgII_hk_atom
from solver_helpers import certified, iterate

import lw_rl
from lw_rl import atmospheres
from lw_rl.certificate.convergence import Certified, HasCertificate
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.iterate import accelerate, iterate_ctx_rl

SCHEMES = ("mali", "ng", "anderson", "depthwise")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-5])
def test_a_tolerance_is_one_on_the_error(scheme, tol, ctx, untrained, reference):
    result = lw_rl.solve(ctx, popsTol=tol, quiet=True, **with_policy(scheme, untrained))
    assert result.converged
    assert error(ctx, reference) <= result.estimate.value < tol
    assert result.estimate.bound is None or error(ctx, reference) <= result.estimate.bound
    # And it costs no formal solution.
    assert result.Nformal == len(result.records)


def test_the_hosts_own_loop(ctx, reference):
    plain = copy.deepcopy(ctx)
    lw.iterate_ctx_se(plain, Nscatter=0, quiet=True)
    assert error(plain, reference) > 5e-3, "its own stop is at a change of 1e-3"
    lw.iterate_ctx_se(ctx, Nscatter=0, quiet=True, convergence=Certified)
    assert error(ctx, reference) < 1e-3


def test_the_hosts_own_loop_with_its_ng_acceleration(reference):
    ctx = build_context("CaII_K", "FALC", ngOptions=lw.NgOptions(2, 3, 5, 1.0, 0.0))
    lw.iterate_ctx_se(ctx, Nscatter=0, quiet=True, convergence=Certified)
    assert error(ctx, reference) < 1e-3


@pytest.mark.parametrize("scheme", ["anderson", "depthwise"])
def test_the_context_holds_the_certified_state(scheme, ctx, untrained):
    proxy = accelerate(ctx, **with_policy(scheme, untrained))
    lw.iterate_ctx_se(proxy, Nscatter=0, quiet=True, convergence=Certified)
    np.testing.assert_allclose(Adapter(ctx).read(), proxy.certificate.state, rtol=1e-9)
    # Radiation field and populations belong together: J does not change when it is made again.
    J = np.array(ctx.spect.J)
    ctx.formal_sol_gamma_matrices()
    np.testing.assert_allclose(ctx.spect.J, J, rtol=1e-3)


def test_iterate_stops_with_the_hosts_criterion_if_told(ctx):
    host = copy.deepcopy(ctx)
    criterion = lw.DefaultConvergenceCriteria
    it = iterate_ctx_rl(ctx, scheme="mali", convergence=criterion, quiet=True)
    assert it == lw.iterate_ctx_se(host, Nscatter=0, quiet=True)


def test_a_proxy_brings_its_certificate_and_a_context_gets_one(ctx):
    proxy = accelerate(ctx, scheme="mali")
    assert isinstance(proxy, HasCertificate) and not isinstance(ctx, HasCertificate)
    assert Certified(proxy, 1e-3, 1e-3, None).certificate is proxy.certificate
    assert Certified(ctx, 1e-3, 1e-3, None).certificate is not proxy.certificate


# ---- atoms without an operator: the radiation field -----


@pytest.fixture(scope="module")
def magnesium():
    """Mg II h and k with four levels, and the populations in equilibrium [m-3].

    `tests/operator/test_scattering.py` shows that this is the limit of the host's own iteration.
    """
    start = build_context(MgII_hk_atom(), atmospheres.load("FALC", 20), Nrays=1)
    end = copy.deepcopy(start)
    iterate(accelerate(end, scheme="mali_scattering"), 120)
    return start, np.array(end.activeAtoms[0].n)


def with_switching(ctx):
    """The same context with collisional-radiative switching."""
    kwargs = copy.deepcopy(ctx).kwargs
    return lw.Context(
        kwargs["atmos"], kwargs["spect"], kwargs["eqPops"], crswCallback=lw.CrswIterator(100.0)
    )


@pytest.mark.parametrize("scheme", ["mali_scattering", *SCHEMES])
@pytest.mark.parametrize("tol", [1e-2, 1e-3])
def test_a_tolerance_is_one_on_the_error_of_more_levels_too(scheme, tol, magnesium):
    """Shared fault 09: Ng and Anderson stopped with several times their tolerance."""
    ctx, n_ref = copy.deepcopy(magnesium[0]), magnesium[1]
    result = lw_rl.solve(ctx, scheme=scheme, popsTol=tol, quiet=True)
    assert result.converged and result.estimate.bound is None
    assert error(ctx, n_ref) <= result.estimate.value < tol
    if scheme != "mali":
        assert result.Nformal < 100


@pytest.mark.parametrize("scheme", ["mali_scattering", "depthwise"])
def test_so_it_is_with_switching(scheme, magnesium):
    ctx, n_ref = with_switching(magnesium[0]), magnesium[1]
    result = lw_rl.solve(ctx, scheme=scheme, quiet=True)
    assert result.converged and result.estimate.value < 1e-3 and error(ctx, n_ref) < 1e-3


def test_so_it_is_in_the_hosts_own_loop(magnesium):
    ctx, n_ref = copy.deepcopy(magnesium[0]), magnesium[1]
    lw.iterate_ctx_se(
        ctx, Nscatter=0, NmaxIter=3000, popsTol=1e-2, quiet=True, convergence=Certified
    )
    assert error(ctx, n_ref) < 1e-2


def test_a_stop_knows_of_the_radiation_field(magnesium):
    """MALI's populations follow a J that the host iterates, and seem to be there before it is."""

    def blind(certificate):
        note = certificate.history.radiated
        certificate.history.radiated = lambda change: note(0.0)

    errors = []
    for keywords in ({}, {"JTol": np.inf, "convergence": certified(blind)}):
        ctx = copy.deepcopy(magnesium[0])
        result = lw_rl.solve(ctx, scheme="mali", popsTol=3e-2, quiet=True, **keywords)
        assert result.converged
        errors.append(error(ctx, magnesium[1]) / result.estimate.value)
    assert errors[0] < 1.0 < errors[1]


def test_the_calcium_atom_of_six_levels():
    ctx = build_context(CaII_atom(), atmospheres.load("FALC", 30), Nrays=2)
    reference = copy.deepcopy(ctx)
    result = lw_rl.solve(ctx, scheme="anderson", popsTol=1e-2, quiet=True)
    assert result.converged and result.estimate.bound is None
    assert error(ctx, np.asarray(reference.activeAtoms[0].n)) > 1e-2, "the start is far away"
    iterate(accelerate(reference, scheme="mali_scattering"), 250)
    assert error(ctx, np.asarray(reference.activeAtoms[0].n)) < 1e-2
    # It is the host's fixed point: a step of its own leaves it alone.
    n = np.array(reference.activeAtoms[0].n)
    reference.formal_sol_gamma_matrices()
    reference.stat_equil()
    assert error(reference, n) < 1e-6


# ---- rounding -----


@pytest.mark.parametrize("most", [300, 2000])
def test_a_tolerance_near_rounding_takes_a_few_formal_solutions_more(most, ctx, reference):
    """Shared fault 02: the solve was thrown back to its origin as if it had stalled."""
    result = lw_rl.solve(ctx, popsTol=1e-10, NmaxIter=most, quiet=True)
    assert result.outcome in ("converged", "rounding") and result.Nformal <= 20
    assert error(ctx, reference) < 1e-8


@pytest.mark.parametrize(
    ("scheme", "at_most"), [("depthwise", 60), ("nonlocal", 60), ("anderson", 65), ("mali", 350)]
)
def test_a_tolerance_below_rounding_ends_at_the_floor(scheme, at_most, ctx, reference):
    result = lw_rl.solve(ctx, scheme=scheme, popsTol=1e-13, NmaxIter=400, quiet=True)
    assert result.outcome == "rounding" and not result.converged
    assert "floor of rounding" in str(result)
    assert result.Nformal <= at_most
    assert error(ctx, reference) < 1e-9
    # It holds the state of the smallest residual.
    again = Adapter(ctx).evaluate()
    assert again.residual_norm < 3.0 * min(r.residual for r in result.records) + 1e-12
