"""The host's own iterations, to the bit; with scattering solved, to its fixed point."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from conftest import error, imbalance
from lightweaver.rh_atoms import CaII_atom
from solver_helpers import drive

from lw_rl import atmospheres, atoms
from lw_rl.host.context import build_context
from lw_rl.iterate import iterate_ctx_rl
from lw_rl.schemes import Lambda, Mali, MaliScattering

#: To stop where the host does.
HOSTS = lw.DefaultConvergenceCriteria


def state(ctx):
    """Copy of everything that a solve may change."""
    return [np.array(a.n) for a in ctx.activeAtoms] + [np.array(ctx.spect.J)]


def assert_the_same(ctx, host):
    for a, b in zip(state(ctx), state(host), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("atom", ["CaII_K", "H_Lya"])
def test_mali_is_the_host_to_the_bit(atom, make_ctx):
    for tol in (1e-2, 1e-3):
        ours, host = make_ctx(atom, Nrays=2), make_ctx(atom, Nrays=2)
        it = iterate_ctx_rl(ours, scheme="mali", popsTol=tol, quiet=True, convergence=HOSTS)
        assert it == lw.iterate_ctx_se(host, Nscatter=0, popsTol=tol, quiet=True)
        assert_the_same(ours, host)


@pytest.mark.parametrize("kind", ["multi", "multi-level"])
def test_so_it_is_where_an_atom_has_more_levels(kind, several):
    """The background's scattering is iterated as the host does, too."""
    ours, host = several(kind), several(kind)
    it = iterate_ctx_rl(ours, scheme="mali", quiet=True, convergence=HOSTS)
    assert it == lw.iterate_ctx_se(host, Nscatter=0, quiet=True)
    assert_the_same(ours, host)


def test_a_certified_stop_leaves_its_populations_alone(ctx):
    host = copy.deepcopy(ctx)
    it = iterate_ctx_rl(ctx, scheme="mali", quiet=True)
    for _ in range(it + 1):
        host.formal_sol_gamma_matrices()
        host.stat_equil()
    assert_the_same(ctx, host)


@pytest.mark.parametrize("kind", ["two-level", "multi"])
def test_lambda_is_the_hosts_lambda_iteration(kind, several):
    ctx, host = several(kind), several(kind)
    iterate_ctx_rl(ctx, scheme="lambda", NmaxIter=7, quiet=True)
    for _ in range(7):
        host.formal_sol_gamma_matrices(lambdaIterate=True)
        host.stat_equil()
    assert_the_same(ctx, host)


def test_lambda_iteration_solves_what_is_nearly_thermal():
    """Its convergence factor is 1 - eps, so it gets an eps that it can live with."""
    atom = atoms.two_level_atom(CaII_atom(), 0, 4, collision_scale=1e3)
    ctx = build_context(atom, atmospheres.isothermal(6500.0, Nspace=30), Nrays=3)
    host = copy.deepcopy(ctx)
    iterate_ctx_rl(ctx, scheme="lambda", JTol=1.0, popsTol=1e-8, quiet=True)
    lw.iterate_ctx_se(host, Nscatter=0, JTol=1.0, popsTol=1e-10, quiet=True)
    assert imbalance(ctx) < 1e-4
    assert error(ctx, np.asarray(host.activeAtoms[0].n)) < 1e-4


def test_lambda_iteration_is_slower_than_mali(ctx, reference):
    other = copy.deepcopy(ctx)
    for scheme, c in (("lambda", ctx), ("mali", other)):
        iterate_ctx_rl(c, scheme=scheme, NmaxIter=40, popsTol=1e-14, quiet=True)
    assert error(ctx, reference) > 5.0 * error(other, reference)


def test_where_every_atom_has_an_operator_scattering_is_the_hosts(several):
    """There the stop does not depend on the last radiation field."""
    ours, host = several("two-level"), several("two-level")
    drive(ours, "mali_scattering", 5)
    drive(host, "mali", 5)
    assert_the_same(ours, host)


def test_names():
    assert [s.name for s in (Mali(), MaliScattering(), Lambda())] == [
        "mali", "mali_scattering", "lambda",
    ]  # fmt: skip
    assert Lambda().lambdaIterate and not MaliScattering().lambdaIterate
    assert MaliScattering().solves_scattering and not Mali().solves_scattering
