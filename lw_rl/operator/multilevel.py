"""Statistical equilibrium of all active atoms together, with the radiation that they exchange.

The non-local operator of atoms with any number of levels. Around the populations of a formal
solution the mean intensity at every wavelength of every line and continuum is made by cubic Bezier
short characteristics on the host's own rays and tied to the host's: ``J = q (Lambda S + J_b)``,
with q such that the host's intensities, and rates, are met where the formal solution was made.
Coherent scattering is solved in it (`lw_rl.operator.response_1d`). The equilibrium of these
equations is the next state. It needs no formal solution, and its fixed point is the host's.

The equations are solved by preconditioned iterations (Rybicki and Hummer 1992, A&A 262, 209) with
Anderson acceleration in the logarithm of the populations; where these have moved, opacities and
responses are made anew around them. Within one linearisation a transition's source function, not
its emissivity, follows the populations, as far as its own opacity is what its photons see: thin,
inverted and overlapping transitions need no rule of their own. Where the host conserves charge,
electrons follow the ions from one iteration to the next.

Three things must be exact for lines whose photons scatter a million times: opacities and
emissivities are those of populations and background, not differences of totals; the rates of
spontaneous emission are what the host's rates leave; and what the host's own equations differ by
from its rates (its quadrature of overlapping transitions) is carried along.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..arrays import Array, Integers
from ..extrapolation import anderson_mix
from ..host.equations import Rates, Transfer
from ..norms import largest, limit_step
from .response_1d import rates_of, responses, sweep

__all__ = ["INVERTED", "CoupledEquilibrium"]

#: Iterations of one linearisation, and how many of them before they are accelerated.
_MOST_SWEEPS, _DELAY = 100, 3
#: Iterations that are combined, and the limit of a combined step in the logarithm.
_WINDOW, _MAX_STEP = 8, 1.0
#: Linearisations of one correction, and by how much the last may still move the populations, in the
#: logarithm.
_MOST_BUILDS, _UNSETTLED = 10, 0.5
#: Linearisations after which the limiter of the interpolation is linearised around the mean of the
#: last source functions, because its switches make them take turns.
_FREE = 3
#: A linearisation is solved to this share of what the populations have moved in all, and made anew
#: where they have moved by this share of it since, or by more than the last number.
_SOLVED, _MOVED, _FAR = 1e-2, 0.1, 0.1
#: No tolerance of a linearisation is below the first, nor of their sequence below the second.
_FLOOR, _STILL = 1e-8, 1e-7
#: Photons are not trapped by more than this.
_TRAPPED = 1.0 - 1e-10
#: A transition whose lower level has less than this share left by stimulated emission is taken for
#: thin.
INVERTED = 0.02


@dataclass(frozen=True)
class _Anchored:
    """What ties the operator to the host's rates.

    Attributes
    ----------
    multiple : Array
        Rate of stimulated emission over that of absorption where they are one row, else zero,
        [Ntransition, Nspace].
    spontaneous : Array
        Rate down of every transition less what is stimulated [s-1], [Ntransition, Nspace].
    defect : Array
        By what share of a level's losses the host's own equations differ, [Nlevel, Nspace].
    """

    multiple: Array
    spontaneous: Array
    defect: Array


@dataclass(frozen=True)
class _Response:
    """One linearisation; attributes as in `lw_rl.operator.response_1d.rates_of` and `sweep`."""

    M: Array
    known: Array
    local: Array
    net: Array
    share: Array

    def times(self, factor: Array, rows: Integers) -> _Response:
        """Return the response with a factor on every row, [Nrow, Nspace]."""
        each = factor[rows]
        return replace(
            self,
            M=self.M * each[:, None, :],
            known=self.known * factor,
            local=self.local * each,
        )


@dataclass
class CoupledEquilibrium:
    """The non-local operator of all active atoms.

    Parameters
    ----------
    transfer : Transfer
        Their lines and continua.

    Attributes
    ----------
    made : int
        Linearisations made so far.
    """

    transfer: Transfer
    made: int = field(default=0, init=False)
    _last: _Response | None = field(default=None, init=False)
    _first_row: Integers = field(init=False)
    _second_row: Integers = field(init=False)
    _of_row: Integers = field(init=False)
    _block: Integers = field(init=False)
    _rows: Integers = field(init=False)
    _columns: Integers = field(init=False)

    def __post_init__(self) -> None:
        t = self.transfer
        single = np.isfinite(t.multiple).all(axis=1)
        sizes = np.where(single, 1, 2)
        self._first_row = (np.cumsum(sizes) - sizes).astype(np.int64)
        self._second_row = self._first_row + sizes - 1
        self._of_row = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
        met = np.zeros((len(sizes), len(sizes)), bool)
        for begin, end in zip(t.start[:-1], t.start[1:], strict=True):
            here = t.transition[begin:end]
            met[np.ix_(here, here)] = True
        met = met[self._of_row]
        self._block = np.where(met, np.cumsum(met.ravel()).reshape(met.shape) - 1, -1)
        self._rows, self._columns = (a.astype(np.int64) for a in np.nonzero(met))

    def solve(self, rates: Rates) -> tuple[Array, Array] | None:
        """Return the equilibrium next to a formal solution, None if it is not found.

        Parameters
        ----------
        rates : Rates
            What it told.

        Returns
        -------
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        J : Array
            Mean intensity at the operator's wavelengths, there, [Nwave, Nspace].
        """
        t, n = self.transfer, rates.n
        aim = self._sums(rates.J)
        given = aim[self._first_row]
        aim[self._first_row] = rates.up
        ratio, outside = np.empty_like(rates.J), np.empty_like(rates.J)
        kind = np.zeros(len(t.waves), dtype=np.int64)
        around = np.empty((t.profile.shape[1], *rates.J.shape))
        factor = np.ones_like(aim)
        anchored = self._anchored(rates, aim)
        J = rates.before
        for build in range(_MOST_BUILDS):
            self.made += 1
            M, known, local, share, J = responses(
                t.height, t.mu, t.weight, t.start, t.transition, t.lower, t.upper, t.emission,
                t.absorption, t.stimulated, t.profile, t.up, t.down, self._first_row,
                self._second_row, self._block, len(self._rows), len(self._of_row), t.planck, n,
                rates.chi, rates.eta, rates.sca, rates.before, rates.J, J, factor, aim, ratio,
                outside, kind, around, 1.0 if build < _FREE else 0.5, build == 0,
            )  # fmt: skip
            net = n[t.lower] - t.inverse * n[t.upper]
            share = np.where(net > INVERTED * n[t.lower], np.minimum(share, 1.0), 0.0)
            net = np.where(net > 0.0, net, 1.0)
            before = n
            response = _Response(M, known, local, net, share)
            if build == 0:
                # What the rates are in the radiation field with scattering solved.
                aim = self._sums(J)
                aim[self._first_row] *= rates.up / np.maximum(given, 1e-300)
                factor = aim / np.maximum(self._rates(n, response), 1e-300)
                response = response.times(factor, self._rows)
            self._trap(response, anchored)
            found = self._equilibrium(n, rates, anchored, response)
            if found is None:
                return None
            n = found
            moved = largest(np.log(n / before))
            if moved < max(min(_MOVED * largest(np.log(n / rates.n)), _FAR), _STILL):
                break
        else:
            if moved > _UNSETTLED:
                return None
        self._last = response
        return n, J

    def _sums(self, J: Array) -> Array:
        """Return the rates of every row in a mean intensity by the entries' sums [s-1]."""
        t = self.transfer
        rate = np.zeros((len(self._of_row), J.shape[1]))
        J = J[np.repeat(np.arange(len(t.waves)), np.diff(t.start))]
        np.add.at(rate, self._first_row[t.transition], t.up * J)
        two = (self._second_row != self._first_row)[t.transition]
        np.add.at(rate, self._second_row[t.transition[two]], (t.down * J)[two])
        return rate

    def _anchored(self, rates: Rates, sums: Array) -> _Anchored:
        """Return what ties the operator to the host's rates.

        Parameters
        ----------
        rates : Rates
            Of the formal solution.
        sums : Array
            From :meth:`_sums` of its mean intensity, [Nrow, Nspace].
        """
        t = self.transfer
        two = (self._second_row != self._first_row)[:, None]
        multiple = np.where(two, 0.0, t.multiple)
        stimulated = np.where(two, sums[self._second_row], multiple * rates.up)
        spontaneous = np.maximum(rates.down - stimulated, 0.0)
        lost = rates.collisions.sum(axis=0)
        np.add.at(lost, t.lower, rates.up)
        np.add.at(lost, t.upper, rates.down)
        return _Anchored(multiple, spontaneous, rates.defect / lost)

    def _trap(self, response: _Response, anchored: _Anchored) -> None:
        """Limit the local response: of a line's photons no more than all are absorbed again."""
        local, share = response.local, response.share
        for k in np.flatnonzero(self._first_row == self._second_row):
            own = self._block[self._first_row[k], k]
            most = _TRAPPED * anchored.spontaneous[k] / response.net[k]
            local[own] = np.where(share[k] > 0.0, np.minimum(local[own], most), local[own])

    def _equilibrium(
        self, n: Array, rates: Rates, anchored: _Anchored, response: _Response
    ) -> Array | None:
        """Return the equilibrium of one linearisation, or the last state on the way to it."""
        xs: list[Array] = []
        images: list[Array] = []
        electrons = self._electrons(n, rates)
        for made in range(_MOST_SWEEPS):
            # Recombination by more electrons leaves fewer: the mean damps what would oscillate.
            electrons = np.sqrt(electrons * self._electrons(n, rates))
            new = self._swept(n, rates, anchored, response, electrons)
            change = np.log(new / n)
            size = largest(change)
            if not np.isfinite(size):
                return None
            if size < max(_SOLVED * largest(np.log(new / rates.n)), _FLOOR):
                return new
            if made < _DELAY or size > _MAX_STEP:
                # Far away there is nothing to extrapolate.
                n, xs, images = new, [], []
                continue
            xs, images = (
                [*xs[-_WINDOW:], np.log(n).ravel()],
                [*images[-_WINDOW:], np.log(new).ravel()],
            )
            if len(xs) == 1:
                n = new
                continue
            mixed = limit_step(xs[-1], anderson_mix(xs, images), _MAX_STEP)
            n = self._normalised(np.exp(mixed).reshape(n.shape), rates)
        return n

    def _normalised(self, n: Array, rates: Rates) -> Array:
        """Return populations that sum to the atoms there are."""
        t = self.transfer
        sums = np.add.reduceat(n, t.first_level, axis=0)
        normalised: Array = n * np.repeat(rates.nTotal / sums, t.Nlevel, axis=0)
        return normalised

    def _electrons(self, n: Array, rates: Rates) -> Array:
        """Return the electron density over that of the formal solution, [Nspace]."""
        if rates.given is None:
            return np.ones(n.shape[1])
        ratio: Array = (self.transfer.charge @ n + rates.given) / rates.electrons
        return ratio

    def _rates(self, n: Array, response: _Response, strength: Array | None = None) -> Array:
        """Return the rates of every row [s-1], [Nrow, Nspace]."""
        t = self.transfer
        if strength is None:
            strength = np.ones((len(t.lower), n.shape[1]))
        rate: Array = rates_of(
            n, strength, t.lower, t.upper, self._rows, self._columns, response.M, response.known,
            t.inverse, response.net, response.share,
        )  # fmt: skip
        return rate

    def _swept(
        self,
        n: Array,
        rates: Rates,
        anchored: _Anchored,
        response: _Response,
        electrons: Array,
    ) -> Array:
        """Return the populations after one iteration.

        Collisions are in proportion to the electrons, recombination in three-body collisions to
        their square, and what recombination emits to themselves; `electrons` is their number over
        that of the formal solution, [Nspace].
        """
        t = self.transfer
        recombines = t.charge[t.upper] > t.charge[t.lower]
        strength = np.where(recombines[:, None], electrons, 1.0)
        fixed = rates.collisions * electrons
        ionised = t.charge[:, None] < t.charge
        fixed[ionised] *= electrons
        np.add.at(fixed, (t.lower, t.upper), strength * anchored.spontaneous)
        down = self._second_row > self._first_row
        row = np.ones((len(self._of_row), len(electrons)))
        row[self._second_row[down]] = strength[down]
        rate = self._rates(n, response, strength)
        swept: Array = sweep(
            n, rates.nTotal, t.first_level, t.Nlevel, fixed, anchored.defect,
            t.lower, t.upper, self._first_row, self._second_row, self._of_row, anchored.multiple,
            rate * row, self._rows, self._columns,
            response.local * row[self._rows] * strength[self._columns], t.inverse, response.net,
            response.share,
        )  # fmt: skip
        return swept
