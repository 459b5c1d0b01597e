"""What the approximate operator says of errors that linear estimates cannot see.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
a limiter switch behind a small residual counts     test_a_switch_behind_a_tiny_residual_...
(DefectCorrection.switches)
what stays at the worst depth counts                test_what_the_operator_hardly_sees_stays
(DefectCorrection.left)
no maximum principle, no bound                      test_a_bound_is_as_wide_as_the_maximum_...
(DefectCorrection.widening)
nor one that the operator contradicts               test_a_bound_that_the_operator_...
(Certificate.bound)
=================================================== ==========================================
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import error
from solver_helpers import Adversarial, certified, iterate

import lw_rl
from lw_rl import accelerate
from lw_rl.certificate.defect_correction import WIDENING, DefectCorrection
from lw_rl.certificate.history import History
from lw_rl.host.adapter import Adapter
from lw_rl.operator.lambda_1d import Plane1D
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.schemes import Depthwise


def at(ctx, steps):
    """Return an adapter and the evaluation after so many plain steps."""
    adapter = Adapter(copy.deepcopy(ctx))
    for _ in range(steps):
        adapter.evaluate()
    return adapter, adapter.evaluate()


@pytest.mark.parametrize("plain", [False, True])
def test_it_knows_the_error_of_a_state(ctx, reference, plain):
    """Of slow modes to a tenth, which is what the safety factor is for."""
    adapter, evaluation = at(ctx, 70)
    adapter.write(evaluation.y_plain if plain else evaluation.y)
    true = error(adapter.ctx, reference)
    defect = DefectCorrection(adapter, dict)
    assert 0.01 < true < 0.1
    assert defect.worst(evaluation, plain) == pytest.approx(true, rel=0.15)
    assert defect.two_steps(evaluation, plain) == pytest.approx(true, rel=0.15)
    assert not defect.switches(evaluation)


def test_it_knows_the_error_at_every_depth(ctx, converged):
    solution = Adapter(copy.deepcopy(converged)).read()
    adapter, evaluation = at(ctx, 70)
    true = np.expm1(solution - evaluation.y)
    errors = DefectCorrection(adapter, dict).errors(evaluation)
    large = np.abs(true) > 0.3 * np.abs(true).max()
    np.testing.assert_allclose(errors[large], true[large], rtol=0.15)


def test_what_is_left_of_an_error_is_that_at_the_worst_depth(ctx):
    adapter, before = at(ctx, 40)
    after = adapter.evaluate()
    defect = DefectCorrection(adapter, dict)
    then, now = defect.errors(before), defect.errors(after)
    worst = np.argmax(np.abs(now))
    assert defect.left(before, after) == pytest.approx(abs(now[worst] / then[worst]))
    assert 0.9 < defect.left(before, after) < 1.0, "MALI is slow"


def test_it_says_nothing_of_a_state_whose_rates_are_not_known(ctx):
    adapter, evaluation = at(ctx, 1)
    watched = replace(evaluation, lambda_residual=None)
    defect = DefectCorrection(adapter, dict)
    assert defect.complete
    assert defect.errors(watched) is None and defect.worst(watched, plain=True) is None
    assert defect.two_steps(watched, plain=True) == 0.0 and not defect.switches(watched)
    assert defect.left(watched, watched) == 0.0


def test_a_second_step_that_is_not_finite_may_hide_a_switch(ctx, monkeypatch):
    adapter, evaluation = at(ctx, 70)
    assert not DefectCorrection(adapter, dict).switches(evaluation)
    monkeypatch.setattr(TwoLevelOperator, "residual", lambda self, y: np.full_like(y, np.nan))
    assert DefectCorrection(adapter, dict).switches(evaluation)


@pytest.mark.parametrize("kind", ["multi-level", "multi"])
def test_nor_where_an_atom_has_no_operator(kind, several):
    adapter, evaluation = at(several(kind), 1)
    defect = DefectCorrection(adapter, dict)
    assert not defect.complete
    assert defect.worst(evaluation, plain=True) is None
    assert defect.two_steps(evaluation, plain=True) == 0.0 and not defect.switches(evaluation)
    other = next(b for b in adapter.blocks if adapter.line(b) is None)
    with pytest.raises(LookupError, match="Mg.* has no operator"):
        defect.operator(other, evaluation.y[other.span])


def test_of_two_atoms_the_worse_counts(several):
    adapter, evaluation = at(several("two-level"), 30)
    defect = DefectCorrection(adapter, dict)
    errors = np.abs(defect.errors(evaluation))
    assert errors.shape == evaluation.y.shape
    each = [errors[b.span].max() for b in adapter.blocks]
    assert defect.worst(evaluation, plain=False) == max(each) > min(each)


# ---- operators, made once -----


def test_it_takes_the_operator_that_the_scheme_has_made(ctx):
    adapter = Adapter(ctx)
    (block,) = adapter.blocks
    scheme = Depthwise(None)
    state = scheme.init(adapter, History())
    defect = DefectCorrection(adapter, lambda: scheme.operators(state))
    near = state[0].operator.y + 0.2
    assert defect.operator(block, near) is state[0].operator
    # Too far from it there is one of its own, which is kept.
    own = defect.operator(block, near + 0.2)
    assert own is not state[0].operator
    np.testing.assert_array_equal(own.y, near + 0.2)
    assert defect.operator(block, near + 0.3) is own
    # Where a limiter switch is looked for it has to be near.
    assert defect.operator(block, near + 0.5) is not own


def test_of_one_state_nothing_is_asked_twice(ctx, monkeypatch):
    """Sweeps and scattered light cost a tenth of a formal solution each, and four estimates ask."""
    calls = Counter()
    for name in ("residual", "error", "lit"):
        original = getattr(TwoLevelOperator, name)

        def counted(self, *args, name=name, original=original):
            calls[name] += 1
            return original(self, *args)

        monkeypatch.setattr(TwoLevelOperator, name, counted)
    adapter, evaluation = at(ctx, 3)
    _, before = at(ctx, 2)
    defect = DefectCorrection(adapter, dict)
    for plain in (False, True):
        defect.two_steps(evaluation, plain)
        defect.switches(evaluation)
        defect.worst(evaluation, plain)
        defect.of_light(evaluation)
    # One Newton step with the light that belongs to the state, and one with what was there.
    assert calls == {"residual": 2, "error": 2, "lit": 1}
    defect.left(before, evaluation)
    defect.two_steps(evaluation, plain=False)
    assert calls == {"residual": 2, "error": 3, "lit": 2}


# ---- limiter switches, and what the operator does not see -----


def without(**answers):
    """The certified stop with other answers of the defect correction."""
    return certified(lambda c: vars(c.defect).update(answers))


def test_a_switch_behind_a_tiny_residual_is_seen():
    """MALI stands at a discontinuity of the host's solver, its error one half."""
    problem = Adversarial(1, 5293)
    true, result = problem.solve("mali")
    assert result.converged and true < 1e-3
    blind = without(two_steps=lambda *_: 0.0, switches=lambda *_: False)
    true, result = problem.solve("mali", convergence=blind)
    assert result.converged and result.estimate.value < 1e-3 and true > 0.5


# ---- bounds -----


def test_a_bound_is_widened_by_the_negative_part_of_the_operator(ctx):
    adapter = Adapter(ctx)
    (block,) = adapter.blocks
    defect = DefectCorrection(adapter, dict)
    y = adapter.read()
    operator = defect.operator(block, y)
    assert 0.0 < operator.negative_share < 0.02 and defect.widening(operator) == WIDENING > 1.0
    operator.negative_share = 0.03
    assert defect.widening(operator) == np.inf


def test_a_bound_is_as_wide_as_the_maximum_principle_is_poor(ctx):
    certificate = iterated(ctx)
    bounds = {}
    for widening in (1.5, 3.0, np.inf):
        certificate.defect.widening = lambda _, widening=widening: widening
        bounds[widening] = certificate.bound()
    assert bounds[3.0] == pytest.approx(2.0 * bounds[1.5]) and bounds[np.inf] is None


def test_a_bound_that_the_operator_contradicts_is_none(ctx):
    """Where nothing is known of a maximum principle, at least the operator has to agree."""
    certificate = iterated(ctx)
    bound = certificate.bound()
    for seen, expected in ((0.9 * bound, bound), (1.1 * bound, None)):
        certificate.defect.worst = lambda *_, seen=seen, **__: seen
        assert certificate.bound() == expected


def iterated(ctx):
    """Return the certificate after a few steps of the operator."""
    proxy = accelerate(ctx, scheme="nonlocal")
    proxy.begin()
    iterate(proxy, 4)
    return proxy.certificate


def test_operators_are_made_once(ctx, monkeypatch):
    """By the scheme; safeguard and certificate share them (five were made per solve)."""
    made, original = [], Plane1D.lambda_operator
    monkeypatch.setattr(
        Plane1D, "lambda_operator", lambda *a, **k: made.append(a) or original(*a, **k)
    )
    assert lw_rl.solve(ctx, quiet=True).converged
    whole = [a for a in made if a[3] is not None]
    # The rough one; that around its solution; perhaps one more where a switch is looked for.
    assert len(made) - len(whole) == 1 and len(whole) <= 2
