"""The unknown of statistical equilibrium, one block for every active atom.

* A two-level atom contributes ``y = ln(c^2 S / 2 h nu^3)``, the logarithm of its line source
  function (its photon occupation number), shape [Nspace]. Every real `y` is a valid state: the
  populations ``n_u / n_l = (g_u / g_l) / (1 + exp(-y))`` are positive, sum to `nTotal` and are
  never inverted. At fixed opacity the problem is *linear* in S, which hindsight training uses.
* Any other atom contributes ``y = ln(n / nTotal)``, shape [Nlevel * Nspace].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .state import Block

Array = np.ndarray

#: Populations are kept at or above this fraction of `nTotal` when an atom with more than two
#: levels is written; Lightweaver's own solver divides by them.
_FLOOR = 1e-300

#: Beyond this a two-level atom's exp(-y) overflows or its upper population underflows to zero.
_MAX_Y = 600.0


@dataclass
class Unknown:
    """One active atom's populations as its block of the unknown.

    Attributes
    ----------
    n : Array
        Populations [m-3], shape [Nlevel, Nspace]; written in place.
    nTotal : Array
        What they sum to [m-3], shape [Nspace].
    block : Block
        Which part of the unknown they are.
    g_ratio : float
        Statistical weight of the second level over that of the first one.
    """

    n: Array
    nTotal: Array
    block: Block
    g_ratio: float = 1.0

    def read(self) -> Array:
        """Return the block; NaN where the populations are not physical."""
        with np.errstate(all="ignore"):
            if self.block.two_level:
                return -np.log(self.g_ratio * self.n[0] / self.n[1] - 1.0)
            return np.log(self.n / self.nTotal).ravel()

    def write(self, y: Array) -> None:
        """Set the populations to those of a block; they are positive and sum to `nTotal`."""
        if self.block.two_level:
            y = np.minimum(np.maximum(y, -_MAX_Y), _MAX_Y)
            ratio = self.g_ratio / (1.0 + np.exp(-y))
            self.n[0] = self.nTotal / (1.0 + ratio)
            self.n[1] = ratio * self.n[0]
            return
        y = y.reshape(self.block.shape)
        weight = np.maximum(np.exp(y - y.max(axis=0)), _FLOOR)
        self.n[:] = weight * (self.nTotal / weight.sum(axis=0))

    def lambda_residual(self, up: Array, down: Array) -> Array:
        """Return the block of a two-level atom that is in balance with its rates.

        Parameters
        ----------
        up, down : Array
            Radiative and collisional rates together [s-1], shape [Nspace].
        """
        with np.errstate(all="ignore"):
            # n_l / n_u of detailed balance.
            return -np.log(self.g_ratio * (down / up) - 1.0)
