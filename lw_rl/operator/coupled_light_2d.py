"""The light that coupled transitions exchange in two dimensions, coherent scattering solved.

As `lw_rl.operator.coupled_light`, with mean intensities along the host's own short characteristics
(`lw_rl.operator.characteristics_2d`): the limiter has the form that it has around the present
source function. The weights of steps are of single precision; what is done with them is not,
because rounding of mean intensities would count as often as photons scatter. Scattered light is
found by GMRES, all wavelengths at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from ..arrays import Array, Integers, Numbers
from ..host.equations import Rates
from ..host.plane_state import PlaneLight
from ..host.transfer import Transfer
from .bezier_1d import optical_steps
from .characteristics_2d import COEFFICIENTS, Segments, coefficients, local_escape, sweep
from .coupled_light import Light, LinearisedRadiation, Radiation, Rows, Tie
from .plane_2d import Plane2D, available_memory, entering_light
from .response_1d import emitted, scattering_share, seen

__all__ = ["PlaneRadiation", "Ways2D", "fits", "plane_bytes"]

#: Applications of Lambda for scattered light at most, and what they may leave of its change, root
#: mean square: at the formal solution, and in each iteration of the populations. With 1e-2 for 1e-4
#: Ca II takes 76 formal solutions on eight planes of 25 x 6 points, for 65.
_BEGIN, _GO_ON = (60, 1e-4), (8, 3e-2)
#: Light does not become less than this share of itself by a step.
_LEAST_LIGHT = 1e-2
#: Mean intensity below which single precision knows nothing, over the largest of a wavelength.
_DARK = 1e-30
#: The part of what is scattered on the spot that is taken out of the rows, at the most.
_OWN = 1.0 - 1e-6
#: Share of the memory that is there which the operator may take.
_SHARE = 0.5
#: Double numbers per point that are kept for every wavelength, and for every entry of a transition.
_PER_WAVE, _PER_ENTRY = 36, 8
#: How little a linearisation moves populations that is the last, in the logarithm: half of the time
#: of Ca II on 25 x 6 points, the same formal solutions. Some points near the solution take turns.
_SETTLED = 1e-2
#: How far a linearisation may move populations, in the logarithm, with the limiter in the form that
#: it has before: Mg II on 31 x 8 points moves by 9 and more, and finds no equilibrium.
_FAR = 8.0
#: Plain iterations that end a correction: Ca II on 15 planes of 25 x 6 points takes 3.9 formal
#: solutions with three, at most 7, and the time of 24 of them; without, 6.3, 19 and 28. With two
#: it takes 4.9, with five 6.9.
_SMOOTHING = 3
#: Linearisations of a correction at the most, and corrections in vain: each takes as long as many
#: formal solutions.
_MOST_BUILDS, _PATIENCE = 8, 2


@dataclass(frozen=True)
class Ways2D:
    """How light gets from one point of a plane to another.

    Attributes
    ----------
    geometry : Plane2D
        Where the points are.
    light : PlaneLight
        What enters.
    still, far, builds, smoothing, follows, lags, patience
        See `lw_rl.operator.coupled_light.Ways`.
    """

    geometry: Plane2D
    light: PlaneLight
    still: float = _SETTLED
    far: float = _FAR
    builds: int = _MOST_BUILDS
    smoothing: int = _SMOOTHING
    # Followed, hydrogen on 25 x 6 points is not found in 14 formal solutions, for 9, and 8 where
    # charge is conserved.
    follows: bool = False
    # One iteration behind, it takes nine formal solutions for eight on 12 x 30 points.
    lags: bool = False
    patience: float = _PATIENCE
    _memory: dict[tuple[int, bool], Numbers] = field(default_factory=dict)

    def radiation(
        self, transfer: Transfer, rates: Rates, first: bool, linear: bool
    ) -> PlaneRadiation:
        """Return the radiation field around a formal solution."""
        return PlaneRadiation(transfer, rates, self._memory, self, linear)

    def present(self, averaged: int) -> float:
        """Return the weight in a mean of all but the first, for more points switch than in 1D."""
        return 1.0 / (averaged + 2)


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


class _Bundle:
    """Some rays of a plane, with what each step adds to their intensities.

    Parameters
    ----------
    geometry : Plane2D
        Where they are.
    steps : Segments
        Their steps.
    light : PlaneLight
        What enters, at the wavelengths of the arrays.
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
        geometry: Plane2D,
        steps: Segments,
        light: PlaneLight,
        rays: Sequence[int],
        chi: Numbers,
        source: Array,
        into: Numbers | None = None,
    ):
        self._steps, self._plane = steps, geometry.plane
        self._N, self._K = chi.shape
        self._rays, self._light = rays, light
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


class _PlaneBeams:
    """Bundles of rays of a plane.

    Parameters
    ----------
    bundles : sequence of _Bundle
        The bundles.
    """

    def __init__(self, bundles: Sequence[_Bundle]):
        self._bundles = bundles

    def mean_intensity(self, source: Array, known: bool = True) -> Array:
        """Return the mean intensity of a source function, both [Nbundle, Nspace, Nwave].

        With `known`, what enters is included.
        """
        pairs = zip(self._bundles, source, strict=True)
        return np.stack([bundle.mean_intensity(S, known) for bundle, S in pairs])

    def diagonal(self) -> Array:
        """Return the mean intensity at every point per source function there, of that shape."""
        return np.stack([bundle.diagonal() for bundle in self._bundles])

    def approximate(self) -> Array:
        """Return the same, of that shape: what the host leaves unbalanced is not followed."""
        return self.diagonal()


class _PlaneScatteringLight(Light[_PlaneBeams]):
    """Light whose scattered part follows it, at wavelengths where that matters.

    Parameters
    ----------
    total, beams, tie
        As for `Light`.
    sca : Array
        Scattering opacity [m-1], [Nspace, Nwave].
    J : Array
        Mean intensity to begin with, [Nspace, Nwave]; afterwards the last one found.
    """

    def __init__(self, total: Array, beams: _PlaneBeams, tie: Tie, sca: Array, J: Array):
        super().__init__(total, beams, tie)
        self._sca, self.J = sca, self._lit(J, 0.0)
        seen = (super().diagonal() * total).sum(axis=0)
        albedo = sca * self.over.mean(axis=0)
        self._left = 1.0 - np.minimum(albedo * seen, _OWN)

    def bundles(self, eta: Array) -> Array:
        return self.solved(eta, *_GO_ON)

    def diagonal(self) -> Array:
        diagonal: Array = super().diagonal() / self._left
        return diagonal

    def solved(self, eta: Array, most: int, share: float) -> Array:
        """Return what bundles bring, scattered light solved to a share of its change."""
        J, shape = self.J, self.J.shape
        once = self._once(eta, J).sum(axis=0) + self.tie.outside
        # A dark point may get far more light than it had, or less than none by the limiter's form.
        unit = np.maximum(J, np.abs(once))
        row = unit * self._left

        def apply(u: Numbers) -> Numbers:
            change = unit * u.reshape(shape)
            J = self.beams.mean_intensity(self._sca * change * self.over, known=False).sum(axis=0)
            result: Numbers = ((change - self.tie.ratio * J) / row).astype(np.float32)
            return result.ravel()

        b = ((once - J) / row).astype(np.float32).ravel()
        A = LinearOperator((b.size, b.size), apply, dtype=np.float32)
        u, _ = gmres(A, b, rtol=share, restart=most, maxiter=1)
        each = self._once(eta, np.maximum(J + unit * u.reshape(shape), _LEAST_LIGHT * unit))
        self.J = self._lit(each.sum(axis=0) + self.tie.outside, _LEAST_LIGHT * unit)
        return each

    @staticmethod
    def _lit(J: Array, least: Array | float) -> Array:
        """Return a mean intensity that is not less than rounding lets it be."""
        lit: Array = np.maximum(np.maximum(J, least), _DARK * J.max(axis=0))
        return lit

    def _once(self, eta: Array, J: Array) -> Array:
        return super().bundles(eta + self._sca * J)


class PlaneRadiation(Radiation[_PlaneBeams]):
    """The radiation field around a formal solution of the host's in two dimensions.

    Parameters
    ----------
    transfer, rates
        As for `Radiation`.
    memory : dict
        What is kept from one formal solution to the next: memory of beams that are not needed any
        more.
    ways : Ways2D
        How light gets from one point to another.
    linear : bool, optional
        Whether the source function is linear along steps, which is monotone (default: as the host
        has it).
    """

    def __init__(
        self,
        transfer: Transfer,
        rates: Rates,
        memory: dict[tuple[int, bool], Numbers],
        ways: Ways2D,
        linear: bool = False,
    ):
        super().__init__(transfer, rates)
        self._ways, self._memory = ways, memory
        self._path = ways.geometry.linear_steps if linear else ways.geometry.steps

    def _steps(self, total: Array) -> Array:
        """Return the opacities, in single precision."""
        return total.astype(np.float32)

    def _scattering_share(self, step: Array, albedo: Array) -> Array:
        """Return how much scattering matters by what is above each point, [Nwave]."""
        plane, V = self._ways.geometry.plane, albedo.shape[1]
        shape = len(plane.z), len(plane.x) * V
        opacity = step.astype(np.float64).reshape(shape[0], -1)
        tau = optical_steps(opacity, plane.z, np.ones(1)).reshape(-1, *shape[1:])
        share = scattering_share(tau, np.ascontiguousarray(albedo.reshape(shape)))
        largest: Array = share.reshape(-1, V).max(axis=0)
        return largest

    def _beams(self, step: Array, source: Array, at: Integers | slice = slice(None)) -> _PlaneBeams:
        geometry, light, whole = self._ways.geometry, self._ways.light, isinstance(at, slice)
        if not isinstance(at, slice):
            light = light.at(at)
        bundles = []
        for r, (chi, S) in enumerate(zip(step, source, strict=True)):
            rays = range(geometry.plane.Nray) if len(step) == 1 else [r]
            into = self._memory.get((r, whole))
            bundles.append(_Bundle(geometry, self._path, light, rays, chi, S, into))
            self._memory[r, whole] = bundles[-1].weights
        return _PlaneBeams(bundles)

    def _scattered_light(
        self, own: Array | None, total: Array, step: Array, source: Array, J: Array
    ) -> _PlaneScatteringLight:
        assert self._tie is not None
        at = self._scattered
        beams = self._beams(step, source, at)
        light = _PlaneScatteringLight(total, beams, self._tie.at(at), self._sca[:, at], J)
        if own is not None:
            light.solved(own, *_BEGIN)
        return light

    def _complete(
        self, plain: Light[_PlaneBeams], scattering: Light[_PlaneBeams] | None
    ) -> LinearisedPlane:
        return LinearisedPlane(self._transfer, plain, scattering, self._scattered, self._fixed)


class LinearisedPlane(LinearisedRadiation[_PlaneBeams]):
    """The radiation field of one linearisation in a plane."""

    def rates(self, emitter: Array, rows: Rows, each: Array | None = None) -> tuple[Array, Array]:
        """Return the rates of every row and the mean intensity (`LinearisedRadiation`)."""
        t, outside = self.transfer, self.plain.tie.outside
        eta = emitted(t.start, t.first, rows.single, t.emission, t.profile, emitter, self.eta)
        each = self.plain.bundles(eta)
        if self.scattering is not None:
            each[:, :, self.at] = self.scattering.bundles(eta[:, :, self.at])
        J = each.sum(axis=0) + outside
        rate = np.zeros((rows.Nrow, len(J)))
        seen(t.start, t.first, rows.up, rows.down, t.up, t.down, J, rate)
        # Bundles see a line differently where gas moves; what comes from outside is as it was.
        for k in np.flatnonzero(rows.single) if len(each) > 1 else []:
            at = t.entries(int(k))
            waves = slice(t.first[k], t.first[k] + at.stop - at.start)
            light = np.einsum("rie,rie->ie", t.profile[:, :, at], each[:, :, waves])
            rate[rows.up[k]] = (t.up[:, at] * (light + outside[:, waves])).sum(axis=1)
        return rate, J
