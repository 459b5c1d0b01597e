"""The light that coupled transitions exchange, coherent scattering solved.

Around the populations of a formal solution, mean intensities are made by short characteristics on
the host's own rays and tied to the host's: ``J = q (Lambda S + J_b) + J_outside``, with q such that
the host's are met where the formal solution was made. How light gets from one point to another, and
how what is scattered is found, depends on the geometry: `lw_rl.operator.coupled_light_1d` and
`lw_rl.operator.coupled_light_2d`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from ..arrays import Array, Integers, Numbers
from ..host.equations import Rates
from ..host.transfer import Transfer
from .response_1d import emitted, opacities

__all__ = ["Light", "LinearisedRadiation", "Radiation", "Rows", "Sweeps", "Tie", "Ways"]

#: Albedo times optical depth, or albedo where thick, from which on scattering is solved.
_SCATTERS = 1e-2
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
        return Tie(*(np.ascontiguousarray(x[:, waves]) for x in (self.ratio, self.outside)))


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


class Sweeps(Protocol):
    """Bundles of rays at some wavelengths, the limiter of the interpolation linearised."""

    def mean_intensity(self, source: Array) -> Array:
        """Return the mean intensity of a source function, both [Nbundle, Nspace, Nwave]."""
        ...

    def diagonal(self) -> Array:
        """Return the mean intensity at every point per source function there, of that shape."""
        ...

    def approximate(self) -> Array:
        """Return what the host takes for it in its equations, of that shape."""
        ...


_Beams = TypeVar("_Beams", bound=Sweeps)


class Light(Generic[_Beams]):
    """Mean intensities of one linearisation, linear in what is emitted.

    Parameters
    ----------
    total : Array
        Opacity [m-1], [Nbundle, Nspace, Nwave].
    beams : Sweeps
        Bundles of rays.
    tie : Tie
        What ties the light to the host's.
    """

    def __init__(self, total: Array, beams: _Beams, tie: Tie):
        self.total, self.beams, self.tie = total, beams, tie
        self.over = 1.0 / total

    def bundles(self, eta: Array) -> Array:
        """Return what every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave].

        Parameters
        ----------
        eta : Array
            Emissivity [J s-1 m-3 sr-1 Hz-1], of the same shape.
        """
        J = self.beams.mean_intensity(eta * self.over)
        J *= self.tie.ratio
        return J

    def diagonal(self) -> Array:
        """Return the mean intensity at every depth per emissivity there, [Nbundle, Nspace, Nwave].

        Never negative, and not above that of a ratio of one.
        """
        diagonal = self.beams.diagonal()
        np.maximum(diagonal, 0.0, out=diagonal)
        diagonal *= np.minimum(self.tie.ratio, 1.0)
        diagonal *= self.over
        return diagonal

    def approximate(self) -> Array:
        """Return the host's approximate operator, per emissivity, [Nbundle, Nspace, Nwave]."""
        return self.beams.approximate() * self.over


@dataclass(frozen=True)
class LinearisedRadiation(ABC, Generic[_Beams]):
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
    plain: Light[_Beams]
    scattering: Light[_Beams] | None
    at: Integers
    eta: Array

    @property
    def total(self) -> Array:
        """Opacity [m-1], [Nbundle, Nspace, Nwave]."""
        return self.plain.total

    def emitting(self, transfer: Transfer) -> LinearisedRadiation[_Beams]:
        """Return it with other emission profiles."""
        return replace(self, transfer=transfer)

    @abstractmethod
    def rates(self, emitter: Array, rows: Rows, each: Array | None = None) -> tuple[Array, Array]:
        """Return the rates of every row [s-1], [Nrow, Nspace], and J, [Nspace, Nwave].

        Parameters
        ----------
        emitter : Array
            What every transition emits is in proportion to [m-3], [Ntransition, Nspace].
        rows : Rows
            The rows.
        each : Array, optional
            For what every bundle brings to J, [Nbundle, Nspace, Nwave]; in one dimension.
        """

    def diagonal(self) -> Array:
        """Return the mean intensity at every point per emissivity there, of the opacity's shape."""
        diagonal = self.plain.diagonal()
        if self.scattering is not None:
            diagonal[:, :, self.at] = self.scattering.diagonal()
        return diagonal


class Radiation(ABC, Generic[_Beams]):
    """The radiation field around a formal solution of the host's.

    Parameters
    ----------
    transfer : Transfer
        Lines and continua.
    rates : Rates
        What the formal solution told.

    Attributes
    ----------
    J : Array
        The host's mean intensity, [Nspace, Nwave].
    """

    def __init__(self, transfer: Transfer, rates: Rates):
        self._transfer = transfer
        chi, eta, sca, before, J, planck = (
            np.ascontiguousarray(x.T)
            for x in (rates.chi, rates.eta, rates.sca, rates.before, rates.J, transfer.planck)
        )
        self.J = J
        self._chi, self._eta, self._sca, self._before, self._planck = chi, eta, sca, before, planck
        self._around: Array | None = None
        self._rows = Rows.of(transfer)
        self._tie: Tie | None = None
        self._scattered: Integers = np.zeros(0, np.intp)

    def emit(self, transfer: Transfer) -> None:
        """Let what is linearised from now on have other emission profiles."""
        self._transfer = transfer

    def linearised(self, n: Array, J: Array, present: float) -> LinearisedRadiation[_Beams]:
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
        step = self._steps(total)
        eta = emitted(
            t.start, t.first, self._rows.single, t.emission, t.emits, n[t.upper],
            self._eta + self._sca * J,
        )  # fmt: skip
        source = eta / total
        if self._around is not None and present < 1.0:
            source *= present
            source += (1.0 - present) * self._around
        self._around = source
        beams = self._beams(step, source)
        begins = self._tie is None
        if self._tie is None:
            self._tie = Tie.between(self.J, beams.mean_intensity(source).sum(axis=0))
            share = self._scattering_share(step[0], self._sca / total[0])
            self._scattered = np.flatnonzero(share > _SCATTERS)
            # Where scattering is not solved, its source stays as it was.
            self._fixed = self._eta + self._sca * self._before
            self._fixed[:, self._scattered] = self._eta[:, self._scattered]
            J = self.J
        plain = Light(total, beams, self._tie)
        at = self._scattered
        if not len(at):
            return self._complete(plain, None)
        own = eta[:, :, at] - (self._sca * self._before)[:, at] if begins else None
        total, step, source = (np.ascontiguousarray(x[:, :, at]) for x in (total, step, source))
        return self._complete(plain, self._scattered_light(own, total, step, source, J[:, at]))

    @abstractmethod
    def _steps(self, total: Array) -> Array:
        """Return what beams are made of, from the opacity: [Nbundle, ..., Nwave]."""

    @abstractmethod
    def _beams(self, step: Array, source: Array) -> _Beams:
        """Return the beams at all wavelengths, the limiter linearised around a source function."""

    @abstractmethod
    def _scattering_share(self, step: Array, albedo: Array) -> Array:
        """Return how much scattering matters by one bundle's steps, [Nwave]."""

    @abstractmethod
    def _scattered_light(
        self, own: Array | None, total: Array, step: Array, source: Array, J: Array
    ) -> Light[_Beams]:
        """Return the light at the wavelengths where scattering is solved.

        With `own`, what is emitted besides, [Nbundle, Nspace, Nwave], scattering is solved well.
        """

    @abstractmethod
    def _complete(
        self, plain: Light[_Beams], scattering: Light[_Beams] | None
    ) -> LinearisedRadiation[_Beams]:
        """Return the radiation field, with the light at these wavelengths if there are any."""


class Ways(Protocol):
    """How light gets from one point to another, in one geometry."""

    @property
    def still(self) -> float:
        """How little a linearisation moves populations that is the last, in the logarithm."""
        ...

    @property
    def far(self) -> float:
        """How far a linearisation may move populations before steps are taken to be linear.

        Where populations are far off, the limiter has another form nearly everywhere, and in the
        form that it has there intensities can be less than none: linear steps are monotone.
        Infinite where that is not done.
        """
        ...

    @property
    def builds(self) -> int:
        """How many linearisations a correction has at the most."""
        ...

    @property
    def smoothing(self) -> int:
        """How many plain iterations, around where it led to, end a correction after the first."""
        ...

    @property
    def follows(self) -> bool:
        """Whether what the host leaves unbalanced, and what it never absorbed, are followed.

        That is how transitions of one atom overlap, and what the local part of a rate is more than
        the rate. Else the one is a constant share of what levels lose, and the other is cut off.
        """
        ...

    @property
    def lags(self) -> bool:
        """Whether the light of a linearisation's last iteration stands for that of its result.

        It is one iteration behind, by less than what a linearisation is solved to. Else there is
        another sweep.
        """
        ...

    @property
    def patience(self) -> float:
        """After how many corrections in vain, one after the other, the operator is given up."""
        ...

    def radiation(
        self, transfer: Transfer, rates: Rates, first: bool, linear: bool
    ) -> Radiation[Any]:
        """Return the radiation field around a formal solution.

        Parameters
        ----------
        transfer, rates
            As for :class:`Radiation`.
        first : bool
            Whether it is the first of a solve.
        linear : bool
            Whether the source function is linear along steps.
        """
        ...

    def present(self, averaged: int) -> float:
        """Return the weight of the present source function in that of the limiter.

        Parameters
        ----------
        averaged : int
            Linearisations around means so far.
        """
        ...
