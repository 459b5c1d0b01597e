"""Statistical equilibrium with given rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array

__all__ = ["balanced_shares", "total_rates"]


def total_rates(atom: Any, switched: float) -> Array:
    """Return the rates of the last formal solution [s-1], [Nlevel, Nlevel, Nspace].

    Radiative and collisional ones together, from the second level to the first; zero on the
    diagonal.

    Parameters
    ----------
    atom
        An atom of the host's.
    switched : float
        Factor of collisional-radiative switching on the collisional rates.
    """
    rates: Array = np.asarray(atom.C) * switched
    rates[np.arange(len(rates)), np.arange(len(rates))] = 0.0
    for t in atom.trans:
        rates[t.j, t.i] += np.asarray(t.Rij)
        rates[t.i, t.j] += np.asarray(t.Rji)
    return rates


def balanced_shares(rates: Array) -> Array:
    """Return the share of every level in statistical equilibrium, shape [Nlevel, Nspace].

    Elimination without a subtraction, so that every share is positive and as precise as the rates,
    however small it is (Grassmann, Taksar and Heyman 1985, Oper. Res. 33, 1107). Not finite where
    levels are not connected.

    Parameters
    ----------
    rates : Array
        As of :func:`total_rates`, none negative; the diagonal is not looked at.
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
