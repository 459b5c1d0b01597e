"""Equilibrium linearised: one Newton step is enough, and responses are those of its solutions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from multilevel_helpers import populations, problem, solved

import lw_rl
from lw_rl.host.medium import evaluate, medium, perturbed
from lw_rl.operator.linearised import (
    LinearisedEquilibrium,
    State,
    into_levels,
    opacity_derivatives,
    scatters,
)
from lw_rl.operator.linearised_1d import opacities
from lw_rl.problems import random_atoms


def linear(ctx, n, source):
    """Return the linearised equilibrium and the host's net rates at some populations."""
    m = medium(ctx)
    net, J = evaluate(ctx, n, source)
    s = State(m, n, source)
    return LinearisedEquilibrium(s, (s.lagging(),)), net, J


@pytest.mark.parametrize("kind", ["hydrogen", pytest.param("moving", marks=pytest.mark.slow)])
def test_newton_steps_of_the_hosts_equations_converge_quadratically(kind):
    ctx = solved(kind)
    right, J = populations(ctx), np.array(ctx.spect.J)
    wave = 1e-2 * np.sin(np.arange(82) / 9.0)
    n = right * np.exp(wave * np.arange(1, len(right) + 1)[:, None] / len(right))
    m = medium(ctx)
    n *= np.repeat(m.nTotal / np.add.reduceat(n, m.first_level), m.Nlevel, axis=0)
    errors = [np.max(np.abs(n / right - 1.0))]
    for _ in range(2):
        step, net, J = linear(ctx, n, J)
        lagging = step.respond()[0].sum(axis=0)
        none = np.zeros_like(m.nTotal)
        np.testing.assert_allclose(
            step.solve(net + step.gained(), none),
            step.solve(net, none) + lagging,
            atol=1e-9 * np.abs(lagging).max(),
        )
        n = n + step.solve(net + step.gained(), none)
        errors.append(np.max(np.abs(n / right - 1.0)))
    assert errors[1] < 0.1 * errors[0]
    assert errors[2] < 0.05 * errors[1] or errors[2] < 1e-6


def test_in_a_gas_that_moves_lines_overlap_and_are_seen_at_other_strengths():
    ctx = random_atoms(61037).context()
    lw_rl.solve(ctx, quiet=True, popsTol=1e-6)
    m = medium(ctx)
    moving = np.array([np.any(V != V[0]) for V in m.V])
    lines = [moving[first:last].sum() for first, last in pairwise(m.start)]
    assert len(m.share) > 1 and max(lines) > 1 and min(lines) == 0
    assert scatters(m.height, State(m, m.n, ctx.spect.J).total, m.sca).any()
    right, wave = m.n.copy(), np.sin(np.arange(m.n.shape[1]) / 9.0)
    n = right * np.exp(1e-2 * wave * np.arange(1, len(right) + 1)[:, None] / len(right))
    n *= np.repeat(m.nTotal / np.add.reduceat(n, m.first_level), m.Nlevel, axis=0)
    step, net, _ = linear(ctx, n, np.array(ctx.spect.J))
    new = n + step.solve(net, np.zeros_like(m.nTotal)) + step.respond()[0].sum(axis=0)
    assert np.max(np.abs(new / right - 1.0)) < 0.05 * np.max(np.abs(n / right - 1.0))


def test_particles_are_conserved():
    ctx = problem("two atoms")
    m = medium(ctx)
    step, net, _ = linear(ctx, 1.01 * m.n, np.array(ctx.spect.J))
    more = 0.01 * m.nTotal
    change = step.solve(net, more)
    np.testing.assert_allclose(np.add.reduceat(change, m.first_level), more, rtol=1e-8)


@pytest.mark.slow
def test_radiation_follows_populations():
    ctx = solved("calcium")
    source = np.array(ctx.spect.J)
    m = medium(ctx)
    step = np.full(82, 0.05)
    sides = [medium(perturbed(ctx, "temperature", sign * step)) for sign in (1.0, -1.0)]
    s = State(m, m.n, source)
    field = s.field(*sides, step)
    response = LinearisedEquilibrium(s, (field,))
    dn = response.respond()
    waves = np.flatnonzero(scatters(m.height, s.total, m.sca))[::20]
    # Everything two kelvins warmer: scattered light that is consistent with itself.
    change = 2.0
    moved = change * dn[0].sum(axis=0)
    fields = [change * x for x in (field.eta, field.chi, field.planck)]
    found = np.array([s.change_of_light(v, moved, *(x[v] for x in fields)) for v in waves])
    other = perturbed(ctx, "temperature", np.full(82, change))
    J = source.copy()
    for _ in range(400):
        _, J_next = evaluate(other, m.n + moved, J)
        last = np.max(np.abs(J_next[waves] / J[waves] - 1.0))
        J = J_next
        if last < 1e-7:
            break
    expected = J[waves] - source[waves]
    size = np.abs(expected).max(axis=1, keepdims=True)
    assert np.max(np.abs(found - expected) / size) < 2e-2


def test_populations_are_seen_through_opacity_and_emissivity():
    ctx = solved("hydrogen")
    m = medium(ctx)
    rng = np.random.default_rng(0)
    by_eta, by_chi = rng.normal(size=(2, len(m.wavelength), 1, 82))
    x = m.n * rng.normal(size=m.n.shape) * 1e-3

    def known(n):
        total, emitted = opacities(
            m.start, m.transition, m.lower, m.upper, m.V, m.g, m.u, n, m.chi, m.eta
        )  # fmt: skip
        return (by_eta * emitted + by_chi * total).sum(axis=(1, 2))

    found = np.einsum("wlk,lk->w", opacity_derivatives(m, by_eta, by_chi), x)
    np.testing.assert_allclose(found, 0.5 * (known(m.n + x) - known(m.n - x)), rtol=1e-6)


def test_sums_of_the_light_change_as_the_light_does():
    # Where every ray sees a change another way, and where all see the same.
    s = linear(
        problem("hydrogen"), *(lambda c: (populations(c), np.array(c.spect.J)))(solved("hydrogen"))
    )[0].state
    rng, v = np.random.default_rng(0), int(np.argmax(s.medium.sca.max(axis=1)))
    weight, none = rng.normal(size=(2, 82)), np.zeros_like(s.n)
    for bundles in (1, 2 * len(s.medium.mu)):
        eta = s.emitted[v] * rng.normal(size=(bundles, 82)) * 1e-3
        chi = s.total[v] * rng.normal(size=(bundles, 82)) * 1e-3
        planck = s.medium.planck[v] * np.array([0.1, 0.2])
        expected = weight @ s.change_of_light(v, none, eta, chi, planck)
        by_eta, by_chi, by_planck = s.light_seen(v, weight, bundles)
        found = (by_eta * eta + by_chi * chi).sum(axis=(1, 2)) + by_planck @ planck
        np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_net_rates_go_from_lower_to_upper_levels():
    net = np.array([[1.0], [3.0]])
    into = into_levels(np.array([0, 0]), np.array([1, 2]), net, 3)
    np.testing.assert_array_equal(into[:, 0], [-4.0, 1.0, 3.0])
