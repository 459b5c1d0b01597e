"""Whether a solve costs more than MALI would, counted from residuals alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lw_rl.schemes import Step
from lw_rl.schemes.budget import Account, Budget


def test_a_budget_is_an_allowance_and_a_share():
    budget = Budget(allowance=3.0, share=0.1)
    assert budget.left(earned=0.0, spent=0.0) == 3.0
    assert budget.left(earned=20.0, spent=4.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"allowance": -1.0}, "allowance=-1.0"),
        ({"allowance": math.nan}, "allowance=nan"),
        ({"share": 0.0}, "share=0.0"),
    ],
)
def test_budgets_without_a_meaning_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Budget(**settings)


def test_plain_steps_are_earned():
    account = Account()
    for residual in (1.0, 1.1, 0.9):
        account.plain(residual)
    assert (account.earned, account.fruitless, account.base) == (3.0, 0, 0.9)


def test_a_step_that_makes_clear_progress_is_earned():
    account = Account(base=1.0)
    account.accelerated(0.999)
    assert account.earned == 0.0 and account.pending == 1
    # It may still make up for it.
    account.accelerated(0.9)
    assert account.earned == 2.0 and account.pending == 0


def test_what_a_plain_step_makes_of_accelerated_ones_judges_them():
    for residual, fruitless in ((0.9, 0), (2.0, 2)):
        account = Account(base=1.0, pending=2)
        account.plain(residual)
        assert account.fruitless == fruitless and account.earned == 3.0 - fruitless


def test_profiles_that_go_round_in_circles_are_no_progress():
    account = Account(base=0.1)
    for _ in range(3):
        account.redistributed(0.2, first=False)
        account.accelerated(1e-4)
    assert (account.earned, account.pending) == (0.0, 3)
    account.accelerated(1e-4)
    assert (account.earned, account.pending) == (4.0, 0), "the profiles have not changed since"


def test_residuals_in_complete_redistribution_do_not_count():
    account = Account(base=1e-6)
    account.redistributed(0.2, first=True)
    account.accelerated(0.3)
    assert (account.earned, account.base) == (1.0, 0.3)


def test_undone_steps_are_fruitless_and_so_is_what_led_there():
    account = Account(pending=2)
    account.undone()
    assert (account.fruitless, account.pending) == (3, 0)
    assert account.left(Budget(allowance=5.0)) == 2.0


def test_a_rest_earns_one_more_try_and_is_longer_from_the_third_time_on_():
    budget = Budget(allowance=1.0, share=0.1)
    account, rests = Account(base=1.0), []
    for _ in range(5):
        while account.left(budget) >= 1.0:
            account.accelerated(1.0)
        account.accelerated(1.0)
        rests.append(account.rest(budget))
        for _ in range(rests[-1]):
            account.plain(1.0)
    assert rests[:2] == pytest.approx([20, 10], abs=11) and rests[2] < rests[3] < rests[4]


def test_a_residual_that_vanishes_is_progress():
    """Found by `lw-rl soak`: two residuals of zero in a row were once divided."""
    account = Account(base=0.0)
    account.accelerated(0.0)
    assert account.fruitless == account.pending == 0 and np.isfinite(account.earned)


def test_the_error_of_plain_steps_is_a_geometric_series():
    account = Account(base=1e-2)
    assert account.error(9e-3, Step(None)) == pytest.approx(math.expm1(9e-2))
    # After another step it is what that was taken for.
    moved = Step(np.zeros(3), estimate=0.5)
    assert account.error(9e-3, moved) == 0.5
