"""Compiled light of coupled transitions, against sums over arrays of all bundles."""

from __future__ import annotations

import numpy as np
import pytest
from multilevel_helpers import Evaluated, problem

from lw_rl.operator.coupled_light import Rows
from lw_rl.operator.coupled_light_1d import ColumnRadiation
from lw_rl.operator.response_1d import emitted


@pytest.mark.parametrize("kind", ["moving", "magnesium"])
def test_rates_are_sums_over_bundles_of_what_each_entry_sees(kind):
    e = Evaluated(problem(kind))
    radiation = ColumnRadiation(e.equations.transfer, e.rates, {}, thorough=False)
    light = radiation.linearised(e.rates.n, np.ascontiguousarray(e.rates.before.T), 1.0)
    t, rows, emitter = (
        e.equations.transfer,
        Rows.of(e.equations.transfer),
        1.1 * e.rates.n[e.equations.transfer.upper],
    )
    plain, at = light.plain, light.at
    eta = emitted(t.start, t.first, rows.single, t.emission, t.profile, emitter, light.eta)
    each = plain.tie.ratio * plain.beams.mean_intensity(eta * plain.over)
    if light.scattering is not None:
        before = light.scattering.J.copy()
        each[:, :, at] = light.scattering.bundles(np.ascontiguousarray(eta[:, :, at]))
        light.scattering.J[:] = before
    rate, J = light.rates(emitter, rows)
    np.testing.assert_allclose(J, each.sum(axis=0) + plain.tie.outside, rtol=1e-11)
    for k in range(len(t.lower)):
        e_k, at_k = t.entries(k), slice(t.first[k], t.first[k] + t.start[k + 1] - t.start[k])
        sees = (t.profile[:, :, e_k] * each[:, :, at_k]).sum(axis=0) + plain.tie.outside[:, at_k]
        rises, falls = ((x[:, e_k] * sees).sum(axis=1) for x in (t.up, t.down))
        np.testing.assert_allclose(rate[rows.up[k]], rises, rtol=1e-11)
        if rows.up[k] != rows.down[k]:
            np.testing.assert_allclose(rate[rows.down[k]], falls, rtol=1e-11)
