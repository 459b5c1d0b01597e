"""Whether a policy became better: what columns cost with it and without, and what came of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from ..arrays import Array

__all__ = ["Cost", "Verdict", "better", "chosen_of", "uncertainty"]

#: One-sided probability of two standard errors of a normal distribution, for two candidates.
_LEVEL = 0.5 * 0.023


@dataclass(frozen=True)
class Verdict:
    """What came of a fine-tuning.

    Attributes
    ----------
    accepted : bool
        Whether the policy needs fewer formal solutions than before, by more than chance explains
        (:func:`better`), and neither fails nor stops too early more often.
    before, after : float
        Mean formal solutions on the held-out columns.
    uncertainty : float
        Standard error of their difference.
    failed_before, failed_after : int
        Held-out columns that did not converge by the policy.
    early_before, early_after : int
        Held-out columns that were stopped with a true error above the tolerance.
    factor : float
        Factor on the policy's estimate of the error, after.
    operator_factor : float or None
        The same on the operator's own; None where it could not be calibrated.
    weights : str
        ``"tuned"``, or ``"kept"`` where the policy's own did better on the held-out columns.
    formal_solutions : int
        What the fine-tuning took itself, the comparison included.
    trained, held_out : int
        Numbers of columns.
    seconds : float
        Wall time [s].
    """

    accepted: bool
    before: float
    after: float
    uncertainty: float
    failed_before: int
    failed_after: int
    early_before: int
    early_after: int
    factor: float
    operator_factor: float | None
    weights: str
    formal_solutions: int
    trained: int
    held_out: int
    seconds: float


@dataclass(frozen=True)
class Cost:
    """What columns cost with a policy.

    Attributes
    ----------
    Nformal : Array
        Formal solutions of each, shape [Ncolumn].
    failed, early : int
        Columns that needed more than the policy, and those whose true error at the stop is above
        the tolerance.
    """

    Nformal: Array
    failed: int
    early: int

    def better(self, before: Cost) -> bool:
        """Whether this saves formal solutions, and neither fails nor stops too early more often."""
        saves = better(before.Nformal, self.Nformal)
        return saves and self.failed <= before.failed and self.early <= before.early


def chosen_of(before: Cost, costs: Mapping[str, Cost]) -> tuple[str, bool]:
    """Return the cheapest candidate of those that are better than before, and whether one is.

    Parameters
    ----------
    before : Cost
        Of the policy as it was.
    costs : Mapping of str to Cost
        Of the candidates, at least one; where none is better the cheapest of all is returned.
    """
    accepted = [name for name, cost in costs.items() if cost.better(before)]
    return min(accepted or costs, key=lambda name: float(costs[name].Nformal.mean())), bool(
        accepted
    )


def better(before: Array, after: Array) -> bool:
    """Return whether formal solutions are saved, and by more than chance explains.

    The mean has to fall, and Wilcoxon's signed-rank test (1945, Biometrics Bulletin 1, 80) to find
    the saving at :data:`_LEVEL`: a column in two hundred takes hundreds of formal solutions now
    with one policy and now with the other, which drowns the standard error of a mean.

    Parameters
    ----------
    before, after : Array
        Formal solutions on the same columns, shape [Ncolumn].
    """
    saved = before - after
    if not saved.mean() > 0.0:
        return False
    return bool(wilcoxon(saved, alternative="greater").pvalue < _LEVEL)


def uncertainty(values: Array) -> float:
    """Return the standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf
