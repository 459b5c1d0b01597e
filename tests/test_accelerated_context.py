"""The proxy of a context: it answers from nothing but the context, whatever is done to that."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import lightweaver as lw
import numpy as np
import pytest
from conftest import error, with_policy
from solver_helpers import iterate

from lw_rl.accelerated_context import AcceleratedContext
from lw_rl.certificate.convergence import Certified
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.iterate import accelerate
from lw_rl.operator.base import geometry_for, operator_for

SCHEMES = ("mali", "ng", "anderson", "nonlocal", "depthwise")


def first_guess(ctx):
    """The zeroth step of the first active atom."""
    adapter = Adapter(ctx)
    return operator_for(adapter.atom(adapter.blocks[0]), geometry_for(adapter.grid)).start()


def duplicate(x, how):
    return pickle.loads(pickle.dumps(x)) if how == "pickle" else copy.deepcopy(x)


# ---- everything else is the context's -----


def test_attributes_are_read_from_the_context(ctx):
    proxy = accelerate(ctx, scheme="anderson")
    assert isinstance(proxy, AcceleratedContext)
    assert proxy.spect is ctx.spect
    assert proxy.kwargs is ctx.kwargs
    assert proxy.activeAtoms is ctx.activeAtoms
    assert proxy.crswDone == ctx.crswDone
    with pytest.raises(AttributeError, match="nonsense"):
        _ = proxy.nonsense
    assert proxy.compute_rays(mus=[1.0]).shape[0] == len(ctx.spect.wavelength)


def test_attributes_are_set_on_the_context(ctx):
    """They were lost silently."""
    proxy = accelerate(ctx, scheme="mali")
    proxy.Nthreads = 2
    assert ctx.Nthreads == proxy.Nthreads == 2
    proxy.met = True
    assert not hasattr(ctx, "met"), "that one is the proxy's"


def test_accelerate_changes_nothing(ctx, untrained):
    n, J = np.array(ctx.activeAtoms[0].n), np.array(ctx.spect.J)
    for scheme in SCHEMES:
        accelerate(ctx, **with_policy(scheme, untrained))
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, n)
    np.testing.assert_array_equal(ctx.spect.J, J)


@pytest.mark.parametrize("scheme", ["mali", "depthwise"])
@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_copies_begin_a_solve_of_their_own(how, scheme, ctx, reference):
    proxy = iterate(accelerate(ctx, scheme=scheme), 3)
    copied = duplicate(proxy, how)
    n = np.array(ctx.activeAtoms[0].n)
    assert isinstance(copied, AcceleratedContext) and copied.report.Nformal == 0
    np.testing.assert_array_equal(copied.activeAtoms[0].n, n)
    # Neither sees what the other does.
    iterate(copied, 2)
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, n)
    lw.iterate_ctx_se(copied, Nscatter=0, quiet=True, convergence=Certified)
    assert error(copied, reference) < 1e-3


def test_nothing_keeps_what_is_done_with():
    """A cube solves thousands of contexts in a process: none may wait for the garbage collector."""
    proxy = accelerate(build_context("CaII_K", "FALC"))
    iterate(proxy, 1)
    proxy.certificate.estimate()
    kept = weakref.ref(proxy)
    gc.disable()
    try:
        del proxy
        assert kept() is None
    finally:
        gc.enable()


# ---- formal solutions -----


class Counted:
    """A context that counts its formal solutions."""

    def __init__(self, ctx):
        self.__dict__.update(_ctx=ctx, made=0)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._ctx, name)

    def formal_sol_gamma_matrices(self, **kwargs):
        self.__dict__["made"] += 1
        return self._ctx.formal_sol_gamma_matrices(**kwargs)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_formal_solution_that_is_asked_for_is_made(scheme, ctx):
    counted = Counted(ctx)
    proxy = accelerate(counted, scheme=scheme)
    proxy.formal_sol_gamma_matrices()
    proxy.formal_sol_gamma_matrices()
    iterate(proxy, 2)
    assert counted.made == proxy.report.Nformal == 4


@pytest.mark.parametrize("scheme", ["mali", "anderson", "depthwise"])
def test_a_time_dependent_loop_is_the_hosts(scheme, ctx):
    """Shared fault 01: one of fifty formal solutions was made, and it ended 20 % wrong."""
    plain = copy.deepcopy(ctx)

    def run(c):
        for _ in range(3):
            before = None
            for _ in range(4):
                c.formal_sol_gamma_matrices()
                _, before = c.time_dep_update(0.1, before)

    counted = Counted(ctx)
    run(plain)
    run(accelerate(counted, scheme=scheme))
    assert counted.made == 12
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, plain.activeAtoms[0].n)
    np.testing.assert_array_equal(ctx.spect.J, plain.spect.J)


def test_it_ends_where_the_hosts_does_if_it_is_accelerated(ctx):
    plain = copy.deepcopy(ctx)

    def run(c, most):
        for _ in range(3):
            before = None
            for _ in range(most):
                c.formal_sol_gamma_matrices()
                update, before = c.time_dep_update(0.1, before)
                if update.dPopsMax < 1e-5:
                    break

    counted = Counted(ctx)
    run(plain, 300)
    run(accelerate(counted, time_dependent=True), 8)
    assert counted.made <= 24
    np.testing.assert_allclose(ctx.activeAtoms[0].n, plain.activeAtoms[0].n, rtol=1e-3)


def heat(ctx):
    """Change the atmosphere, as a user does between two snapshots of a simulation."""
    ctx.kwargs["atmos"].temperature[:] *= 1.05
    ctx.update_deps()


def perturb(ctx):
    """Edit the populations in place."""
    n = np.asarray(ctx.activeAtoms[0].n)
    n[1] *= 2.0
    n *= np.asarray(ctx.activeAtoms[0].nTotal) / n.sum(axis=0)


@pytest.mark.parametrize("change", [heat, perturb])
@pytest.mark.parametrize("scheme", ["nonlocal", "anderson"])
def test_what_was_changed_from_outside_begins_a_new_solve(scheme, change, ctx):
    """What it remembers is of another problem, or of populations that are not there any more."""
    proxy = iterate(accelerate(ctx, scheme=scheme), 4)
    change(ctx)
    fresh = accelerate(copy.deepcopy(ctx), scheme=scheme)
    for p in (proxy, fresh):
        iterate(p, 3)
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, fresh.activeAtoms[0].n)
    (note,) = [r.note for r in proxy.report.records if "changed from outside" in r.note]
    assert "a new solve" in note
    assert not any("changed from outside" in each for each in fresh.report.notes)
    # It solves the problem as it is now.
    lw.iterate_ctx_se(proxy, Nscatter=0, quiet=True, convergence=Certified)
    host = copy.deepcopy(ctx)
    lw.iterate_ctx_se(host, Nscatter=0, JTol=1.0, popsTol=1e-8, quiet=True)
    assert error(ctx, np.asarray(host.activeAtoms[0].n)) < 1e-3


def test_a_new_solve_knows_nothing_of_the_atmosphere_before(ctx):
    proxy = accelerate(ctx, scheme="mali")
    lw.iterate_ctx_se(proxy, quiet=True, convergence=Certified)
    block = proxy.adapter.blocks[0]
    before = proxy.certificate.defect.operator(block, proxy.adapter.read()).line.temperature
    heat(ctx)
    lw.iterate_ctx_se(proxy, quiet=True, convergence=Certified)
    now = proxy.certificate.defect.operator(block, proxy.adapter.read()).line.temperature
    np.testing.assert_allclose(now, 1.05 * before)


def test_what_was_not_changed_goes_on(ctx):
    proxy = accelerate(ctx, scheme="anderson")
    other = accelerate(copy.deepcopy(ctx), scheme="anderson")
    for _ in range(5):
        iterate(proxy, 1)
        iterate(other, 1)
        # Looking at it is no change.
        _ = ctx.compute_rays(mus=[1.0]), Adapter(ctx).read()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)
    assert not proxy.report.notes


# ---- where a solve begins -----


def test_our_own_loops_begin_where_the_scheme_does(ctx):
    first = first_guess(ctx)
    proxy = accelerate(ctx, scheme="nonlocal")
    proxy.begin()
    np.testing.assert_allclose(proxy.adapter.read(), first, rtol=1e-9)
    proxy.formal_sol_gamma_matrices()
    np.testing.assert_allclose(proxy.adapter.read(), first, rtol=1e-9)
    proxy.stat_equil()
    second = proxy.adapter.read()
    proxy.formal_sol_gamma_matrices()
    np.testing.assert_array_equal(proxy.adapter.read(), second)
    assert not np.allclose(second, first, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_other_formal_solution_moves_the_populations(scheme, ctx, untrained):
    lte = np.array(ctx.activeAtoms[0].n)
    accelerate(ctx, **with_policy(scheme, untrained)).formal_sol_gamma_matrices()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, lte)


@pytest.mark.parametrize("scheme", ["nonlocal", "anderson"])
@pytest.mark.parametrize("early", [True, False])
def test_a_warm_start_is_kept(scheme, early, ctx, converged):
    proxy = accelerate(ctx, scheme=scheme) if early else None
    ctx.activeAtoms[0].n[:] = converged.activeAtoms[0].n
    warm = np.array(ctx.activeAtoms[0].n)
    proxy = proxy or accelerate(ctx, scheme=scheme)
    proxy.begin()
    proxy.formal_sol_gamma_matrices()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, warm)


def test_a_scheme_without_a_zeroth_step_begins_in_lte(ctx):
    lte = np.array(ctx.activeAtoms[0].n)
    accelerate(ctx, scheme="anderson").begin()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, lte)


def test_each_two_level_atom_in_lte_gets_its_own_zeroth_step(several):
    ctx = several("two-level")
    # The host sorts its atoms by mass; the second one has a beginning of its own.
    adapter = Adapter(ctx)
    lte = np.array(ctx.activeAtoms[0].n)
    accelerate(ctx, scheme="nonlocal").begin()
    y = adapter.read()
    y[adapter.blocks[1].span] -= 0.01
    adapter.write(y)
    ctx.activeAtoms[0].n[:] = lte
    warm = np.array(ctx.activeAtoms[1].n)
    accelerate(ctx, scheme="nonlocal").begin()
    np.testing.assert_allclose(adapter.read()[adapter.blocks[0].span], first_guess(ctx), rtol=1e-9)
    np.testing.assert_allclose(ctx.activeAtoms[1].n, warm, rtol=1e-10)

    # Beside atoms with more levels there is none.
    ctx = several("multi")
    before = [np.array(a.n) for a in ctx.activeAtoms]
    accelerate(ctx, scheme="nonlocal").begin()
    for atom, n in zip(ctx.activeAtoms, before, strict=True):
        np.testing.assert_array_equal(atom.n, n)


@pytest.mark.parametrize("scheme", ["nonlocal", "anderson", "ng", "mali"])
def test_populations_of_zero_get_a_step_of_mali_first(scheme, ctx, reference):
    """Shared fault 06: a start from zero radiation wrote NaN into the context."""
    ctx.activeAtoms[0].n[:] = 0.0
    plain = copy.deepcopy(ctx)
    proxy = accelerate(ctx, scheme=scheme)
    proxy.begin()
    iterate(proxy, 1)
    plain.formal_sol_gamma_matrices()
    plain.stat_equil()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, plain.activeAtoms[0].n)
    assert "a step of MALI" in proxy.report.records[0].note
    lw.iterate_ctx_se(proxy, Nscatter=0, quiet=True, convergence=Certified)
    assert error(ctx, reference) < 1e-3


# ---- the report -----


def test_report_and_callback(ctx):
    seen = []
    proxy = accelerate(ctx, scheme="anderson", callback=lambda p: seen.append(p.report.Nformal))
    it = lw.iterate_ctx_se(proxy, Nscatter=0, quiet=True)
    report = proxy.report
    assert seen == list(range(1, it + 2))
    assert report.Nformal == len(report.records) == it + 1
    assert [r.Nformal for r in report.records] == seen
    assert sum(report.steps_by.values()) == it + 1
    assert report.steps_by["anderson"] > 5
    assert report.rejected == 0
    assert report.notes == []
    residuals = [r.residual for r in report.records]
    assert residuals[-1] < 1e-3 < residuals[0]
