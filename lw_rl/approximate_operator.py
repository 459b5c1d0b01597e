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

The formal solution that is mimicked is the host's default: cubic Bezier short characteristics
with limited derivatives (de la Cruz Rodriguez and Piskunov 2013, ApJ 764, 33), linearised around
an estimate of the source function. Where there is none yet, the source function is interpolated
linearly, which is monotone and never far off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from lightweaver import voigt_H
from numpy.lib.stride_tricks import as_strided
from scipy.linalg.lapack import dgetrf, dgetrs

from .resample import Table, resample, table
from .state import LinePhysics

Array = np.ndarray

#: Spacing of the frequencies at line centre in the smallest Doppler width, at rest and moving.
_SPACING, _SPACING_MOVING = 0.3, 0.5
#: The first estimate of the source function makes do with every third of them: of three midpoints,
#: the middle one is the midpoint of all.
_ROUGH = 3
#: And with this many depths.
_ROUGH_DEPTHS = 256
#: A velocity field is seen if it spans this much of the smallest Doppler width.
_AT_REST = 0.1
#: Frequencies on either side of line centre, a multiple of the above.
_FEWEST, _MOST = 6, 63
#: Cosines of the angles, two Gauss-Legendre points, and their weights.
_MU, _WEIGHT_MU = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3.0), np.array([0.5, 0.5])
#: Neighbouring depths are coupled directly in blocks of this size, others through their borders.
_LEAF = 6
#: Steps of optical depth beyond which nothing changes.
_THIN, _THICK = 1e-12, 1e12
#: Below this step of optical depth its weights are summed as series.
_SERIES = 0.03
#: A step sees the source function up to this many depths from its end.
_REACH = 2
#: No estimate of the source function is below this fraction of the smallest Planck function.
_FLOOR = 1e-8


@dataclass(frozen=True)
class _Rays:
    """Frequencies and angles, flattened.

    Attributes
    ----------
    weight : Array
        Line profile and quadrature weight, shape [Nspace, Nray]; the sum over rays is one.
    profile : Array
        Line profile over its value at line centre, shape [Nspace, Nray].
    mu : Array
        Cosine of every ray's angle, shape [Nray].
    """

    weight: Array
    profile: Array
    mu: Array

    def rough(self) -> _Rays:
        """Return every third frequency."""
        some = slice(_ROUGH // 2, None, _ROUGH)
        weight = self.weight[:, some]
        total = weight.sum(axis=1, keepdims=True)
        return _Rays(weight / total, self.profile[:, some], self.mu[some])


def _frequencies(physics: LinePhysics, span: float) -> tuple[Array, Array]:
    """Return frequencies [m s-1] from line centre, and their weights.

    The midpoint rule in t of ``u = core sinh(s t)``: the integrand is smooth, even at rest, and
    vanishes at the ends, so it converges geometrically (Trefethen and Weideman 2014, SIAM Rev. 56,
    385).
    """
    narrowest = float(physics.broadening.min())
    core = narrowest + 0.5 * span
    s = float(np.arcsinh(max(float(physics.extent), 4.0 * core) / core))
    spacing = (_SPACING_MOVING if span > 0.0 else _SPACING) * narrowest
    N = _ROUGH * int(np.ceil(s * core / spacing / _ROUGH))
    N = min(max(N, _FEWEST), _MOST)
    t = (np.arange(-N if span > 0.0 else 0, N) + 0.5) / N
    return core * np.sinh(s * t), np.cosh(s * t)


def _rays(physics: LinePhysics) -> _Rays:
    broadening, damping = physics.broadening, physics.damping
    velocity = physics.velocity * broadening
    span = float(np.ptp(velocity))
    if span <= _AT_REST * float(broadening.min()):
        # Without motion a profile is even, and the same at every angle.
        span, velocity, mus = 0.0, np.zeros_like(velocity), np.zeros(1)
    else:
        velocity = velocity - 0.5 * (float(velocity.max()) + float(velocity.min()))
        mus = _MU
    u, w = _frequencies(physics, span)
    x = np.abs(u - mus[:, None] * velocity[:, None, None]) / broadening[:, None, None]
    a = np.broadcast_to(damping[:, None, None], x.shape)
    H = voigt_H(a.ravel(), x.ravel()).reshape(x.shape)
    # The host normalises its profiles on its own wavelengths, too, angle by angle.
    weight = H * w
    weight = _WEIGHT_MU[:, None] * (weight / weight.sum(axis=2, keepdims=True))
    profile = H / voigt_H(damping, np.zeros_like(damping))[:, None, None]
    N, shape = len(damping), (len(damping), len(_MU), len(u))
    return _Rays(
        weight.reshape(N, -1), np.broadcast_to(profile, shape).reshape(N, -1), _MU.repeat(len(u))
    )


def _coarser(physics: LinePhysics, rays: _Rays, to: Table) -> tuple[LinePhysics, _Rays]:
    """Return a line and its rays on fewer depths."""

    def log(values: Array) -> Array:
        return np.exp(resample(np.log(values), to))

    fewer = replace(
        physics,
        height=resample(physics.height, to),
        opacity=log(physics.opacity),
        background=log(physics.background),
        epsilon=log(physics.epsilon),
        log_B=resample(physics.log_B, to),
    )
    nearest = to[0] + (to[2] > 0.5)
    return fewer, _Rays(rays.weight[nearest], rays.profile[nearest], rays.mu)


def _bezier(step: Array) -> tuple[Array, Array, Array, Array]:
    """Return the weights of a step's four control points, that of its end first.

    de la Cruz Rodriguez and Piskunov (2013), equations 14-17; where the step is thin, their series.
    """
    t = np.maximum(step, _SERIES)
    e = np.exp(-t)
    t2 = t * t
    t3 = t2 * t
    weights = (
        (6.0 * e - 6.0 + 6.0 * t - 3.0 * t2 + t3) / t3,
        (18.0 - 12.0 * t + 3.0 * t2 - (6.0 * t + 18.0) * e) / t3,
        (6.0 * t - 18.0 + (18.0 + 12.0 * t + 3.0 * t2) * e) / t3,
        (6.0 - (6.0 + 6.0 * t + 3.0 * t2 + t3) * e) / t3,
    )
    thin = step < _SERIES
    t = step[thin]
    # Integrals of x^n (1 - x)^(3 - n) exp(-t x): Euler's beta function, term by term.
    weights[0][thin] = t * (1 / 4 - t * (1 / 20 - t / 120))
    weights[1][thin] = t * (1 / 4 - t * (1 / 10 - t / 40))
    weights[2][thin] = t * (1 / 4 - t * (3 / 20 - t / 20))
    weights[3][thin] = t * (1 / 4 - t * (1 / 5 - t / 12))
    return weights


def _linear(step: Array) -> tuple[Array, Array]:
    """Return the weights of a step's end and beginning where the source function is linear."""
    t = np.maximum(step, _SERIES)
    e = np.exp(-t)
    mean = (1.0 - e) / t
    end, begin = 1.0 - mean, mean - e
    thin = step < _SERIES
    t = step[thin]
    end[thin] = t * (1 / 2 - t * (1 / 6 - t / 24))
    begin[thin] = t * (1 / 2 - t * (1 / 3 - t / 8))
    return end, begin


def _slopes(step: Array, source: Array) -> tuple[Array, Array]:
    """Return how the limited derivative depends on the differences before and after a depth.

    The derivative is the weighted harmonic mean of the two slopes, or zero at an extremum
    (Fritsch and Butland 1984, SIAM J. Sci. Stat. Comput. 5, 300); here it is linearised.

    Returns
    -------
    before, after : Array
        [Nspace, Nray]; the derivative is ``before (S_i - S_i-1) + after (S_i+1 - S_i)``.
    """
    before, after = np.zeros_like(source), np.zeros_like(source)
    slope = np.diff(source, axis=0) / step
    left, right = slope[:-1], slope[1:]
    weight = (1.0 + step[1:] / (step[1:] + step[:-1])) / 3.0
    mean = weight * right + (1.0 - weight) * left
    limited = left * right <= 0.0
    mean[limited] = np.inf
    before[1:-1] = weight * (right / mean) ** 2 / step[:-1]
    after[1:-1] = (1.0 - weight) * (left / mean) ** 2 / step[1:]
    after[0] = 1.0 / step[0]
    before[-1] = 1.0 / step[-1]
    return before, after


def _stencils(step: Array, source: Array | None) -> tuple[Array, Array]:
    """Return what each step adds to the intensity at its end, inward and outward.

    Returns
    -------
    inward, outward : Array
        [Nspace, 5, Nray]: weights of the source function from two depths above to two below.
    """
    N, K = step.shape[0] + 1, step.shape[1]
    inward, outward = np.zeros((N, 5, K)), np.zeros((N, 5, K))
    if source is None:
        end, begin = _linear(step)
        inward[1:, 2], inward[1:, 1] = end, begin
        outward[:-1, 2], outward[:-1, 3] = end, begin
        return inward, outward
    own, near, far, upwind = _bezier(step)
    before, after = _slopes(step, source)
    third = step / 3.0
    g, d = near * third, far * third
    own += near
    upwind += far
    b, a, b_up, a_up = before[1:], after[1:], before[:-1], after[:-1]
    inward[1:, 3] = -g * a
    inward[1:, 2] = own - g * (b - a) + d * a_up
    inward[1:, 1] = upwind + g * b + d * (b_up - a_up)
    inward[1:, 0] = -d * b_up
    outward[:-1, 1] = -g * b_up
    outward[:-1, 2] = own + g * (b_up - a_up) + d * b
    outward[:-1, 3] = upwind + g * a_up - d * (b - a)
    outward[:-1, 4] = -d * a
    return inward, outward


def _saturation(y: Array, g_ratio: float) -> Array:
    """Return the line's opacity at ``y`` over that of atoms which are all in the lower level."""
    excited = 1.0 / (1.0 + np.exp(-y))
    return (1.0 - excited) / (1.0 + g_ratio * excited)


def _contributions(
    stencil: Array, share: Array, background: Array, incident: Array | None = None
) -> Array:
    """Return what each step adds per line source function, and what it adds anyway.

    Returns
    -------
    cells : Array
        [Nspace, 6, Nray]: five neighbours' source functions, and what is known.
    """
    N, reach, K = stencil.shape
    cells = np.empty((N, reach + 1, K))
    np.multiply(stencil, _windows(share), out=cells[:, :reach])
    np.einsum("imk,imk->ik", stencil, _windows(background), out=cells[:, reach])
    if incident is not None:
        cells[-1, reach] += incident
    return cells


def _windows(values: Array) -> Array:
    """Return every depth's neighbours, [Nspace, 5, Nray], zero beyond the ends."""
    N, K = values.shape
    padded = np.zeros((N + 2 * _REACH, K))
    padded[_REACH:-_REACH] = values
    rows, columns = padded.strides
    return as_strided(padded, (N, 2 * _REACH + 1, K), (rows, rows, columns))


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
        From :func:`_contributions`.

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


class ApproximateOperator:
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
        self._build(physics, _rays(physics), y)

    @classmethod
    def first(cls, physics: LinePhysics) -> tuple[ApproximateOperator, Array]:
        """Return the operator around its own solution, and that solution.

        No formal solution is needed. A rough operator, on a third of the frequencies and not too
        many depths, of atoms in the lower level and of a source function that is linear between
        depths, which is monotone and never far off, tells around what to linearise.

        Returns
        -------
        operator : ApproximateOperator
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        """
        rays = _rays(physics)
        rough, operator = cls.__new__(cls), cls.__new__(cls)
        N = len(physics.height)
        if N > _ROUGH_DEPTHS:
            rough._build(*_coarser(physics, rays.rough(), table(N, _ROUGH_DEPTHS)), None)
            y = resample(np.log(rough.source_function()), table(_ROUGH_DEPTHS, N))
        else:
            rough._build(physics, rays.rough(), None)
            y = np.log(rough.source_function())
        operator._build(physics, rays, y)
        return operator, np.log(operator.source_function())

    def _build(self, physics: LinePhysics, rays: _Rays, y: Array | None) -> None:
        B = np.exp(physics.log_B)
        N, self.Nray = rays.weight.shape
        saturation = np.ones_like(B) if y is None else _saturation(y, float(physics.g_ratio))
        line = (physics.opacity * saturation)[:, None] * rays.profile
        total = line + (physics.opacity * physics.background)[:, None]
        share = line / total
        step = 0.5 * (total[1:] + total[:-1]) * -np.diff(physics.height)[:, None] / rays.mu
        step = np.minimum(np.maximum(step, _THIN), _THICK)
        background = (1.0 - share) * B[:, None]
        source = None if y is None else share * np.exp(y)[:, None] + background
        inward, outward = _stencils(step, source)
        # As the host's, the lower boundary is thermal, with the gradient of B.
        incident = np.maximum(B[-1] + (B[-1] - B[-2]) / step[-1], 0.0)
        depth = np.zeros_like(share)
        np.cumsum(step, axis=0, out=depth[1:])
        seen = _couple(
            depth,
            0.5 * rays.weight,
            _contributions(inward, share, background),
            _contributions(outward, share, background, incident),
        )
        Lambda = np.zeros((N, N + 2 * _REACH))
        for m in range(2 * _REACH + 1):
            Lambda[:, m : m + N] += seen[:, :, m]
        self.Lambda = Lambda[:, _REACH:-_REACH]
        self.known = seen[:, :, 5].sum(axis=1)
        self._epsilon, self._B = physics.epsilon, B
        A = (physics.epsilon - 1.0)[:, None] * self.Lambda
        A.flat[:: N + 1] += 1.0
        self._factors, self._pivots, info = dgetrf(A)
        self.regular = info == 0 and bool(np.isfinite(self._factors.sum()))

    def solve(self, residual: Array) -> Array:
        """Return the correction of S that removes a residual ``(1 - epsilon) J + epsilon B - S``.

        Parameters
        ----------
        residual : Array
            Shape [Nspace], in the units of S.
        """
        return dgetrs(self._factors, self._pivots, residual)[0]

    def error(self, y: Array, implied: Array) -> Array:
        """Return what this operator takes for the relative error of S, negated: ``S*/S - 1``.

        Parameters
        ----------
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        implied : Array
            Residual of plain Lambda iteration at `y`, in the logarithm (`Evaluation.implied`).
        """
        S = np.exp(y)
        return self.solve(S * np.expm1(implied)) / S

    def source_function(self) -> Array:
        """Return this operator's own solution, c^2 S / 2 h nu^3, positive, shape [Nspace]."""
        thermal = self._epsilon * self._B
        S = self.solve(thermal + (1.0 - self._epsilon) * self.known)
        # Scattering cannot make less than what is created locally.
        return np.maximum(S, np.maximum(thermal, _FLOOR * self._B.min()))
