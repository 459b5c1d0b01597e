"""Light and rates outside the host: the host's own to rounding."""

from __future__ import annotations

import numpy as np
import pytest
from multilevel_helpers import problem, solved

from lw_rl.host.medium import evaluate, medium, ray_context
from lw_rl.operator.linearised import State
from lw_rl.operator.linearised_1d import emergent, net_rates, opacities

KINDS = ["hydrogen", "moving", "magnesium", "two atoms", "calcium"]


def state(ctx):
    """Return the state of a context after two formal solutions, and its net rates."""
    ctx.formal_sol_gamma_matrices()
    m = medium(ctx)
    source = np.array(ctx.spect.J)
    net, J = evaluate(ctx, m.n, source)
    return State(m, m.n, source), net, J


@pytest.mark.parametrize("kind", KINDS)
def test_light_and_rates_are_the_hosts(kind):
    ctx = problem(kind)
    s, _, J = state(ctx)
    np.testing.assert_allclose(s.J, J, rtol=1e-8)
    m = s.medium
    up, down, _ = net_rates(
        m.start, m.transition, m.lower, m.upper, m.of_atom, m.V, m.g, m.u, m.w, m.share, s.n,
        s.light, s.psi,
    )  # fmt: skip
    transitions = [t for atom in ctx.activeAtoms for t in atom.trans]
    for k, t in enumerate(transitions):
        np.testing.assert_allclose(up[k], t.Rij, rtol=1e-8)
        np.testing.assert_allclose(down[k], t.Rji, rtol=1e-8)


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "calcium"])
def test_net_rates_have_what_the_host_leaves_unbalanced(kind):
    ctx = problem(kind)
    s, net, _ = state(ctx)
    m = s.medium
    up, down, balanced = net_rates(
        m.start, m.transition, m.lower, m.upper, m.of_atom, m.V, m.g, m.u, m.w, m.share, s.n,
        s.light, 0.0 * s.psi,
    )  # fmt: skip
    gross = np.zeros_like(s.n) + m.collisions.sum(axis=0) * s.n
    np.add.at(gross, m.lower, up * s.n[m.lower] + down * s.n[m.upper])
    np.add.at(gross, m.upper, up * s.n[m.lower] + down * s.n[m.upper])
    np.testing.assert_array_less(np.abs(s.net() - net), 1e-9 * gross)
    # The balanced rates alone are not the host's.
    whole = net_rates(
        m.start, m.transition, m.lower, m.upper, m.of_atom, m.V, m.g, m.u, m.w, m.share, s.n,
        s.light, s.psi,
    )[2]  # fmt: skip
    assert np.any(np.abs(whole - balanced) > 1e-6 * np.abs(whole))


def test_what_leaves_is_what_compute_rays_gives():
    ctx = solved("moving")
    ray = ray_context(ctx, 0.6, None)
    m = medium(ray, outward_only=True)
    total, emitted = opacities(
        m.start, m.transition, m.lower, m.upper, m.V, m.g, m.u, m.n, m.chi, m.eta
    )  # fmt: skip
    light, by_eta, by_chi, by_planck = emergent(
        m.height, m.mu[0], m.sca, m.planck, total[:, 0], emitted[:, 0], np.array(ray.spect.J)
    )
    np.testing.assert_allclose(light, ctx.compute_rays(mus=0.6), rtol=1e-8)
    # Twice the emissivity and twice what enters is twice the light.
    S = emitted[:, 0] + m.sca * np.array(ray.spect.J)
    whole = (by_eta * S).sum(axis=1) + (by_planck * m.planck).sum(axis=1)
    np.testing.assert_allclose(whole, light, rtol=1e-5)
    assert np.all(np.isfinite(by_chi))
