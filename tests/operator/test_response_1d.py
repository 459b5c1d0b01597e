"""Compiled responses of rates to populations, against the host's own formal solutions."""

from __future__ import annotations

import numpy as np
import pytest
from multilevel_helpers import Evaluated, problem, solved

from lw_rl.operator.coupled_light_1d import ColumnRadiation
from lw_rl.operator.response_1d import emitted, emitters, local_response, opacities, seen, sweep


class Built:
    """The linearisation around the populations of an evaluated context."""

    def __init__(self, e, n=None, around=None):
        self.e, r = e, e.rates
        self.n = r.n if n is None else n
        if around is None:
            self.radiation = ColumnRadiation(e.equations.transfer, r, {}, thorough=False)
            J = np.ascontiguousarray(r.before.T)
        else:
            self.radiation, J = around.radiation, self_consistent(around)
        linearised = self.radiation.linearised(self.n, J, 1.0)
        one = np.ones((e.operator._rows.Nrow, self.n.shape[1]))
        self.response = e.operator._response(self.n, linearised, one)

    def rates(self, n):
        return self.e.operator._rates(n, self.response)[0]


def self_consistent(built):
    """Return the mean intensity of a linearisation."""
    return built.e.operator._rates(built.n, built.response)[1]


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "magnesium"])
def test_the_light_of_all_makes_the_rates(kind):
    e = Evaluated(solved(kind))
    built = Built(e)
    up = built.rates(built.n)[e.operator._rows.up]
    np.testing.assert_allclose(up, e.rates.up, rtol=0.1 if kind == "moving" else 1e-4)


@pytest.mark.parametrize("level", [0, 1])
def test_net_rates_respond_as_the_hosts_do(level):
    """Photons of Lyman alpha scatter a million times: the balance counts, not the rate."""
    e = Evaluated(solved("hydrogen"))
    at = Built(e)
    wave = np.exp(0.03 * np.sin(np.arange(82) / 6.0))
    changed = e.rates.n.copy()
    changed[level] *= wave
    # The next linearisation is made in the memory of this one.
    given = at.rates(e.rates.n)
    there = Built(e, changed, at)
    e.ctx.activeAtoms[0].n[:] = changed
    host = Evaluated(e.ctx, 20)
    t, rows = e.equations.transfer, e.operator._rows.up

    def balance(n, up, down):
        return n[t.lower] * up / (n[t.upper] * down)

    before = balance(e.rates.n, e.rates.up, e.rates.down)
    truth = balance(changed, host.rates.up, host.rates.down) - before
    response = there.rates(changed)[rows] / given[rows]
    up = e.rates.up * response
    lines = np.isfinite(t.multiple[:, 0])
    down = e.rates.down + np.where(lines[:, None], t.multiple * (up - e.rates.up), 0.0)
    mine = balance(changed, up, down) - before
    line = int(np.flatnonzero(lines)[0])
    deep = slice(35, 60)
    # Where it hardly responds there is nothing to compare: rounding of host and operator.
    size = np.max(np.abs(truth[line, deep]))
    assert size > 1e-9
    assert np.max(np.abs(mine[line, deep] - truth[line, deep])) < 0.15 * size


def test_sums_are_those_of_every_entry():
    e = Evaluated(problem("moving"))
    t, r, op = e.equations.transfer, e.rates, e.operator
    B, N, _ = t.profile.shape
    V = len(t.waves)
    rng = np.random.default_rng(0)
    J = rng.random((N, V))
    eta, chi = np.ascontiguousarray(r.eta.T), np.ascontiguousarray(r.chi.T)
    total = opacities(
        t.start, t.first, op._rows.single, t.lower, t.upper, t.absorption, t.stimulated, t.profile,
        r.n, chi,
    )  # fmt: skip
    emission = emitted(t.start, t.first, op._rows.single, t.emission, t.profile, r.n[t.upper], eta)
    rate = np.empty((op._rows.Nrow, N))
    seen(t.start, t.first, op._rows.up, op._rows.down, t.up, t.down, J, rate)
    chi, eta = np.repeat(chi[None], B, axis=0), np.repeat(eta[None], B, axis=0)
    for k in range(len(t.lower)):
        e_k, at = t.entries(k), slice(t.first[k], t.first[k] + t.start[k + 1] - t.start[k])
        low, up = r.n[t.lower[k]][:, None], r.n[t.upper[k]][:, None]
        profile = t.profile[:, :, e_k]
        chi[:, :, at] += profile * (t.absorption[:, e_k] * low - t.stimulated[:, e_k] * up)
        eta[:, :, at] += profile * t.emission[:, e_k] * up
        rises, falls = ((x[:, e_k] * J[:, at]).sum(axis=1) for x in (t.up, t.down))
        np.testing.assert_allclose(rate[op._rows.up[k]], rises, rtol=1e-12)
        if op._rows.down[k] != op._rows.up[k]:
            np.testing.assert_allclose(rate[op._rows.down[k]], falls, rtol=1e-12)
    np.testing.assert_allclose(total, chi, rtol=1e-12)
    np.testing.assert_allclose(emission, eta, rtol=1e-12)


def test_emitters_are_upper_levels_where_nothing_has_changed():
    e = Evaluated(problem("hydrogen"))
    t, built = e.equations.transfer, Built(e)
    one, r = np.ones((len(t.lower), 82)), built.response
    emitter = emitters(built.n, one, t.lower, t.upper, t.inverse, r.net, r.share)
    np.testing.assert_allclose(emitter, built.n[t.upper], rtol=1e-9)
    # A line that becomes more transparent is worth more, as far as it sees its own opacity.
    less = built.n.copy()
    less[0] *= 0.5
    emitter = emitters(less, one, t.lower, t.upper, t.inverse, r.net, r.share)
    of_it = t.lower == 0
    ratio = emitter[of_it] / built.n[t.upper][of_it]
    assert np.all(ratio >= 1.0 - 1e-9) and ratio.max() > 1.9


def test_the_local_response_is_that_of_the_rates():
    e = Evaluated(problem("magnesium"))
    t, op, built = e.equations.transfer, e.operator, Built(e)
    light = built.response.radiation
    local, share = local_response(
        t.start, t.first, t.lower, t.upper, t.emission, t.absorption, t.stimulated, t.profile,
        t.up, t.down, op._rows.up, op._rows.down, op._rows.Nrow, built.n, light.total,
        light.diagonal(),
    )  # fmt: skip
    assert np.all((share >= 0.0) & (share <= 1.0 + 1e-12))
    line, k = int(np.flatnonzero(np.isfinite(t.multiple[:, 0]))[0]), 50
    emitter = built.n[t.upper].copy()
    before = light.rates(emitter, op._rows)[0]
    emitter[line, k] *= 1.01
    after = light.rates(emitter, op._rows)[0]
    row = op._rows.up[line]
    rises = (after - before)[row, k] / (0.01 * built.n[t.upper[line], k])
    # What is tied by a ratio above one counts as one.
    np.testing.assert_allclose(local[row, k], rises, rtol=0.05)


def test_sweep_stays_in_equilibrium_and_returns_to_it():
    e = Evaluated(solved("hydrogen"))
    built = Built(e)
    t, r, op = e.equations.transfer, e.rates, e.operator
    aim = op._sums(np.ascontiguousarray(r.J.T))
    aim[op._rows.up] = r.up
    anchored = op._anchored(r, aim, built.response)
    fixed = r.collisions.copy()
    np.add.at(fixed, (t.lower, t.upper), anchored.spontaneous)

    one = np.ones((len(t.lower), 82))

    def swept(n):
        scale = aim / built.rates(r.n)
        return sweep(
            n, r.nTotal, t.first_level, t.Nlevel, fixed, anchored.defect,
            anchored.shared.gain(n, built.response), t.lower, t.upper, op._rows.up,
            op._rows.down, anchored.multiple, built.rates(n) * scale, one,
            0.999 * built.response.local, t.inverse, built.response.net, built.response.share,
        )  # fmt: skip

    assert np.max(np.abs(swept(r.n) / r.n - 1.0)) < 1e-4
    rng = np.random.default_rng(0)
    for size in (0.1, 10.0):
        n = swept(r.n * np.exp(size * rng.standard_normal(r.n.shape)))
        assert np.all(n > 0.0) and np.all(np.isfinite(n))
        np.testing.assert_allclose(n.sum(axis=0), r.nTotal[0], rtol=1e-12)


def test_a_rate_that_is_less_than_its_own_part_leaves_an_equilibrium_alone():
    """As where the light of the neighbours is negative, which curves of interpolation allow."""
    n, rate, spontaneous, C = np.array([[4.0], [1.0]]), 0.2, 1.0, 0.3
    fixed = np.zeros((2, 2, 1))
    fixed[0, 1], fixed[1, 0] = spontaneous + C, (spontaneous + C - 4.0 * rate) / 4.0
    one, none = np.ones((1, 1)), np.zeros((1, 1))
    first = np.zeros(1, np.int64)
    swept = sweep(
        n, np.array([[5.0]]), first, np.array([2]), fixed, np.zeros((2, 1)), np.zeros((2, 1)),
        first, np.array([1]), first, first, none, rate * one, one, 1.5 * rate * one, none,
        n[:1].copy(), one,
    )  # fmt: skip
    np.testing.assert_allclose(swept, n, rtol=1e-12)


def test_what_the_host_leaves_unbalanced_is_what_its_equations_differ_by():
    e = Evaluated(solved("magnesium"))
    built = Built(e)
    gain = e.operator._shared.gain(built.n, built.response)
    kept = e.operator._shared.mattering(built.n, built.response, built.n)
    host = e.rates.defect * e.rates.n
    assert np.abs(gain - host).max() < 1e-2 * np.abs(host).max()
    assert 0 < len(kept.at) <= len(e.operator._shared.at)
