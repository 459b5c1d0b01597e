"""Complete linearisation as a step."""

from __future__ import annotations

import numpy as np
from multilevel_helpers import problem, solved

import lw_rl
from lw_rl.host.adapter import Adapter
from lw_rl.norms import largest
from lw_rl.operator.effort import Effort
from lw_rl.problems import random_atoms
from lw_rl.schemes import newton
from lw_rl.schemes.anderson import MAX_STEP
from lw_rl.schemes.newton import newton_step


def proposed(adapter, step, y):
    """Return what a step proposes after a formal solution at an unknown."""
    adapter.write(y)
    adapter.formal_solution()
    return step.propose(y)


def test_it_converges_quadratically():
    ctx = solved("hydrogen")
    adapter = Adapter(ctx)
    exact = adapter.read()
    step = newton_step(adapter, Effort())
    wrong = 0.1 * np.sin(np.arange(exact.size))
    sizes = [largest(wrong)]
    y = exact + wrong
    for _ in range(2):
        y, size, _ = proposed(adapter, step, y)
        # What it says of the last error is right to the next one.
        assert abs(size - sizes[-1]) < 0.5 * sizes[-1]
        sizes.append(largest(y - exact))
        step._last = None
    assert sizes[1] < 0.3 * sizes[0]
    assert sizes[2] < 3.0 * sizes[1] ** 2 + 1e-5


def test_a_linearisation_serves_while_populations_stay_close(monkeypatch):
    ctx = solved("hydrogen")
    adapter = Adapter(ctx)
    exact = adapter.read()
    made = []
    first = newton.LinearisedEquilibrium
    monkeypatch.setattr(
        newton, "LinearisedEquilibrium", lambda *given: made.append(given) or first(*given)
    )
    step = newton_step(adapter, Effort())
    y, *_ = proposed(adapter, step, exact + 0.1 * np.sin(np.arange(exact.size)))
    left = largest(y - exact)
    y, size, _ = proposed(adapter, step, y)
    assert len(made) == 1
    assert abs(size - left) < 0.5 * left
    assert largest(y - exact) < 0.5 * left
    proposed(adapter, step, exact + 2.0 * np.sin(np.arange(exact.size)))
    assert len(made) == 2


def test_a_linearisation_that_no_longer_helps_is_made_anew(monkeypatch):
    """The same state again: the step is no smaller, and an old linearisation would not tell why."""
    ctx = solved("hydrogen")
    adapter, made = Adapter(ctx), []
    exact, first = adapter.read(), newton.LinearisedEquilibrium
    monkeypatch.setattr(
        newton, "LinearisedEquilibrium", lambda *given: made.append(given) or first(*given)
    )
    step = newton_step(adapter, Effort())
    y = exact + 0.1 * np.sin(np.arange(exact.size))
    for number in (1, 2):
        proposed(adapter, step, y)
        assert len(made) == number


def test_a_step_is_limited_and_populations_stay_positive():
    ctx = problem("hydrogen")
    ctx.formal_sol_gamma_matrices()
    adapter = Adapter(ctx)
    y = adapter.read()
    J = adapter.radiation()
    new, size, (waves, ahead) = newton_step(adapter, Effort()).propose(y)
    assert size > MAX_STEP
    # Whether the step is taken is not known here.
    np.testing.assert_array_equal(adapter.radiation(), J)
    assert len(waves) and ahead.shape == (len(waves), adapter.Nspace) and np.all(ahead > 0.0)
    n = adapter.populations(new)[0]
    assert np.all(n > 0.0)
    np.testing.assert_allclose(n.sum(axis=0), adapter.totals()[0], rtol=1e-12)


def test_where_the_equations_are_not_known_there_is_none(monkeypatch):
    adapter = Adapter(problem("hydrogen"))
    assert newton_step(adapter, Effort()) is not None
    monkeypatch.setattr(newton, "_MOST_UNKNOWNS", 10)
    assert newton_step(adapter, Effort()) is None
    assert newton_step(Adapter(problem("charge")), Effort()) is None


def test_no_step_where_a_profile_is_redistributed():
    ctx = problem("magnesium")
    adapter = Adapter(ctx)
    step = newton_step(adapter, Effort())
    ctx.formal_sol_gamma_matrices()
    assert step.propose(adapter.read()) is not None
    ctx.prd_redistribute(maxIter=1)
    assert step.propose(adapter.read()) is None


def test_where_light_is_what_rounding_makes_of_it_the_step_is_for_the_hosts():
    """Cold helium, with mean intensities of 1e-70: by rates of its own rays this takes sixteen."""
    result = lw_rl.solve(random_atoms(110366).context(), quiet=True)
    assert result.converged and result.Nformal <= 5
