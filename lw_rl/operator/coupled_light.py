"""The light that coupled transitions exchange in one dimension, coherent scattering solved.

Around the populations of a formal solution, mean intensities are made by cubic Bezier short
characteristics on the host's own rays (`lw_rl.operator.beams_1d`) and tied to the host's:
``J = q (Lambda S + J_b) + J_outside``, with q such that the host's are met where the formal
solution was made.

Scattered light is found by iteration. What the light of one iteration lacks is diffused (diffusion
synthetic acceleration), with the length of the step that leaves least. Where that leads nowhere,
``1 - q Lambda a`` is made and factorised at the formal solution, and is what the iterations are
preconditioned with; the interpolation is linear, hence monotone, at a wavelength where that
operator is not positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

from ..arrays import Array, Integers, Numbers
from ..host.equations import Rates, Transfer
from .beams_1d import Beams, DiffuseLight, Rays, optical_steps
from .bezier_1d import stencils, unit_responses
from .light_1d import lit, scattered
from .response_1d import emitted, opacities, scattering_share

__all__ = ["Light", "LinearisedRadiation", "Radiation", "Rows"]

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
#: Limits of the ratio of the host's mean intensity to the operator's; what is above is light from
#: outside, which stays as it is.
_LEAST_RATIO, _LARGEST_RATIO = 1e-3, 2.0


@dataclass(frozen=True)
class _Tie:
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
    def between(cls, host: Array, formal: Array) -> _Tie:
        """Return what makes the mean intensity of a formal solution the host's."""
        ratio = np.clip(host / np.maximum(formal, 1e-300), _LEAST_RATIO, _LARGEST_RATIO)
        return cls(ratio, np.maximum(host - ratio * formal, 0.0))

    def at(self, waves: Integers) -> _Tie:
        """Return it at some wavelengths."""
        return _Tie(*(np.ascontiguousarray(x[:, waves]) for x in (self.ratio, self.outside)))


@dataclass(frozen=True)
class Rows:
    """The rates that are followed: one row for a line, whose rates are in proportion, else two.

    Attributes
    ----------
    up, down : Array
        Rows of the rates of absorption and of stimulated emission, [Ntransition].
    """

    up: Integers
    down: Integers

    @classmethod
    def of(cls, transfer: Transfer) -> Rows:
        """Return the rows of transitions."""
        sizes = np.where(np.isfinite(transfer.multiple).all(axis=1), 1, 2)
        up = (np.cumsum(sizes) - sizes).astype(np.int64)
        return cls(up, up + sizes - 1)

    @property
    def single(self) -> Numbers:
        """Whether a transition has one, [Ntransition]."""
        lines: Numbers = self.up == self.down
        return lines

    @property
    def Nrow(self) -> int:
        """Rows."""
        return int(self.down[-1]) + 1


class Light:
    """Mean intensities of one linearisation, linear in what is emitted.

    Parameters
    ----------
    total : Array
        Opacity [m-1], [Nbundle, Nspace, Nwave].
    beams : Beams
        Bundles of rays.
    tie : _Tie
        What ties the light to the host's.
    """

    def __init__(self, total: Array, beams: Beams, tie: _Tie):
        self.total, self.beams, self.tie = total, beams, tie
        self.over = 1.0 / total

    def diagonal(self) -> Array:
        """Return the mean intensity at every depth per emissivity there, [Nbundle, Nspace, Nwave].

        Never negative, and not above that of a ratio of one.
        """
        diagonal = self.beams.diagonal()
        np.maximum(diagonal, 0.0, out=diagonal)
        diagonal *= np.minimum(self.tie.ratio, 1.0)
        diagonal *= self.over
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
        beams: Beams,
        tie: _Tie,
        sca: Array,
        diffuse: DiffuseLight,
        dense: dict[int, tuple[Array, Integers]],
        J: Array,
    ):
        super().__init__(total, beams, tie)
        self.J = np.ascontiguousarray(J)
        self._sca, self._diffuse, self._dense = sca, diffuse, dense
        self._albedo = sca * self.over.mean(axis=0)

    def bundles(self, eta: Array) -> Array:
        """Return what every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave].

        Parameters
        ----------
        eta : Array
            Emissivity [J s-1 m-3 sr-1 Hz-1], of the same shape.
        """
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
        N, M = len(self.J), len(self._dense)
        factors, pivots = np.empty((M, N, N)), np.empty((M, N), np.int64)
        for m, (matrix, order) in enumerate(self._dense.values()):
            factors[m], pivots[m] = matrix.T, order
        at = np.array(list(self._dense), np.int64)
        each: Array
        each, first, left = scattered(
            *self.beams.arrays, self.over, self.tie.ratio, self.tie.outside, self._sca,
            self._albedo, *self._diffuse.factors, at, factors, pivots, eta, most, share, _STILL,
            self.J,
        )  # fmt: skip
        return each, first, left


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
        memory: dict[bool, Numbers],
        thorough: bool,
    ):
        self._transfer, self._memory, self._thorough = transfer, memory, thorough
        chi, eta, sca, before, J, planck = (
            np.ascontiguousarray(x.T)
            for x in (rates.chi, rates.eta, rates.sca, rates.before, rates.J, transfer.planck)
        )
        self.J = J
        self._chi, self._eta, self._sca, self._before, self._planck = chi, eta, sca, before, planck
        self._around: Array | None = None
        self._rays = Rays.of(transfer.mu, transfer.weight, transfer.profile.shape[0])
        self._rows = Rows.of(transfer)
        self._tie: _Tie | None = None
        self._scattered: Integers = np.zeros(0, np.intp)
        self._linear = np.zeros(0, bool)
        self._dense: dict[int, tuple[Array, Integers]] = {}

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
            t.start, t.first, self._rows.single, t.lower, t.upper, t.absorption, t.stimulated,
            t.profile, n, self._chi,
        )  # fmt: skip
        step = optical_steps(total, t.height)
        eta = emitted(
            t.start, t.first, self._rows.single, t.emission, t.profile, n[t.upper],
            self._eta + self._sca * J,
        )  # fmt: skip
        source = eta / total
        if self._around is not None and present < 1.0:
            source *= present
            source += (1.0 - present) * self._around
        self._around = source
        beams = self._beams(step, source, slice(None))
        begins = self._tie is None
        if self._tie is None:
            self._tie = _Tie.between(self.J, beams.mean_intensity(source).sum(axis=0))
            share = scattering_share(step[0], self._sca / total[0])
            self._scattered = np.flatnonzero(share > _SCATTERS)
            self._linear = np.zeros(len(self._scattered), bool)
            self._some = _Entries.at(t, self._scattered)
            # Where scattering is not solved, its source stays as it was.
            self._fixed = self._eta + self._sca * self._before
            self._fixed[:, self._scattered] = self._eta[:, self._scattered]
            J = self.J
        plain = Light(total, beams, self._tie)
        at = self._scattered
        if not len(at):
            return LinearisedRadiation(t, plain, None, self._some, self._fixed)
        own = eta[:, :, at] - (self._sca * (self._before if begins else J))[:, at]
        total, step, source = (np.ascontiguousarray(x[:, :, at]) for x in (total, step, source))
        scattering = self._scattering(total, step, source, J[:, at])
        if begins:
            _, first, left = scattering.iterated(own, _TRIED, _LEFT)
            hard = left > np.maximum(_HARD * first, _STILL)
            if self._thorough:
                hard |= scattering_share(step[0], self._sca[:, at] / total[0]) > _STRONGLY
            if hard.any():
                scattering = self._factorised(np.flatnonzero(hard), total, step, source)
            scattering.iterated(own, _TRIED, _LEFT)
        return LinearisedRadiation(t, plain, scattering, self._some, self._fixed)

    def _beams(
        self, step: Array, source: Array, at: Integers | slice, linear: Numbers | None = None
    ) -> Beams:
        """Return the beams at some wavelengths."""
        whole = linear is None
        planck = np.ascontiguousarray(self._planck[:, at])
        found = Beams.around(step, source, self._rays, planck, linear, self._memory.get(whole))
        self._memory[whole] = found.weights
        return found

    def _scattering(self, total: Array, step: Array, source: Array, J: Array) -> _ScatteringLight:
        """Return the light at the wavelengths where scattering is solved."""
        assert self._tie is not None
        at = self._scattered
        sca = np.ascontiguousarray(self._sca[:, at])
        diffuse = DiffuseLight(step.mean(axis=0), sca / total.mean(axis=0))
        beams = self._beams(step, source, at, self._linear)
        return _ScatteringLight(total, beams, self._tie.at(at), sca, diffuse, self._dense, J)

    def _factorised(
        self, hard: Integers, total: Array, step: Array, source: Array
    ) -> _ScatteringLight:
        """Return the light with the operators of some wavelengths made, positive or linear."""
        assert self._tie is not None
        at = self._scattered
        mean, around = step.mean(axis=0), source.mean(axis=0)
        albedo = self._sca[:, at] / total.mean(axis=0)
        for k in hard:
            made = self._operator(mean[:, k], around[:, k], self._tie.ratio[:, at[k]], False)
            if not self._factorise(int(k), made, albedo[:, k]):
                self._linear[k] = True
        if self._linear.any():
            beams = self._beams(step, source, at, self._linear)
            tie = _Tie.between(self.J[:, at], beams.mean_intensity(source).sum(axis=0))
            self._tie.ratio[:, at], self._tie.outside[:, at] = tie.ratio, tie.outside
            for k in np.flatnonzero(self._linear):
                made = self._operator(mean[:, k], around[:, k], tie.ratio[:, k], True)
                self._factorise(int(k), made, albedo[:, k])
        return self._scattering(total, step, source, self.J[:, at])

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
class _Entries:
    """What transitions emit at some wavelengths.

    Attributes
    ----------
    waves, place : Array
        Their indices, [Nsome], and where a wavelength is among them, or -1, [Nwave].
    start, first, emission, profile
        As of `lw_rl.host.equations.Transfer`, at these wavelengths.
    """

    waves: Integers
    place: Integers
    start: Integers
    first: Integers
    emission: Array
    profile: Array

    @classmethod
    def at(cls, t: Transfer, waves: Integers) -> _Entries:
        """Return the entries at some wavelengths, which are sorted."""
        place = np.full(len(t.waves), -1)
        place[waves] = np.arange(len(waves))
        of = np.arange(t.start[-1]) + np.repeat(t.first - t.start[:-1], np.diff(t.start))
        kept = place[of] >= 0
        return cls(
            waves,
            place,
            np.concatenate([[0], np.cumsum(kept)])[t.start],
            np.searchsorted(waves, t.first),
            np.ascontiguousarray(t.emission[:, kept]),
            np.ascontiguousarray(t.profile[:, :, kept]),
        )


@dataclass(frozen=True)
class LinearisedRadiation:
    """The radiation field of one linearisation.

    Attributes
    ----------
    transfer : Transfer
        Lines and continua.
    plain : Light
        The light where what is scattered stays as it is.
    scattering : _ScatteringLight or None
        The light where it does not.
    some : _Entries
        What is emitted there.
    eta : Array
        Emissivity of all but the active atoms and light whose scattering is solved,
        [Nspace, Nwave].
    """

    transfer: Transfer
    plain: Light
    scattering: _ScatteringLight | None
    some: _Entries
    eta: Array

    @property
    def total(self) -> Array:
        """Opacity [m-1], [Nbundle, Nspace, Nwave]."""
        return self.plain.total

    def rates(self, emitter: Array, rows: Rows) -> tuple[Array, Array]:
        """Return the rates of every row [s-1], [Nrow, Nspace], and J, [Nspace, Nwave].

        Parameters
        ----------
        emitter : Array
            What every transition emits is in proportion to [m-3], [Ntransition, Nspace].
        rows : Rows
            The rows.
        """
        t, some, plain = self.transfer, self.some, self.plain
        scattering = np.empty((len(plain.total), len(t.height), 0))
        if self.scattering is not None:
            eta = emitted(
                some.start, some.first, rows.single, some.emission, some.profile, emitter,
                np.ascontiguousarray(self.eta[:, some.waves]),
            )  # fmt: skip
            scattering = self.scattering.bundles(eta)
        rate, J = np.empty((rows.Nrow, len(t.height))), np.empty_like(self.eta)
        lit(
            *plain.beams.arrays, plain.over, plain.tie.ratio, plain.tie.outside, t.start, t.first,
            t.emission, t.profile, t.up, t.down, rows.up, rows.down, emitter, self.eta, some.place,
            scattering, rate, J,
        )  # fmt: skip
        return rate, J

    def diagonal(self) -> Array:
        """Return the mean intensity at every depth per emissivity there, of the opacity's shape."""
        diagonal = self.plain.diagonal()
        if self.scattering is not None:
            diagonal[:, :, self.some.waves] = self.scattering.diagonal()
        return diagonal
