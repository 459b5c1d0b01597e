"""The host's names in both spellings, and the main job through a stand-in of Lightweaver 1.0."""

from __future__ import annotations

import copy
import gc
import warnings
import weakref

import lightweaver as lw
import numpy as np
import pytest
import standin
from lightweaver.rh_atoms import H_6_atom, MgII_hk_atom

import lw_rl
from lw_rl import atmospheres, atoms, build_context
from lw_rl.host.adapter import Adapter
from lw_rl.host.emergent import emergent_line, emergent_rays
from lw_rl.host.names import OLD, Named, both_spellings, entry, keywords, spelled


class Old:
    activeAtoms = ("H",)
    I = 1.0  # noqa: E741


class New:
    active_atoms = ("H",)


class Other:
    Active_Atoms = ("H",)


@pytest.mark.parametrize("host", [Old, New, Other])
def test_attributes_by_the_names_of_1_0(host):
    thing = host()
    assert Named(thing).active_atoms == ("H",)
    Named(thing).active_atoms = ("He",)
    assert getattr(thing, spelled(thing, "active_atoms")) == ("He",)
    assert Named(thing).has("active_atoms") and not Named(thing).has("eq_pops")
    with pytest.raises(AttributeError, match="eq_pops or eqPops"):
        Named(thing).eq_pops  # noqa: B018


def test_symbols_keep_their_case():
    with pytest.raises(AttributeError):
        Named(Old()).i  # noqa: B018
    with pytest.raises(KeyError):
        entry({"I": 1}, "i")
    assert keywords(lambda i=0, aji=0: None, I=1, Aji=2) == {"I": 1, "Aji": 2}


def test_a_type_that_knows_the_new_name_is_not_asked_for_the_old():
    """The host's lines have no `rho_prd` unless they are in partial redistribution."""

    class Line:
        @property
        def rho_prd(self):
            raise AttributeError("no memory")

        @property
        def rhoPrd(self):
            raise AssertionError("this would warn")

    assert not Named(Line()).has("rho_prd")
    with pytest.raises(AttributeError, match="rho_prd|no memory"):
        Named(Line()).rho_prd  # noqa: B018


def test_entries():
    assert entry({"eqPops": 1}, "eq_pops") == entry({"eq_pops": 1}, "eq_pops") == 1
    with pytest.raises(KeyError, match="eq_pops or eqPops"):
        entry({"atmos": 1}, "eq_pops")


def test_keywords_of_both():
    def old(NmaxIter=1, popsTol=2):
        return None

    def new(max_iter=1, pops_tol=2):
        return None

    def redistribute(maxIter=1):
        return None

    assert keywords(old, max_iter=3, pops_tol=4) == {"NmaxIter": 3, "popsTol": 4}
    assert keywords(new, max_iter=3, pops_tol=4) == {"max_iter": 3, "pops_tol": 4}
    assert keywords(redistribute, max_iter=3) == {"maxIter": 3}


def test_keywords_that_users_gave_in_either_spelling(ctx):
    assert keywords(ctx.formal_sol, upOnly=True) == keywords(ctx.formal_sol, up_only=True)
    solve = ctx.formal_sol_gamma_matrices
    # A name that is not in the table, known by the arguments that there are.
    assert keywords(solve, fix_collisional_rates=True) == {"fixCollisionalRates": True}
    # lightweaver.Context does not tell its arguments.
    assert keywords(lw.Context, ng_options=1, Nthreads=2) == {"ngOptions": 1, "Nthreads": 2}
    assert keywords(lw.Context, ngOptions=1) == {"ngOptions": 1}
    for function in (lw.Context, lw.iterate_ctx_se):
        with pytest.raises(TypeError, match=r"'popsTol' and 'pops_tol', two spellings"):
            keywords(function, popsTol=1, pops_tol=2)


def test_no_context_is_kept_alive(ctx):
    class Mark:
        pass

    other = copy.deepcopy(ctx)
    other.mark = Mark()
    mark = weakref.ref(other.mark)
    keywords(other.formal_sol_gamma_matrices, lambda_iterate=True)
    del other
    gc.collect()
    assert mark() is None


def test_a_users_keywords_in_either_spelling():
    @both_spellings
    def ours(NmaxIter=1, popsTol=2):
        return NmaxIter, popsTol

    assert ours(max_iter=3) == (3, 2) and ours(NmaxIter=3, pops_tol=4) == (3, 4)
    with pytest.raises(TypeError, match="two spellings"):
        ours(popsTol=1, pops_tol=2)
    with pytest.raises(TypeError, match="there_is_none"):
        ours(there_is_none=1)


def test_the_drivers_take_either(ctx):
    with pytest.raises(ValueError, match="NmaxIter=0"):
        lw_rl.iterate_ctx_rl(ctx, max_iter=0)
    assert lw_rl.solve(ctx, pops_tol=1e-4, max_iter=40, J_tol=1.0, quiet=True).converged


def test_the_table_follows_the_hosts_rule():
    assert {new: standin.renamed(old) for new, old in OLD.items()} == {new: new for new in OLD}


def test_a_context_takes_keywords_in_either_spelling():
    for given in ({"conserveCharge": True}, {"conserve_charge": True}):
        assert build_context("CaII_K", "FALC", **given).conserveCharge


def test_an_atmosphere_takes_its_densities_in_either_spelling():
    columns = {"height": [2e6, 1e6, 0.0], "temperature": 6e3, "ne": 1e17}
    a = atmospheres.from_arrays(**columns, nHTot=1e21)
    b = atmospheres.from_arrays(**columns, nh_tot=1e21)
    np.testing.assert_array_equal(Named(a).nh_tot, Named(b).nh_tot)


# ---- Lightweaver 1.0 -----


@pytest.mark.parametrize("kind", [standin.Strict, standin.Deprecating])
def test_the_stand_in(kind, ctx, make_ctx):
    """It is the host under other names: old ones are refused or warned of."""
    recent = kind(ctx)
    assert recent.kwargs["ng_options"] is None
    assert np.shares_memory(recent.active_atoms[0].n, ctx.activeAtoms[0].n)
    assert str(recent.active_atoms[0].element) == str(ctx.activeAtoms[0].element)
    recent.formal_sol_gamma_matrices(lambda_iterate=True)
    other = make_ctx()
    other.formal_sol_gamma_matrices(lambdaIterate=True)
    assert recent.stat_equil().dpops == other.stat_equil().dPops
    if kind is standin.Strict:
        with pytest.raises(AttributeError, match="active_atoms in 1.0"):
            recent.activeAtoms  # noqa: B018
        with pytest.raises(TypeError, match="lambda_iterate in 1.0"):
            recent.formal_sol_gamma_matrices(lambdaIterate=True)
        with pytest.raises(TypeError, match="eq_pops in 1.0"):
            kind(lw.Context)(1, 2, eqPops=3)
    else:
        with pytest.warns(standin.OldNameWarning, match="active_atoms"):
            assert recent.activeAtoms[0] == recent.active_atoms[0]
        with pytest.warns(standin.OldNameWarning, match="lambda_iterate"):
            recent.formal_sol_gamma_matrices(lambdaIterate=True)


@pytest.fixture(params=[standin.Strict, standin.Deprecating], ids=["strict", "deprecating"])
def host(request, monkeypatch):
    """Let `lightweaver` be that of 1.0 from a call of this on, any use of an old name an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", standin.OldNameWarning)
        yield lambda: standin.install(monkeypatch, request.param)


def populations(ctx):
    """Copies, whatever the host."""
    return [np.array(Named(atom).n) for atom in Named(ctx).active_atoms]


def in_both(host, job):
    """Return what a job gives with the installed host and with 1.0; it returns a context first."""
    ours = job()
    host()
    return ours, job()


def assert_same(a, b):
    for old, new in zip(populations(a), populations(b), strict=True):
        np.testing.assert_array_equal(old, new)


def atom_of(problem):
    return {
        "two levels": lambda: "CaII_K",
        "more levels": MgII_hk_atom,
        "redistribution": lambda: atoms.make("CaII_K", prd=True),
    }[problem]()


@pytest.mark.parametrize("scheme", ["depthwise", "anderson", "mali_scattering"])
@pytest.mark.parametrize("problem", ["two levels", "more levels", "redistribution"])
def test_the_main_job(scheme, problem, host):
    def job():
        ctx = build_context(atom_of(problem), "FALC")
        prd = problem == "redistribution"
        return ctx, lw_rl.solve(ctx, scheme=scheme, prd=prd, quiet=True, max_iter=30)

    (a, before), (b, after) = in_both(host, job)
    assert isinstance(b, standin.Strict)
    assert_same(a, b)
    assert (before.Nformal, before.outcome) == (after.Nformal, after.outcome)
    assert before.estimate.value == after.estimate.value


@pytest.mark.parametrize("option", ["conserve_charge", "ng_options", "crsw_callback"])
def test_the_drop_in_with_the_hosts_options(option, host):
    def job():
        atom = H_6_atom() if option == "conserve_charge" else "CaII_K"
        value = {
            "conserve_charge": True,
            "ng_options": lw.NgOptions(2, 3, 5),
            "crsw_callback": lw.CrswIterator(10.0),
        }[option]
        ctx = build_context(atom, "FALC", Nrays=2, **{option: value})
        return ctx, lw_rl.iterate_ctx_rl(ctx, pops_tol=1e-4, JTol=1.0, quiet=True, NmaxIter=20)

    (a, before), (b, after) = in_both(host, job)
    assert_same(a, b)
    assert before == after


@pytest.mark.parametrize("criterion", [lw_rl.Certified, None], ids=["certified", "default"])
@pytest.mark.parametrize("accelerated", [True, False], ids=["accelerated", "plain"])
def test_the_hosts_own_loop(criterion, accelerated, host):
    """The proxy, and the certified stop on a context that is not one, in the loop of the host."""
    real = lw.iterate_ctx_se

    def job():
        ctx = build_context("CaII_K", "FALC")
        it = lw.iterate_ctx_se(
            lw_rl.accelerate(ctx) if accelerated else ctx,
            Nscatter=1,
            quiet=True,
            convergence=criterion,
            **{"popsTol" if lw.iterate_ctx_se is real else "pops_tol": 1e-2},
        )
        return ctx, it

    (a, before), (b, after) = in_both(host, job)
    assert_same(a, b)
    assert before == after < 1999


def test_the_emergent_line(host):
    def job():
        ctx = build_context("CaII_K", "FALC")
        lw_rl.solve(ctx, quiet=True)
        adapter = Adapter(ctx)
        rays = emergent_rays(adapter, (1.0, 0.5), opacity=True)
        return ctx, (emergent_line(adapter, adapter.blocks[0]).intensity, *rays)

    (_, before), (_, after) = in_both(host, job)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "make",
    [
        lambda: atmospheres.load("FALX", 40),
        lambda: atmospheres.isothermal(Nspace=20),
        lambda: atmospheres.random(3, Nspace=24),
    ],
    ids=["fal", "isothermal", "random"],
)
def test_atmospheres(make, host):
    def job():
        atmos = make()
        return np.array(Named(atmos).nh_tot), np.array(atmos.z)

    (n, z), (n_new, z_new) = in_both(host, job)
    np.testing.assert_array_equal(n, n_new)
    np.testing.assert_array_equal(z, z_new)


def test_a_copied_proxy(host):
    host()
    ctx = build_context("CaII_K", "FALC")
    proxy = copy.deepcopy(lw_rl.accelerate(ctx))
    assert lw.iterate_ctx_se(proxy, quiet=True, convergence=lw_rl.Certified) < 20
    assert not np.array_equal(proxy.active_atoms[0].n, ctx.active_atoms[0].n)
    np.testing.assert_array_equal(ctx.active_atoms[0].n, ctx.active_atoms[0].n_star)
