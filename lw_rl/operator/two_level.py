"""The non-local approximate operator of a two-level atom, built from its line's local physics.

Statistical equilibrium of a two-level atom is ``A S = b`` with ``A = 1 - (1 - epsilon) Lambda``.
MALI inverts the diagonal of A (Olson, Auer and Buchler 1986, JQSRT 35, 431); here all of it is
approximated and inverted, in the spirit of Scharmer (1981, ApJ 249, 720) and Cannon's (1973, ApJ
185, 621) operator perturbation: on the host's depths, with its way to interpolate source function
and opacity, and on its own wavelengths and rays where these are known. What is left of an error
after one such step is what the operator does not know, how the background differs between
wavelengths, and what changes with the source function, opacity and the branches of the limiter.

No formal solution of the host is involved, so the same operator gives a first estimate of the
source function before there is any, light included that the background scatters: where nothing else
counts, a formal solution only confirms it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

from ..arrays import Array
from ..host.state import LinePhysics, LineProfile
from ..norms import largest, to_log
from ..resample import resample, table
from .effort import Effort, merged
from .lambda_1d import Medium, Plane1D
from .line_quadrature import Rays, coarser

__all__ = ["TwoLevelOperator"]


#: The first estimate of the source function makes do with this many depths, where there are more
#: than twice as many.
_ROUGH_DEPTHS = 128
#: A positive operator's solution is not below this share of what is created locally.
_POSITIVE = 0.99
#: What the equations linearised are wrong by at their solution, in ln S, beyond which the first
#: operator is relinearised there, and how often it is made at most.
_SETTLED, _MOST = 0.01, 5
#: A correction of its own solution that is smaller than this is the last: a tenth of it is left.
_CLOSE = 1e-3
#: No estimate of the source function is below this fraction of the smallest Planck function.
_FLOOR = 1e-8


class TwoLevelOperator:
    """The approximate operator of one line, linearised and factorised.

    Parameters
    ----------
    line : LinePhysics
        The line's local physics.
    y : Array, optional
        Estimate of ``ln(c^2 S / 2 h nu^3)``, shape [Nspace], around which opacity and interpolation
        are linearised. None: atoms in the lower level and linear interpolation (default: None).
    geometry : Plane1D, optional
        Where the line is (default: the plane-parallel atmosphere of its own heights).
    rays : Rays, optional
        Frequencies and angles (default: those of `geometry`).
    profile : LineProfile, optional
        What the rays were made of, where they are the host's own.
    effort : Effort, optional
        How well its own solution is found, and what that took.

    Attributes
    ----------
    y : Array or None
        Around what it was linearised.
    linear : bool
        Whether it interpolates linearly. Cubic interpolation has negative weights; where they make
        the operator's own solution fall below what is created locally, as no positive operator's
        can, its inverse is worthless, and it interpolates linearly instead.
    known : Array
        Mean intensity of background and boundaries as c^2 J / 2 h nu^3, shape [Nspace].
    regular : bool
        Whether the operator can be inverted.
    """

    def __init__(
        self,
        line: LinePhysics,
        y: Array | None = None,
        geometry: Plane1D | None = None,
        rays: Rays | None = None,
        profile: LineProfile | None = None,
        effort: Effort | None = None,
    ):
        self.line, self.profile = line, profile
        self.effort = Effort() if effort is None else effort
        self.geometry = Plane1D(line.height) if geometry is None else geometry
        self.rays = self.geometry.rays(line) if rays is None else rays
        self.y = y
        self._start: Array | None = None
        self._settled: Array | None = None
        self._light: Array | None = None
        self._epsilon, self._B = line.epsilon, np.exp(line.log_B)
        self.linear = y is None
        self._linearise()
        if not self.linear and self.regular and not self.positive:
            self.linear = True
            self._linearise()

    def _linearise(self) -> None:
        A, self.known, self._medium = self._equations()
        N, K = self.rays.weight.shape
        self.effort.did("matrix", N * N * K)
        self.effort.did("factors", N**3)
        self._factors, self._pivots, info = dgetrf(A, overwrite_a=True)
        self.regular = info == 0 and bool(np.isfinite(self._factors.sum()))

    def _equations(self) -> tuple[Array, Array, Medium]:
        """Return ``1 - (1 - epsilon) Lambda``, columns contiguous, known part of J, and medium."""
        A, known, medium = self.geometry.lambda_operator(self.line, self.rays, self.y, self.linear)
        A *= (self._epsilon - 1.0)[:, None]
        np.einsum("ii->i", A)[:] += 1.0
        return A, known, medium

    @classmethod
    def first(
        cls,
        line: LinePhysics,
        geometry: Plane1D | None = None,
        rays: Rays | None = None,
        profile: LineProfile | None = None,
        effort: Effort | None = None,
    ) -> TwoLevelOperator:
        """Return the operator around its own solution; no formal solution is needed.

        A rough operator, on a third of the rays, of atoms in the lower level and of a source
        function that is linear between depths, which is monotone and never far off, tells around
        what to linearise. Opacity and interpolation are not linear, and where there are shocks the
        solution is far from there: the operator is relinearised until what its own equations are
        wrong by at its solution is small. On fine grids all of this is done on fewer depths first.
        """
        geometry = Plane1D(line.height) if geometry is None else geometry
        rays = geometry.rays(line) if rays is None else rays
        effort = Effort() if effort is None else effort
        if profile is not None and effort.fidelity < 1.0:
            rays, profile = merged(rays, profile.mu.size, effort.fidelity), None
        N = len(line.height)
        if N > 2 * _ROUGH_DEPTHS:
            fewer, on_fewer = coarser(line, rays, table(N, _ROUGH_DEPTHS))
            coarse = cls.first(fewer, rays=on_fewer, effort=effort).start()
            y = resample(coarse, table(_ROUGH_DEPTHS, N))
        else:
            y = cls(line, geometry=geometry, rays=rays.rough(), effort=effort).start()
        operator = cls(line, y, geometry, rays, profile, effort)
        for _ in range(_MOST - 1):
            if not operator.regular or operator.settle() < _SETTLED * effort.tolerance:
                break
            again = operator.relinearised(operator.start())
            if not again.regular:
                break
            operator = again
        return operator

    @property
    def copies_host(self) -> bool:
        """Whether it has the host's wavelengths, rays and default interpolation between depths."""
        return self.profile is not None and not self.linear

    def settle(self) -> float:
        """Correct its own solution by what is not in its equations, at fixed operator.

        That is what they are linearised in, and light that the background scatters.

        Returns
        -------
        size : float
            Of the correction for what is not linear, in the logarithm.
        """
        y = self.start()
        J, self._light = self._mean_intensity(y)
        residual = (1.0 - self._epsilon) * J + self.thermal - np.exp(y)
        size = largest(to_log(self.solve(residual) / np.exp(y)))
        if not size < _SETTLED:
            return size
        scattered: Array | float = 0.0
        if self._light is not None:
            J, of_waves = self._scattered(self._light - self._B)
            scattered = (1.0 - self._epsilon) * J
            self._light += of_waves
        for _ in range(_MOST):
            correction = to_log(self.solve(residual + scattered) / np.exp(y))
            self._start = self._settled = y = y + correction
            if not largest(correction) > _CLOSE:
                break
            residual = self.residual(y)
        return size

    def distance(self, y: Array) -> float:
        """Return how far a state is from where its equations are known to hold, in ln S.

        That is around what it was linearised, and where its own solution was settled.
        """
        known = [largest(at - y) for at in (self.y, self._settled) if at is not None]
        return min(known, default=np.inf)

    def relinearised(self, y: Array) -> TwoLevelOperator:
        """Return the operator of the same line linearised around another state."""
        return type(self)(self.line, y, self.geometry, self.rays, self.profile, self.effort)

    def _mean_intensity(self, y: Array) -> tuple[Array, Array | None]:
        """Return the mean intensity of the line, and at each of the host's wavelengths if known."""
        self.effort.did("light", self.rays.weight.size)
        if self.profile is None:
            J = self.geometry.mean_intensity(self.line, self.rays, y, self.linear)
            return J, None
        return self.geometry.radiation(self.line, self.rays, y, self.profile, self.linear)

    def start_radiation(self) -> Array | None:
        """Return the mean intensity near its own solution as c^2 J / 2 h nu^3, None if unknown.

        Shape [Nwave, Nspace], at the host's wavelengths.
        """
        return self._light

    def lit(self, y: Array, lambda_residual: Array, change: Array) -> Array:
        """Return the residual of Lambda iteration with scattered light that belongs to the state.

        The host scatters in the background what the formal solution before has left. What that has
        changed since is scattered here.

        Parameters
        ----------
        y, lambda_residual : Array
            As for :meth:`error`.
        change : Array
            Change of the mean intensity as c^2 J / 2 h nu^3, [Nwave, Nspace], at the host's
            wavelengths.
        """
        J, _ = self._scattered(change)
        iterated = np.exp(y + lambda_residual)
        return lambda_residual + to_log((1.0 - self._epsilon) * J / iterated)

    def _scattered(self, light: Array) -> tuple[Array, Array]:
        """Return the mean intensity of the line that scattered light makes, and that light."""
        return self.geometry.scattered(self.line, self.rays, self._medium, light, self.profile)

    def solve(self, residual: Array) -> Array:
        """Return the correction of S that removes a residual ``(1 - epsilon) J + epsilon B - S``.

        Parameters
        ----------
        residual : Array
            Shape [Nspace], in the units of S.
        """
        correction: Array = dgetrs(self._factors, self._pivots, residual)[0]
        return correction

    def error(self, y: Array, lambda_residual: Array) -> Array:
        """Return the relative error of S by this operator, negated: ``S*/S - 1``.

        Parameters
        ----------
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        lambda_residual : Array
            Residual of Lambda iteration at `y`, in the logarithm (`Evaluation.lambda_residual`).
        """
        S = np.exp(y)
        return self.solve(S * np.expm1(lambda_residual)) / S

    def residual(self, y: Array) -> Array:
        """Return this operator's own residual ``(1 - epsilon) J + epsilon B - S``, not linearised.

        Parameters
        ----------
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        """
        self.effort.did("light", self.rays.weight.size)
        J = self.geometry.mean_intensity(self.line, self.rays, y, self.linear)
        return (1.0 - self._epsilon) * J + self._epsilon * self._B - np.exp(y)

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

    @property
    def thermal(self) -> Array:
        """``epsilon B``, what is created locally, as c^2 S / 2 h nu^3, shape [Nspace]."""
        thermal: Array = self._epsilon * self._B
        return thermal

    @property
    def positive(self) -> bool:
        """Whether its own solution is nowhere below what is created locally."""
        return bool(np.all(self._own() >= _POSITIVE * self.thermal))

    def start(self) -> Array:
        """Return the operator's own solution, ``ln(c^2 S / 2 h nu^3)``, shape [Nspace]."""
        if self._start is not None:
            return self._start
        # Scattering cannot make less than what is created locally.
        least = np.maximum(self.thermal, _FLOOR * self._B.min())
        start: Array = np.log(np.maximum(self._own(), least))
        return start

    def _own(self) -> Array:
        return self.solve(self.thermal + (1.0 - self._epsilon) * self.known)
