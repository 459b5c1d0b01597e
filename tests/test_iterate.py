"""The driver: the host's signature, numbers, printing and return values, and what it refuses."""

from __future__ import annotations

import copy
import inspect
import re

import lightweaver as lw
import numpy as np
import pytest
from conftest import assert_physical, error, with_policy
from solver_helpers import zeros

from lw_rl.certificate.convergence import Certified
from lw_rl.errors import ContextError, PolicyFileError, UnknownNameError, UnusedPolicyError
from lw_rl.host.adapter import Adapter
from lw_rl.iterate import accelerate, iterate_ctx_rl, solve

SCHEMES = ("mali", "ng", "anderson", "nonlocal", "depthwise")

#: To stop where the host does.
HOSTS = lw.DefaultConvergenceCriteria


def state(ctx):
    """Copy of everything that a solve may change."""
    return [np.array(a.n) for a in ctx.activeAtoms] + [np.array(ctx.spect.J)]


def assert_untouched(ctx, before):
    for a, b in zip(state(ctx), before, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- the host's interface -----


@pytest.mark.parametrize("function", [iterate_ctx_rl, solve])
def test_arguments_and_defaults_are_the_hosts_in_its_order(function):
    host = inspect.signature(lw.iterate_ctx_se).parameters
    ours = inspect.signature(function).parameters
    positional = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    expected = [n for n in host if function is not solve or n != "returnFinalConvergence"]
    assert positional == expected
    for name in positional:
        assert ours[name].default == (0 if name == "Nscatter" else host[name].default), name
    # What is ours is keyword-only.
    assert set(ours) - set(host) == {"policy", "scheme", "callback"} | (
        {"bound"} if function is solve else set()
    )
    assert ours["policy"].default == "default"
    assert ours["scheme"].default == "depthwise"


def test_positions_mean_what_they_mean_for_the_host(ctx, reference):
    """Shared fault 05: three initial scattering iterations were taken for a policy."""
    it = iterate_ctx_rl(ctx, 3, 2000, quiet=True)
    assert 3 <= it < 20
    assert error(ctx, reference) < 1e-3


@pytest.mark.parametrize("function", [iterate_ctx_rl, solve])
def test_a_policy_in_the_second_position_still_works(function, ctx):
    """As in 0.1, for this release, with a warning that points at the caller."""
    policy, other = zeros(), copy.deepcopy(ctx)
    with pytest.warns(DeprecationWarning, match="keyword arguments since 0.2") as caught:
        function(ctx, policy, "depthwise", quiet=True)
    function(other, policy=policy, quiet=True)
    assert policy.calls and len(caught) == 1
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)


def test_the_warning_points_at_the_caller(ctx):
    with pytest.warns(DeprecationWarning) as caught:
        iterate_ctx_rl(ctx, zeros(), quiet=True)
    assert caught[0].filename == __file__


def test_return_values(ctx):
    host = copy.deepcopy(ctx)
    plain = copy.deepcopy(ctx)
    it, updates = iterate_ctx_rl(
        ctx, scheme="mali", returnFinalConvergence=True, quiet=True, convergence=HOSTS
    )
    it_host, updates_host = lw.iterate_ctx_se(
        host, Nscatter=0, returnFinalConvergence=True, quiet=True
    )
    assert it == it_host == iterate_ctx_rl(plain, scheme="mali", quiet=True, convergence=HOSTS)
    assert len(updates) == len(updates_host) == 2
    assert all(isinstance(u, lw.IterationUpdate) for u in updates)
    assert updates[0].dJMax == updates_host[0].dJMax
    assert updates[1].dPopsMax == updates_host[1].dPopsMax
    assert updates[1].updatedPops


def test_not_converged_in_time(ctx, capsys):
    it = iterate_ctx_rl(ctx, scheme="anderson", NmaxIter=3)
    assert it == 2
    assert "FAILED to converge" in capsys.readouterr().out
    assert_physical(ctx)


def without_times(text):
    return re.sub(r"\d+\.\d+ s", "T s", text)


def test_printing_is_the_hosts(ctx, capsys):
    host = copy.deepcopy(ctx)
    lw.iterate_ctx_se(host, Nscatter=0, printInterval=0.0)
    expected = capsys.readouterr().out
    iterate_ctx_rl(ctx, scheme="mali", printInterval=0.0, convergence=HOSTS)
    assert without_times(capsys.readouterr().out) == without_times(expected)


def test_printing_of_an_accelerated_solve_has_the_hosts_form(ctx, capsys):
    iterate_ctx_rl(ctx, scheme="anderson", printInterval=0.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "-- Iteration 0:"
    assert re.fullmatch(r"dJ = \d\.\d\de[+-]\d\d", lines[1])
    assert re.fullmatch(r"    Ca delta = \d\.\d{4}e[+-]\d\d", lines[2])
    assert re.search(r"Context converged to statistical equilibrium in \d+ iterations", lines[-2])


def test_quiet_is_quiet(ctx, capsys):
    iterate_ctx_rl(ctx, scheme="anderson", quiet=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_convergence_criterion_of_ones_own(ctx):
    class AfterFive(lw.ConvergenceCriteria):
        def __init__(self, ctx, JTol, popsTol, rhoTol):
            self.calls = 0
            self.tolerances = (JTol, popsTol, rhoTol)

        def is_converged(self, JUpdate, popsUpdate, prdUpdate):
            assert self.tolerances == (0.1, 0.2, None)
            assert prdUpdate is None
            self.calls += 1
            return self.calls == 5

    it = iterate_ctx_rl(
        ctx, scheme="anderson", JTol=0.1, popsTol=0.2, convergence=AfterFive, quiet=True
    )
    assert it == 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_hosts_own_loop_makes_the_same_solve(scheme, ctx, untrained):
    """Given the proxy, after it was told to begin as our own loop does."""
    other = copy.deepcopy(ctx)
    keywords = with_policy(scheme, untrained)
    it = iterate_ctx_rl(ctx, quiet=True, **keywords)
    proxy = accelerate(other, **keywords)
    proxy.begin()
    assert it == lw.iterate_ctx_se(proxy, Nscatter=0, quiet=True, convergence=Certified)
    assert_untouched(ctx, state(other))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_so_does_it_with_its_own_scattering_iterations(scheme, ctx, untrained, reference):
    proxy = accelerate(ctx, **with_policy(scheme, untrained))
    it = lw.iterate_ctx_se(proxy, quiet=True, convergence=Certified)
    # They are made as they are asked for, and steps begin after them.
    assert proxy.report.Nformal == it + 1 == len(proxy.report.records) + 3
    assert error(ctx, reference) < 1e-3


@pytest.mark.parametrize("scheme", ["anderson", "depthwise"])
def test_a_tolerance_is_one_on_the_error(scheme, ctx, untrained, reference):
    """The host's default stop is at 1 % true error; ours is within a small factor of the 1e-3."""
    host = copy.deepcopy(ctx)
    lw.iterate_ctx_se(host, Nscatter=0, quiet=True)
    assert error(host, reference) > 5e-3
    iterate_ctx_rl(ctx, quiet=True, **with_policy(scheme, untrained))
    assert error(ctx, reference) < 1e-3


def test_final_report_is_no_smaller_than_the_change(ctx):
    _, updates = iterate_ctx_rl(ctx, scheme="anderson", returnFinalConvergence=True, quiet=True)
    assert updates[1].dPopsMax < 1e-3
    assert updates[1].dPopsMaxIdx[0] < np.asarray(ctx.activeAtoms[0].n).size


# ---- before and after -----


def test_the_callback_reaches_the_driver(ctx):
    calls = []
    iterate_ctx_rl(ctx, scheme="mali", NmaxIter=4, quiet=True, callback=calls.append)
    assert len(calls) == 4
    assert isinstance(calls[0].adapter, Adapter)


def test_a_solve_can_be_continued(ctx, reference):
    for _ in range(7):
        iterate_ctx_rl(ctx, scheme="anderson", NmaxIter=8, popsTol=1e-5, quiet=True)
        assert_physical(ctx)
    assert error(ctx, reference) < 1e-4


def test_the_host_can_go_on_where_we_stopped(ctx, reference):
    """Its own bookkeeping of changes is in order: the first change it reports is the true one."""
    iterate_ctx_rl(ctx, scheme="anderson", popsTol=1e-5, quiet=True)
    before = np.array(ctx.activeAtoms[0].n)
    ctx.formal_sol_gamma_matrices()
    update = ctx.stat_equil()
    change = np.max(np.abs(1.0 - before / np.asarray(ctx.activeAtoms[0].n)))
    assert update.dPopsMax == pytest.approx(change, rel=1e-6)
    lw.iterate_ctx_se(ctx, Nscatter=0, quiet=True)
    assert error(ctx, reference) < 1e-4


def test_starting_at_the_solution_ends_at_once(converged, untrained):
    ctx = copy.deepcopy(converged)
    assert iterate_ctx_rl(ctx, policy=untrained, quiet=True) <= 1


# ---- bad input -----


def refused(ctx, kind, says, **kwargs):
    before = state(ctx)
    calls = []
    with pytest.raises(kind, match=says):
        iterate_ctx_rl(ctx, quiet=True, callback=calls.append, **kwargs)
    assert_untouched(ctx, before)
    assert not calls


def test_unknown_names_list_the_known(ctx):
    refused(ctx, UnknownNameError, "unknown scheme 'jacobi'; known: .*anderson", scheme="jacobi")
    refused(ctx, UnknownNameError, "unknown policy 'nobody'; known:", policy="nobody")


def test_a_policy_that_is_not_asked(ctx):
    """Shared fault 05: it was ignored silently."""
    refused(
        ctx, UnusedPolicyError, "anderson, which does not ask", scheme="anderson", policy=zeros()
    )


def test_a_missing_policy_file(ctx, tmp_path):
    refused(ctx, PolicyFileError, "cannot read", policy=tmp_path / "p.json")


def test_what_is_no_policy(ctx):
    refused(ctx, TypeError, "predict", policy=3)


@pytest.mark.parametrize("bad", [np.nan, -300.0])
def test_a_bad_temperature(ctx, bad, untrained):
    ctx.kwargs["atmos"].temperature[5] = bad
    refused(ctx, ContextError, r"temperature \[K\].*depth index 5", policy=untrained)


def test_bad_populations(ctx):
    ctx.activeAtoms[0].n[0, 7] = np.nan
    refused(ctx, ContextError, "populations of .*Ca.* hold nan", scheme="anderson")


def test_a_tolerance_that_is_no_number(ctx):
    refused(ctx, ValueError, "popsTol .* got nan", scheme="anderson", popsTol=np.nan)


def test_heights_out_of_order(ctx):
    z = ctx.kwargs["atmos"].structure.z
    z[10], z[11] = z[11].copy(), z[10].copy()
    refused(ctx, ContextError, "height", scheme="anderson")


@pytest.mark.parametrize("ctx_like", [None, 3, "context", np.zeros(3)])
def test_what_is_no_context(ctx_like):
    with pytest.raises(ContextError, match=r"expected a lightweaver\.Context"):
        iterate_ctx_rl(ctx_like, scheme="mali")
