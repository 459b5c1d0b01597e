"""Acceleration from a history of iterates: pure functions of vectors, no radiative transfer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg.lapack import dgelsy

from .arrays import Array

__all__ = [
    "anderson_mix",
    "anderson_mix_positive",
    "combine_linear",
    "combine_positive",
    "least_residual",
    "ng_extrapolate",
    "ng_extrapolate_positive",
]

#: Ratios beyond exp(20) of the last image carry no information about the solution.
_MAX_EXPONENT = 20.0

#: A combination of states below this fraction of the last one is not trusted.
_LEAST_RATIO = 0.05


def ng_extrapolate(xs: Sequence[Array] | Array) -> Array:
    """Extrapolate the limit of a linearly converging sequence.

    The combination of the last iterates whose successive differences have the smallest sum of
    squares (Ng 1974, J. Chem. Phys. 61, 2680; Olson, Auer and Buchler 1986, JQSRT 35, 431).

    Parameters
    ----------
    xs : sequence of Array
        The last ``order + 2`` iterates, oldest first, each of shape [N].

    Returns
    -------
    x : Array
        The extrapolated vector, shape [N]; the last iterate if the differences are degenerate.

    Raises
    ------
    ValueError
        If there are fewer than three iterates.
    """
    if len(xs) < 3:
        raise ValueError(f"Ng acceleration needs at least 3 iterates, got {len(xs)}")
    x = np.asarray(xs)[::-1]  # newest first
    d = x[:-1] - x[1:]
    A = (d[0] - d[1:]).T
    c, *_ = np.linalg.lstsq(A, d[0], rcond=None)
    accelerated: Array = x[0] + c @ (x[1:-1] - x[0])
    return accelerated if np.all(np.isfinite(accelerated)) else x[0].copy()


def ng_extrapolate_positive(xs: Sequence[Array]) -> Array:
    """Extrapolate logarithms of positive quantities, combining the quantities themselves.

    As for :func:`anderson_mix_positive`, which gives the reason; each component is in units of
    the last iterate.

    Parameters
    ----------
    xs : sequence of Array
        Logarithms of the last ``order + 2`` iterates, oldest first, each of shape [N].

    Returns
    -------
    x : Array
        Logarithm of the extrapolated vector, shape [N]; at least the last iterate's minus 20.
    """
    unit = xs[-1]
    x = ng_extrapolate(np.exp(np.clip(np.asarray(xs) - unit, -_MAX_EXPONENT, _MAX_EXPONENT)))
    return unit + np.log(np.maximum(x, np.exp(-_MAX_EXPONENT)))


def _least_squares(A: Array, b: Array, cutoff: float) -> Array:
    """Return the least-squares solution by a rank-revealing QR factorisation."""
    N, K = A.shape
    if N < K:
        solution: Array = np.asarray(np.linalg.lstsq(A, b, rcond=cutoff)[0], dtype=np.float64)
        return solution
    work = 4 * (N + 3 * K + 1)
    _, x, _, _, info = dgelsy(A, b[:, None], np.zeros(K, dtype=np.intc), cutoff, work)
    return x[:K, 0] if info == 0 else np.full(K, np.nan)


def least_residual(residuals: Array, ridge: float = 1e-12) -> Array:
    """Return the combination of residuals, of weights that sum to one, with the smallest norm.

    Parameters
    ----------
    residuals : Array
        Oldest first, shape [K, N].
    ridge : float, optional
        Cut-off of the least-squares problem's singular values relative to the largest
        (default: 1e-12).

    Returns
    -------
    weights : Array
        Shape [K]; all on the last residual if there is only one or they are degenerate.
    """
    weights = np.zeros(len(residuals))
    weights[-1] = 1.0
    if len(residuals) == 1:
        return weights
    dF = (residuals[1:] - residuals[:-1]).T
    # Columns of very different size are scaled so that the cut-off sees directions, not sizes.
    size = np.sqrt(np.einsum("ij,ij->j", dF, dF))
    if not 0.0 < size.max() < np.inf:
        return weights
    size[size == 0.0] = 1.0
    # LAPACK without numpy's wrapper, which takes several times as long at this size.
    gamma = _least_squares(dF / size, residuals[-1], ridge) / size
    if np.isfinite(gamma.sum()):
        weights[1:] -= gamma
        weights[:-1] += gamma
    return weights


def anderson_mix(
    xs: Sequence[Array] | Array, gs: Sequence[Array] | Array, ridge: float = 1e-12
) -> Array:
    """Mix a history of iterates and their images into the next iterate.

    Minimises the norm of the combined residual ``g - x`` over combinations that sum to one, and
    returns the same combination of the images (Anderson 1965, J. ACM 12, 547; type II with full
    mixing, in the difference form of Walker and Ni 2011, SIAM J. Numer. Anal. 49, 1715).

    Parameters
    ----------
    xs, gs : sequence of Array
        Iterates and their images under the fixed-point map, oldest first, each of shape [N].
    ridge : float, optional
        As for :func:`least_residual`.

    Returns
    -------
    x : Array
        The next iterate, shape [N]; the last image if there is no history or it is degenerate.

    Raises
    ------
    ValueError
        If the histories are empty or differ in length.
    """
    if len(xs) != len(gs) or len(xs) == 0:
        raise ValueError(f"need as many iterates as images, at least one; got {len(xs)}, {len(gs)}")
    g = np.asarray(gs)
    mixed = least_residual(g - np.asarray(xs), ridge) @ g
    return mixed if np.all(np.isfinite(mixed)) else g[-1].copy()


def combine_positive(ys: Sequence[Array], rs: Sequence[Array]) -> tuple[Array, Array] | None:
    """Combine visited states of a linear problem into the one with the smallest residual.

    At fixed opacity the residual ``R = G(S) - S`` of the MALI map is linear in the source function
    S, so a combination of visited source functions, of weights that sum to one, has the same
    combination of their residuals, without another formal solution.

    Parameters
    ----------
    ys, rs : sequence of Array
        ``ln S`` and ``r = ln(G(S) / S)`` of the visited states, oldest first, each [N].

    Returns
    -------
    y, r : Array
        ``ln S`` and residual of the combination, or None if it is not positive, or is far from the
        last state and so perhaps from the opacity that it was made with.
    """
    combined = combine_linear(ys, np.expm1(_bounded(np.asarray(rs))))
    if combined is None:
        return None
    y, ratio = combined
    # Positive images as well.
    if not ratio.min() > np.exp(-_MAX_EXPONENT) - 1.0:
        return None
    return y, np.log1p(ratio)


def combine_linear(
    ys: Sequence[Array], *quantities: Sequence[Array] | Array
) -> tuple[Array, ...] | None:
    """Combine visited states so that a quantity that is linear in S is smallest.

    Parameters
    ----------
    ys : sequence of Array
        ``ln S`` of the visited states, oldest first, each [N].
    *quantities : sequence of Array
        Quantities linear in S, such as residuals, over S, each [N]. The combination, of weights
        that sum to one, makes the first one smallest, relative to ``S + quantity`` of the last
        state: as far as one can know the solution's own scale.

    Returns
    -------
    y, *combined : Array
        ``ln S`` of the combination and its quantities over its S, or None if it is not positive,
        or is far from the last state and so perhaps from the opacity that it was made with.
    """
    unit = ys[-1]
    S = np.exp(_bounded(np.asarray(ys) - unit))
    first = S * np.asarray(quantities[0])
    scale = np.maximum(S[-1] + first[-1], _LEAST_RATIO)
    weights = least_residual(first / scale)
    S_mean = weights @ S
    if not S_mean.min() > _LEAST_RATIO:
        return None
    rest = [weights @ (S * np.asarray(q)) for q in quantities[1:]]
    return (unit + np.log(S_mean), *(q / S_mean for q in (weights @ first, *rest)))


def _bounded(exponent: Array) -> Array:
    # numpy's clip takes several times as long at this size.
    return np.minimum(np.maximum(exponent, -_MAX_EXPONENT), _MAX_EXPONENT)


def anderson_mix_positive(xs: Sequence[Array], gs: Sequence[Array], max_step: float) -> Array:
    """Mix a history of logarithms of positive quantities, combining the quantities themselves.

    At fixed opacity the two-level problem is linear in the source function, not in its logarithm,
    so it is the source functions that are combined, each component in units of the last image:
    the residuals that are minimised are relative ones. What the combination would make negative
    is kept within the step limit instead.

    Parameters
    ----------
    xs, gs : sequence of Array
        Logarithms of the iterates and of their images, oldest first, each of shape [N].
    max_step : float
        Limit of the step from the last iterate, in the logarithm.

    Returns
    -------
    x : Array
        Logarithm of the next iterate, shape [N].
    """
    unit = gs[-1]
    mixed = anderson_mix(
        np.exp(np.clip(np.asarray(xs) - unit, -_MAX_EXPONENT, _MAX_EXPONENT)),
        np.exp(np.clip(np.asarray(gs) - unit, -_MAX_EXPONENT, _MAX_EXPONENT)),
    )
    x_next = unit + np.log(np.maximum(mixed, np.exp(-_MAX_EXPONENT)))
    return np.clip(x_next, xs[-1] - max_step, xs[-1] + max_step)
