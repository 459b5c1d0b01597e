"""The light that coupled transitions exchange, coherent scattering solved.

Around the populations of a formal solution, mean intensities are made by cubic Bezier short
characteristics on the host's own rays (`lw_rl.operator.beams_1d`) and tied to the host's:
``J = q (Lambda S + J_b) + J_outside``, with q such that the host's are met where the formal
solution was made. That is in one dimension; `lw_rl.operator.coupled_light_2d` has two.

Scattered light is found by iteration. What the light of one iteration lacks is diffused (diffusion
synthetic acceleration), with the length of the step that leaves least. Where that leads nowhere,
``1 - q Lambda a`` is made and factorised at the formal solution, and is what the iterations are
preconditioned with; the interpolation is linear, hence monotone, at a wavelength where that
operator is not positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

from ..arrays import Array, Integers, Numbers
from ..host.equations import Rates, Transfer
from .beams_1d import Beams, DiffuseLight, optical_steps
from .bezier_1d import stencils, unit_responses
from .response_1d import emitted, opacities, scattering_share

__all__ = ["LEAST_LIGHT", "Light", "LinearisedRadiation", "Radiation", "Sweeps", "Tie"]

#: Albedo times optical depth, or albedo where thick, from which on scattering is solved, and from
#: which on its operator is looked at before the first step.
_SCATTERS, _STRONGLY = 1e-2, 0.5
#: Iterations over scattered light, and the share of the first change, or the change of J, that
#: they may leave: the populations are iterated, too.
_MOST_ITERATIONS, _LEFT, _STILL = 2, 0.1, 1e-8
#: Where they leave more, the operator of a wavelength is made; one that has more negative responses
#: than this, of the largest, to some sources, is not trusted.
_HARD, _NEGATIVE, _SOURCES = 3e-2, 0.1, 32
#: Iterations after which that is judged.
_TRIED = 4
#: Light does not become less than this share of itself by a step.
LEAST_LIGHT = 1e-2
#: Limits of the ratio of the host's mean intensity to the operator's; what is above is light from
#: outside, which stays as it is.
_LEAST_RATIO, _LARGEST_RATIO = 1e-3, 2.0


@dataclass(frozen=True)
class Tie:
    """What ties the light to the host's.

    Attributes
    ----------
    ratio, outside : Array
        Ratio of the host's mean intensity to the operator's, and what it has besides,
        [Nspace, Nwave].
    """

    ratio: Array
    outside: Array

    @classmethod
    def between(cls, host: Array, formal: Array) -> Tie:
        """Return what makes the mean intensity of a formal solution the host's."""
        ratio = np.clip(host / np.maximum(formal, 1e-300), _LEAST_RATIO, _LARGEST_RATIO)
        return cls(ratio, np.maximum(host - ratio * formal, 0.0))

    def at(self, waves: Integers) -> Tie:
        """Return it at some wavelengths."""
        return Tie(self.ratio[:, waves], self.outside[:, waves])


class Sweeps(Protocol):
    """Some rays at some wavelengths, the limiter of the interpolation linearised."""

    def mean_intensity(self, source: Array) -> Array:
        """Return the mean intensity of a source function, both [Nspace, Nwave]."""
        ...

    def diagonal(self) -> Array:
        """Return the mean intensity at every point per source function there, [Nspace, Nwave]."""
        ...


class Light:
    """Mean intensities of one linearisation, linear in what is emitted.

    Parameters
    ----------
    total : Array
        Opacity [m-1], [Nbundle, Nspace, Nwave].
    beams : sequence of Sweeps
        Those of every bundle of rays.
    tie : Tie
        What ties the light to the host's.
    """

    def __init__(self, total: Array, beams: Sequence[Sweeps], tie: Tie):
        self.total, self._beams, self._tie = total, beams, tie
        self._over = 1.0 / total

    @property
    def outside(self) -> Array:
        """Light from outside, [Nspace, Nwave]."""
        return self._tie.outside

    def bundles(self, eta: Array) -> Array:
        """Return what every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave].

        Parameters
        ----------
        eta : Array
            Emissivity [J s-1 m-3 sr-1 Hz-1], of the same shape.
        """
        S = eta * self._over
        J = np.empty_like(S)
        for r, beams in enumerate(self._beams):
            np.multiply(self._tie.ratio, beams.mean_intensity(S[r]), out=J[r])
        return J

    def diagonal(self) -> Array:
        """Return the mean intensity at every depth per emissivity there, of the same shape.

        Never negative, and not above that of a ratio of one.
        """
        diagonal = np.stack([beams.diagonal() for beams in self._beams])
        diagonal = np.maximum(diagonal, 0.0) * np.minimum(self._tie.ratio, 1.0)
        diagonal *= self._over
        return diagonal


class _ScatteringLight(Light):
    """Light whose scattered part follows it, at wavelengths where that matters.

    Parameters
    ----------
    total, beams, tie
        As for :class:`Light`.
    sca : Array
        Scattering opacity [m-1], [Nspace, Nwave].
    diffuse : DiffuseLight
        What scattered light does in about.
    dense : dict
        Factors of the operator at wavelengths where it does something else.
    J : Array
        Mean intensity to begin with, [Nspace, Nwave]; afterwards the last one found.
    """

    def __init__(
        self,
        total: Array,
        beams: Sequence[Sweeps],
        tie: Tie,
        sca: Array,
        diffuse: DiffuseLight,
        dense: dict[int, tuple[Array, Array]],
        J: Array,
    ):
        super().__init__(total, beams, tie)
        self._sca, self._diffuse, self._dense, self.J = sca, diffuse, dense, J
        self._albedo = sca * self._over.mean(axis=0)

    def bundles(self, eta: Array) -> Array:
        return self.iterated(eta, _MOST_ITERATIONS, _LEFT)[0]

    def diagonal(self) -> Array:
        diagonal = super().diagonal()
        seen = (diagonal * self.total).sum(axis=0)
        diagonal /= np.maximum(1.0 - self._albedo * seen, _HARD)
        return diagonal

    def iterated(self, eta: Array, most: int, share: float) -> tuple[Array, Array, Array]:
        """Iterate until no more than a share is left.

        Returns
        -------
        bundles : Array
            As :meth:`bundles`.
        first, left : Array
            Relative change of the mean intensity by the first iteration, and by the next one, the
            largest over depth, [Nwave].
        """
        J = self.J
        each, left = self._once(eta, J)
        first = now = np.abs(left / J).max(axis=0)
        for _ in range(most):
            if not np.any(now > np.maximum(share * first, _STILL)):
                break
            step = left + self._diffuse.solve(self._albedo * left)
            for k, (factors, pivots) in self._dense.items():
                step[:, k] = dgetrs(factors, pivots, left[:, k])[0]
            new, remains = self._once(eta, J + step)
            # The map is affine: what is left along the step is known.
            fallen = (left - remains) / J
            length = (fallen * left / J).sum(axis=0) / np.maximum((fallen**2).sum(axis=0), 1e-300)
            length = np.clip(length, 0.0, 2.0)
            each = each + length * (new - each)
            left = left + length * (remains - left)
            J = J + length * step
            now = np.abs(left / J).max(axis=0)
        self.J = np.maximum(J + left, LEAST_LIGHT * J)
        return each, first, now

    def _once(self, eta: Array, J: Array) -> tuple[Array, Array]:
        """Return what bundles bring where J is scattered, and by how much more that is than J."""
        each = super().bundles(eta + self._sca * J)
        return each, each.sum(axis=0) + self._tie.outside - J


class Radiation:
    """The radiation field around a formal solution of the host's.

    Parameters
    ----------
    transfer : Transfer
        Lines and continua.
    rates : Rates
        What the formal solution told.
    memory : dict
        What is kept from one formal solution to the next: memory of beams that are not needed any
        more.
    thorough : bool
        Look at the operator at all wavelengths where scattering is strong, not only where
        iterations over scattered light lead nowhere.

    Attributes
    ----------
    J : Array
        The host's mean intensity, [Nspace, Nwave].
    """

    def __init__(
        self,
        transfer: Transfer,
        rates: Rates,
        memory: dict[tuple[int, bool], Numbers],
        thorough: bool,
    ):
        self._transfer, self._memory, self._thorough = transfer, memory, thorough
        chi, eta, sca, before, J, planck = (
            np.ascontiguousarray(x.T)
            for x in (rates.chi, rates.eta, rates.sca, rates.before, rates.J, transfer.planck)
        )
        self.J = J
        self._chi, self._eta, self._sca, self._before, self._planck = chi, eta, sca, before, planck
        self._around: list[Array] = []
        self._tie: Tie | None = None
        self._scattered: Integers = np.zeros(0, np.intp)
        self._linear = np.zeros(0, bool)
        self._dense: dict[int, tuple[Array, Array]] = {}

    def linearised(self, n: Array, J: Array, present: float) -> LinearisedRadiation:
        """Return the light around some populations.

        Parameters
        ----------
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        J : Array
            Estimate of the mean intensity, [Nspace, Nwave]. The first time it is that which was
            scattered in the formal solution.
        present : float
            Weight of the present source function in that around which the limiter of the
            interpolation is linearised; the rest is that of the one before.
        """
        t = self._transfer
        total = opacities(
            t.start, t.first, t.lower, t.upper, t.absorption, t.stimulated, t.profile, n, self._chi
        )
        steps = self._steps(total)
        eta = self._emitted(n[t.upper], self._eta + self._sca * J)
        sources = list(eta / total)
        if self._around and present < 1.0:
            sources = [
                (1.0 - present) * old + present * new
                for old, new in zip(self._around, sources, strict=True)
            ]
        self._around = sources
        beams = self._beams(steps, sources, slice(None))
        begins = self._tie is None
        if self._tie is None:
            formal = np.sum(
                [b.mean_intensity(S) for b, S in zip(beams, sources, strict=True)], axis=0
            )
            self._tie = Tie.between(self.J, formal)
            share = self._scattering_share(steps[0], self._sca / total[0])
            self._scattered = np.flatnonzero(share > _SCATTERS)
            self._linear = np.zeros(len(self._scattered), bool)
            # Where scattering is not solved, its source stays as it was.
            self._fixed = self._eta + self._sca * self._before
            self._fixed[:, self._scattered] = self._eta[:, self._scattered]
            J = self.J
        plain = Light(total, beams, self._tie)
        at = self._scattered
        if not len(at):
            return LinearisedRadiation(t, plain, None, at, self._fixed)
        own = eta[:, :, at] - (self._sca * (self._before if begins else J))[:, at]
        some = total[:, :, at], [s[:, at] for s in steps], [s[:, at] for s in sources]
        scattering = self._scattered_light(own if begins else None, *some, J[:, at])
        return LinearisedRadiation(t, plain, scattering, at, self._fixed)

    # ---- what depends on the geometry -------------------------------------------------------

    def _steps(self, total: Array) -> list[Array]:
        """Return what beams are made of: steps of optical depth of every bundle."""
        return [optical_steps(chi, self._transfer.height) for chi in total]

    def _scattering_share(self, step: Array, albedo: Array) -> Array:
        """Return how much scattering matters, [Nwave]."""
        found: Array = scattering_share(step, albedo)
        return found

    def _scattered_light(
        self,
        own: Array | None,
        total: Array,
        steps: list[Array],
        sources: list[Array],
        J: Array,
    ) -> Light:
        """Return the light at the wavelengths where scattering is solved.

        With `own`, what is emitted besides, [Nbundle, Nspace, Nwave], scattering is solved well.
        """
        scattering = self._scattering(total, steps, sources, J)
        if own is None:
            return scattering
        _, first, left = scattering.iterated(own, _TRIED, _LEFT)
        hard = left > np.maximum(_HARD * first, _STILL)
        if self._thorough:
            share = self._scattering_share(steps[0], self._sca[:, self._scattered] / total[0])
            hard |= share > _STRONGLY
        if hard.any():
            scattering = self._factorised(np.flatnonzero(hard), total, steps, sources)
        scattering.iterated(own, _TRIED, _LEFT)
        return scattering

    def _emitted(self, emitter: Array, eta: Array) -> Array:
        t = self._transfer
        found: Array = emitted(t.start, t.first, t.emission, t.profile, emitter, eta)
        return found

    def _beams(
        self,
        steps: list[Array],
        sources: list[Array],
        at: Integers | slice,
        linear: Array | None = None,
    ) -> Sequence[Sweeps]:
        """Return the beams of every bundle: all rays, or one ray in one direction."""
        t, planck = self._transfer, self._planck[:, at]
        beams = []
        for r, (step, source) in enumerate(zip(steps, sources, strict=True)):
            all_rays = len(steps) == 1
            rays = slice(None) if all_rays else slice(r // 2, r // 2 + 1)
            of = r, linear is None
            found = Beams.around(
                step,
                source,
                t.mu[rays],
                t.weight[rays],
                planck,
                linear,
                down=all_rays or r % 2 == 0,
                up=all_rays or r % 2 == 1,
                into=self._memory.get(of),
            )
            self._memory[of] = found.weights
            beams.append(found)
        return beams

    def _scattering(
        self, total: Array, steps: list[Array], sources: list[Array], J: Array
    ) -> _ScatteringLight:
        """Return the light at the wavelengths where scattering is solved."""
        assert self._tie is not None
        at = self._scattered
        sca = self._sca[:, at]
        diffuse = DiffuseLight(np.mean(steps, axis=0), sca / total.mean(axis=0))
        return _ScatteringLight(
            total,
            self._beams(steps, sources, at, self._linear),
            self._tie.at(at),
            sca,
            diffuse,
            self._dense,
            J,
        )

    def _factorised(
        self, hard: Integers, total: Array, steps: list[Array], sources: list[Array]
    ) -> _ScatteringLight:
        """Return the light with the operators of some wavelengths made, positive or linear."""
        assert self._tie is not None
        at = self._scattered
        step, source = np.mean(steps, axis=0), np.mean(sources, axis=0)
        albedo = self._sca[:, at] / total.mean(axis=0)
        for k in hard:
            made = self._operator(step[:, k], source[:, k], self._tie.ratio[:, at[k]], False)
            if not self._factorise(int(k), made, albedo[:, k]):
                self._linear[k] = True
        if self._linear.any():
            beams = self._beams(steps, sources, at, self._linear)
            formal = np.sum(
                [b.mean_intensity(S) for b, S in zip(beams, sources, strict=True)], axis=0
            )
            tie = Tie.between(self.J[:, at], formal)
            self._tie.ratio[:, at], self._tie.outside[:, at] = tie.ratio, tie.outside
            for k in np.flatnonzero(self._linear):
                made = self._operator(step[:, k], source[:, k], tie.ratio[:, k], True)
                self._factorise(int(k), made, albedo[:, k])
        return self._scattering(total, steps, sources, self.J[:, at])

    def _operator(self, step: Array, source: Array, ratio: Array, linear: bool) -> Array:
        """Return a wavelength's mean intensity per source function, [Nspace, Nspace]."""
        t = self._transfer
        along = step[:, None] / t.mu
        source = np.repeat(source[:, None], t.mu.size, axis=1)
        ones = np.ones_like(source)
        decay = np.exp(-along)
        Lambda = unit_responses(
            *stencils(along, decay, source, linear), decay, t.weight * ones, ones
        )
        made: Array = Lambda * ratio[:, None]
        return made

    def _factorise(self, k: int, Lambda: Array, albedo: Array) -> bool:
        """Factorise a wavelength's operator, and return whether its responses are positive."""
        A = -Lambda * albedo
        A.flat[:: len(A) + 1] += 1.0
        factors, pivots, _ = dgetrf(A)
        self._dense[k] = factors, pivots
        some = np.asfortranarray(Lambda[:, :: max(1, len(A) // _SOURCES)])
        responses = dgetrs(factors, pivots, some)[0]
        positive: bool = responses.min() >= -_NEGATIVE * responses.max()
        return positive


@dataclass(frozen=True)
class LinearisedRadiation:
    """The radiation field of one linearisation.

    Attributes
    ----------
    transfer : Transfer
        Lines and continua.
    plain : Light
        The light where what is scattered stays as it is.
    scattering : Light or None
        The light where it does not.
    at : Array
        Indices of these wavelengths.
    eta : Array
        Emissivity of all but the active atoms and light whose scattering is solved,
        [Nspace, Nwave].
    """

    transfer: Transfer
    plain: Light
    scattering: Light | None
    at: Integers
    eta: Array

    @property
    def total(self) -> Array:
        """Opacity [m-1], [Nbundle, Nspace, Nwave]."""
        return self.plain.total

    @property
    def outside(self) -> Array:
        """Light from outside, [Nspace, Nwave]."""
        return self.plain.outside

    def bundles(self, emitter: Array) -> Array:
        """Return what every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave].

        Parameters
        ----------
        emitter : Array
            What every transition emits is in proportion to [m-3], [Ntransition, Nspace].
        """
        t = self.transfer
        eta = emitted(t.start, t.first, t.emission, t.profile, emitter, self.eta)
        J = self.plain.bundles(eta)
        if self.scattering is not None:
            J[:, :, self.at] = self.scattering.bundles(eta[:, :, self.at])
        return J

    def diagonal(self) -> Array:
        """Return the mean intensity at every depth per emissivity there, of the same shape."""
        diagonal = self.plain.diagonal()
        if self.scattering is not None:
            diagonal[:, :, self.at] = self.scattering.diagonal()
        return diagonal
