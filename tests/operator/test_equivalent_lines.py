"""Lines of atoms with many levels as those of two-level atoms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from multilevel_helpers import problem, solved

from lw_rl.host.adapter import Adapter
from lw_rl.host.equations import Equations
from lw_rl.operator.equivalent_lines import EquivalentLines
from lw_rl.operator.lambda_1d import Plane1D
from lw_rl.problems import shipped_problem


def looked(adapter, y=None):
    """Return the evaluation, the rates and the lines after a formal solution."""
    evaluation = adapter.evaluate(y)
    equations = Equations(adapter)
    rates = equations.rates(adapter.populations(evaluation.y), 1.0)
    return evaluation, rates, EquivalentLines(adapter, equations.transfer)


def test_the_line_of_a_two_level_atom_is_itself():
    adapter = Adapter(shipped_problem("CaII_K", "FALC", 40).context())
    y = adapter.read() + 0.3 * np.sin(np.arange(40) / 5.0)
    evaluation, rates, lines = looked(adapter, y)
    (line,) = lines.seen(rates).values()
    assert line.thick
    np.testing.assert_allclose(line.y, evaluation.y, rtol=1e-10)
    np.testing.assert_allclose(line.lambda_residual, evaluation.lambda_residual, atol=1e-9)
    physics = adapter.line_physics(adapter.blocks[0])
    for f in dataclasses.fields(physics):
        # The host's sum over a profile is one to its quadrature's rounding.
        np.testing.assert_allclose(
            getattr(line.physics, f.name), getattr(physics, f.name), rtol=1e-6, err_msg=f.name
        )


def test_every_line_is_in_balance_with_its_own_jbar_at_equilibrium_alone():
    away, there = (Adapter(of("calcium")) for of in (problem, solved))
    left = []
    for adapter in (away, there):
        _, rates, lines = looked(adapter)
        seen = lines.seen(rates)
        assert len(seen) == len(lines.lines) == 5
        left.append(max(np.abs(s.lambda_residual).max() for s in seen.values()))
    assert left[1] < 1e-3 < 0.1 < left[0]


@pytest.fixture(scope="module")
def calcium():
    adapter = Adapter(problem("calcium"))
    return adapter, *looked(adapter)


def test_what_does_not_change_leaves_the_populations_alone(calcium):
    _, _, rates, lines = calcium
    one = np.ones(rates.n.shape[1])
    new = lines.corrected(rates.n, rates, rates.J, {k: (one, one) for k in lines.lines})
    np.testing.assert_allclose(new, rates.n, rtol=1e-12)


@pytest.mark.parametrize("size", [0.1, 5.0, 40.0])
def test_populations_are_positive_and_conserve_particles_whatever_the_rates(calcium, size):
    _, _, rates, lines = calcium
    rng = np.random.default_rng(3)
    N = rates.n.shape[1]
    factors = {k: tuple(np.exp(rng.uniform(-size, size, (2, N)))) for k in lines.lines}
    new = lines.corrected(rates.n, rates, rates.J, factors)
    assert np.all(new > 0.0) and np.all(np.isfinite(new))
    np.testing.assert_allclose(new.sum(axis=0), rates.nTotal[0], rtol=1e-12)


def test_a_brighter_line_excites(calcium):
    _, _, rates, lines = calcium
    k = next(iter(lines.lines))
    t = lines.transfer
    one = np.ones(rates.n.shape[1])
    new = lines.corrected(rates.n, rates, rates.J, {k: (one, 2.0 * one)})
    ratio = (new[t.upper[k]] / new[t.lower[k]]) / (rates.n[t.upper[k]] / rates.n[t.lower[k]])
    assert ratio.min() > 1.0 - 1e-9 and ratio.max() > 1.2


def test_what_a_source_function_shines_is_positive_and_its_own_where_it_stays(calcium):
    adapter, _, rates, lines = calcium
    geometry = Plane1D(adapter.grid.height)
    for line in lines.seen(rates).values():
        np.testing.assert_array_equal(line.brightness(line.y, geometry), 1.0)
        assert line.brightness(line.y + 1.0, geometry).max() > 1.5
        rough = line.y + 3.0 * (-1.0) ** np.arange(line.y.size)
        assert np.all(line.brightness(rough, geometry) > 0.0)


def test_inverted_lines_are_left_out(calcium):
    _, _, rates, lines = calcium
    k = next(iter(lines.lines))
    n = rates.n.copy()
    n[lines.transfer.upper[k], 10] = 1e3 * n[lines.transfer.lower[k], 10]
    assert lines.source(k, n) is None
    assert k not in lines.seen(dataclasses.replace(rates, n=n))
