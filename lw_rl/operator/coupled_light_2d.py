"""The light that coupled transitions exchange in two dimensions, coherent scattering solved.

As `lw_rl.operator.coupled_light`, with mean intensities along the host's own short characteristics
(`lw_rl.operator.characteristics_2d`): the limiter has the form that it has around the present
source function. The weights of steps are of single precision; what is done with them is not,
because rounding of mean intensities would count as often as photons scatter. Scattered light is
found by GMRES, all wavelengths at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from ..arrays import Array, Integers, Numbers
from ..host.equations import Rates, Transfer
from ..host.plane_state import PlaneLight
from .beams_1d import optical_steps
from .characteristics_2d import COEFFICIENTS, coefficients, local_escape, sweep
from .coupled_light import LEAST_LIGHT, Light, Radiation, Tie
from .plane_2d import Plane2D, available_memory, entering_light
from .response_1d import scattering_share

__all__ = ["PlaneBeams", "PlaneRadiation", "Ways2D", "fits", "plane_bytes"]

#: Applications of Lambda for scattered light at most, and what they may leave of its change, root
#: mean square: at the formal solution, and in each iteration of the populations.
_BEGIN, _GO_ON = (40, 1e-2), (2, 0.1)
#: Mean intensity below which single precision knows nothing, over the largest of a wavelength.
_DARK = 1e-30
#: The part of what is scattered on the spot that is taken out of the rows, at the most.
_OWN = 1.0 - 1e-6
#: Share of the memory that is there which the operator may take.
_SHARE = 0.5
#: Double numbers per point that are kept for every wavelength, and for every entry of a transition.
_PER_WAVE, _PER_ENTRY = 24, 8


@dataclass(frozen=True)
class Ways2D:
    """How light gets from one point of a plane to another.

    Attributes
    ----------
    geometry : Plane2D
        Where the points are.
    light : PlaneLight
        What enters.
    """

    geometry: Plane2D
    light: PlaneLight


def plane_bytes(geometry: Plane2D, Nwave: int, Nentry: int) -> int:
    """Return the memory that the operator takes at most [bytes].

    Parameters
    ----------
    geometry : Plane2D
        Where the points are.
    Nwave, Nentry : int
        Wavelengths, and those of every transition.
    """
    weights = len(geometry.steps.point) * COEFFICIENTS * Nwave * np.dtype(np.float32).itemsize
    return weights + 8 * geometry.plane.Nspace * (_PER_WAVE * Nwave + _PER_ENTRY * Nentry)


def fits(geometry: Plane2D, Nwave: int, Nentry: int) -> bool:
    """Return whether there is memory for the operator."""
    there = available_memory() if geometry.memory is None else geometry.memory
    return plane_bytes(geometry, Nwave, Nentry) <= _SHARE * there


class PlaneBeams:
    """Some rays of a plane, with what each step adds to their intensities.

    Parameters
    ----------
    ways : Ways2D
        Where they are, and what enters, at the wavelengths of the arrays.
    rays : sequence of int
        Which rays, one after the other.
    chi, source : array
        Opacity [m-1] and the source function around which the limiter is linearised,
        [Nspace, Nwave].
    into : array, optional
        Memory of that size that is not needed any more.
    """

    def __init__(
        self,
        ways: Ways2D,
        rays: Sequence[int],
        chi: Numbers,
        source: Array,
        into: Numbers | None = None,
    ):
        self._steps, self._plane = ways.geometry.steps, ways.geometry.plane
        self._N, self._K = chi.shape
        self._rays, self._light = rays, ways.light
        self._angle = 0.5 * np.repeat(self._plane.weight, 2)
        first = self._steps.first
        self._base = int(first[rays[0] * self._N])
        stop = int(first[(rays[-1] + 1) * self._N])
        shape = (stop - self._base, COEFFICIENTS, self._K)
        self.weights = np.empty(shape, np.float32) if into is None or into.shape != shape else into
        coefficients(
            self._steps.point, self._steps.share, self._steps.length, chi,
            self._scaled(source).astype(np.float32),
            self._base, stop, self._base, self.weights,
        )  # fmt: skip
        self._entering = [self._light_at_edges(ray, chi) for ray in rays]

    def _scaled(self, source: Array) -> Array:
        scaled: Array = source / self._light.scale
        return scaled

    def _light_at_edges(self, ray: int, chi: Numbers) -> tuple[Integers, Numbers]:
        """Return the points where light enters along a ray, and its intensity there."""
        entering = entering_light(
            self._plane, self._steps, self._light.entering, self._light.temperature,
            self._light.planck, ray, chi,
        )  # fmt: skip
        lit = np.flatnonzero(entering.any(axis=1))
        return lit, entering[lit]

    def _path(self, ray: int) -> tuple[Numbers, Numbers]:
        return self._steps.order[ray], self._steps.first[ray * self._N : (ray + 1) * self._N + 1]

    def mean_intensity(self, source: Array, known: bool = True) -> Array:
        """Return the mean intensity of a source function, both [Nspace, Nwave].

        Parameters
        ----------
        source : array
            Source function.
        known : bool, optional
            Whether what enters is included (default: True).
        """
        S = self._scaled(source)
        J, unused = np.zeros_like(S), np.zeros(self._N)
        steps = self._steps
        for ray, (lit, intensity) in zip(self._rays, self._entering, strict=True):
            entering = np.zeros((self._N if known else 0, self._K))
            if known:
                entering[lit] = intensity
            sweep(
                *self._path(ray), steps.point, steps.share, steps.length, len(self._plane.x),
                entering, self._base, self.weights, S, S, S, S, S, self._angle[ray], unused, J,
            )  # fmt: skip
        found: Array = J * self._light.scale
        return found

    def diagonal(self) -> Array:
        """Return the mean intensity at every point per source function there, [Nspace, Nwave]."""
        escape = np.zeros((self._N, self._K), np.float32)
        for ray in self._rays:
            order, first = self._path(ray)
            local_escape(order, first - self._base, self.weights, self._angle[ray], escape)
        found: Array = sum(self._angle[ray] for ray in self._rays) - escape.astype(np.float64)
        return found


class PlaneScatteringLight(Light):
    """Light whose scattered part follows it, at wavelengths where that matters.

    Parameters
    ----------
    total, beams, tie
        As for :class:`Light`.
    sca : Array
        Scattering opacity [m-1], [Nspace, Nwave].
    J : Array
        Mean intensity to begin with, [Nspace, Nwave]; afterwards the last one found.
    """

    def __init__(self, total: Array, beams: list[PlaneBeams], tie: Tie, sca: Array, J: Array):
        super().__init__(total, beams, tie)
        self._sweeps = beams
        self._sca, self.J = sca, self._lit(J, 0.0)
        seen = (super().diagonal() * total).sum(axis=0)
        albedo = sca * self._over.mean(axis=0)
        self._left = 1.0 - np.minimum(albedo * seen, _OWN)

    def bundles(self, eta: Array) -> Array:
        return self.solved(eta, *_GO_ON)

    def diagonal(self) -> Array:
        diagonal: Array = super().diagonal() / self._left
        return diagonal

    def solved(self, eta: Array, most: int, share: float) -> Array:
        """Return what bundles bring, scattered light solved to a share of its change."""
        J, shape = self.J, self.J.shape
        left = self._once(eta, J).sum(axis=0) + self.outside - J
        row = J * self._left

        def apply(u: Numbers) -> Numbers:
            change = J * u.reshape(shape)
            S = self._sca * change * self._over
            once = np.zeros(shape)
            for r, beams in enumerate(self._sweeps):
                once += beams.mean_intensity(S[r], known=False)
            result: Numbers = ((change - self._tie.ratio * once) / row).astype(np.float32)
            return result.ravel()

        b = (left / row).astype(np.float32).ravel()
        A = LinearOperator((b.size, b.size), apply, dtype=np.float32)
        u, _ = gmres(A, b, rtol=share, restart=most, maxiter=1)
        each = self._once(eta, J * np.maximum(1.0 + u.reshape(shape), LEAST_LIGHT))
        self.J = self._lit(each.sum(axis=0) + self.outside, LEAST_LIGHT * J)
        return each

    @staticmethod
    def _lit(J: Array, least: Array | float) -> Array:
        """Return a mean intensity that is not less than rounding lets it be."""
        lit: Array = np.maximum(np.maximum(J, least), _DARK * J.max(axis=0))
        return lit

    def _once(self, eta: Array, J: Array) -> Array:
        return super().bundles(eta + self._sca * J)


class PlaneRadiation(Radiation):
    """The radiation field around a formal solution of the host's in two dimensions.

    Parameters
    ----------
    transfer, rates, memory
        As for :class:`Radiation`.
    ways : Ways2D
        How light gets from one point to another.
    """

    def __init__(
        self,
        transfer: Transfer,
        rates: Rates,
        memory: dict[tuple[int, bool], Numbers],
        ways: Ways2D,
    ):
        super().__init__(transfer, rates, memory, False)
        self._ways = ways

    def _steps(self, total: Array) -> list[Array]:
        """Return what beams are made of: the opacities of every bundle."""
        return [chi.astype(np.float32) for chi in total]

    def _scattering_share(self, step: Array, albedo: Array) -> Array:
        """Return how much scattering matters by what is above each point, [Nwave]."""
        plane, V = self._ways.geometry.plane, albedo.shape[1]
        shape = len(plane.z), len(plane.x) * V
        tau = optical_steps(step.astype(np.float64).reshape(shape), plane.z)
        share = scattering_share(tau, np.ascontiguousarray(albedo.reshape(shape)))
        largest: Array = share.reshape(-1, V).max(axis=0)
        return largest

    def _beams(
        self,
        steps: list[Array],
        sources: list[Array],
        at: Integers | slice,
        linear: Array | None = None,
    ) -> list[PlaneBeams]:
        ways = self._ways
        if not isinstance(at, slice):
            ways = Ways2D(ways.geometry, ways.light.at(at))
        beams = []
        for r, (chi, source) in enumerate(zip(steps, sources, strict=True)):
            rays = range(ways.geometry.plane.Nray) if len(steps) == 1 else [r]
            of = r, linear is None
            chi = np.ascontiguousarray(chi)
            found = PlaneBeams(ways, rays, chi, source, self._memory.get(of))
            self._memory[of] = found.weights
            beams.append(found)
        return beams

    def _scattered_light(
        self,
        own: Array | None,
        total: Array,
        steps: list[Array],
        sources: list[Array],
        J: Array,
    ) -> Light:
        assert self._tie is not None
        at = self._scattered
        beams = self._beams(steps, sources, at, self._linear)
        light = PlaneScatteringLight(total, beams, self._tie.at(at), self._sca[:, at], J)
        if own is not None:
            light.solved(own, *_BEGIN)
        return light
