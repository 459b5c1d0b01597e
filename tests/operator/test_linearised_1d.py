"""Light and rates outside the host: the host's own to rounding."""

from __future__ import annotations

import numpy as np
import pytest
from multilevel_helpers import problem, solved

from lw_rl.host.medium import evaluate, medium, ray_context
from lw_rl.operator.linearised import State, into_levels
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
    whole = net_rates(
        m.start, m.transition, m.lower, m.upper, m.of_atom, m.V, m.g, m.u, m.w, m.share, s.n,
        s.light, s.psi,
    )[2]  # fmt: skip
    ours = into_levels(m.lower, m.upper, whole, len(s.n))
    ours += np.einsum("ijk,jk->ik", m.collisions, s.n) - m.collisions.sum(axis=0) * s.n
    np.testing.assert_array_less(np.abs(ours - net), 1e-9 * gross)
    # The balanced rates alone are not the host's.
    assert np.any(np.abs(whole - balanced) > 1e-6 * np.abs(whole))


def test_transitions_of_one_atom_that_share_no_level_are_left_unbalanced_too():
    # Where a line meets a continuum of other levels only, the host subtracts the local part of the
    # line's emission from the light of the continuum and gives it back nowhere.
    N = 3
    first_up, second_up = np.array([0, 2]), np.array([1, 3])
    V, g, u = np.full((2, N), 2.0), np.full((2, N), 0.5), np.array([3.0, 5.0])
    n = np.outer([4.0, 1.0, 8.0, 2.0], np.ones(N))
    args = (np.array([0, 2]), np.array([0, 1]), first_up, second_up, np.zeros(4, np.int64))
    rest = (V[:, None], g, u, np.ones((2, N)), np.ones(1), n, np.zeros((1, 1, N)))
    balanced = net_rates(*args, *rest, np.zeros((1, 1, N)))[2]
    net = net_rates(*args, *rest, np.ones((1, 1, N)))[2]
    # Opacity of one times the emissivity of the other.
    own, emitted = 2.0 * (np.array([4.0, 8.0]) - 0.5 * np.array([1.0, 2.0])), np.array([3.0, 10.0])
    expected = own * emitted[::-1]
    np.testing.assert_allclose(balanced - net, np.outer(expected, np.ones(N)), rtol=1e-12)
    # Those of two atoms, and those with one upper level, are balanced.
    of_atoms = (*args[:4], np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(net_rates(*of_atoms, *rest, np.ones((1, 1, N)))[2], balanced)
    together = (*args[:2], first_up, np.array([3, 3]), args[4])
    expected = net_rates(*together, *rest, np.zeros((1, 1, N)))[2]
    np.testing.assert_allclose(net_rates(*together, *rest, np.ones((1, 1, N)))[2], expected)


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
