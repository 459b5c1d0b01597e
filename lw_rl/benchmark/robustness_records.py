"""What is recorded of the solves of a soak."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ProblemRecord", "SolveRecord"]


@dataclass(frozen=True)
class SolveRecord:
    """One solve of one problem.

    Attributes
    ----------
    entry : str
        What solved it.
    outcome : str
        As of `Result`, or the name of an exception.
    Nformal : int
        Formal solutions.
    budget : float
        Formal solutions beyond which it is over budget; infinite if MALI did not solve the problem.
    estimate, method, bound
        As of `ErrorEstimate`.
    error : float or None
        True error of the populations; None without a reference.
    physical : bool
        Whether the populations are finite, positive and sum to `nTotal`.
    other_fixed_point : bool
        Whether the true error is against another solution than the problem's reference.
    message : str
        Of an exception.
    """

    entry: str
    outcome: str
    Nformal: int
    budget: float
    estimate: float
    method: str
    bound: float | None
    error: float | None
    physical: bool
    other_fixed_point: bool = False
    message: str = ""

    @property
    def converged(self) -> bool:
        """Whether the solve reports convergence."""
        return self.outcome == "converged"

    @property
    def over_budget(self) -> bool:
        """Whether it took more formal solutions than its budget."""
        return self.Nformal > self.budget


@dataclass(frozen=True)
class ProblemRecord:
    """The solves of one problem.

    Attributes
    ----------
    name : str
        The problem's.
    solves : list of SolveRecord
    has_reference : bool
        Whether its true solution is known.
    seconds : float
        Processor time [s].
    """

    name: str
    solves: list[SolveRecord]
    has_reference: bool
    seconds: float = 0.0
