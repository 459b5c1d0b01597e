"""The equilibrium of all active atoms at the end of a step in time.

A fully implicit step of the rate equations, ``(n - n_before) / dt`` = net rates at its end, is
statistical equilibrium with one more loss ``n / dt`` and source ``n_before / dt`` per level (Judge
2017, ApJ 851, 5): what the host's ``time_dep_update`` solves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..arrays import Array
from ..host.equations import Rates
from .multilevel import CoupledEquilibrium, _Anchored

__all__ = ["CoupledTimeStep"]


@dataclass
class CoupledTimeStep(CoupledEquilibrium):
    """The non-local operator of all active atoms, for a step in time.

    Parameters
    ----------
    transfer : Transfer
        Their lines and continua.
    before : Array
        Populations at the beginning of the step [m-3], [Nlevel, Nspace].
    dt : float
        Its length [s].
    """

    before: Array = None  # type: ignore[assignment]
    dt: float = float("inf")

    def _anchored(self, rates: Rates, sums: Array) -> _Anchored:
        anchored = super()._anchored(rates, sums)
        return replace(
            anchored,
            defect=anchored.defect - 1.0 / self.dt,
            source=anchored.source + self.before / self.dt,
        )
