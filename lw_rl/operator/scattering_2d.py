"""Coherent scattering in the background of a plane, solved by GMRES without a matrix.

As `lw_rl.operator.scattering` in one dimension: the change of the mean intensity J in a formal
solution is taken to its limit, with Lambda from linear short characteristics on the host's own rays
(`lw_rl.operator.characteristics_2d`), for all wavelengths at once.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from ..arrays import Numbers
from ..norms import LEAST, not_below
from .characteristics_2d import COEFFICIENTS, coefficients, local_escape, sweep
from .plane_2d import Plane2D

__all__ = ["PlaneScattering"]

#: What is left of a change of J, root mean square, and applications of Lambda at most.
_TOLERANCE, _MOST = 1e-2, 60
#: Relative change of opacity or scattering beyond which the weights are made again.
_CHANGED = 0.1


class PlaneScattering:
    """Background scattering at some wavelengths of a plane.

    Parameters
    ----------
    geometry : Plane2D
        Where it is.
    """

    def __init__(self, geometry: Plane2D):
        self._geometry = geometry
        self._known: tuple[Numbers, Numbers, Numbers] | None = None

    def solve(
        self, waves: Numbers, before: Numbers, after: Numbers, chi: Numbers, sca: Numbers
    ) -> Numbers:
        """Return the mean intensity with scattering solved, shape [Nwave, Nspace].

        Parameters
        ----------
        waves : array
            What names the wavelengths, [Nwave].
        before, after : array
            Mean intensity that was the source of scattered light in a formal solution, and that
            which it led to, [Nwave, Nspace].
        chi, sca : array
            Total opacity and the part of it that scatters coherently [m-1], [Nwave, Nspace].
        """
        if not len(waves):
            return after
        self._make(waves, chi, sca)
        shape = after.T.shape
        scale = np.maximum(after.T, 1e-300)
        row = self._row * scale
        change = ((after - before).T / row).astype(np.float32).ravel()

        def apply(u: Numbers) -> Numbers:
            J = u.reshape(shape) * scale
            left: Numbers = ((J - self._scattered(J)) / row).astype(np.float32)
            return left.ravel()

        A = LinearOperator((change.size, change.size), apply, dtype=np.float32)
        u, _ = gmres(A, change, rtol=_TOLERANCE, restart=_MOST, maxiter=1)
        return not_below(LEAST, after, before + (u.reshape(shape) * scale).T)

    def _make(self, waves: Numbers, chi: Numbers, sca: Numbers) -> None:
        """Make the weights of all steps, unless those that there are will do."""
        if self._known is not None and np.array_equal(waves, self._known[0]):
            pairs = zip((chi, sca), self._known[1:], strict=True)
            if all(np.all(np.abs(now - then) <= _CHANGED * then) for now, then in pairs):
                return
        self._known = waves.copy(), chi.copy(), sca.copy()
        steps, plane = self._geometry.linear_steps, self._geometry.plane
        opacity = np.ascontiguousarray(chi.T, dtype=np.float32)
        self._albedo = np.ascontiguousarray((sca / chi).T, dtype=np.float32)
        self._kept = np.empty((len(steps.point), COEFFICIENTS, len(waves)), np.float32)
        coefficients(
            steps.point, steps.share, steps.length, opacity, opacity, 0, len(steps.point), 0,
            self._kept,
        )  # fmt: skip
        self._angle = 0.5 * np.repeat(plane.weight, 2)
        escape = np.zeros_like(opacity)
        for ray in range(plane.Nray):
            local_escape(*self._path(ray)[:2], self._kept, self._angle[ray], escape)
        # Of what a point emits, this part is not scattered again on the spot.
        self._row = (1.0 - self._albedo) + self._albedo * escape

    def _path(self, ray: int) -> tuple[Numbers, Numbers]:
        steps, N = self._geometry.linear_steps, self._geometry.plane.Nspace
        return steps.order[ray], steps.first[ray * N : (ray + 1) * N + 1]

    def _scattered(self, J: Numbers) -> Numbers:
        """Return the mean intensity of light that is scattered once."""
        steps, plane = self._geometry.linear_steps, self._geometry.plane
        source = np.ascontiguousarray(self._albedo * J, dtype=np.float32)
        once, unused = np.zeros_like(source), np.zeros(len(source))
        for ray in range(plane.Nray):
            sweep(
                *self._path(ray), steps.point, steps.share, steps.length, len(plane.x), source[:0],
                0, self._kept, source, source, source, source, source, self._angle[ray], unused,
                once,
            )  # fmt: skip
        return once
