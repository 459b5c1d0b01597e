"""Acceleration from a history of iterates: pure functions of vectors, no radiative transfer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray

#: Ratios beyond exp(20) of the last image carry no information about the solution.
_MAX_EXPONENT = 20.0


def ng_extrapolate(xs: Sequence[Array]) -> Array:
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
    accelerated = x[0] + c @ (x[1:-1] - x[0])
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


def anderson_mix(xs: Sequence[Array], gs: Sequence[Array], ridge: float = 1e-12) -> Array:
    """Mix a history of iterates and their images into the next iterate.

    Minimises the norm of the combined residual ``g - x`` over combinations that sum to one, and
    returns the same combination of the images (Anderson 1965, J. ACM 12, 547; type II with full
    mixing, in the difference form of Walker and Ni 2011, SIAM J. Numer. Anal. 49, 1715).

    Parameters
    ----------
    xs, gs : sequence of Array
        Iterates and their images under the fixed-point map, oldest first, each of shape [N].
    ridge : float, optional
        Cut-off of the least-squares problem's singular values relative to the largest
        (default: 1e-12).

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
    if len(xs) == 1:
        return g[-1].copy()
    f = g - np.asarray(xs)
    dF = (f[1:] - f[:-1]).T
    # Columns of very different size are scaled so that the cut-off sees directions, not sizes.
    size = np.linalg.norm(dF, axis=0)
    if not np.all(np.isfinite(size)) or not np.any(size > 0.0):
        return g[-1].copy()
    size[size == 0.0] = 1.0
    gamma, *_ = np.linalg.lstsq(dF / size, f[-1], rcond=ridge)
    mixed = g[-1] - (gamma / size) @ (g[1:] - g[:-1])
    return mixed if np.all(np.isfinite(mixed)) else g[-1].copy()


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
