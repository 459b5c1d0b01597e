"""The equilibrium of all active atoms at the end of a step in time.

A fully implicit step of the rate equations, ``(n - n_before) / dt`` = net rates at its end (Judge
2017, ApJ 851, 5), is what the host's ``time_dep_update`` solves. As particles are conserved it is
statistical equilibrium with one more rate from every level to every other one,
``n_before / (n_total dt)`` of where it goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..arrays import Array
from ..host.equations import Rates
from ..host.redistribution import Redistribution
from ..host.transfer import Transfer
from .multilevel import INVERTED, CoupledEquilibrium, _Anchored, _Response

__all__ = ["LARGE", "LEAVES", "CoupledTimeStep"]

#: A linearisation is made anew where it leaves more than this share of a correction, or where a
#: correction is larger than the second number, in the logarithm.
LEAVES, LARGE = 0.15, 0.1

#: What transfer must have alike for a linearisation to be of use.
_SHAPE = ("lower", "upper", "start", "first")


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

    before: Array = field(kw_only=True)
    dt: float = field(kw_only=True)
    _renewal: Array = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._renewal = _renewal(self.transfer, self.before, self.dt)

    def solve(
        self, rates: Rates, redistribution: Redistribution | None = None
    ) -> tuple[Array, Array] | None:
        """Return populations and mean intensity at the end of the step, None if not found.

        Takes and returns what `CoupledEquilibrium.solve` does.
        """
        rates = replace(rates, collisions=rates.collisions + self._renewal)
        return super().solve(rates, redistribution)

    def alike(self, other: CoupledTimeStep) -> bool:
        """Return whether another step is of the same transitions at as many depths."""
        mine, theirs = self.transfer, other.transfer
        same = ((getattr(t, name) for name in _SHAPE) for t in (mine, theirs))
        return self.before.shape == other.before.shape and all(map(np.array_equal, *same))

    def reuse(self, rates: Rates, other: CoupledTimeStep) -> tuple[Array, Array] | None:
        """Return what :meth:`solve` does, by the last linearisation of another step.

        It is tied to the rates given, so that the solution is the same where these are the end of
        the step; how fast they lead there tells whether it is still of use. Scattered light is
        that of the formal solution.

        Parameters
        ----------
        rates : Rates
            What the formal solution told.
        other : CoupledTimeStep
            The same atoms' at another time, or this one; it has solved before.
        """
        assert other._last is not None
        t, n = self.transfer, rates.n
        rates = replace(rates, collisions=rates.collisions + self._renewal)
        net = n[t.lower] - t.inverse * n[t.upper]
        response = replace(
            other._last,
            factor=np.ones_like(other._last.factor),
            net=np.where(net > 0.0, net, 1.0),
            share=np.where(net > INVERTED * n[t.lower], other._last.share, 0.0),
        )
        aim = self._sums(np.ascontiguousarray(rates.J.T))
        aim[self._rows.up] = rates.up
        response = response.times(aim / np.maximum(self._rates(n, response)[0], 1e-300))
        anchored = self._anchored(rates, aim, response)
        self._trap(response, anchored)
        found = self._equilibrium(n, rates, anchored, response, None, accelerated=True)
        self._last = other._last
        return (found.n, rates.J) if found is not None and found.stable else None

    def _swept(
        self,
        n: Array,
        rates: Rates,
        anchored: _Anchored,
        response: _Response,
        electrons: Array,
        each: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        # Collisions follow the electrons, time does not.
        charge = self.transfer.charge
        follows = np.where((charge[:, None] < charge)[..., None], electrons**2, electrons)
        collisions = rates.collisions + self._renewal * (1.0 / follows - 1.0)
        return super()._swept(
            n, replace(rates, collisions=collisions), anchored, response, electrons, each
        )


def _renewal(transfer: Transfer, before: Array, dt: float) -> Array:
    """Return rates from the second level to the first [s-1], [Nlevel, Nlevel, Nspace]."""
    rates = np.zeros((len(before), *before.shape))
    for first, size in zip(transfer.first_level, transfer.Nlevel, strict=True):
        span = slice(first, first + size)
        share = before[span] / before[span].sum(axis=0)
        rates[span, span] = share[:, None] / dt
    levels = np.arange(len(before))
    rates[levels, levels] = 0.0
    return rates
