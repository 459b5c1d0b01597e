"""Populations and emission profile, accelerated together."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from lightweaver.rh_atoms import CaII_atom, H_6_atom

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.benchmark.reference import true_error
from lw_rl.certificate.history import Iteration
from lw_rl.host.adapter import Adapter
from lw_rl.schemes.coupled import mix

N, NPROFILE = 6, 18


@pytest.fixture
def linear_map():
    """A map of unknown and profile with five modes that couple the two, the slowest of 0.6."""
    rng = np.random.default_rng(1)
    size = N + NPROFILE
    modes = np.linalg.qr(rng.normal(size=(size, 5)))[0]
    M = modes @ np.diag([0.6, -0.6, 0.5, 0.3, 0.2]) @ modes.T
    solution = np.concatenate([rng.normal(size=N), rng.uniform(5.0, 9.0, NPROFILE)])
    return (lambda v: solution + M @ (v - solution)), solution


def test_a_linear_map_of_a_few_modes_is_at_rest_soon(linear_map):
    image_of, solution = linear_map
    away = np.concatenate([np.full(N, 0.1), np.full(NPROFILE, 0.1)])
    v = plain = solution + away
    iterations = []
    for _ in range(10):
        iterations.append(Iteration("operator", v, image_of(v)))
        mixed = mix(iterations, N)
        v = image_of(v) if mixed is None else mixed
        plain = image_of(plain)
    assert np.abs(v - solution).max() < 1e-4 * np.abs(plain - solution).max()


def iteration(step=1.0, profile_step=1.0, y=0.0, profile=10.0):
    before = np.append(np.full(N, y), np.full(NPROFILE, profile))
    change = np.append(np.full(N, step), np.full(NPROFILE, profile_step))
    return Iteration("operator", before, before + change)


def test_one_iteration_is_not_combined():
    assert mix([iteration()], N) is None


def test_iterations_before_a_change_that_grew_are_forgotten():
    assert mix([iteration(), iteration(1.9)], N) is not None
    assert mix([iteration(), iteration(4.0)], N) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_forgotten(bad):
    for broken in (iteration(bad), iteration(1.0, bad)):
        assert mix([iteration(), broken], N) is None
        assert mix([broken, iteration()], N) is None


def test_no_profile_is_made_negative():
    state = mix([iteration(1.0, -1.0), iteration(0.9, -0.9, profile=9.0)], N)
    assert state[N:].min() == pytest.approx(0.0, abs=1e-12)


# ---- in a solve -----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["CaII_K FALC", "MgII_k FALA"])
def problem(request):
    """A context, and the populations in equilibrium by an iteration of the host's."""
    atom, atmosphere = request.param.split()
    ctx = lw_rl.build_context(atoms.make(atom, prd=True), atmospheres.load(atmosphere, 50), Nrays=3)
    solved = copy.deepcopy(ctx)
    # Ng acceleration of the populations alone, and from there the host; with the profile iterated
    # equally often every time it ends in no cycle.
    keywords = {"prd": True, "prdIterTol": 0.0, "NmaxIter": 400, "quiet": True}
    assert lw_rl.solve(solved, scheme="ng", popsTol=1e-5, **keywords).converged
    assert lw.iterate_ctx_se(solved, Nscatter=0, popsTol=1e-8, JTol=1.0, **keywords) < 399
    return ctx, [np.array(a.n) for a in solved.activeAtoms]


@pytest.fixture(scope="module", params=["CaII_K FALC", "MgII_k FALA"])
def flowing(request):
    """A context in a flow, where profiles are iterated, not foreseen."""
    atom, atmosphere = request.param.split()
    atmos = atmospheres.load(atmosphere, 50)
    atmos.vlos[:] = 1e3
    return lw_rl.build_context(atoms.make(atom, prd=True), atmos, Nrays=3)


@pytest.mark.parametrize("scheme", ["depthwise", "anderson"])
@pytest.mark.parametrize("popsTol", [1e-3, 1e-5])
def test_the_error_is_what_was_asked_for(problem, scheme, popsTol):
    ctx, n_ref = copy.deepcopy(problem[0]), problem[1]
    result = lw_rl.solve(ctx, scheme=scheme, prd=True, popsTol=popsTol, quiet=True)
    assert result.converged
    assert true_error(Adapter(ctx).populations(), n_ref) <= result.estimate.value <= popsTol


def test_it_takes_two_thirds_of_the_formal_solutions(flowing, monkeypatch):
    together = lw_rl.solve(copy.deepcopy(flowing), prd=True, popsTol=1e-4, quiet=True)
    monkeypatch.setattr("lw_rl.schemes.coupled.mix", lambda *args: None)
    apart = lw_rl.solve(copy.deepcopy(flowing), prd=True, popsTol=1e-4, quiet=True)
    assert together.converged and together.Nformal <= 2 / 3 * apart.Nformal


class Watched:
    """A context that notes how its emission profile is to be iterated."""

    def __init__(self, ctx):
        self._ctx, self.asked = ctx, []

    def __getattr__(self, name):
        return getattr(self._ctx, name)

    def prd_redistribute(self, maxIter=3, tol=1e-2):
        self.asked.append((maxIter, tol))
        return self._ctx.prd_redistribute(maxIter=maxIter, tol=tol)


@pytest.mark.parametrize(("scheme", "tol"), [("depthwise", 0.0), ("anderson", 0.0), ("mali", 0.03)])
def test_the_profile_is_iterated_equally_often_where_it_is_accelerated(flowing, scheme, tol):
    ctx = Watched(copy.deepcopy(flowing))
    lw_rl.solve(
        ctx, scheme=scheme, prd=True, maxPrdSubIter=2, prdIterTol=0.03, NmaxIter=6, quiet=True
    )
    assert set(ctx.asked) == {(2, tol)}


# ---- kinds of contexts ----------------------------------------------------------------------


def context(active, detailed=(), conserveCharge=False, Nspace=25, vlos=0.0, **kwargs):
    """Build a context of several atoms, the populations in LTE."""
    atmos = atmospheres.load("FALC", Nspace)
    atmos.vz[:] = vlos * np.sin(np.linspace(0.0, 6.0, Nspace))
    atmos.quadrature(2)
    others = [] if any(a.element.name == "H" for a in active) else [H_6_atom()]
    radSet = lw.RadiativeSet([*others, *active, *detailed])
    radSet.set_active(*(a.element.name for a in active))
    if detailed:
        radSet.set_detailed_static(*(a.element.name for a in detailed))
    spect = radSet.compute_wavelength_grid()
    eqPops = radSet.compute_eq_pops(atmos)
    return lw.Context(atmos, spect, eqPops, conserveCharge=conserveCharge, **kwargs)


CA, MG = atoms.CaII_K, atoms.MgII_k
CONTEXTS = {
    "one of two": lambda: context([CA(prd=True), MG()]),
    "the other of two": lambda: context([CA(), MG(prd=True)]),
    "both": lambda: context([CA(prd=True), MG(prd=True)]),
    "beside a detailed one": lambda: context([CA(prd=True)], [MG(prd=True)]),
    "a detailed one alone": lambda: context([CA()], [MG(prd=True)]),
    "comoving": lambda: context([CA(prd=True)], vlos=5e3, hprd=True),
}


@pytest.mark.parametrize("kind", CONTEXTS)
def test_contexts_in_part_in_partial_redistribution(kind):
    ctx = CONTEXTS[kind]()
    other = copy.deepcopy(ctx)
    result = lw_rl.solve(ctx, prd=True, quiet=True)
    assert result.converged and result.Nformal <= 30
    # Ten plain steps of the host from there, and a solve by its own driver through the proxy.
    n = Adapter(ctx).populations()
    for _ in range(10):
        ctx.formal_sol_gamma_matrices()
        ctx.stat_equil()
        ctx.prd_redistribute(maxIter=3, tol=0.0)
    assert true_error(Adapter(ctx).populations(), n) <= result.estimate.value
    lw.iterate_ctx_se(
        lw_rl.accelerate(other), prd=True, Nscatter=0, convergence=lw_rl.Certified, quiet=True
    )
    assert true_error(Adapter(other).populations(), n) <= 2e-3


def test_profiles_are_asked_for_as_the_hosts_are():
    proxy = lw_rl.accelerate(context([CA(prd=True)]))
    proxy.formal_sol_gamma_matrices()
    proxy.stat_equil()
    assert proxy.prd_redistribute(2, 1e-2).updatedRho
    assert proxy.prd_redistribute(maxIter=2).updatedRho


@pytest.mark.slow
def test_without_an_operator_atoms_of_more_levels_are_left_to_plain_steps():
    """The error of accelerated ones was up to nine times the estimate."""
    ctx = context([CaII_atom()], Nspace=20)
    converged = copy.deepcopy(ctx)
    lw.iterate_ctx_se(
        converged, Nscatter=0, prd=True, prdIterTol=0.0, popsTol=1e-6, JTol=1.0, NmaxIter=4000,
        quiet=True,
    )  # fmt: skip
    n_ref = Adapter(converged).populations()
    result = lw_rl.solve(ctx, scheme="anderson", prd=True, popsTol=1e-2, NmaxIter=1000, quiet=True)
    assert result.converged
    assert true_error(Adapter(ctx).populations(), n_ref) <= result.estimate.value
    assert set(r.by for r in result.records[1:]) == {"mali"}
