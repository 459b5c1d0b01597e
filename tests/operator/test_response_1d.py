"""Compiled responses of rates to populations, against the host's own formal solutions."""

from __future__ import annotations

import numpy as np
import pytest
from multilevel_helpers import Evaluated, problem, solved

from lw_rl.operator.response_1d import rates_of, responses, sweep


class Built:
    """The responses around the populations of an evaluated context."""

    def __init__(self, e, n=None, around=None, sca=None):
        self.e, t, r, op = e, e.equations.transfer, e.rates, e.operator
        self.n = r.n if n is None else n
        self.ratio = np.empty_like(r.J) if around is None else around.ratio
        self.outside = np.empty_like(r.J) if around is None else around.outside
        self.kind = np.zeros(len(r.J), np.int64) if around is None else around.kind
        rows = len(op._of_row)
        aim = np.zeros((rows, self.n.shape[1]))
        self.M, self.known, self.local, self.share, self.model = responses(
            t.height, t.mu, t.weight, t.start, t.transition, t.lower, t.upper, t.emission,
            t.absorption, t.stimulated, t.profile, t.up, t.down, op._first_row, op._second_row,
            op._block, len(op._rows), rows, t.planck, self.n, r.chi, r.eta,
            r.sca if sca is None else sca, r.before, r.J, r.before, np.ones_like(aim), aim,
            self.ratio, self.outside, self.kind, np.empty((t.profile.shape[1], *r.J.shape)), 1.0,
            around is None,
        )  # fmt: skip
        net = self.n[t.lower] - t.inverse * self.n[t.upper]
        self.net = np.where(net > 0.0, net, 1.0)

    def rates(self, n):
        t, op = self.e.equations.transfer, self.e.operator
        return rates_of(
            n, np.ones_like(self.net), t.lower, t.upper, op._rows, op._columns, self.M, self.known,
            t.inverse, self.net, np.clip(self.share, 0.0, 1.0),
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "magnesium"])
def test_intensities_are_the_hosts_where_the_formal_solution_was_made(kind):
    e = Evaluated(solved(kind))
    built = Built(e)
    np.testing.assert_allclose(built.model, e.rates.J, rtol=1e-4)
    # Before they are tied to it, they are within a per cent nearly everywhere.
    assert abs(np.median(built.ratio) - 1.0) < 1e-2
    assert np.mean(np.abs(built.ratio - 1.0) < 0.05) > 0.95


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "magnesium"])
def test_blocks_and_known_part_make_the_rates(kind):
    e = Evaluated(solved(kind))
    built = Built(e)
    up = built.rates(built.n)[e.operator._first_row]
    np.testing.assert_allclose(up, e.rates.up, rtol=0.1 if kind == "moving" else 1e-4)


@pytest.mark.parametrize("level", [0, 1])
def test_net_rates_respond_as_the_hosts_do(level):
    """Photons of Lyman alpha scatter a million times: the balance counts, not the rate."""
    e = Evaluated(solved("hydrogen"))
    at = Built(e)
    wave = np.exp(0.03 * np.sin(np.arange(82) / 6.0))
    changed = e.rates.n.copy()
    changed[level] *= wave
    there = Built(e, changed, at)
    e.ctx.activeAtoms[0].n[:] = changed
    host = Evaluated(e.ctx, 20)
    t, rows = e.equations.transfer, e.operator._first_row

    def balance(n, up, down):
        return n[t.lower] * up / (n[t.upper] * down)

    before = balance(e.rates.n, e.rates.up, e.rates.down)
    truth = balance(changed, host.rates.up, host.rates.down) - before
    response = there.rates(changed)[rows] / at.rates(e.rates.n)[rows]
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


def test_without_any_opacity_of_its_own_nothing_responds():
    e = Evaluated(solved("hydrogen"))
    built = Built(e, 1e-30 * e.rates.n)
    rates = e.rates.n * 1e-30
    assert np.max(np.abs(built.rates(rates) - built.known)) <= 1e-12 * np.max(built.known)


def test_sweep_stays_in_equilibrium_and_returns_to_it():
    e = Evaluated(solved("hydrogen"))
    built = Built(e)
    t, r, op = e.equations.transfer, e.rates, e.operator
    aim = op._sums(r.J)
    aim[op._first_row] = r.up
    anchored = op._anchored(r, aim)
    fixed = r.collisions.copy()
    np.add.at(fixed, (t.lower, t.upper), anchored.spontaneous)

    def swept(n):
        scale = aim / built.rates(r.n)
        return sweep(
            n, r.nTotal, t.first_level, t.Nlevel, fixed, anchored.defect, t.lower, t.upper,
            op._first_row, op._second_row, op._of_row, anchored.multiple,
            built.rates(n) * scale, op._rows, op._columns, 0.999 * built.local, t.inverse,
            built.net, np.clip(built.share, 0.0, 1.0),
        )  # fmt: skip

    assert np.max(np.abs(swept(r.n) / r.n - 1.0)) < 1e-4
    rng = np.random.default_rng(0)
    for size in (0.1, 10.0):
        n = swept(r.n * np.exp(size * rng.standard_normal(r.n.shape)))
        assert np.all(n > 0.0) and np.all(np.isfinite(n))
        np.testing.assert_allclose(n.sum(axis=0), r.nTotal[0], rtol=1e-12)


def test_scattering_is_solved_where_it_matters():
    """With an albedo near one light comes from far away, and nothing is negative."""
    e = Evaluated(problem("magnesium"))
    opaque = e.rates.sca.copy()
    opaque[:] = 0.999 * e.rates.chi
    built = Built(e, sca=opaque)
    assert np.all(np.isfinite(built.M)) and np.all(built.known > 0.0)
    size = np.abs(built.M).max(axis=(1, 2), keepdims=True)
    assert np.min(built.M / np.maximum(size, 1e-300)) > -0.05
