"""What is known of the error where the emission profile is iterated too (partial redistribution).

The profile lags behind the populations: what a residual says of the error is too little. For
two-level atoms the operator tells what a change of the profile does to the populations
(`lw_rl.certificate.profile_lag`); the estimate is :data:`LAG_SAFETY` times the error with what the
profile hides. Where both are accelerated together (`lw_rl.schemes.coupled`), the distance to the
combination of the last iterations tells as well, which knows of the profile: after :data:`_JOINT`
of the operator's steps in a row the smaller of the two counts. For other atoms the largest ratio of
estimate and residual of the last :data:`~lw_rl.certificate.profile_lag.RECENT` iterations counts,
times the largest of three residuals.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from ..arrays import Array
from ..norms import relative
from ..result import UNKNOWN, ErrorEstimate
from .history import MAX_RHO
from .profile_lag import RECENT, ProfileLag

__all__ = ["LAG_SAFETY", "Redistribution"]

#: Factor on the error with what a lagging emission profile hides.
LAG_SAFETY = 3.0
#: Factor on that from steps of unknown and emission profile together, and how many in a row make
#: an estimate.
_JOINT_SAFETY, _JOINT = 2.5, 6
#: Residuals that count for atoms without an operator, and what none is known better than.
_LAST, _ROUNDING = 3, 1e-15


class Redistribution:
    """The iterations of an emission profile, and what they say of the error."""

    def __init__(self) -> None:
        self._lag = ProfileLag()
        # Residual and ratio of estimate and residual, of atoms without an operator.
        self._ratios: deque[tuple[float, float]] = deque(maxlen=RECENT)
        # Steps of unknown and emission profile together, in a row.
        self._steps: deque[float] = deque(maxlen=_JOINT)

    def __bool__(self) -> bool:
        return bool(self._lag or self._ratios)

    def step(self, size: float, together: bool) -> None:
        """Note the size of a step, and whether it was one of unknown and profile together."""
        if not together:
            self._steps.clear()
        self._steps.append(size)

    def with_operator(self, y: Array, error: Array, change: float) -> None:
        """Note an iteration of two-level atoms, as `ProfileLag.add` does."""
        self._lag.add(y, error, change)

    def without_operator(self, residual: float, estimate: float) -> None:
        """Note an iteration of other atoms: its residual and what is estimated at this profile."""
        residual_norm = max(residual, _ROUNDING)
        self._ratios.append((residual_norm, estimate / residual_norm))

    def estimate(self) -> ErrorEstimate | None:
        """Return the estimate of the error, or None where there are atoms without an operator."""
        if not self._lag:
            return None
        lag = ErrorEstimate(LAG_SAFETY * relative(self._lag.error), "operator")
        return min(lag, self._together(), key=lambda e: e.value)

    def at_least(self) -> float:
        """Return what no estimate at this profile counts for less than."""
        if not self._ratios:
            return 0.0
        residual_norms, ratios = zip(*self._ratios, strict=True)
        return float(max(ratios) * max(residual_norms[-_LAST:]))

    def _together(self) -> ErrorEstimate:
        """Return the estimate from steps of unknown and emission profile together."""
        if len(self._steps) < _JOINT:
            return UNKNOWN
        steps = list(self._steps)
        rho = max(after / max(before, 1e-300) for before, after in pairwise(steps))
        step = steps[-1] / (1.0 - min(rho, MAX_RHO))
        return ErrorEstimate(_JOINT_SAFETY * relative(step), "combination")
