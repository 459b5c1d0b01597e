"""The host's names in both spellings, and the main job through a stand-in of Lightweaver 1.0."""

import warnings

import lightweaver as lw
import numpy as np
import pytest
import standin
from lightweaver.rh_atoms import MgII_hk_atom

import lw_rl
from lw_rl import build_context
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


def test_every_old_name_is_one_of_the_installed_host():
    known = set(dir(lw.Context)) | set(dir(lw.IterationUpdate)) | set(dir(lw.Atmosphere))
    for name in ("active_atoms", "eq_pops", "conserve_charge", "depth_data", "crsw_done"):
        assert OLD[name] in known


@pytest.fixture(params=[standin.Strict, standin.Deprecating], ids=["strict", "deprecating"])
def recent(request, monkeypatch):
    """Let the module `lightweaver` be that of 1.0, and any use of an old name an error."""
    monkeypatch.setattr(lw, "iterate_ctx_se", standin.iterate_ctx_se)
    update = request.param.called(lw.IterationUpdate)
    monkeypatch.setattr(lw, "IterationUpdate", update)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        yield request.param


@pytest.mark.parametrize("scheme", ["depthwise", "anderson", "mali_scattering"])
@pytest.mark.parametrize("problem", ["two-level", "more levels"])
def test_the_main_job_with_1_0(scheme, problem, recent):
    atom = "CaII_K" if problem == "two-level" else MgII_hk_atom()
    ctx, real = build_context(atom, "FALC"), build_context(atom, "FALC")
    result = lw_rl.solve(recent(ctx), scheme=scheme, quiet=True, NmaxIter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("default", DeprecationWarning)
        expected = lw_rl.solve(real, scheme=scheme, quiet=True, NmaxIter=30)
    assert (result.Nformal, result.outcome) == (expected.Nformal, expected.outcome)
    for a, b in zip(ctx.activeAtoms, real.activeAtoms, strict=True):
        np.testing.assert_array_equal(np.asarray(a.n), np.asarray(b.n))


def test_partial_redistribution_with_1_0(recent):
    ctx = build_context(lw_rl.atoms.make("CaII_K", prd=True), "FALC")
    result = lw_rl.solve(recent(ctx), prd=True, quiet=True, max_iter=40)
    assert result.converged


def test_the_proxy_in_the_hosts_loop_with_1_0(recent, make_ctx):
    ctx = make_ctx()
    it = lw.iterate_ctx_se(
        lw_rl.accelerate(recent(ctx)), quiet=True, convergence=lw_rl.Certified, pops_tol=1e-4
    )
    assert it < 12


def test_the_certified_stop_on_a_plain_context_with_1_0(recent, make_ctx):
    ctx = make_ctx()
    it = lw.iterate_ctx_se(recent(ctx), quiet=True, convergence=lw_rl.Certified, max_iter=400)
    assert it < 399
