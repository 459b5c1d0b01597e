"""The reference radiative-transfer engine of the paper's problem: a two-level atom in a slab.

A plane-parallel, static slab with complete redistribution has one unknown, the line source
function ``S``, which obeys

    S = (1 - eps) Jbar[S] + eps B,            Jbar = Lambda S + (what shines in from below).

`Slab` holds one atmosphere (grid, angles, profile) and a batch of problems on it (``eps`` and
``B``, with ``S``), and gives ``Jbar`` by parabolic short characteristics.  The opacity does not
depend on ``S``, so the transfer is linear and the same operator is also available as a matrix,
`Slab.Lambda`: the exact solution is then one linear solve, and ``Jbar`` one matrix product.  Both
routes are kept, and tests hold them equal to rounding.

References
----------
Olson & Kunasz 1987, JQSRT 38, 325 (short characteristics, the diagonal operator);
Panos & Milic 2025, arXiv:2504.15679 (the problem); Lambert et al. 2015, arXiv:1509.01158 (the
two-stream check).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array
from .short_characteristics import Sweep

__all__ = ["LINE_OPACITY_RATIO", "Slab", "paper_slab", "slab", "two_stream_slab"]

LINE_OPACITY_RATIO = 1e3
"""Line-to-continuum opacity ratio of the paper: ``tau_line = 1e3 tau_c phi(x)``."""


@dataclass(frozen=True, eq=False)
class Slab:
    """A plane-parallel slab with a two-level atom, or a batch of them on one grid.

    Parameters
    ----------
    tau : array_like [Nspace]
        Continuum optical depth, positive and increasing inwards [-].
    eps : array_like, scalar, [Nspace] or [..., Nspace]
        Photon destruction probability, in (0, 1] [-].
    B : array_like, scalar, [Nspace] or [..., Nspace]
        Planck function, positive, in the unit that ``S`` is wanted in.
    phi : array_like [Nwave]
        Absorption profile, with ``sum(w_phi phi) = 1`` [-].
    w_phi : array_like [Nwave]
        Quadrature weights in frequency [-].
    mu, w_mu : array_like [Nrays]
        Cosines in (0, 1] and their weights, which sum to one [-].
    opacity_ratio : float
        Line opacity over continuum opacity, positive [-].

    Raises
    ------
    ValueError
        If an argument is outside the bound given above; the message has the value and the bound.

    Notes
    -----
    The intensity is zero at the top and ``B`` at the bottom.  The formal solution is parabolic at
    every point but the last one of each ray, which has no downwind neighbour and is linear.
    There is no continuum opacity in the transfer: ``tau`` is only the depth scale.
    """

    tau: Array
    eps: Array
    B: Array
    phi: Array
    w_phi: Array
    mu: Array
    w_mu: Array
    opacity_ratio: float = LINE_OPACITY_RATIO
    _sweeps: tuple[Sweep, Sweep] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every argument and prepare both sweeps."""
        _check_atmosphere(self)
        chi = self.opacity_ratio * np.asarray(self.phi, float) / np.asarray(self.mu)[:, None]
        weight = 0.5 * np.asarray(self.w_mu)[:, None] * np.asarray(self.w_phi) * self.phi
        dtau = np.diff(self.tau)[:, None] * chi.ravel()
        sweeps = tuple(Sweep.along(d, weight.ravel()) for d in (dtau, dtau[::-1]))
        object.__setattr__(self, "_sweeps", sweeps)

    @property
    def Nspace(self) -> int:
        """Number of depth points."""
        return len(self.tau)

    def with_problems(self, eps: ArrayLike, B: ArrayLike) -> Slab:
        """Return the same atmosphere with another ``eps`` and ``B``."""
        return slab(self.tau, eps, B, self.phi, self.w_phi, self.mu, self.w_mu, self.opacity_ratio)

    def sweep(self, S: ArrayLike, incident: ArrayLike | None = None) -> Array:
        """Profile-averaged mean intensity by one short-characteristics sweep.

        Parameters
        ----------
        S : array_like [..., Nspace]
            Source function.
        incident : array_like, broadcastable to ``S.shape[:-1]``, optional
            Intensity at the bottom.  Default: ``B`` there.

        Returns
        -------
        ndarray [..., Nspace]
            ``Jbar``, in the unit of ``S``.
        """
        S = np.asarray(S, float)
        if S.shape[-1] != self.Nspace:
            raise ValueError(f"S has {S.shape[-1]} depth points; the grid has {self.Nspace}")
        shape = np.broadcast_shapes(S.shape, self.B.shape) if incident is None else S.shape
        bottom = self.B[..., -1] if incident is None else np.asarray(incident, float)
        # Depth first and batch last, so that each step of the recursion is one contiguous
        # array operation over (angle x frequency, batch).
        flat = np.broadcast_to(S, shape).reshape(-1, self.Nspace).T
        bottom = np.broadcast_to(bottom, shape[:-1]).reshape(-1)
        down, up = self._sweeps
        Jbar = down.mean_intensity(flat, np.zeros_like(bottom))
        Jbar += up.mean_intensity(flat[::-1], bottom)[::-1]
        return Jbar.T.reshape(shape)

    @cached_property
    def Lambda_star(self) -> Array:
        """Diagonal approximate operator, [Nspace]: the response to the local source alone."""
        down, up = self._sweeps
        return down.local + up.local[::-1]

    @cached_property
    def Lambda(self) -> Array:
        """The operator as a matrix, [Nspace, Nspace]: ``Jbar = Lambda S + from_below B_bottom``."""
        return self.sweep(np.eye(self.Nspace), incident=0.0).T

    @cached_property
    def from_below(self) -> Array:
        """``Jbar`` of a unit intensity at the bottom without sources, [Nspace]."""
        return self.sweep(np.zeros(self.Nspace), incident=1.0)

    def mean_intensity(self, S: ArrayLike) -> Array:
        """Return ``Jbar`` through the matrix: the sweep to rounding, and faster on small grids."""
        S = np.asarray(S, float)
        return S @ self.Lambda.T + self.B[..., -1:] * self.from_below

    def implied_source(self, S: ArrayLike, Jbar: Array | None = None) -> Array:
        """Source function of statistical equilibrium in the radiation field of ``S``.

        Parameters
        ----------
        S : array_like [..., Nspace]
            Source function.
        Jbar : ndarray [..., Nspace], optional
            Its mean intensity; by default from `mean_intensity`.

        Returns
        -------
        ndarray [..., Nspace]
            ``(1 - eps) Jbar + eps B``.
        """
        J = self.mean_intensity(S) if Jbar is None else Jbar
        return (1.0 - self.eps) * J + self.eps * self.B

    @cached_property
    def preconditioner(self) -> Array:
        """``1 / (1 - (1 - eps) Lambda*)``, [..., Nspace]: residual to ALI correction."""
        return 1.0 / (1.0 - (1.0 - self.eps) * self.Lambda_star)

    @cached_property
    def system(self) -> tuple[Array, Array]:
        """``A`` [..., Nspace, Nspace] and ``b`` [..., Nspace] of statistical equilibrium, A S = b.

        The residual of any ``S`` is ``b - A S``, that is ``implied_source(S) - S``.
        """
        albedo = 1.0 - self.eps
        A = np.eye(self.Nspace) - albedo[..., :, None] * self.Lambda
        b = albedo * self.B[..., -1:] * self.from_below + self.eps * self.B
        return A, b

    @cached_property
    def solution(self) -> Array:
        """The exact solution on this grid by a direct linear solve, [..., Nspace]."""
        A, b = self.system
        return np.asarray(np.linalg.solve(A, b[..., None])[..., 0], np.float64)


def slab(
    tau: ArrayLike,
    eps: ArrayLike,
    B: ArrayLike,
    phi: ArrayLike,
    w_phi: ArrayLike,
    mu: ArrayLike,
    w_mu: ArrayLike,
    opacity_ratio: float = LINE_OPACITY_RATIO,
) -> Slab:
    """Build a `Slab`, with scalars of ``eps`` and ``B`` broadcast over depth."""
    tau_, eps_, B_ = (np.asarray(v, float) for v in (tau, eps, B))
    shape = np.broadcast_shapes(tau_.shape, eps_.shape, B_.shape)
    eps_, B_ = (np.broadcast_to(v, shape).copy() for v in (eps_, B_))
    phi_, w_phi_, mu_, w_mu_ = (np.asarray(v, float) for v in (phi, w_phi, mu, w_mu))
    return Slab(tau_, eps_, B_, phi_, w_phi_, mu_, w_mu_, float(opacity_ratio))


def paper_slab(
    Nspace: int = 31, eps: ArrayLike = 1e-4, B: ArrayLike = 1.0, *, Nwave: int = 21, Nrays: int = 3
) -> Slab:
    """Return the slab of Panos & Milic (2025): log10 tau_c from -7 to 2, Doppler profile.

    Parameters
    ----------
    Nspace : int
        Depth points, 31 in the paper.
    eps, B : array_like
        Photon destruction probability and Planck function, scalars or [..., Nspace].
    Nwave : int
        Frequency points on x = -4 .. 4 Doppler widths, trapezoid weights renormalised.
    Nrays : int
        Points of the Gauss-Legendre quadrature on mu = 0 .. 1.
    """
    x = np.linspace(-4.0, 4.0, Nwave)
    phi = np.exp(-(x**2)) / np.sqrt(np.pi)
    w_phi = np.full(Nwave, x[1] - x[0])
    w_phi[[0, -1]] *= 0.5
    w_phi /= w_phi @ phi
    nodes, weights = np.polynomial.legendre.leggauss(Nrays)
    tau = 10.0 ** np.linspace(-7.0, 2.0, Nspace)
    return slab(tau, eps, B, phi, w_phi, 0.5 * (nodes + 1.0), 0.5 * weights)


def two_stream_slab(
    points_per_decade: int = 5, eps: float = 1e-4, log_tau: tuple[float, float] = (-4.0, 4.0)
) -> tuple[Slab, Array]:
    """Return a monochromatic two-stream slab and its analytic source function.

    One ray at mu = 1/sqrt(3) and one frequency; for a semi-infinite slab
    ``S = 1 - (1 - sqrt(eps)) exp(-sqrt(3 eps) tau)`` (Lambert et al. 2015, arXiv:1509.01158).

    Parameters
    ----------
    points_per_decade : int
        Depth points per decade of optical depth.
    eps : float
        Photon destruction probability.
    log_tau : (float, float)
        First and last log10 of the optical depth.

    Returns
    -------
    Slab
        The slab, with B = 1.
    ndarray [Nspace]
        The analytic source function.
    """
    Nspace = round((log_tau[1] - log_tau[0]) * points_per_decade) + 1
    tau = 10.0 ** np.linspace(*log_tau, Nspace)
    one = np.ones(1)
    two_stream = slab(tau, eps, 1.0, one, one, one / np.sqrt(3.0), one, opacity_ratio=1.0)
    return two_stream, 1.0 - (1.0 - np.sqrt(eps)) * np.exp(-np.sqrt(3.0 * eps) * tau)


def _check_atmosphere(s: Slab) -> None:
    """Raise ValueError, with value and bound, at the first argument that has no formal solution."""
    tau, eps, B = s.tau, s.eps, s.B
    if tau.ndim != 1 or len(tau) < 3:
        raise ValueError(f"tau must be one-dimensional with >= 3 points, not of shape {tau.shape}")
    if not np.all(np.isfinite(tau)) or tau[0] < 0:
        raise ValueError(f"tau must be finite and >= 0; it has {np.min(tau)} to {np.max(tau)}")
    step = np.diff(tau)
    if np.any(step <= 0):
        k = int(np.argmax(step <= 0))
        raise ValueError(f"tau must increase: tau[{k}] = {tau[k]}, tau[{k + 1}] = {tau[k + 1]}")
    for name, v in (("eps", eps), ("B", B)):
        if v.ndim < 1 or v.shape[-1] != len(tau):
            raise ValueError(f"{name} has shape {v.shape}; its last axis must be {len(tau)} long")
    bad = ~((eps > 0) & (eps <= 1))  # Written so that NaN is bad too.
    if np.any(bad):
        raise ValueError(f"eps must be in (0, 1]; it has the value {eps[bad].flat[0]}")
    bad = ~((B > 0) & np.isfinite(B))
    if np.any(bad):
        raise ValueError(f"B must be finite and > 0; it has the value {B[bad].flat[0]}")
    if s.phi.shape != s.w_phi.shape or np.any(~(s.phi > 0)):
        raise ValueError(
            f"phi must be > 0 with one weight each; least value {np.min(s.phi)}, "
            f"shapes {s.phi.shape} and {s.w_phi.shape}"
        )
    norm = float(s.w_phi @ s.phi)
    if not abs(norm - 1.0) <= 1e-6:
        raise ValueError(f"the profile must integrate to 1 within 1e-6; sum(w_phi phi) = {norm}")
    if s.mu.shape != s.w_mu.shape or np.any(~((s.mu > 0) & (s.mu <= 1))):
        raise ValueError(f"mu must be in (0, 1] with one weight each; it has {s.mu}")
    if not abs(float(np.sum(s.w_mu)) - 1.0) <= 1e-6:
        raise ValueError(f"w_mu must sum to 1 within 1e-6; it sums to {np.sum(s.w_mu)}")
    if not (s.opacity_ratio > 0 and np.isfinite(s.opacity_ratio)):
        raise ValueError(f"opacity_ratio must be finite and > 0, not {s.opacity_ratio}")
