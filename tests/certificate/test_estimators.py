"""Estimates are pure functions of the states visited and the operators."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import error
from lightweaver.constants import CLight, HPlanck, KBoltzmann
from scheme_helpers import evaluation_of
from solver_helpers import iterate

import lw_rl
from lw_rl import atmospheres
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.certificate import estimators
from lw_rl.certificate.estimators import (
    ESTIMATORS,
    FLOORS,
    by_combination,
    by_contraction,
    by_defect,
    by_operator,
    by_profile,
    by_radiation,
    by_step,
    by_weight,
    first_of,
    profile_floor,
)
from lw_rl.certificate.history import History
from lw_rl.certificate.settings import shipped
from lw_rl.host.context import build_context
from lw_rl.iterate import accelerate
from lw_rl.problems import random_problem
from lw_rl.result import UNKNOWN

SETTINGS = shipped()
ALL = (*ESTIMATORS, *FLOORS, by_operator, by_weight, by_profile)


def seen(errors=None, complete=True, blocks=None, **methods):
    """Operators that say that errors are those, of the unknown at the evaluation."""
    evaluation = evaluation_of([0.0], [0.0])
    values = {
        "complete": complete,
        "copies_host": False,
        "blocks": evaluation.blocks if blocks is None else blocks,
        "errors": errors or (lambda e: None),
        "worst": lambda e, plain: None,
        "two_steps": lambda e, plain: 0.0,
        "left": lambda before, e: 0.0,
        "of_light": lambda e: 0.0,
    }
    return SimpleNamespace(**(values | methods))


def history_of(residuals, **visit):
    history = History()
    for r in residuals:
        history.add(evaluation_of([0.0], [r]), size=abs(r), **visit)
    return history


def test_mali_is_left_to_itself_where_no_residual_rises():
    falls = [1e-3 * 0.9**k for k in range(10)]
    rises = [*falls[:5], 1.1 * falls[4], *falls[5:]]
    told, wary = (
        by_contraction(history_of(r), seen(complete=False), SETTINGS).value for r in (falls, rises)
    )
    # The last steps are the same: only the factor differs.
    assert wary / told == pytest.approx(SETTINGS.populations / SETTINGS.plain, rel=1e-2)


@pytest.fixture(scope="module")
def along():
    """MALI and the operator after some steps."""
    found, ctx = {}, build_context("CaII_K", "FALC")
    for scheme, steps in (("mali", 80), ("nonlocal", 2)):
        proxy = accelerate(copy.deepcopy(ctx), scheme=scheme)
        proxy.begin()
        found[scheme] = iterate(proxy, steps)
    return found


@pytest.mark.parametrize("scheme", ["mali", "nonlocal"])
@pytest.mark.parametrize("estimator", ALL, ids=lambda e: e.__name__)
def test_asking_changes_nothing(estimator, scheme, along):
    certificate = along[scheme].certificate
    before = pickle.dumps(list(certificate.history))
    n = along[scheme].adapter.populations()
    first = estimator(certificate.history, certificate.defect, SETTINGS)
    assert estimator(certificate.history, certificate.defect, SETTINGS) == first
    assert pickle.dumps(list(certificate.history)) == before
    np.testing.assert_array_equal(along[scheme].adapter.populations(), n)


def test_of_a_first_formal_solution_only_an_operator_tells_with_the_hosts_formal_solver():
    history = history_of([1e-4], plain=False, factor=1.5, method="operator")
    assert by_step(history, seen(), SETTINGS) is UNKNOWN
    told = by_step(history, seen(copies_host=True), SETTINGS)
    assert told.value == pytest.approx(1.5e-4, rel=1e-3) and told.method == "operator"
    assert by_step(history_of([1e-4]), seen(copies_host=True), SETTINGS) is UNKNOWN


@pytest.mark.parametrize(
    ("scheme", "estimator"),
    [
        ("mali", by_combination),
        ("mali", by_contraction),
        ("mali", by_defect),
        ("nonlocal", by_step),
        ("nonlocal", by_defect),
    ],
)
def test_each_covers_the_error(scheme, estimator, along, reference):
    certificate, ctx = along[scheme].certificate, along[scheme]
    estimate = estimator(certificate.history, certificate.defect, SETTINGS).value
    adapter, now = ctx.adapter, ctx.adapter.read()
    adapter.write(certificate.state)
    true = error(ctx._ctx, reference)
    adapter.write(now)
    assert true < estimate < 20.0 * true


def test_the_first_that_applies_counts():
    history = history_of([1e-2, 5e-3])
    assert (
        by_step(history, seen(), SETTINGS) is by_combination(history, seen(), SETTINGS) is UNKNOWN
    )
    found = first_of(ESTIMATORS, history, seen(), SETTINGS)
    assert found == by_contraction(history, seen(), SETTINGS)
    assert first_of(ESTIMATORS, history_of([1e-2]), seen(), SETTINGS) is UNKNOWN


def test_a_step_with_a_factor_is_an_estimate():
    history = history_of([1e-2, 5e-3], plain=False, factor=2.0, method="operator")
    estimate = by_step(history, seen(), SETTINGS)
    assert estimate.method == "operator"
    assert estimate.value == pytest.approx(2.0 * np.expm1(5e-3 / 0.5), rel=1e-6)


def test_safety_is_that_of_what_was_done():
    """Of MALI left to itself, of accelerated steps, and of those of atoms without an operator."""
    plain = history_of([0.5**k for k in range(10)])
    one = replace(SETTINGS, plain=1.0, combination=1.0, populations=1.0)
    for history, operators, name in (
        (plain, seen(), "plain"),
        (history_of([1e-2, 5e-3], plain=False), seen(), "combination"),
        (history_of([1e-2, 5e-3], plain=False), seen(complete=False), "populations"),
    ):
        unit = by_contraction(history, operators, one).value
        assert by_contraction(history, operators, replace(one, **{name: 7.0})).value == 7.0 * unit


def test_operators_are_asked_where_others_accelerate():
    operators = seen(worst=lambda e, plain: 1e-3)
    accelerated = history_of([1e-2, 5e-3], plain=False)
    assert by_operator(accelerated, operators, SETTINGS).value >= SETTINGS.combination * 1e-3
    for history in (history_of([1e-2] * 9), history_of([1e-2] * 2, factor=2.0)):
        assert by_operator(history, operators, SETTINGS) is UNKNOWN


def test_what_stays_from_step_to_step_counts():
    """A mode that the operator hardly sees remains when all others are gone."""
    history = history_of([1e-2, 5e-3], plain=False, factor=1.0, method="operator")
    values = []
    for left in (0.0, 0.5):
        operators = seen(two_steps=lambda e, plain: 1e-3, left=lambda b, e, x=left: x)
        values.append(by_defect(history, operators, SETTINGS).value)
    assert values[1] == pytest.approx(2.0 * values[0])


def test_a_radiation_field_counts_where_no_operator_makes_the_steps():
    history = history_of([1e-2, 5e-3])
    for k in range(9):
        history.radiated(0.1 * 0.9**k)
    left = by_radiation(history, seen(complete=False), SETTINGS).value
    assert left == pytest.approx(np.expm1(5e-3) * 9.0, rel=1e-6)
    assert by_radiation(history, seen(), SETTINGS).value == 0.0


def test_scattered_light_that_lags_is_counted():
    # Where it was not, a stop after two formal solutions was wrong by 3e-3.
    problem = HostileProblem(101, 851)
    ctx = problem.context()
    known = copy.deepcopy(ctx)
    lw_rl.solve(known, scheme="mali", popsTol=1e-5, NmaxIter=2000, quiet=True)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged
    assert error(ctx, np.array(known.activeAtoms[0].n)) < result.estimate.value < 1e-3


def test_light_counts_that_is_scattered_since():
    operators = seen(two_steps=lambda e, plain: 1e-4, of_light=lambda e: 2e-5)
    first = history_of([1e-4], plain=False, factor=1.5, method="operator")
    factor = max(1.5, SETTINGS.defect)
    assert by_defect(first, operators, SETTINGS).value == pytest.approx(factor * 1.4e-4)
    second = history_of([1e-4, 1e-4], plain=False, factor=1.5, method="operator")
    assert by_defect(second, operators, SETTINGS).value == pytest.approx(factor * 1.4e-4)


def test_of_a_radiation_field_that_is_slightly_off_in_a_scattering_background():
    """Populations are exact and follow the light: a stop at the second was wrong by 1.2e-3."""
    ctx = build_context("MgII_k", atmospheres.load("FALC", 30), Nrays=3)
    nu = CLight / (np.asarray(ctx.spect.wavelength) * 1e-9)[:, None]
    planck = (2.0 * HPlanck * nu**3 / CLight**2) / np.expm1(
        HPlanck * nu / (KBoltzmann * np.asarray(ctx.kwargs["atmos"].temperature))
    )
    chi, albedo = np.array(ctx.background.chi) * 160.829, 0.93736
    ctx.background.chi[:], ctx.background.sca[:] = chi, albedo * chi
    ctx.background.eta[:] = (1.0 - albedo) * chi * planck
    known = copy.deepcopy(ctx)
    lw_rl.solve(known, popsTol=1e-9, JTol=1e-9, NmaxIter=40, quiet=True)
    for _ in range(600):
        known.formal_sol_gamma_matrices()
        known.stat_equil()
    ctx.activeAtoms[0].n[:] = known.activeAtoms[0].n
    ctx.spect.J[:] = np.asarray(known.spect.J) * (1.0 + 2.4e-4)
    result = lw_rl.solve(ctx, quiet=True)
    assert error(ctx, np.array(known.activeAtoms[0].n)) < result.estimate.value < 1e-3


@pytest.mark.parametrize("index", [85, 48])
def test_a_first_formal_solution_covers_the_error(index):
    """Of which the host's scattered light, which the estimate knows least of, is a third."""
    ctx = random_problem("train", index).context()
    known = copy.deepcopy(ctx)
    lw_rl.solve(known, popsTol=1e-8, quiet=True)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.Nformal == 1 and result.converged
    assert error(ctx, np.array(known.activeAtoms[0].n)) < result.estimate.value < 2e-4


# ---- partial redistribution -----


def lagging(iterations, rho, effect, change=1.0):
    """A profile that settles by `rho` a time, and by its way to go shifts the solution.

    Returns the history, operators that see the error at the profile of the moment, and the true
    error.
    """
    history, y, errors = History(), 0.0, {}
    for _ in range(iterations):
        error = -effect * change / (1.0 - rho) - y
        evaluation = evaluation_of([y], [error])
        errors[id(evaluation.y)] = np.expm1(np.array([error]))
        history.add(evaluation, plain=False)
        history.redistributed(change, None)
        true = abs(y)
        y, change = y + error, rho * change
    return history, seen(errors=lambda e: errors[id(e.y)]), true


@pytest.mark.parametrize("rho", [0.4, 0.6, 0.9])
def test_what_a_lagging_profile_hides_is_found(rho):
    history, operators, true = lagging(14, rho, 1e-2)
    found = by_profile(history, operators, replace(SETTINGS, combination=1.0)).value
    assert 0.9 * true < found < 10.0 * true


def test_one_change_of_the_profile_tells_nothing():
    history, operators, _ = lagging(2, 0.5, 1e-2)
    assert by_profile(history, operators, SETTINGS) is UNKNOWN


@pytest.mark.parametrize(
    ("steps", "at_least"),
    [
        ([1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8], 1e-8),
        ([1e-3, 2e-4, 1.0e-4, 9.6e-5, 9.2e-5, 8.8e-5, 8.5e-5, 8.1e-5], 1.9e-3),  # 0.96 per step
        ([1e-3, 2e-4, 1.3e-4, 8e-5, 1.4e-4, 1.2e-4, 8e-5, 6e-5], 6e-2),
    ],
)
def test_steps_of_profile_and_unknown_together_that_stagnate_are_no_estimate(steps, at_least):
    history = History()
    for size in steps:
        history.add(evaluation_of([0.0], [1e-9]), plain=False)
        history.redistributed(0.1, size)
    estimate = estimators._together(history, replace(SETTINGS, step=2.5))
    assert at_least < estimate.value < 10.0 * at_least
    # The last one was of populations alone, which tells nothing of the profile.
    history.add(evaluation_of([0.0], [1e-9]), plain=False)
    assert estimators._together(history, SETTINGS) is UNKNOWN


def test_of_other_atoms_steps_of_profile_and_populations_together_tell():
    history, operators = History(), seen(complete=False)
    for size in (4e-2, 1e-2, 1e-3):
        history.add(evaluation_of([0.0], [1e-4]), plain=False, size=1e-4, factor=2.0)
        history.redistributed(0.1, size)
    # The larger one of two, and what is left by a contraction of a half a step on the average.
    rho = np.sqrt(1e-3 / 4e-2)
    expected = 2.0 * np.expm1(1e-2 / (1.0 - rho))
    assert by_step(history, operators, SETTINGS).value == pytest.approx(expected)
    assert profile_floor(history, operators, SETTINGS).value == 0.0


def test_of_other_atoms_the_largest_ratio_to_the_residual_counts():
    history = History()
    for r in (1e-2, 9e-3, 1e-3, 1e-4):
        history.add(evaluation_of([0.0], [r]), size=r)
        history.redistributed(0.1, None)
    floor = profile_floor(history, seen(complete=False), SETTINGS).value
    alone = first_of(ESTIMATORS, history, seen(complete=False), SETTINGS).value
    assert floor > 10.0 * alone
    assert profile_floor(history, seen(), SETTINGS).value == 0.0
