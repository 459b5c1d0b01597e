"""What schemes did on a problem: formal solutions, true errors, wall time, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..problems import Problem

__all__ = [
    "LEVELS_THRESHOLDS",
    "POPS_TOL",
    "TARGET",
    "THRESHOLDS",
    "PeerSolve",
    "ProblemResult",
    "thresholds_of",
]

#: True errors to which formal solutions are counted.
THRESHOLDS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)

#: The same of atoms with more than two levels, whose references are not as tight.
LEVELS_THRESHOLDS = (1e-1, 1e-2, 1e-3, 1e-4)

#: The threshold by which schemes are judged and the best Ng setting is chosen.
TARGET = 1e-3

#: Tolerance of the schemes' own stop: the default of ``lightweaver.iterate_ctx_se``.
POPS_TOL = 1e-3


@dataclass(frozen=True)
class PeerSolve:
    """What one scheme did on one problem.

    Attributes
    ----------
    peer, setting : str
        The scheme.
    errors : tuple of float
        True error after each formal solution.
    stop : int or None
        Formal solutions at the scheme's own stop, None if it did not stop.
    stop_error : float or None
        True error there.
    seconds : float or None
        Wall time [s] of the default call, from a fresh context to its return at its own stop; None
        if it was not measured or did not stop.
    rejected : int
        Steps that the safeguard undid.
    failure : str
        The exception that ended it, if any.
    other_fixed_point : float or None
        None if it converged to the reference. Where the host's equations have more than one
        solution and it converged to another: the distance between the two, as a true error.
        `errors` and `stop_error` are then relative to the solution that it converged to.
    popsTol : float
        Tolerance of the stop.
    sub_iterations : tuple of int
        Sub-iterations of partial redistribution that followed each formal solution.
    stop_sub_iterations : int
        Those until the scheme's own stop.
    swept : float
        Share of the wavelengths that a sub-iteration sweeps (`lw_rl.benchmark.sub_iterations`).
    formal_seconds : float or None
        Wall time [s] of an iteration of MALI on the same context, measured beside `seconds`.
    measured : str
        Date (UTC).
    """

    peer: str
    setting: str
    errors: tuple[float, ...]
    stop: int | None
    stop_error: float | None
    seconds: float | None
    rejected: int = 0
    failure: str = ""
    other_fixed_point: float | None = None
    popsTol: float = POPS_TOL
    sub_iterations: tuple[int, ...] = ()
    stop_sub_iterations: int = 0
    swept: float = 0.0
    formal_seconds: float | None = None
    measured: str = ""

    def to(self, threshold: float) -> int | None:
        """Return the formal solutions after which the error stays below a threshold."""
        errors = np.asarray(self.errors)
        above = np.flatnonzero(~(errors < threshold))
        count = 0 if above.size == 0 else int(above[-1]) + 1
        return None if count == errors.size else count + 1

    def cost(self, threshold: float) -> float | None:
        """Return the same, with sub-iterations as formal solutions on the share that they sweep."""
        count = self.to(threshold)
        return None if count is None else count + self.swept * sum(self.sub_iterations[:count])

    @property
    def stop_cost(self) -> float | None:
        """Formal solutions at the scheme's own stop, sub-iterations included as in :meth:`cost`."""
        return None if self.stop is None else self.stop + self.swept * self.stop_sub_iterations

    @property
    def seconds_in_iterations(self) -> float | None:
        """Wall time to its own stop over that of an iteration of MALI."""
        if self.seconds is None or self.formal_seconds is None:
            return None
        return self.seconds / self.formal_seconds

    @property
    def failed(self) -> bool:
        """Whether the error never came to stay below :data:`TARGET`, and it did not stop either."""
        return self.to(TARGET) is None and self.stop != len(self.errors)

    @property
    def false_convergence(self) -> bool:
        """Whether it stopped although its true error exceeds :data:`POPS_TOL`."""
        return self.stop_error is not None and not self.stop_error <= POPS_TOL


@dataclass(frozen=True)
class ProblemResult:
    """One problem's solves.

    Attributes
    ----------
    problem : Problem
    Nspace : int
        Number of depths.
    reference_change : float
        Relative change of the last MALI step of the reference.
    solves : tuple of PeerSolve
        One per peer name.
    reference_starts, reference_plain : float or None
        Where the reference was confirmed: how far apart the ends of two starts are, and how far
        plain steps of the host go from it (`lw_rl.benchmark.confirmed`).
    """

    problem: Problem
    Nspace: int
    reference_change: float
    solves: tuple[PeerSolve, ...] = field(default=())
    reference_starts: float | None = None
    reference_plain: float | None = None

    def __getitem__(self, peer: str) -> PeerSolve:
        """Return the solve of a peer by name."""
        for solve in self.solves:
            if solve.peer == peer:
                return solve
        raise KeyError(peer)


def thresholds_of(results: Sequence[ProblemResult]) -> tuple[float, ...]:
    """Return the true errors to which the solves of some problems are counted."""
    two_level = all(r.problem.two_level for r in results)
    return THRESHOLDS if two_level else LEVELS_THRESHOLDS
