"""The radiation field of coupled transitions, against the host's and dense operators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from multilevel_helpers import Evaluated, problem, solved

from lw_rl.operator import coupled_light
from lw_rl.operator.beams_1d import optical_steps
from lw_rl.operator.coupled_light import Rows
from lw_rl.operator.coupled_light_1d import ColumnRadiation, _Factorised
from lw_rl.problems import shipped_problem


def around(e, thorough=False, **changes):
    """Return the radiation field of an evaluated context and its first linearisation."""
    rates = replace(e.rates, **changes)
    radiation = ColumnRadiation(e.equations.transfer, rates, {}, thorough)
    return radiation, radiation.linearised(rates.n, np.ascontiguousarray(rates.before.T), 1.0)


def seen(e, light, emitter):
    """Return rates and mean intensity."""
    return light.rates(emitter, Rows.of(e.equations.transfer))


def emitters(e):
    """Return what transitions emit in proportion to."""
    return e.rates.n[e.equations.transfer.upper]


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "magnesium"])
def test_intensities_are_the_hosts_where_the_formal_solution_was_made(kind):
    e = Evaluated(solved(kind))
    radiation, light = around(e)
    J = seen(e, light, emitters(e))[1]
    np.testing.assert_allclose(J, e.rates.J.T, rtol=1e-4)
    # Before they are tied to it, they are within a per cent nearly everywhere.
    ratio = radiation._tie.ratio
    assert abs(np.median(ratio) - 1.0) < 1e-2
    assert np.mean(np.abs(ratio - 1.0) < 0.05) > 0.95


def dense(scattering, k):
    """Return a wavelength's operator, made by unit sources."""
    N, V = scattering.J.shape
    beams, ratio = scattering.beams, scattering.tie.ratio[:, k]
    dark = beams.mean_intensity(np.zeros((1, N, V)))[0, :, k]
    Lambda = np.empty((N, N))
    for j in range(N):
        unit = np.zeros((1, N, V))
        unit[0, j] = 1.0
        Lambda[:, j] = beams.mean_intensity(unit)[0, :, k] - dark
    return ratio[:, None] * Lambda, ratio * dark


@pytest.mark.parametrize("kind", ["magnesium", "calcium"])
def test_scattering_is_solved(kind):
    e = Evaluated(problem(kind))
    _, light = around(e)
    scattering = light.scattering
    assert len(light.at) > 10
    eta = np.repeat(light.eta[None, :, light.at], 1, axis=0)
    scattering.iterated(eta, 100, 1e-12)
    for k in range(0, len(light.at), 5):
        Lambda, dark = dense(scattering, k)
        A = np.eye(len(Lambda)) - Lambda * scattering._albedo[:, k]
        S = eta[0, :, k] / scattering.total[0, :, k]
        J = np.linalg.solve(A, Lambda @ S + dark + scattering.tie.outside[:, k])
        np.testing.assert_allclose(scattering.J[:, k], J, rtol=1e-6)


def test_where_light_does_not_diffuse_its_operator_is_made():
    """Calcium's continua are so thick between depths that iterations alone do not contract."""
    e = Evaluated(solved("calcium"))
    _, light = around(e, thorough=True)
    scattering = light.scattering
    made = scattering._dense.at
    assert 0 < len(made) < len(light.at)
    eta = np.repeat(light.eta[None, :, light.at], 1, axis=0)

    def left():
        scattering.J = 2.0 * scattering.J
        _, first, left = scattering.iterated(eta, 4, 1e-9)
        return np.max((left / first)[made])

    assert left() < 1e-9
    scattering._dense = _Factorised.of({}, len(scattering.J))
    assert left() > 0.01


def test_light_that_goes_out_in_a_step_is_solved_for(monkeypatch):
    """Behind an edge J falls by orders of magnitude between depths, with an albedo near one."""
    e = Evaluated(shipped_problem("CaII", "FALC", 32).context())
    radiation, light = around(e, thorough=True)
    assert np.all(light.scattering.J > 0.0)
    monkeypatch.setattr(ColumnRadiation, "_solve", lambda *given: None)
    other, unsolved = around(e, thorough=True)
    dark = np.flatnonzero((unsolved.scattering.J <= 0.0).any(axis=0))
    assert len(dark)
    waves = light.at[dark]
    total, sca = light.total[0][:, waves], radiation._sca[:, waves]
    own = total * other._around[0][:, waves] - sca * radiation._before[:, waves]
    # It is its own formal solution, with the limiter of its own source function.
    J = light.scattering.J[:, dark]
    source = ((own + sca * J) / total)[None]
    step = optical_steps(total[None], e.equations.transfer.height)
    tie = light.scattering.tie.at(dark)
    formal = radiation._beams(step, source, waves).mean_intensity(source)[0]
    np.testing.assert_allclose(tie.ratio * formal + tie.outside, J, rtol=1e-3)
    # More light than is scattered does not come back.
    assert tie.ratio.max() <= 1.0


def test_the_diagonal_is_that_of_the_operator():
    e = Evaluated(problem("hydrogen"))
    _, light = around(e, sca=np.zeros_like(e.rates.sca))
    assert light.scattering is None
    emitter, diagonal = emitters(e), light.diagonal()
    base = seen(e, light, emitter)[1]
    eta = light.eta.copy()
    k = 40
    light.eta[k] *= 2.0
    changed = (seen(e, light, emitter)[1] - base)[k]
    above = light.plain.tie.ratio[k] > 1.0
    np.testing.assert_allclose(
        (diagonal[0, k] * eta[k])[~above], changed[~above], rtol=1e-6, atol=1e-12 * base.max()
    )


def test_scattering_is_not_solved_where_it_does_not_matter():
    e = Evaluated(problem("hydrogen"))
    _, light = around(e)
    share = (e.rates.sca.T / light.total[0])[:, light.at]
    assert np.all(share.max(axis=0) > coupled_light._SCATTERS)
    assert 0 < len(light.at) < 0.1 * light.eta.shape[1]
