"""Implicit steps in time, with the radiation that all active atoms exchange."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..certificate.history import RUN
from ..host.adapter import Adapter
from ..host.equations import Equations, Rates
from ..norms import largest
from ..operator.time_dependent import LARGE, LEAVES, CoupledTimeStep

__all__ = ["TimeDependentStep"]


@dataclass
class TimeDependentStep:
    """The corrections of one step in time.

    Parameters
    ----------
    adapter : Adapter
        Access to a context in one dimension.
    dt : float
        Length of the step [s].
    before : list of Array
        Populations of every active atom at its beginning [m-3], each [Nlevel, Nspace].
    previous : TimeDependentStep, optional
        The step before this one, whose linearisation is used as long as it serves (default: none).

    Attributes
    ----------
    size : float
        The last correction, in the logarithm of the populations; infinite before there is one.
    left : float
        What it leaves, judged by how much smaller than the one before it was.
    by_operator : bool
        Whether the operator still corrects.
    """

    adapter: Adapter
    dt: float
    before: list[Array]
    previous: TimeDependentStep | None = field(default=None, repr=False)
    size: float = field(init=False, default=np.inf)
    left: float = field(init=False, default=np.inf)
    by_operator: bool = field(init=False, default=True)
    _idle: int = field(init=False, default=0)
    _least: float = field(init=False, default=np.inf)
    _operator: CoupledTimeStep = field(init=False)
    _known: CoupledTimeStep | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._equations = Equations(self.adapter)
        self._operator = CoupledTimeStep(
            self._equations.transfer, before=np.concatenate(self.before), dt=self.dt
        )
        if self.previous is not None and self.previous._known is not None:
            known = self.previous._known
            self._known = known if self._operator.alike(known) else None
        self.previous = None

    def propose(self, n: list[Array]) -> list[Array] | None:
        """Return the populations at the end of the step, by the last formal solution.

        None where they are not found, or the operator does not help: the host's own update is then
        the next one.

        Parameters
        ----------
        n : list of Array
            Populations at which it was made [m-3], each [Nlevel, Nspace].
        """
        if not self.by_operator:
            return None
        rates = self._equations.rates(n, self.adapter.switched)
        self._operator.transfer = transfer = self._equations.transfer
        try:
            solved = self._solved(rates)
        except np.linalg.LinAlgError:
            solved = None
        if solved is None:
            self._known = None
            return None
        found, J = solved
        size = largest(np.log(found / rates.n))
        first = np.isinf(self.size)
        share = 1.0 if first else size / self.size
        self.size, self.left = size, size * min(max(2.0 * share, 0.5), 1.0)
        if share > LEAVES and not first:
            self._known = None
        self._idle = 0 if self.size < self._least else self._idle + 1
        self._least = min(self.size, self._least)
        if self._idle >= RUN:
            self.by_operator = False
            return None
        self.adapter.write_radiation_ahead(transfer.waves, J)
        return np.split(found, transfer.first_level[1:])

    def _solved(self, rates: Rates) -> tuple[Array, Array] | None:
        """Return populations at the end and mean intensity, by a linearisation as old as serves."""
        if self._known is not None:
            solved = self._operator.reuse(rates, self._known)
            if solved is not None and largest(np.log(solved[0] / rates.n)) < LARGE:
                return solved
        solved = self._operator.solve(rates)
        self._known = None if solved is None else self._operator
        return solved
