"""What a solve returns: how it ended, what it cost, how wrong the answer can be, who did what."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from textwrap import fill
from typing import Any, Literal

from .files import Json

__all__ = ["NOTHING", "UNKNOWN", "ErrorEstimate", "Outcome", "Record", "Report", "Result", "Task"]

#: How a solve ends; see :class:`Result`.
Outcome = Literal["converged", "rounding", "max_iterations", "diverged", "nonfinite", "interrupted"]

_SENTENCES: dict[Outcome, str] = {
    "converged": "converged",
    "rounding": "stopped at the floor of rounding (the residual no longer falls, and the tolerance "
    "is below it)",
    "max_iterations": "not converged, the iterations were used up",
    "diverged": "diverged, the iterations were used up and the residual is no smaller than at the "
    "start",
    "nonfinite": "stopped, the statistical equilibrium equations had no finite, positive solution",
    "interrupted": "interrupted",
}

#: Characters of a line of a result's text.
_WIDTH = 72

#: What stands in `Record.by` of the operator's own steps, of those of Anderson acceleration, and of
#: plain updates.
_OPERATOR, _ANDERSON, _PLAIN = "nonlocal", "anderson", ("mali", "mali_scattering", "lambda")


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
        return text if self.bound is None else f"{text}, bound {self.bound:.1e}"


#: Before the first iteration nothing is known.
UNKNOWN = ErrorEstimate(float("inf"), "none")
#: What no estimate is below anyway.
NOTHING = ErrorEstimate(0.0, "none")


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


@dataclass(frozen=True)
class Task:
    """What a solve was asked to do; a :class:`Result` explains itself by it.

    Attributes
    ----------
    atoms : tuple of str
        The active atoms, in words.
    scheme : str
        Name of the scheme that was asked for.
    tolerance : float or None
        Tolerance on the error of the populations; None where another criterion ends the solve.
    two_level : bool
        Whether every active atom is a two-level line.
    has_policy : bool
        Whether there is a policy to ask.
    Ndim : int
        Dimensions of the atmosphere.
    redistribution, switching : bool
        Whether there is partial redistribution, and whether collisional-radiative switching had not
        come to its end.
    """

    atoms: tuple[str, ...]
    scheme: str
    tolerance: float | None = None
    two_level: bool = True
    has_policy: bool = False
    Ndim: int = 1
    redistribution: bool = False
    switching: bool = False

    def explain(self, steps_by: Mapping[str, int]) -> str:
        """Say what was accelerated, by what, and if not why not.

        Parameters
        ----------
        steps_by : mapping of str to int
            How many steps each scheme made.
        """
        atoms = " and ".join(self.atoms)
        fast = {by: n for by, n in steps_by.items() if by not in _PLAIN}
        plain = sum(n for by, n in steps_by.items() if by in _PLAIN)
        if not steps_by:
            return f"nothing was done for {atoms}"
        if not fast:
            return f"not accelerated: {atoms}, {_steps(plain)} of MALI; {self._why_not()}"
        made = [f"{self._words(by)} ({_steps(n)})" for by, n in fast.items()]
        made += [f"plain updates ({_steps(plain)})"] if plain else []
        why = [self._why_no_operator(fast), self._why_no_policy(fast)]
        return "; ".join([f"accelerated: {atoms}, by {', '.join(made)}", *filter(None, why)])

    def _words(self, by: str) -> str:
        if by == _OPERATOR:
            line = "the non-local operator of the line"
            return line if self.two_level else "the coupled operator of all lines and continua"
        if by == "depthwise":
            return "the non-local operator of the line and the policy"
        return {_ANDERSON: "Anderson acceleration", "ng": "Ng acceleration"}.get(by, by)

    def _why_not(self) -> str:
        if self.scheme in _PLAIN:
            return f"that is what scheme={self.scheme!r} asks for"
        if self.switching:
            return "nothing is accelerated before collisional-radiative switching has ended"
        if self.Ndim > 1 and self.redistribution:
            return "partial redistribution is accelerated in one dimension only"
        return "no accelerated step would have been better than the plain update, or was kept"

    def _why_no_operator(self, fast: Mapping[str, int]) -> str:
        if self.scheme not in ("depthwise", _OPERATOR) or _ANDERSON not in fast:
            return ""
        if self.Ndim > 1 and _OPERATOR not in fast:
            return "no operator: there is no memory for it, or interpolation is not linear"
        return "the operator was left where its steps no longer helped"

    def _why_no_policy(self, fast: Mapping[str, int]) -> str:
        if not self.has_policy or self.scheme in fast:
            return ""
        if not self.two_level:
            return "policies are for two-level lines"
        if self.redistribution:
            return "policies are for complete redistribution"
        return "the policy was not asked: little was left to do, or it knows no problem of the kind"


def _steps(n: int) -> str:
    return f"{n} step" if n == 1 else f"{n} steps"


def _short(value: float) -> str:
    """Return a tolerance as one writes it: 1e-3."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


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
    task : Task or None
        What was asked for.
    """

    outcome: Outcome = "interrupted"
    seconds: float = 0.0
    estimate: _Estimate = _Estimate()
    task: Task | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_estimate": self.estimate}

    @property
    def converged(self) -> bool:
        """Whether the convergence criterion was met."""
        return self.outcome == "converged"

    @property
    def explanation(self) -> str:
        """What was accelerated, by what, and if not why not, in one line."""
        return "" if self.task is None else self.task.explain(self.steps_by)

    def as_dict(self) -> Json:
        """Return what a result file needs as JSON-ready values: all but the records."""
        return {
            "outcome": self.outcome,
            "formal_solutions": self.Nformal,
            "seconds": self.seconds,
            "estimate": asdict(self.estimate),
            "tolerance": None if self.task is None else self.task.tolerance,
            "explanation": self.explanation,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "steps_by": self.steps_by,
            "notes": self.notes,
        }

    @property
    def sentences(self) -> list[str]:
        """How it ended and how wrong it can be, the bound, what was accelerated, and the notes."""
        plural = "" if self.Nformal == 1 else "s"
        cost = f"after {self.Nformal} formal solution{plural} and {self.seconds:.3g} s"
        undone = f"; {_steps(self.rejected)} undone" if self.rejected else ""
        lines = [
            f"{_SENTENCES[self.outcome]}: {self._error()}, {cost}",
            self._bound(),
            self.explanation + undone if self.explanation else "",
            *self.notes,
        ]
        return [line for line in lines if line]

    def __str__(self) -> str:
        return "\n".join(fill(line, _WIDTH, subsequent_indent="  ") for line in self.sentences)

    def _error(self) -> str:
        value, tolerance = self.estimate.value, None if self.task is None else self.task.tolerance
        if not math.isfinite(value):
            return "no estimate of the error yet"
        if tolerance is None:
            return f"estimated error {value:.1e}"
        side = "below" if value < tolerance else "above"
        return f"estimated error {value:.1e}, {side} the {_short(tolerance)} asked for"

    def _bound(self) -> str:
        if self.estimate.bound is None:
            return ""
        if self.estimate.method == "bound":
            return "the estimate is the bound itself, the most that the maximum principle allows"
        return (
            f"bound {self.estimate.bound:.1e}, the most that the maximum principle allows: wide as "
            "a rule, and not what the stop goes by"
        )
