"""A non-local approximate Lambda operator, built from a line's local physics alone.

Statistical equilibrium of a two-level atom is ``A S = b`` with ``A = 1 - (1 - epsilon) Lambda``.
MALI inverts the diagonal of A (Olson, Auer and Buchler 1986, JQSRT 35, 431); here all of it is
approximated and inverted, in the spirit of Scharmer (1981, ApJ 249, 720) and Cannon's (1973, ApJ
185, 621) operator perturbation: few frequencies and two angles, the host's depths, and its way to
interpolate the source function. What is left of an error after one such step is what quadrature
and grid change, a few per cent, on coarse and fine grids alike.

No formal solution of the host is involved, so the same operator gives a first estimate of the
source function before there is any. What it costs instead is wall time, which every benchmark
counts.

`lw_rl.operator.line_quadrature` chooses frequencies and angles, `lw_rl.operator.bezier_1d` has the
host's interpolation, linearised around an estimate of the source function. Here steps are coupled
along rays, and the sum over all rays is inverted.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import as_strided
from scipy.linalg.lapack import dgetrf, dgetrs

from ..host.state import LinePhysics
from ..resample import resample, table
from .bezier_1d import REACH, contributions, stencils
from .line_quadrature import Rays, coarser, line_rays

Array = np.ndarray

#: The first estimate of the source function makes do with this many depths.
_ROUGH_DEPTHS = 256
#: Neighbouring depths are coupled directly in blocks of this size, others through their borders.
_LEAF = 6
#: Steps of optical depth beyond which nothing changes.
_THIN, _THICK = 1e-12, 1e12
#: A positive operator's solution is not below this share of what is created locally.
_POSITIVE = 0.99
#: Change of ln S beyond which the first operator is made anew around its own solution, and how
#: often it is made at most: where it was made around something else, its steps overshoot.
_SETTLED, _MOST = 0.03, 5
#: Relative error at which the equations count as solved.
_SOLVED = 1e-3
#: No estimate of the source function is below this fraction of the smallest Planck function.
_FLOOR = 1e-8


def _saturation(y: Array, g_ratio: float) -> Array:
    """Return the line's opacity at ``y`` over that of atoms which are all in the lower level."""
    excited = 1.0 / (1.0 + np.exp(-y))
    return (1.0 - excited) / (1.0 + g_ratio * excited)


def _padded(values: Array, size: int) -> Array:
    """Return values with zeros after the last depth."""
    padded = np.zeros((size, *values.shape[1:]))
    padded[: len(values)] = values
    return padded


def _couple(depth: Array, weight: Array, inward: Array, outward: Array) -> Array:
    """Return what every depth sees of every step, summed over rays.

    Two depths see each other through ``exp(-|optical depth between them|)``. Depths of
    neighbouring blocks do through the border between the blocks, as a product of two factors that
    cannot overflow: one matrix product for every pair of blocks, at each size of the blocks.

    Parameters
    ----------
    depth, weight : Array
        Optical depth along and weight of every ray, shape [Nspace, Nray].
    inward, outward : Array
        From `lw_rl.operator.bezier_1d.contributions`.

    Returns
    -------
    seen : Array
        [Nspace, Nspace, 6]: at a depth (first), from the step that ends at another (second).
    """
    N, K = depth.shape
    halvings = max(0, int(np.ceil(np.log2(N / _LEAF))))
    n = -(-N // 2**halvings)
    size = n * 2**halvings
    # What is added has no weight and contributes nothing.
    depth, weight = _padded(depth, size), _padded(weight, size)
    depth[N:] = depth[N - 1]
    inward, outward = _padded(inward, size), _padded(outward, size)
    seen = np.zeros((size, size, 6))

    def diagonal(n: int) -> Array:
        """Return a view of the diagonal blocks, [block, n, n, 6]."""
        rows, columns, m = seen.strides
        return as_strided(seen, (size // n, n, n, 6), (n * (rows + columns), rows, columns, m))

    # Within the smallest blocks, [block, step, depth, ray] @ [block, step, ray, 6].
    t, w = depth.reshape(-1, n, K), weight.reshape(-1, n, K)
    near = np.exp(-np.abs(t[:, :, None] - t[:, None, :]))
    near *= w[:, None, :]
    for cells, sees in ((inward, np.tri(n)), (outward, np.tri(n).T)):
        within = near @ cells.reshape(-1, n, 6, K).swapaxes(2, 3)
        diagonal(n)[:] += within.swapaxes(1, 2) * sees[:, :, None]
    while n < size:
        halves, weights = depth.reshape(-1, 2, n, K), weight.reshape(-1, 2, n, K)
        border = halves[:, 0, -1:]
        above, below = np.exp(halves[:, 0] - border), np.exp(border - halves[:, 1])
        blocks = diagonal(2 * n)
        for cells, here, there, i, j in (
            (inward, below, above, 1, 0),
            (outward, above, below, 0, 1),
        ):
            sources = there[:, :, None] * cells.reshape(-1, 2, n, 6, K)[:, j]
            block = (weights[:, i] * here) @ sources.reshape(-1, 6 * n, K).swapaxes(1, 2)
            rows, columns = (slice(k * n, (k + 1) * n) for k in (i, j))
            blocks[:, rows, columns] = block.reshape(-1, n, n, 6)
        n *= 2
    return seen[:N, :N]


class TwoLevelOperator:
    """The approximate operator of one line, factorised.

    :meth:`first` makes one where no source function is known yet.

    Parameters
    ----------
    physics : LinePhysics
        The line's local physics.
    y : Array
        Estimate of ``ln(c^2 S / 2 h nu^3)``, shape [Nspace], around which opacity and
        interpolation are linearised.

    Attributes
    ----------
    y : Array or None
        Around what it was linearised.
    Nray : int
        Frequencies times angles.
    Lambda : Array
        The operator: mean intensity per source function, shape [Nspace, Nspace].
    known : Array
        Mean intensity of background and lower boundary as c^2 J / 2 h nu^3, shape [Nspace].
    regular : bool
        Whether the operator can be inverted.
    """

    def __init__(self, physics: LinePhysics, y: Array):
        self._build_positive(physics, line_rays(physics), y)

    @classmethod
    def first(cls, physics: LinePhysics) -> tuple[TwoLevelOperator, Array]:
        """Return the operator around its own solution, and that solution.

        No formal solution is needed. A rough operator, on a third of the frequencies and not too
        many depths, of atoms in the lower level and of a source function that is linear between
        depths, which is monotone and never far off, tells around what to linearise. Opacity and
        interpolation are not linear, and where there are shocks the solution is far from there:
        the operator is made anew around its own until that hardly moves.

        Returns
        -------
        operator : TwoLevelOperator
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        """
        rays = line_rays(physics)
        rough = cls.__new__(cls)
        N = len(physics.height)
        if N > _ROUGH_DEPTHS:
            rough._build(*coarser(physics, rays.rough(), table(N, _ROUGH_DEPTHS)), None)
            y = resample(np.log(rough.source_function()), table(_ROUGH_DEPTHS, N))
        else:
            rough._build(physics, rays.rough(), None)
            y = np.log(rough.source_function())
        operator = cls._around(physics, rays, y)
        for _ in range(_MOST - 1):
            around, y = y, np.log(operator.source_function())
            if not operator.regular or np.abs(y - around).max() < _SETTLED:
                break
            again = cls._around(physics, rays, y)
            if not again.regular:
                break
            operator = again
        return operator, np.log(operator.source_function())

    @classmethod
    def _around(cls, physics: LinePhysics, rays: Rays, y: Array) -> TwoLevelOperator:
        operator = cls.__new__(cls)
        operator._build_positive(physics, rays, y)
        return operator

    def _build_positive(self, physics: LinePhysics, rays: Rays, y: Array) -> None:
        """Build the operator; with linear interpolation where the host's is too far from monotone.

        Cubic interpolation has negative weights. Where they make the operator's own solution fall
        below what is created locally, as no positive operator's can, its inverse is worthless.
        """
        self._build(physics, rays, y)
        if self.regular and not np.all(self._own() >= _POSITIVE * self._epsilon * self._B):
            self._build(physics, rays, y, monotone=True)

    def _build(
        self, physics: LinePhysics, rays: Rays, y: Array | None, monotone: bool = False
    ) -> None:
        self.y = y
        B = np.exp(physics.log_B)
        N, self.Nray = rays.weight.shape
        saturation = np.ones_like(B) if y is None else _saturation(y, float(physics.g_ratio))
        line = (physics.opacity * saturation)[:, None] * rays.profile
        total = line + (physics.opacity * physics.background)[:, None]
        share = line / total
        step = 0.5 * (total[1:] + total[:-1]) * -np.diff(physics.height)[:, None] / rays.mu
        step = np.minimum(np.maximum(step, _THIN), _THICK)
        background = (1.0 - share) * B[:, None]
        source = None
        if y is not None and not monotone:
            source = share * np.exp(y)[:, None] + background
        inward, outward = stencils(step, source)
        # As the host's, the lower boundary is thermal, with the gradient of B.
        incident = np.maximum(B[-1] + (B[-1] - B[-2]) / step[-1], 0.0)
        depth = np.zeros_like(share)
        np.cumsum(step, axis=0, out=depth[1:])
        seen = _couple(
            depth,
            0.5 * rays.weight,
            contributions(inward, share, background),
            contributions(outward, share, background, incident),
        )
        Lambda = np.zeros((N, N + 2 * REACH))
        for m in range(2 * REACH + 1):
            Lambda[:, m : m + N] += seen[:, :, m]
        self.Lambda = Lambda[:, REACH:-REACH]
        self.known = seen[:, :, 5].sum(axis=1)
        self._epsilon, self._B = physics.epsilon, B
        self._factors, self._pivots, info = dgetrf(self._matrix())
        self.regular = info == 0 and bool(np.isfinite(self._factors.sum()))

    def _matrix(self) -> Array:
        """Return ``1 - (1 - epsilon) Lambda``."""
        A = (self._epsilon - 1.0)[:, None] * self.Lambda
        A.flat[:: len(A) + 1] += 1.0
        return A

    def solve(self, residual: Array) -> Array:
        """Return the correction of S that removes a residual ``(1 - epsilon) J + epsilon B - S``.

        Parameters
        ----------
        residual : Array
            Shape [Nspace], in the units of S.
        """
        return dgetrs(self._factors, self._pivots, residual)[0]

    def error(self, y: Array, lambda_residual: Array) -> Array:
        """Return what this operator takes for the relative error of S, negated: ``S*/S - 1``.

        Parameters
        ----------
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        lambda_residual : Array
            Residual of plain Lambda iteration at `y`, in the logarithm
            (`Evaluation.lambda_residual`).
        """
        S = np.exp(y)
        return self.solve(S * np.expm1(lambda_residual)) / S

    def plain_steps(self, y: Array, most: int) -> int | None:
        """Return how many steps MALI takes from `y` to this operator's own solution.

        MALI with this operator in place of the host's formal solver (Olson, Auer and Buchler
        1986, JQSRT 35, 431), at fixed opacity, to a relative error of 1e-3.

        Parameters
        ----------
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        most : int
            What is of interest.

        Returns
        -------
        steps : int or None
            None if there are more.
        """
        solution = self.source_function()
        A = self._matrix()
        diagonal = A.diagonal().copy()
        off = np.exp(y) - solution
        for steps in range(1, most + 1):
            off -= A @ off / diagonal
            if np.abs(off / solution).max() < _SOLVED:
                return steps
        return None

    def residual(self, S: Array) -> Array:
        """Return this operator's own residual ``(1 - epsilon) J + epsilon B - S``.

        It is exact at the state that the operator was linearised around.
        """
        J = self.Lambda @ S + self.known
        return (1.0 - self._epsilon) * J + self._epsilon * self._B - S

    @cached_property
    def negative_share(self) -> float:
        """The negative part of the inverse over the positive one, at the worst depth.

        In units of the source function that the operator was linearised around. It vanishes where
        scattered light obeys a maximum principle, as it does for every monotone formal solver
        (`lw_rl.certificate.bounds`).
        """
        assert self.y is not None
        S = np.exp(self.y)
        inverse = self.solve(np.diag(S)) / S[:, None]
        negative = np.minimum(inverse, 0.0).sum(axis=1)
        return float(np.max(-negative / (inverse.sum(axis=1) - negative)))

    def source_function(self) -> Array:
        """Return this operator's own solution, c^2 S / 2 h nu^3, positive, shape [Nspace]."""
        # Scattering cannot make less than what is created locally.
        thermal = self._epsilon * self._B
        return np.maximum(self._own(), np.maximum(thermal, _FLOOR * self._B.min()))

    def _own(self) -> Array:
        """Return this operator's own solution as it comes."""
        return self.solve(self._epsilon * self._B + (1.0 - self._epsilon) * self.known)
