"""What the approximate operator takes for the error of a state, whichever scheme led there.

The operator (`lw_rl.operator.two_level`) is an approximation of the host's formal solver that
costs no formal solution. Of a two-level atom's state at which the host made one, it knows the
defect: what the host's residual is over and above its own. Statistical equilibrium is then the
solution of its own equations with that defect added, and the error is the distance to it (defect
correction: Böhmer, Hemker and Stetter 1984, Computing Suppl. 5, 1).

One Newton step is what the schemes make of it (`DefectCorrection.error`). Where an iteration would
stop a second one is made, around the solution of the first (`DefectCorrection.closer`). The host's
interpolation has a limiter with kinks, and through a kink that lies between the state and the
solution linear estimates cannot see: a residual of 1e-5 can stand beside an error of one half. The
second step sees it: where the equations are smooth it is the square of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..host.adapter import Adapter
from ..host.state import Block, Evaluation
from ..norms import (
    largest,
)
from ..operator.two_level import TwoLevelOperator
from ..policies.observation import to_log

Array = np.ndarray

Operators = Callable[[], Mapping[Block, TwoLevelOperator]]

#: Share of an error that the operator may be wrong by.
_ERRS = 0.05
#: Change of ln S beyond which the operator is made anew.
_MOVED = 0.3
#: A second Newton step of more than this part of the first is one across a kink.
_KINKED = 0.2
#: Negative part of the operator's inverse, over the positive one, beyond which there is no bound;
#: and how many times as large the host's may be.
_NEGATIVE, _HOST = 0.02, 5.0
#: Factor on every bound: the principle is one of linear equations, and the host's limiter is not.
_NONLINEAR = 1.5


class DefectCorrection:
    """The approximate operators of a context's two-level atoms, and what they say of the error.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    operators : callable
        Returns what a scheme has made, by atom, so that it is not made twice.
    """

    def __init__(self, adapter: Adapter, operators: Operators):
        self.adapter = adapter
        self._scheme = operators
        self._own: dict[Block, TwoLevelOperator] = {}

    def error(self, block: Block, evaluation: Evaluation) -> Array | None:
        """Return what an operator takes for the relative error, ``S*/S - 1``, shape [Nspace].

        None where there is no operator.
        """
        if evaluation.lambda_residual is None or not block.two_level:
            return None
        y, lambda_residual = evaluation.y[block.span], evaluation.lambda_residual[block.span]
        error = self._operator(block, y).error(y, lambda_residual)
        return error if np.isfinite(error.sum()) else None

    def errors(self, evaluation: Evaluation) -> Array | None:
        """Return the same of all atoms, shape [Nunknown], if there is one of each."""
        errors = [self.error(block, evaluation) for block in self.adapter.blocks]
        known = [e for e in errors if e is not None]
        return np.concatenate(known) if len(known) == len(errors) else None

    def worst(self, evaluation: Evaluation, plain: bool) -> float | None:
        """Return the largest relative error that the operators see.

        Parameters
        ----------
        evaluation : Evaluation
        plain : bool
            Whether of its plain update instead.

        Returns
        -------
        worst : float or None
            None if there is an atom without an operator.
        """
        errors = self.errors(evaluation)
        return None if errors is None else _largest(errors, evaluation, plain)

    def left(self, before: Evaluation, evaluation: Evaluation) -> float:
        """Return what is left of the error that was seen before, at the depth that is worst now.

        Zero if there is an atom without an operator.
        """
        now, then = self.errors(evaluation), self.errors(before)
        if now is None or then is None:
            return 0.0
        worst = np.abs(now).argmax()
        return float(abs(now[worst]) / max(abs(then[worst]), 1e-300))

    def closer(self, evaluation: Evaluation, plain: bool) -> tuple[float, bool]:
        """Return the same from two Newton steps, and whether there is a kink between them.

        Zero if there is an atom without an operator. It takes as long as a formal solution or two.
        Where there is a kink it is the host's kinks that count, of which the operator's are an
        approximation: what is returned tells little then.
        """
        kinked, errors = False, []
        for block in self.adapter.blocks:
            if evaluation.lambda_residual is None or not block.two_level:
                return 0.0, False
            error, across = self._two_steps(block, evaluation)
            errors.append(error)
            kinked = kinked or across
        worst = _largest(np.concatenate(errors), evaluation, plain)
        return (worst if np.isfinite(worst) else 0.0), kinked

    def widening(self, block: Block, y: Array) -> float:
        """Return by what factor a bound from the maximum principle is to be widened.

        The principle is that the inverse `P - Q` of the equations has no negative part `Q`. With
        ``Q w <= nu P w`` for the weight `w` of the bound, ``(P + Q) w`` is no larger than
        ``(1 + nu) / (1 - nu)`` times ``(P - Q) w``. Infinite where that is no principle any more.
        The limiter, which makes the equations kink, and the opacity, which depends on S, are taken
        for what they are at `y`; half as much again is added for that.
        """
        negative = self._operator(block, y).negative_share
        if not negative <= _NEGATIVE:
            return float("inf")
        return _NONLINEAR * (1.0 + _HOST * negative) / (1.0 - _HOST * negative)

    def _two_steps(self, block: Block, evaluation: Evaluation) -> tuple[Array, bool]:
        """Return the relative error from two Newton steps, and whether there is a kink."""
        assert evaluation.lambda_residual is not None
        physics = self.adapter.line_physics(block)
        y, lambda_residual = evaluation.y[block.span], evaluation.lambda_residual[block.span]
        S = np.exp(y)
        here = TwoLevelOperator(physics, y)
        defect = S * np.expm1(lambda_residual) - here.residual(S)
        first = here.error(y, lambda_residual)
        y_first = y + to_log(first)
        S = np.exp(y_first)
        there = TwoLevelOperator(physics, y_first)
        second = there.solve(there.residual(S) + defect) / S
        kinked = largest(second) > _KINKED * largest(first)
        return np.expm1(y_first + to_log(second) - y), kinked

    def _operator(self, block: Block, y: Array) -> TwoLevelOperator:
        """Return an approximate operator around `y`, made anew where that has moved."""
        for known in (self._own.get(block), self._scheme().get(block)):
            if known is not None and known.y is not None and largest(known.y - y) <= _MOVED:
                return known
        self._own[block] = TwoLevelOperator(self.adapter.line_physics(block), y)
        return self._own[block]


def _largest(errors: Array, evaluation: Evaluation, plain: bool) -> float:
    if plain:
        # They err themselves by a share of what the plain update has removed.
        after = (1.0 + errors) * np.exp(-evaluation.r) - 1.0
        errors = np.abs(after) + _ERRS * np.abs(errors)
    return largest(errors)
