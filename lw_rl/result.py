"""What a solve returns: how it ended, what it cost, how wrong the answer can be, who did what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from .files import Json

__all__ = ["UNKNOWN", "ErrorEstimate", "Outcome", "Record", "Report", "Result"]

#: How a solve ends; see :class:`Result`.
Outcome = Literal["converged", "rounding", "max_iterations", "diverged", "nonfinite", "interrupted"]

_SENTENCES: dict[Outcome, str] = {
    "converged": "converged",
    "rounding": "stopped at the floor of rounding: the residual no longer falls, and the tolerance "
    "is below it",
    "max_iterations": "not converged: the iterations were used up",
    "diverged": "diverged: the iterations were used up and the residual is no smaller than at the "
    "start",
    "nonfinite": "stopped: the statistical equilibrium equations had no finite, positive solution",
    "interrupted": "interrupted",
}


@dataclass(frozen=True)
class ErrorEstimate:
    """How wrong populations can be: the largest relative error over atoms, levels and depths.

    Attributes
    ----------
    value : float
        The estimate, infinite while there is none.
    method : str
        Where it comes from; see `lw_rl.certificate`.
    bound : float or None
        Bound on the same error, where one was computed; see `lw_rl.certificate` for what is
        proved of it.
    """

    value: float
    method: str
    bound: float | None = None

    def bounded(self, bound: float | None) -> ErrorEstimate:
        """Return the estimate with a bound, which takes its place if it is the smaller."""
        if bound is not None and bound < self.value:
            return ErrorEstimate(bound, "bound", bound)
        return replace(self, bound=bound)

    def __str__(self) -> str:
        text = f"{self.value:.1e} ({self.method})"
        return text if self.bound is None else f"{text}, at most {self.bound:.1e}"


#: Before the first iteration nothing is known.
UNKNOWN = ErrorEstimate(float("inf"), "none")


@dataclass(frozen=True)
class Record:
    """What one iteration did.

    Attributes
    ----------
    Nformal : int
        Formal solutions so far, this one included.
    residual : float
        Largest absolute residual of the plain update (a relative change of the unknown).
    estimate : float
        The larger of the relative change of the populations and of the scheme's own estimate of
        their error before the step, as in the host's report of the iteration.
    by : str
        The scheme that made the step.
    accepted : bool
        False if the step before was undone.
    note : str
        What happened, where that is out of the ordinary: why a scheme handed over, say.
    """

    Nformal: int
    residual: float
    estimate: float
    by: str
    accepted: bool
    note: str = ""


@dataclass
class Report:
    """What a solve has done so far.

    Attributes
    ----------
    Nformal : int
        Formal solutions made.
    records : list of Record
        One per iteration.
    """

    Nformal: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Number of iterations that kept the step before."""
        return sum(r.accepted for r in self.records)

    @property
    def rejected(self) -> int:
        """Number of steps that were undone."""
        return sum(not r.accepted for r in self.records)

    @property
    def notes(self) -> list[str]:
        """What happened that was out of the ordinary, in order."""
        return [f"iteration {k}: {r.note}" for k, r in enumerate(self.records) if r.note]

    @property
    def steps_by(self) -> dict[str, int]:
        """How many steps each scheme made."""
        counts: dict[str, int] = {}
        for r in self.records:
            counts[r.by] = counts.get(r.by, 0) + 1
        return counts


class _Estimate:
    """An estimate that may be given as a function: it is called when the estimate is first read."""

    def __get__(self, result: Result | None, kind: type[Result] | None = None) -> ErrorEstimate:
        if result is None:
            return UNKNOWN
        known: ErrorEstimate | Callable[[], ErrorEstimate] = result.__dict__["_estimate"]
        if not isinstance(known, ErrorEstimate):
            known = result.__dict__["_estimate"] = known()
        return known

    def __set__(
        self, result: Result, estimate: ErrorEstimate | Callable[[], ErrorEstimate]
    ) -> None:
        result.__dict__["_estimate"] = estimate


@dataclass
class Result(Report):
    """How a solve ended; what :func:`lw_rl.solve` returns.

    Attributes
    ----------
    outcome : str
        ``"converged"``: the convergence criterion was met. ``"rounding"``: the tolerance is below
        what rounding allows; the context holds the state of the smallest residual.
        ``"max_iterations"``: it was not met
        within `NmaxIter` iterations. ``"diverged"``: nor is the residual smaller than at the
        start. ``"nonfinite"``: the host's solver found no finite, positive populations.
        ``"interrupted"``: by the user (KeyboardInterrupt). Whatever it is, the context holds
        finite, positive populations that sum to `nTotal`, from which a solve can go on.
    seconds : float
        Wall time [s], the set-up of the scheme included.
    estimate : ErrorEstimate
        How wrong the populations can be: those in the context if converged, else those of the last
        formal solution, from which the scheme may have moved on. Its bound is computed when it is
        first read.
    """

    outcome: Outcome = "interrupted"
    seconds: float = 0.0
    estimate: _Estimate = _Estimate()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_estimate": self.estimate}

    @property
    def converged(self) -> bool:
        """Whether the convergence criterion was met."""
        return self.outcome == "converged"

    def as_dict(self) -> Json:
        """Return what a result file needs as JSON-ready values: all but the records."""
        return {
            "outcome": self.outcome,
            "formal_solutions": self.Nformal,
            "seconds": self.seconds,
            "estimate": asdict(self.estimate),
            "accepted": self.accepted,
            "rejected": self.rejected,
            "steps_by": self.steps_by,
            "notes": self.notes,
        }

    def __str__(self) -> str:
        plural = "" if self.Nformal == 1 else "s"
        steps = ", ".join(f"{by} {n}" for by, n in self.steps_by.items()) or "none"
        undone = f"; {self.rejected} undone" if self.rejected else ""
        return "\n".join(
            [
                f"{_SENTENCES[self.outcome]} after {self.Nformal} formal solution{plural} "
                f"and {self.seconds:.3g} s",
                f"error of the populations: {self.estimate}",
                f"steps: {steps}{undone}",
                *self.notes,
            ]
        )
