"""Coherent scattering in the background, solved instead of lambda-iterated.

The host takes the mean intensity of the last formal solution for the source of scattered light in
the next one (Rayleigh and Thomson scattering): a Lambda iteration, which in the ultraviolet of a
chromosphere, with albedos above 0.999, is the slowest part of a solve. Here the change of the mean
intensity J in a formal solution is taken to its limit,

    J <- J_old + (1 - Lambda a)^-1 (J_FS - J_old),    a = scattering / total opacity,

wavelength by wavelength, with Lambda from short characteristics on a few angles (Olson and Kunasz
1987, JQSRT 38, 325). The fixed point is the host's whatever Lambda is. Interpolation is linear: it
loses more light than the host's does, so that a step is too short rather than too long: Feautrier's
method, of second order, overshoots where the host's limiter is at work, and diverges.
"""

from __future__ import annotations

from typing import Any

import lightweaver as lw
import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

from ..arrays import Array, Integers
from ..host.adapter import Adapter
from ..norms import LEAST, not_below
from .bezier_1d import operators, optical_steps
from .plane_2d import Plane2D
from .scattering_2d import PlaneScattering

__all__ = ["BackgroundScattering", "SolvedScattering", "matters"]


#: Cosines of the angles, three Gauss-Legendre points, and their weights.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(3)
_MU, _WEIGHT_MU = 0.5 * (1.0 + _NODES), 0.5 * _WEIGHTS
#: Scattering matters where albedo times optical depth, or albedo where thick, is above this.
_MATTERS = 1e-2
#: Relative change of opacity or scattering beyond which a wavelength's matrix is made again.
_CHANGED = 0.1


def matters(height: Array, chi: Array, sca: Array) -> Integers:
    """Return the indices of the wavelengths at which scattering matters.

    Parameters
    ----------
    height : Array
        Height of the depths, downwards [m], shape [Ndepth].
    chi, sca : Array
        Total opacity and the part of it that scatters coherently [m-1], [Nwave, Nspace]: at every
        depth, and in every column where there are several.
    """
    albedo = (sca / chi).reshape(len(chi), len(height), -1)
    chi = chi.reshape(albedo.shape)
    tau = np.zeros_like(chi)
    step = -np.diff(height)[:, None]
    np.cumsum(0.5 * (chi[:, 1:] + chi[:, :-1]) * step, axis=1, out=tau[:, 1:])
    share = (albedo * np.minimum(tau, 1.0)).max(axis=(1, 2))
    found: Integers = np.flatnonzero(share > _MATTERS)
    return found


class BackgroundScattering:
    """Background scattering at some wavelengths of a plane-parallel atmosphere.

    Parameters
    ----------
    height : Array
        Height of the depths, downwards [m], shape [Nspace].

    Attributes
    ----------
    made : int
        Matrices made so far.
    """

    def __init__(self, height: Array):
        self.height = height
        self.made = 0
        self._factors: dict[int, tuple[Array, Integers]] = {}
        self._known: tuple[Integers, Array, Array] | None = None

    def solve(self, waves: Integers, before: Array, after: Array, chi: Array, sca: Array) -> Array:
        """Return the mean intensity with scattering solved, shape [Nwave, Nspace].

        Parameters
        ----------
        waves : Array
            What names the wavelengths: matrices are kept for them, [Nwave].
        before, after : Array
            Mean intensity that was the source of scattered light in a formal solution, and that
            which it led to, [Nwave, Nspace].
        chi, sca : Array
            Total opacity and the part of it that scatters coherently [m-1], [Nwave, Nspace].
        """
        self._make(waves, chi, sca)
        solved = np.empty_like(after)
        for k, wave in enumerate(waves.tolist()):
            factors, pivots = self._factors[wave]
            solved[k] = dgetrs(factors, pivots, after[k] - before[k])[0]
        solved += before
        return not_below(LEAST, after, solved)

    def _make(self, waves: Integers, chi: Array, sca: Array) -> None:
        """Make and factorise ``1 - Lambda a`` where it is not known, or of another medium."""
        if self._known is None or not np.array_equal(self._known[0], waves):
            self._known = waves.copy(), np.zeros_like(chi), np.zeros_like(sca)
            self._factors = {}
        _, chi_then, sca_then = self._known
        alike = np.abs(chi - chi_then) <= _CHANGED * chi_then
        alike &= np.abs(sca - sca_then) <= _CHANGED * sca_then
        at = np.flatnonzero(~alike.all(axis=1))
        if not len(at):
            return
        albedo = sca[at] / chi[at]
        step = optical_steps(chi[at].T, self.height, np.ones(1))
        made = operators(
            np.ascontiguousarray(step), np.ascontiguousarray(albedo.T), _MU, _WEIGHT_MU, True
        )
        made *= -albedo[:, :, None]
        for k, A in zip(at, made, strict=True):
            A.flat[:: len(A) + 1] += 1.0
            # LAPACK's order: by source function, then by depth.
            factors, pivots, _ = dgetrf(A.T, overwrite_a=True)
            self._factors[int(waves[k])] = factors, pivots
        chi_then[at], sca_then[at] = chi[at], sca[at]
        self.made += len(at)


class SolvedScattering:
    """Formal solutions of a context after which its background scattering is solved.

    Parameters
    ----------
    adapter : Adapter
        Access to a context in one or two dimensions.
    """

    def __init__(self, adapter: Adapter):
        self._adapter = adapter
        grid = adapter.grid
        self._scattering: BackgroundScattering | PlaneScattering = (
            BackgroundScattering(grid.height)
            if grid.plane is None
            else PlaneScattering(Plane2D(grid.plane))
        )
        self._waves: Integers | None = None

    def formal_solution(self, **kwargs: Any) -> lw.IterationUpdate:
        """Make the formal solution and solve the scattering at the wavelengths where it matters.

        Keyword arguments are those of ``ctx.formal_sol_gamma_matrices``.
        """
        adapter = self._adapter
        before = adapter.radiation() if self._waves is None else adapter.radiation(self._waves)
        update = adapter.formal_solution_with_opacity(**kwargs)
        if self._waves is None:
            chi, sca = adapter.opacity(), adapter.scattering()
            self._waves = matters(adapter.grid.height, chi, sca)
            before = before[self._waves]
        waves = self._waves
        J = self._scattering.solve(
            waves,
            before,
            adapter.radiation(waves),
            adapter.opacity(waves),
            adapter.scattering(waves),
        )
        adapter.write_radiation(waves, J)
        return update
