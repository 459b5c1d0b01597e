"""Statistical equilibrium with given rates."""

from __future__ import annotations

import numpy as np

from ..arrays import Array

__all__ = ["balanced_shares"]


def balanced_shares(rates: Array) -> Array:
    """Return the share of every level in statistical equilibrium, shape [Nlevel, Nspace].

    Elimination without a subtraction, so that every share is positive and as precise as the rates,
    however small it is (Grassmann, Taksar and Heyman 1985, Oper. Res. 33, 1107). Not finite where
    levels are not connected.

    Parameters
    ----------
    rates : Array
        Rates [s-1] from the second level to the first, [Nlevel, Nlevel, Nspace], none negative;
        the diagonal is not looked at.
    """
    P = np.array(rates, dtype=float)
    N = len(P)
    shares = np.zeros(P.shape[1:])
    with np.errstate(all="ignore"):
        for m in range(N - 1, 0, -1):
            # What enters the level m leaves it to those before, in proportion to its rates.
            P[m, :m] /= P[:m, m].sum(axis=0)
            P[:m, :m] += P[:m, m, None] * P[m, None, :m]
        shares[0] = 1.0
        for m in range(1, N):
            shares[m] = (P[m, :m] * shares[:m]).sum(axis=0)
    balanced: Array = shares / shares.sum(axis=0)
    return balanced
