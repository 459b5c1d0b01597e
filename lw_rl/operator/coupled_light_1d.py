"""The light that coupled transitions exchange in one dimension, coherent scattering solved.

As `lw_rl.operator.coupled_light`, by cubic Bezier short characteristics
(`lw_rl.operator.beams_1d`).

Scattered light is found by iteration. What the light of one iteration lacks is diffused (diffusion
synthetic acceleration), with the length of the step that leaves least. Where that leads nowhere,
``1 - q Lambda a`` is made and factorised at the formal solution, and is what the iterations are
preconditioned with. Where light is less than none by it, what is linearised around is not the
light of the formal solution, but that of the populations there, which Newton's method finds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

from ..arrays import Array, Integers, Numbers
from ..host.equations import Rates
from ..host.transfer import Transfer
from ..norms import LEAST, not_below
from .beams_1d import Beams, DiffuseLight, Rays, optical_steps
from .bezier_1d import operators
from .coupled_light import Light, LinearisedRadiation, Radiation, Rows, Tie
from .light_1d import lit, scattered
from .response_1d import emitted, scattering_share

__all__ = ["ColumnRadiation", "Ways1D"]

#: Albedo times optical depth, or albedo where thick, from which on the operator of scattering is
#: looked at before the first step.
_STRONGLY = 0.5
#: Iterations over scattered light, and the share of the first change, or the change of J, that
#: they may leave: the populations are iterated, too.
_MOST_ITERATIONS, _LEFT, _STILL = 2, 0.1, 1e-8
#: Where they leave more, the operator of a wavelength is made.
_HARD = 3e-2
#: Iterations after which that is judged.
_TRIED = 4
#: Newton steps for scattered light in the dark, and the relative change of J that ends them.
_MOST_NEWTON, _SOLVED = 10, 1e-2
#: Of `Ways1D`: here a correction in vain is cheap, and there is complete linearisation.
_SETTLED, _MOST_BUILDS, _PATIENCE = 1e-7, 10, float("inf")


@dataclass(frozen=True)
class Ways1D:
    """How light gets about in a column.

    Attributes
    ----------
    still, far, builds, smoothing, follows, lags, patience
        See `lw_rl.operator.coupled_light.Ways`.
    """

    still: float = _SETTLED
    far: float = float("inf")
    builds: int = _MOST_BUILDS
    smoothing: int = 0
    # Cut off, hydrogen with three levels beside Ca II takes 58 formal solutions on 20 depths for 7.
    follows: bool = True
    lags: bool = True
    patience: float = _PATIENCE
    _memory: dict[bool, Numbers] = field(default_factory=dict)

    def radiation(
        self, transfer: Transfer, rates: Rates, first: bool, linear: bool
    ) -> ColumnRadiation:
        """Return the radiation field; the first time it is looked at thoroughly."""
        return ColumnRadiation(transfer, rates, self._memory, thorough=first)

    def present(self, averaged: int) -> float:
        """Return one half."""
        return 0.5


@dataclass(frozen=True)
class _Factorised:
    """Operators of scattering at some wavelengths, factorised.

    Attributes
    ----------
    at : Array
        The wavelengths, [Noperator].
    factors, pivots : Array
        LAPACK's factors, transposed, [Noperator, Nspace, Nspace], and pivots.
    """

    at: Integers
    factors: Array
    pivots: Integers

    @classmethod
    def of(cls, made: dict[int, tuple[Array, Integers]], Nspace: int) -> _Factorised:
        """Return them by wavelength."""
        factors = np.empty((len(made), Nspace, Nspace))
        pivots = np.empty((len(made), Nspace), np.int64)
        for m, (matrix, order) in enumerate(made.values()):
            factors[m], pivots[m] = matrix.T, order
        return cls(np.array(list(made), np.int64), factors, pivots)


class _ScatteringLight(Light[Beams]):
    """Light whose scattered part follows it, at wavelengths where that matters.

    Parameters
    ----------
    total, beams, tie
        As for :class:`Light`.
    sca : Array
        Scattering opacity [m-1], [Nspace, Nwave].
    diffuse : DiffuseLight
        What scattered light does in about.
    dense : _Factorised
        The operator at wavelengths where it does something else.
    J : Array
        Mean intensity to begin with, [Nspace, Nwave]; afterwards the last one found.
    """

    def __init__(
        self,
        total: Array,
        beams: Beams,
        tie: Tie,
        sca: Array,
        diffuse: DiffuseLight,
        dense: _Factorised,
        J: Array,
    ):
        super().__init__(total, beams, tie)
        self.J = np.ascontiguousarray(J)
        self._sca, self._diffuse, self._dense = sca, diffuse, dense
        self._albedo = sca * self.over.mean(axis=0)

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
        dense = self._dense
        each: Array
        each, first, left = scattered(
            *self.beams.arrays, self.over, self.tie.ratio, self.tie.outside, self._sca,
            self._albedo, *self._diffuse.factors, dense.at, dense.factors, dense.pivots,
            np.ascontiguousarray(eta), most, share, _STILL, self.J,
        )  # fmt: skip
        return each, first, left


class ColumnRadiation(Radiation[Beams]):
    """The radiation field around a formal solution of the host's in one dimension.

    Parameters
    ----------
    transfer, rates
        As for `Radiation`.
    memory : dict
        What is kept from one formal solution to the next: memory of beams that are not needed any
        more.
    thorough : bool
        Look at the operator at all wavelengths where scattering is strong, not only where
        iterations over scattered light lead nowhere.
    """

    def __init__(
        self,
        transfer: Transfer,
        rates: Rates,
        memory: dict[bool, Numbers],
        thorough: bool,
    ):
        super().__init__(transfer, rates)
        self._memory, self._thorough = memory, thorough
        self._rays = Rays.of(transfer.mu, transfer.weight, transfer.profile.shape[0])
        self._made: dict[int, tuple[Array, Integers]] = {}
        self._dense = _Factorised.of({}, len(self.J))

    @cached_property
    def _some(self) -> _Entries:
        """Which transitions there are where scattering is solved."""
        return _Entries.at(self._transfer, self._scattered)

    def _steps(self, total: Array) -> Array:
        """Return the vertical steps of optical depth."""
        steps: Array = optical_steps(total, self._transfer.height)
        return steps

    def _scattering_share(self, step: Array, albedo: Array) -> Array:
        share: Array = scattering_share(step, albedo)
        return share

    def _scattered_light(
        self, own: Array | None, total: Array, step: Array, source: Array, J: Array
    ) -> _ScatteringLight:
        at = self._scattered
        if own is None:
            return self._scattering(total, step, source, J)
        scattering = self._scattering(total, step, source, J)
        _, first, left = scattering.iterated(own, _TRIED, _LEFT)
        hard = left > np.maximum(_HARD * first, _STILL)
        if self._thorough:
            hard |= self._scattering_share(step[0], self._sca[:, at] / total[0]) > _STRONGLY
        if hard.any():
            where = np.flatnonzero(hard)
            self._factorise(where, *(x[:, :, where] for x in (total, step, source)))
            self._dense = _Factorised.of(self._made, len(J))
            scattering = self._scattering(total, step, source, J)
        scattering.iterated(own, _TRIED, _LEFT)
        dark = np.flatnonzero((scattering.J <= 0.0).any(axis=0))
        if len(dark):
            self._solve(dark, own, total, step, source, J)
            self._dense = _Factorised.of(self._made, len(J))
            scattering = self._scattering(total, step, source, J)
            scattering.iterated(own, _TRIED, _LEFT)
        return scattering

    def _complete(self, plain: Light[Beams], scattering: Light[Beams] | None) -> LinearisedColumn:
        at, some = self._scattered, self._some.emitting(self._transfer)
        return LinearisedColumn(self._transfer, plain, scattering, at, self._fixed, some)

    def _beams(self, step: Array, source: Array, at: Integers | None = None) -> Beams:
        """Return the beams, at some wavelengths or at all."""
        whole = at is None
        planck = self._planck if whole else np.ascontiguousarray(self._planck[:, at])
        found = Beams.around(step, source, self._rays, planck, self._memory.get(whole))
        self._memory[whole] = found.weights
        return found

    def _scattering(self, total: Array, step: Array, source: Array, J: Array) -> _ScatteringLight:
        """Return the light at the wavelengths where scattering is solved."""
        assert self._tie is not None
        at = self._scattered
        sca = np.ascontiguousarray(self._sca[:, at])
        diffuse = DiffuseLight(step.mean(axis=0), sca / total.mean(axis=0))
        beams = self._beams(step, source, at)
        return _ScatteringLight(total, beams, self._tie.at(at), sca, diffuse, self._dense, J)

    def _solve(
        self, dark: Integers, own: Array, total: Array, step: Array, source: Array, J: Array
    ) -> None:
        """Solve for scattered light at some wavelengths, to be linearised around the solution.

        Where light falls by orders of magnitude along a step, the limiter's slope in what the host
        scattered is not that of the solution, and what is linear by it leads below zero. Newton's
        method finds the light at the given populations; where it does not converge, what is
        linearised around stays as it was.

        Parameters
        ----------
        dark : Array
            The wavelengths, among those where scattering is solved, [Nwave].
        own : Array
            What is emitted besides, [Nbundle, Nspace, Nwave].
        total, step : Array
            Opacity and steps of optical depth, [Nbundle, Nspace (- 1), Nwave].
        source, J : Array
            Source function, of that shape, and mean intensity, [Nspace, Nwave], which are changed.
        """
        assert self._tie is not None and self._around is not None
        waves = self._scattered[dark]
        emitted, chi, steps = (np.ascontiguousarray(x[:, :, dark]) for x in (own, total, step))
        sca, host = self._sca[:, waves], self.J[:, waves]
        # Of scattered light no more than all comes back: with more there is no solution.
        tie = self._tie.at(waves)
        ratio = np.minimum(tie.ratio, 1.0)
        tie = Tie(ratio, np.maximum(host - ratio / tie.ratio * (host - tie.outside), 0.0))
        self._tie.ratio[:, waves], self._tie.outside[:, waves] = tie.ratio, tie.outside
        now = np.maximum(J[:, dark], 0.0)
        for _ in range(_MOST_NEWTON):
            emitting = (emitted + sca * now) / chi
            light = self._beams(steps, emitting, waves).mean_intensity(emitting).sum(axis=0)
            light = tie.ratio * light + tie.outside
            self._factorise(dark, chi, steps, emitting)
            left = (light - now).T
            change = [dgetrs(*self._made[k], x)[0] for k, x in zip(dark, left, strict=True)]
            before, now = now, not_below(LEAST, light, now + np.transpose(change))
            solved = (np.abs(now - before) < _SOLVED * now).all(axis=0)
            if solved.all():
                break
        dark, waves = dark[solved], waves[solved]
        J[:, dark] = now[:, solved]
        source[:, :, dark] = self._around[:, :, waves] = emitting[:, :, solved]

    def _factorise(self, at: Integers, total: Array, step: Array, around: Array) -> None:
        """Factorise the operators of some wavelengths.

        Parameters
        ----------
        at : Array
            The wavelengths, among those where scattering is solved, [Noperator].
        total, step, around : Array
            Of these, [Nbundle, Nspace (- 1), Noperator].
        """
        assert self._tie is not None
        t, waves = self._transfer, self._scattered[at]
        total, step, around = (x.mean(axis=0) for x in (total, step, around))
        albedo = self._sca[:, waves] / total
        made = operators(step, around, t.mu, t.weight, False)
        made *= self._tie.ratio.T[waves, None]
        for m, k in enumerate(at):
            # LAPACK's order: by source function, then by depth.
            A = made[m] * -albedo[:, m, None]
            A.flat[:: len(A) + 1] += 1.0
            factors, pivots, _ = dgetrf(A.T, overwrite_a=True)
            self._made[k] = factors, pivots


@dataclass(frozen=True)
class _Entries:
    """What transitions emit at some wavelengths.

    Attributes
    ----------
    place : Array
        Where a wavelength is among them, or -1, [Nwave].
    kept : Array
        Which of the transfer's entries they are, [Nentry].
    start, first, emission, emits
        As of `lw_rl.host.transfer.Transfer`, at these wavelengths.
    """

    place: Integers
    kept: Numbers
    start: Integers
    first: Integers
    emission: Array
    emits: Array

    @classmethod
    def at(cls, t: Transfer, waves: Integers) -> _Entries:
        """Return the entries at some wavelengths, which are sorted."""
        place = np.full(len(t.waves), -1)
        place[waves] = np.arange(len(waves))
        of = np.arange(t.start[-1]) + np.repeat(t.first - t.start[:-1], np.diff(t.start))
        kept = place[of] >= 0
        return cls(
            place,
            kept,
            np.concatenate([[0], np.cumsum(kept)])[t.start],
            np.searchsorted(waves, t.first),
            np.ascontiguousarray(t.emission[:, kept]),
            np.ascontiguousarray(t.emits[:, :, kept]),
        )

    def emitting(self, t: Transfer) -> _Entries:
        """Return them with other emission profiles."""
        emission, emits = np.ascontiguousarray(t.emission[:, self.kept]), self.emits
        if t.emits is not t.profile:
            emits = np.ascontiguousarray(t.emits[:, :, self.kept])
        return replace(self, emission=emission, emits=emits)


@dataclass(frozen=True)
class LinearisedColumn(LinearisedRadiation[Beams]):
    """The radiation field of one linearisation in a column.

    Attributes
    ----------
    some : _Entries
        What is emitted where scattering is solved.
    """

    some: _Entries

    def emitting(self, transfer: Transfer) -> LinearisedColumn:
        """Return it with other emission profiles."""
        return replace(self, transfer=transfer, some=self.some.emitting(transfer))

    def rates(self, emitter: Array, rows: Rows, each: Array | None = None) -> tuple[Array, Array]:
        """Return the rates of every row and the mean intensity (`LinearisedRadiation`)."""
        t, some, plain = self.transfer, self.some, self.plain
        scattering = np.empty((len(plain.total), len(t.height), 0))
        if self.scattering is not None:
            eta = emitted(
                some.start, some.first, rows.single, some.emission, some.emits, emitter,
                np.ascontiguousarray(self.eta[:, self.at]),
            )  # fmt: skip
            scattering = self.scattering.bundles(eta)
        rate, J = np.empty((rows.Nrow, len(t.height))), np.empty_like(self.eta)
        lit(
            *plain.beams.arrays, plain.over, plain.tie.ratio, plain.tie.outside, t.start, t.first,
            t.emission, t.profile, t.emits, t.up, t.down, rows.up, rows.down, emitter, self.eta,
            some.place, scattering, rate, J, np.empty((0, 0, 0)) if each is None else each,
        )  # fmt: skip
        if each is not None:
            # What comes from outside the operator is the same for all.
            each += plain.tie.outside / len(each)
        return rate, J
