"""What a calibrated value buys: false convergence and solves over budget with other values of it.

The estimates are pure, so that one solve tells of all safety factors: it is followed to a small
error, and what the certificate would have said with another factor is asked at every formal
solution. With another allowance a solve goes another way and is made anew.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import lightweaver as lw

from ..accelerated_context import AcceleratedContext
from ..arrays import Array
from ..certificate.certificate import Certificate
from ..certificate.history import History
from ..certificate.settings import Settings, shipped
from ..files import Json
from ..host.adapter import Adapter
from ..iterate import solve
from ..schemes import Budget, make_scheme
from .reference import true_error

__all__ = ["ALLOWANCES", "TRIED", "Trial", "tally", "trials"]

#: Safety factors and allowances that are tried.
TRIED = (1.0, 2.0, 5.0, 10.0, 20.0)
ALLOWANCES = (0.0, 2.0, 5.0, 10.0, 20.0)
_TOLERANCE = 1e-3
#: To what share of the tolerance a solve is followed.
_FOLLOWED = 0.01
_NMAX = 250


class Trial(NamedTuple):
    """A solve with another value of a setting.

    Attributes
    ----------
    setting : str
        Which one.
    value : float
        Its value.
    error : float or None
        The true error at the stop, None if it did not stop.
    over : bool or None
        Whether it took more than its budget, None if there is none.
    """

    setting: str
    value: float
    error: float | None
    over: bool | None


def trials(
    start: lw.Context, n_ref: list[Array], budget: float | None, factors: Iterable[str]
) -> list[Trial]:
    """Return what other values of factors and allowance would have done to a problem.

    Parameters
    ----------
    start : lightweaver.Context
        The problem; it is not changed.
    n_ref : list of Array
        Its true populations [m-3].
    budget : float or None
        Formal solutions that it may cost, None where MALI does not solve it.
    factors : iterable of str
        Names of safety factors in the settings.
    """
    ctx, stops = copy.deepcopy(start), _Stops(factors)
    solve(
        ctx, scheme="nonlocal", popsTol=_FOLLOWED * _TOLERANCE, NmaxIter=_NMAX, quiet=True,
        bound=False, callback=stops,
    )  # fmt: skip
    adapter, found = Adapter(ctx), []
    for name, value in stops.tried:
        error, over = None, None if budget is None else True
        if (name, value) in stops.made:
            Nformal, state = stops.made[name, value]
            error = true_error(adapter.populations(state), n_ref)
            over = None if budget is None else Nformal > budget
        found.append(Trial(name, value, error, over))
    for allowance in ALLOWANCES:
        ctx = copy.deepcopy(start)
        scheme = replace(make_scheme("nonlocal"), budget=Budget(allowance=allowance))
        solved = solve(ctx, scheme=scheme, NmaxIter=_NMAX, quiet=True, bound=False)
        n = Adapter(ctx).populations()
        error = true_error(n, n_ref) if solved.converged else None
        within = error is not None and budget is not None and solved.Nformal <= budget
        found.append(Trial("allowance", allowance, error, None if budget is None else not within))
    return found


def tally(made: Iterable[Trial], setting: str) -> list[Json]:
    """Return the rates of one setting by its values, smallest first."""
    of_setting = [trial for trial in made if trial.setting == setting]
    rates = []
    for value in sorted({trial.value for trial in of_setting}):
        here = [trial for trial in of_setting if trial.value == value]
        errors = [trial.error for trial in here if trial.error is not None]
        over = [trial.over for trial in here if trial.over is not None]
        rates.append(
            {
                "value": value,
                "stops": len(errors),
                "false": sum(error > _TOLERANCE for error in errors),
                "compared": len(over),
                "over_budget": sum(over),
            }
        )
    return rates


class _Stops:
    """At which formal solution, and where, each value would have stopped."""

    def __init__(self, factors: Iterable[str]):
        self.tried = [(name, value) for name in factors for value in TRIED]
        self.made: dict[tuple[str, float], tuple[int, Array]] = {}

    def __call__(self, proxy: AcceleratedContext) -> None:
        certificate = proxy.certificate
        if not certificate.history.known or not certificate.residual < _TOLERANCE:
            return
        for name, value in self.tried:
            if (name, value) in self.made:
                continue
            settings = replace(shipped(), **{name: value})
            if _estimate(certificate, name, settings) < _TOLERANCE:
                self.made[name, value] = proxy.report.Nformal, certificate.state.copy()


def _estimate(certificate: Certificate, name: str, settings: Settings) -> float:
    """Return what a certificate says with other settings."""
    other = copy.copy(certificate)
    other.settings = settings
    other.history = _refactored(certificate.history, settings.step) if name == "step" else (
        certificate.history
    )  # fmt: skip
    other._known = None
    return other.estimate(_TOLERANCE).value


def _refactored(history: History, factor: float) -> History:
    """Return a history with another factor on the size of the steps."""
    other = history.until(0)
    for visit in history:
        other.append(visit if visit.factor is None else visit._replace(factor=factor))
    return other
