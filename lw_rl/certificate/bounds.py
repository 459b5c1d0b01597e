"""A bound on the error of a two-level source function, from the states that were visited.

What is proved
--------------
At fixed opacity statistical equilibrium of a two-level atom is a linear system for its source
function, ``A S* = b`` with ``A = I - (1 - eps) Lambda`` and ``b >= eps B > 0`` (`b` also holds the
background's and the incident light). Where the formal solver is monotone, ``Lambda >= 0`` and
``Lambda 1 <= 1``, so `A` is an M-matrix and obeys a maximum principle: ``A v >= 0`` implies
``v >= 0`` (Berman and Plemmons 1994, Nonnegative Matrices, ch. 6). MALI's residual is
``R(S) = D (b - A S)`` with a positive diagonal ``D >= 1`` (Rybicki and Hummer 1991, A&A 245, 171),
so the same holds for ``D A``, and ``D b >= eps B``. Hence:

* **Enclosure.** A `U` with ``R(U) <= 0`` at every depth lies above ``S*`` at every depth, an `L`
  with ``R(L) >= 0`` below. For a combination ``U = sum a_j S_j`` of visited states the residual is
  known without a formal solution: ``R(U) = sum a_j R_j + (1 - sum a_j) D b``; where `D b` enters,
  its lower bound `eps B` is enough, as ``sum a_j >= 1`` for `U` and ``<= 1`` for `L`.
* The combination with the tightest `U` (or `L`) is a linear programme in the `a_j`. With one state
  only it is the bound with the weight S, ``|S - S*| / S <= max_j |R_j| / (eps_j B_j - R_j)``.

What is not proved
------------------
Lightweaver's default formal solver (cubic Bezier) is not strictly monotone and, through its
limiter, not strictly linear; the opacity follows the populations; the background's scattering lags
by one formal solution. Against these the states that are combined must lie within `NEAR` of the
last one, and every difference of residuals is taken to be wrong by the fraction `SLACK` of itself
and by the line's stimulated emission times the distance of the states. On the random problems of
the validation stream, with all schemes, the bound then never fell below the true error; without
it did in 2 % of the stops. The test suite and ``lw-rl soak`` go on counting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from scipy.optimize import linprog

from ..arrays import Array

__all__ = ["NEAR", "SLACK", "enclosure_bound", "weight_bound"]

#: Largest distance (of the logarithm) from the last state at which a state is used; with none, and
#: no slack, 2 % of the bounds on the validation stream are below the error.
NEAR = 0.1
#: Part of a difference of residuals that is taken to be uncertain; see above: 2 %.
SLACK = 0.2
#: Rounding of a residual.
_ROUNDING = 1e-14
_MAX_EXPONENT = 600.0


def weight_bound(y: Array, r: Array, log_b: Array) -> float:
    """Return the bound with the source function itself as the weight.

    Parameters
    ----------
    y, r : Array
        ``ln S`` and MALI's residual in the logarithm, shape [Nspace].
    log_b : Array
        Logarithm of eps B in the unit of S, shape [Nspace].

    Returns
    -------
    bound : float
        On ``|S / S* - 1|`` at `y`; infinite where there is none.
    """
    bound: float = _weight_bound(y, r, log_b)
    return bound


@njit(cache=True, nogil=True, error_model="numpy")
def _weight_bound(y: Array, r: Array, log_b: Array) -> float:
    # Numpy's eight operations would take as long as all else that an estimate is decided by.
    ratio = 0.0
    for i in range(len(y)):
        R = math.expm1(_MAX_EXPONENT if r[i] > _MAX_EXPONENT else r[i])
        above = log_b[i] - y[i]
        margin = math.exp(_MAX_EXPONENT if above > _MAX_EXPONENT else above) - R
        if not margin > abs(R):
            return np.inf
        ratio = max(ratio, abs(R) / margin)
    return ratio / (1.0 - ratio)


def enclosure_bound(ys: Sequence[Array], rs: Sequence[Array], log_b: Array, y: Array) -> float:
    """Return the bound from the tightest enclosure by combinations of visited states.

    Parameters
    ----------
    ys, rs : sequence of Array
        ``ln S`` of the visited states and MALI's residual there, oldest first, each [Nspace].
    log_b : Array
        Logarithm of eps B in the unit of S, shape [Nspace].
    y : Array
        ``ln S`` of the state that the bound is for, shape [Nspace].

    Returns
    -------
    bound : float
        On ``|S / S* - 1|`` at `y`; infinite where there is none.
    """
    last = ys[-1]
    near = [k for k in range(len(ys)) if float(np.max(np.abs(ys[k] - last))) < NEAR]
    S = np.exp(np.array([ys[k] for k in near]) - y)
    R = S * np.expm1(np.array([rs[k] for k in near]))
    b = np.exp(np.clip(log_b - y, -_MAX_EXPONENT, _MAX_EXPONENT))
    distance = np.array([float(np.max(np.abs(ys[k] - last))) for k in near[:-1]])
    useful = distance > 0.0
    columns, changes = (S[:-1] - S[-1])[useful].T, (R[:-1] - R[-1])[useful].T
    # Stimulated emission is what the opacity changes by: the photon occupation number.
    opacity = np.exp(np.minimum(last, 0.0))[:, None] * distance[useful]
    uncertain = SLACK * np.abs(changes) + (opacity + _ROUNDING) * S[-1][:, None]
    above = _tightest(+1.0, S[-1], R[-1], b, columns, changes, uncertain)
    below = _tightest(-1.0, S[-1], R[-1], b, columns, changes, uncertain)
    # In units of S, L <= S* <= U: an error by a factor f is f - 1, or 1/f - 1 of the other level.
    too_large = below / (1.0 - below) if below < 1.0 else float("inf")
    return max(above, too_large, 0.0)


def _tightest(
    sign: float, S: Array, R: Array, b: Array, columns: Array, changes: Array, uncertain: Array
) -> float:
    """Return the smallest `t` with an enclosing state at most `t` above (or below) one.

    The state is ``S + sign * (columns @ a + theta S)``, with ``theta >= 0``; everything is in units
    of the state that the bound is for.
    """
    K = columns.shape[1]
    size = float(np.max(np.abs(R)))
    if size == 0.0:
        return float(np.max(sign * (S - 1.0)))
    width = np.max(np.abs(columns), axis=0) if K else np.zeros(0)
    columns, changes, uncertain = columns / width, changes / width, uncertain / width
    # The coefficients' positive and negative parts, so that the uncertainty counts for both.
    residual = np.hstack([changes + uncertain, uncertain - changes, (R - b)[:, None]])
    state = np.hstack([columns, -columns, S[:, None]])
    unit = np.maximum(b, 1e-3 * size)[:, None]
    N = len(S)
    solved = linprog(
        np.append(np.zeros(2 * K + 1), 1.0),
        A_ub=np.vstack(
            [
                np.hstack([residual / unit, np.zeros((N, 1))]),
                np.hstack([state, -np.ones((N, 1))]),
            ]
        ),
        b_ub=np.concatenate([-sign * R / unit[:, 0], sign * (1.0 - S)]) / size,
        bounds=[(0.0, None)] * (2 * K + 1) + [(None, None)],
        method="highs",
    )
    if solved.status != 0:
        return float("inf")
    a = size * solved.x[:-1]
    # The solver keeps the constraints within a tolerance; theta makes up for the rest.
    excess = sign * R + residual @ a
    violated = excess > 0.0
    if np.any(violated):
        if np.any(R[violated] >= b[violated]):
            return float("inf")
        a[-1] += float(np.max(excess[violated] / (b - R)[violated]))
        if np.any(R >= b) and np.any(sign * R + residual @ a > 0.0):
            return float("inf")
    return float(np.max(sign * (S + sign * (state @ a) - 1.0)))
