"""The unknown of statistical equilibrium, one block for every active atom.

* `LineSource`, of a two-level atom: ``y = ln(c^2 S / 2 h nu^3)``, the logarithm of its line source
  function (its photon occupation number), shape [Nspace]. Every real `y` is a valid state: the
  populations ``n_u / n_l = (g_u / g_l) / (1 + exp(-y))`` are positive, sum to `nTotal` and are
  never inverted. At fixed opacity the problem is *linear* in S, which hindsight training uses.
* `LogPopulations`, of any other atom: ``y = ln(n / nTotal)``, shape [Nlevel * Nspace].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array
from .state import Block

__all__ = ["LineSource", "LogPopulations", "Unknown"]


#: Populations are kept at or above this fraction of `nTotal` when an atom with more than two
#: levels is written; Lightweaver's own solver divides by them.
_FLOOR = 1e-300

#: Beyond this a two-level atom's exp(-y) overflows or its upper population underflows to zero.
_MAX_Y = 600.0


class Unknown(Protocol):
    """One active atom's populations as its block of the unknown.

    Attributes
    ----------
    n : Array
        Populations [m-3], shape [Nlevel, Nspace]; written in place.
    nTotal : Array
        What they sum to [m-3], shape [Nspace].
    block : Block
        Which part of the unknown they are.
    """

    n: Array
    nTotal: Array
    block: Block

    def read(self) -> Array:
        """Return the block; NaN where the populations are not physical."""
        ...

    def write(self, y: Array) -> None:
        """Set the populations to those of a block; they are positive and sum to `nTotal`."""
        ...

    def lambda_iterated(self, up: Array, down: Array) -> Array | None:
        """Return the block in balance with its rates, None where one pair of rates is not all.

        Parameters
        ----------
        up, down : Array
            Radiative and collisional rates together of the first transition [s-1], shape [Nspace].
        """
        ...


@dataclass
class LineSource:
    """A two-level atom's populations as the logarithm of its line source function.

    Attributes
    ----------
    n, nTotal, block
        As of `Unknown`.
    g_ratio : float
        Statistical weight of the upper level over that of the lower one.
    """

    n: Array
    nTotal: Array
    block: Block
    g_ratio: float

    def read(self) -> Array:
        """Return the block; NaN where the populations are not physical."""
        with np.errstate(all="ignore"):
            y: Array = -np.log(self.g_ratio * self.n[0] / self.n[1] - 1.0)
        return y

    def write(self, y: Array) -> None:
        """Set the populations to those of a block; they are positive and sum to `nTotal`."""
        y = np.minimum(np.maximum(y, -_MAX_Y), _MAX_Y)
        ratio = self.g_ratio / (1.0 + np.exp(-y))
        self.n[0] = self.nTotal / (1.0 + ratio)
        self.n[1] = ratio * self.n[0]

    def lambda_iterated(self, up: Array, down: Array) -> Array:
        """Return the block that is in balance with its rates: one step of Lambda iteration."""
        with np.errstate(all="ignore"):
            # n_l / n_u of detailed balance.
            y: Array = -np.log(self.g_ratio * (down / up) - 1.0)
        return y


@dataclass
class LogPopulations:
    """An atom's populations as logarithms of their shares.

    Attributes
    ----------
    n, nTotal, block
        As of `Unknown`.
    """

    n: Array
    nTotal: Array
    block: Block

    def read(self) -> Array:
        """Return the block; NaN or infinite where the populations are not physical."""
        with np.errstate(all="ignore"):
            y: Array = np.log(self.n / self.nTotal).ravel()
        return y

    def write(self, y: Array) -> None:
        """Set the populations to those of a block; they are positive and sum to `nTotal`."""
        y = y.reshape(self.block.shape)
        weight = np.maximum(np.exp(y - y.max(axis=0)), _FLOOR)
        self.n[:] = weight * (self.nTotal / weight.sum(axis=0))

    def lambda_iterated(self, up: Array, down: Array) -> None:
        """Return None: more levels are in balance together."""
        return
