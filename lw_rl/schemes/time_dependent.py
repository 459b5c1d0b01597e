"""Implicit steps in time, with the radiation that all active atoms exchange."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..certificate.history import RUN
from ..host.adapter import Adapter
from ..host.equations import Equations
from ..norms import largest
from ..operator.time_dependent import CoupledTimeStep

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

    Attributes
    ----------
    size : float
        The last correction, in the logarithm of the populations; infinite before there is one.
    by_operator : bool
        Whether the operator still corrects.
    """

    adapter: Adapter
    dt: float
    before: list[Array]
    size: float = field(init=False, default=np.inf)
    by_operator: bool = field(init=False, default=True)
    _idle: int = field(init=False, default=0)
    _least: float = field(init=False, default=np.inf)
    _operator: CoupledTimeStep = field(init=False)

    def __post_init__(self) -> None:
        self._equations = Equations(self.adapter)
        self._operator = CoupledTimeStep(
            self._equations.transfer, before=np.concatenate(self.before), dt=self.dt
        )

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
            solved = self._operator.solve(rates)
        except np.linalg.LinAlgError:
            solved = None
        if solved is None:
            return None
        found, J = solved
        self.size = largest(np.log(found / np.concatenate(n)))
        self._idle = 0 if self.size < self._least else self._idle + 1
        self._least = min(self.size, self._least)
        if self._idle >= RUN:
            self.by_operator = False
            return None
        self.adapter.write_radiation_ahead(transfer.waves, J)
        return np.split(found, transfer.first_level[1:])
