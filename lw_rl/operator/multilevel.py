"""Statistical equilibrium of all active atoms together, with the radiation that they exchange.

The non-local operator of atoms with any number of levels. Around the populations of a formal
solution the mean intensity at every wavelength of every line and continuum is made on the host's
own rays and tied to the host's (`lw_rl.operator.coupled_light`), such that its intensities, and
rates, are met where the formal solution was made. The equilibrium of these equations is the next
state. It needs no formal solution, and its fixed point is the host's.

The equations are solved by preconditioned iterations (Rybicki and Hummer 1992, A&A 262, 209) with
Anderson acceleration in the logarithm of the populations. An iteration sweeps the light of all
wavelengths along the rays at fixed opacities; where populations have moved, opacities are made anew
around them. Nothing is a matrix between depths but, at the few wavelengths where it has to be, the
operator of scattered light: time and memory are in proportion to the depths. Within one
linearisation a transition's source function, not its emissivity, follows the populations, as far as
its own opacity is what its photons see: thin, inverted and overlapping transitions need no rule of
their own. Where the host conserves charge, electrons follow the ions from one iteration to the
next.

Three things must be exact for lines whose photons scatter a million times: opacities and
emissivities are those of populations and background, not differences of totals; the rates of
spontaneous emission are what the host's rates leave; and what the host's own equations differ by
from its rates (its quadrature of overlapping transitions) is carried along.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array, Integers
from ..extrapolation import anderson_mix
from ..host.equations import Rates
from ..host.redistribution import LEAST_PROFILE, Redistribution
from ..host.transfer import Transfer
from ..norms import largest, limit_step, not_below
from .coupled_light import LinearisedRadiation, Rows, Ways
from .coupled_light_1d import Ways1D
from .effort import Effort
from .response_1d import (
    emitters,
    local_response,
    overlaps,
    seen,
    sweep,
    unbalanced,
    unbalanced_shares,
)

__all__ = ["INVERTED", "CoupledEquilibrium"]

#: Iterations of one linearisation, and how many of them before they are accelerated.
_MOST_SWEEPS, _DELAY = 60, 3
#: Iterations of a linearisation whose equilibrium they lead away from: with three, eight or ten
#: fewer ionisation fronts of helium are found.
_RELAXING = 6
#: Iterations that are combined, and the limit of a combined step in the logarithm.
_WINDOW, _MAX_STEP = 8, 1.0
#: By how much the last linearisation of a correction may still move the populations, in the
#: logarithm.
_UNSETTLED = 0.5
#: Linearisations after which the limiter of the interpolation is linearised around the mean of the
#: last source functions, because its switches make them take turns.
_FREE = 3
#: A linearisation is solved to this share of what the populations have moved in all, and made anew
#: where they have moved by this share of it since, or by more than the last number.
_SOLVED, _MOVED, _FAR = 1e-2, 0.1, 0.1
#: Where a correction is smaller, its linearisation is not made anew: the stop is near.
_NEAR = 3e-4
#: No tolerance of a linearisation is below this.
_FLOOR = 1e-8
#: Wavelengths that bring less than this share of what a level loses, all together, do not count.
_NEGLIGIBLE = 1e-3
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
        By what share of a level's losses the host's own equations differ besides,
        [Nlevel, Nspace].
    shared : _Shared
        Where they differ by what follows the populations.
    """

    multiple: Array
    spontaneous: Array
    defect: Array
    shared: _Shared


@dataclass(frozen=True)
class _Response:
    """One linearisation.

    Attributes
    ----------
    radiation : LinearisedRadiation
        The radiation field.
    factor : Array
        Factor on the rates of every row, [Nrow, Nspace].
    local, net, share : Array
        As in `lw_rl.operator.response_1d.sweep` and `emitters`.
    own : Array
        The host's approximate operator: mean intensity at every depth per emissivity there, no
        light scattered, [Nbundle, Nspace, Nwave].
    """

    radiation: LinearisedRadiation[Any]
    factor: Array
    local: Array
    net: Array
    share: Array
    own: Array

    def emitting(self, transfer: Transfer) -> _Response:
        """Return the response with other emission profiles of lines."""
        return replace(self, radiation=self.radiation.emitting(transfer))

    def times(self, factor: Array) -> _Response:
        """Return the response with a factor on every row, [Nrow, Nspace]."""
        # What is local is never more than the operator itself says.
        return replace(self, factor=factor, local=self.local * np.minimum(factor, 1.0))


@dataclass(frozen=True)
class _Solution:
    """What one linearisation leads to.

    Attributes
    ----------
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    response : _Response
        The linearisation, with their emission profiles.
    J : Array
        Mean intensity, [Nspace, Nwave].
    stable : bool
        Whether that is an equilibrium, or what there is of it. Else the iterations lead away from
        it, and this is where.
    """

    n: Array
    response: _Response
    J: Array
    stable: bool


@dataclass(frozen=True)
class _Shared:
    """Wavelengths that transitions of one atom with different upper levels share.

    Attributes
    ----------
    first, last : Array
        Where their transitions begin and end in `where`, [Nshared].
    at : Array
        Their places, [Nshared].
    where : Array
        Transitions, those of one wavelength after those of another.
    """

    first: Integers
    last: Integers
    at: Integers
    where: Integers
    _made: dict[str, Any] = field(default_factory=dict, init=False)

    @classmethod
    def none(cls) -> _Shared:
        """Return that there are none."""
        return cls(*(np.zeros(0, np.int64) for _ in range(4)))

    @classmethod
    def of(cls, t: Transfer) -> _Shared:
        """Return those of lines and continua."""
        wave, of_atom, end = np.arange(len(t.waves)), _atoms(t)[t.lower], t.first + np.diff(t.start)
        active = (t.first[:, None] <= wave) & (wave < end[:, None])
        for a in range(len(t.Nlevel)):
            here = of_atom == a
            upper = np.broadcast_to(t.upper[here, None], (here.sum(), len(wave)))
            lowest = upper.min(axis=0, where=active[here], initial=len(t.charge))
            active[here] &= upper.max(axis=0, where=active[here], initial=-1) > lowest
        at, where = np.nonzero(active.T)
        found, first = np.unique(at, return_index=True)
        return cls(first, np.append(first[1:], len(at))[: len(first)], found, where)

    def gain(self, n: Array, response: _Response) -> Array:
        """Return what every level gains in the host's own equations there [m-3 s-1].

        Parameters
        ----------
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        response : _Response
            A linearisation.
        """
        t, gain = response.radiation.transfer, np.zeros_like(n)
        if not len(self.at):
            return gain
        if self._made.get("of") is not response:
            self._made["of"] = response
            self._made["made"] = overlaps(
                self.first, self.last, self.at, self.where, t.start, t.first, t.emission,
                t.absorption, t.stimulated, t.profile, t.up, response.own,
            )  # fmt: skip
        unbalanced(
            self.first, self.last, self.where, t.lower, t.upper, _atoms(t), self._made["made"], n,
            gain, n[:0], np.empty(len(self.at)),
        )  # fmt: skip
        return gain

    def mattering(self, n: Array, response: _Response, lost: Array) -> _Shared:
        """Return all wavelengths but those that together bring less than `_NEGLIGIBLE` of it.

        Parameters
        ----------
        n, response
            As for :meth:`gain`.
        lost : Array
            What every level loses [m-3 s-1], [Nlevel, Nspace].
        """
        t = response.radiation.transfer
        share = unbalanced_shares(
            self.first, self.last, self.at, self.where, t.start, t.first, t.lower, t.upper,
            _atoms(t), t.emission, t.absorption, t.stimulated, t.profile, t.up, response.own, n,
            lost,
        )  # fmt: skip
        order = np.argsort(share)
        kept = np.sort(order[np.cumsum(share[order]) > _NEGLIGIBLE])
        return _Shared(self.first[kept], self.last[kept], self.at[kept], self.where)


def _atoms(t: Transfer) -> Integers:
    """Return the atom of every level, [Nlevel]."""
    return np.repeat(np.arange(len(t.Nlevel)), t.Nlevel)


def _lead_away(begun: Array, first: Array, later: Array, end: Array) -> bool:
    """Return whether iterations go on to where the first one led, and end on the other side."""
    step, plain, accelerated = (np.log(n / begun) for n in (first, later, end))
    return bool(np.sum(plain * step) > np.sum(step**2) and np.sum(accelerated * step) < 0.0)


@dataclass
class _Emission:
    """Emission profiles along the iterations of one linearisation, if they follow.

    Attributes
    ----------
    redistribution : Redistribution or None
        How they follow.
    now : Array
        Those of the present iteration, flattened.
    weight : float
        Of theirs where they are combined with populations: these count at every depth, they by
        their mean square over wavelengths.
    sums : Array
        Sums over them in the formal solution, [Ntransition, Nspace].
    """

    redistribution: Redistribution | None
    now: Array
    weight: float
    sums: Array

    @classmethod
    def of(cls, redistribution: Redistribution | None, transfer: Transfer, n: Array) -> _Emission:
        """Return those of lines and continua as they are."""
        if redistribution is None:
            return cls(None, np.zeros(0), 0.0, np.ones(0))
        now, sums = redistribution.present(transfer), redistribution.sums(redistribution.formal)
        return cls(redistribution, now, float(np.sqrt(n.size / now.size)), sums)

    @property
    def comoving(self) -> bool:
        """Whether they are those of the atoms' frame."""
        return self.redistribution is not None and bool(self.redistribution.frames)

    def following(self, n: Array, light: Array, up: Array) -> Array:
        """Return those that follow the light.

        Parameters
        ----------
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        light : Array
            Mean intensity, [Nspace, Nwave], or what every bundle brings to it, :attr:`comoving`.
        up : Array
            Rates of absorption [s-1], [Ntransition, Nspace].
        """
        if self.redistribution is None:
            return self.now
        if self.comoving:
            profiles = self.redistribution.comoving_profiles(n, light, up)
            defect = self.redistribution.defect
            return profiles if defect is None else profiles + defect
        return self.redistribution.profiles(n, light)

    def anchored(self, formal: _Anchored) -> _Anchored:
        """Return what ties the operator to the host's rates with the present profiles.

        The host's spontaneous emission is in proportion to the sum over an emission profile, which
        is one only where lines are in equilibrium with their own light.

        Parameters
        ----------
        formal : _Anchored
            That with the profiles of the formal solution.
        """
        if self.redistribution is None:
            return formal
        grown = self.redistribution.sums(self.now) / self.sums
        return replace(formal, spontaneous=formal.spontaneous * grown)

    def change(self, following: Array) -> float:
        """Return the root of the mean square of their change."""
        return float(np.sqrt(np.mean((following - self.now) ** 2))) if self.now.size else 0.0

    def emit(self, profiles: Array, response: _Response) -> _Response:
        """Return the response with others."""
        if self.redistribution is None:
            return response
        self.now = profiles
        return response.emitting(self.redistribution.emitting(profiles))

    def joined(self, n: Array, profiles: Array) -> Array:
        """Return populations and profiles as one vector."""
        return np.append(np.log(n), self.weight * profiles)

    def parted(self, mixed: Array, following: Array) -> Array:
        """Return the profiles of a combination, none below a tenth of what it is made of."""
        if self.redistribution is None:
            return self.now
        return not_below(LEAST_PROFILE, following, mixed / self.weight)


@dataclass
class CoupledEquilibrium:
    """The non-local operator of all active atoms.

    Parameters
    ----------
    transfer : Transfer
        Their lines and continua.
    effort : Effort, optional
        How well the equilibrium is found, and what that took.
    ways : Ways, optional
        How light gets about (default: in one dimension).
    comoving : bool, optional
        Whether emission profiles are those of the atoms' frame (default: no).

    Attributes
    ----------
    made : int
        Linearisations made so far.
    """

    transfer: Transfer
    effort: Effort = field(default_factory=Effort)
    ways: Ways = field(default_factory=Ways1D)
    comoving: bool = False
    made: int = field(default=0, init=False)
    _last: _Response | None = field(default=None, init=False)
    _formal_light: Array | None = field(default=None, init=False)
    _linear: bool = field(default=False, init=False)
    _held: tuple[tuple[Array, ...], tuple[Array, Array, Array]] | None = field(
        default=None, init=False
    )
    _rows: Rows = field(init=False)
    _shared: _Shared = field(init=False)

    def __post_init__(self) -> None:
        self._rows = Rows.of(self.transfer)
        self._shared = _Shared.of(self.transfer) if self.ways.follows else _Shared.none()

    def comoving_profiles(
        self, n: Array, up: Array, redistribution: Redistribution
    ) -> tuple[Array, Array]:
        """Return emission profiles in the light of the formal solution, and of the equilibrium.

        Both are those of its populations.

        Parameters
        ----------
        n : Array
            Populations of that equilibrium [m-3], [Nlevel, Nspace].
        up : Array
            Rates of absorption that go with the light of the formal solution [s-1],
            [Ntransition, Nspace].
        redistribution : Redistribution
            How they follow, in the atoms' frame.
        """
        assert self._last is not None and self._formal_light is not None
        each = self._bundles(self._last)
        rate, _ = self._rates(n, self._last, each=each)
        follow = partial(redistribution.comoving_profiles, n)
        return follow(self._formal_light, up), follow(each, rate[self._rows.up])

    def change_of_rates(self, before: Array, after: Array) -> float:
        """Return the largest change of a rate of absorption by a change of light, in the logarithm.

        Parameters
        ----------
        before, after : Array
            Mean intensity at the operator's wavelengths, [Nwave, Nspace].
        """
        old, new = (
            np.maximum(self._sums(np.ascontiguousarray(J.T))[self._rows.up], 1e-300)
            for J in (before, after)
        )
        return largest(np.log(new / old))

    def _bundles(self, response: _Response) -> Array:
        """Return an array for what every bundle of rays brings to the mean intensity."""
        return np.empty_like(response.radiation.total)

    def solve(
        self, rates: Rates, redistribution: Redistribution | None = None
    ) -> tuple[Array, Array] | None:
        """Return the equilibrium next to a formal solution, None if it is not found.

        Parameters
        ----------
        rates : Rates
            What it told.
        redistribution : Redistribution, optional
            How emission profiles follow the radiation field (default: they stay).

        Returns
        -------
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        J : Array
            Mean intensity at the operator's wavelengths, there, [Nwave, Nspace].
        """
        first = self.made == 0
        found = None if self._linear else self._found(rates, redistribution, linear=False)
        if found is None and self.ways.far < np.inf:
            found = self._found(rates, redistribution, linear=True)
            away = found is not None and largest(np.log(found[0] / rates.n)) > _MAX_STEP
            self._linear = away and not first
        return found

    def _found(
        self, rates: Rates, redistribution: Redistribution | None, linear: bool
    ) -> tuple[Array, Array] | None:
        """Do it, with linear steps or those of the host."""
        n = rates.n
        radiation = self.ways.radiation(self.transfer, rates, self.made == 0, linear)
        sums = self._sums(radiation.J)
        factor, J = np.ones_like(sums), np.ascontiguousarray(rates.before.T)
        moved, stable = np.inf, True
        for build in range(self.ways.builds):
            self.made += 1
            self.effort.did("linearised", J.size)
            present = 1.0 if build < _FREE else self.ways.present(build - _FREE)
            response = self._response(n, radiation.linearised(n, J, present), factor)
            if build == 0:
                # What the rates are in the radiation field with scattering solved.
                model, J = self._rates(n, response)
                aim = self._sums(J)
                # Rates that vanish in a radiation field that does not hold have no equilibrium.
                with np.errstate(over="ignore"):
                    aim[self._rows.up] *= rates.up / np.maximum(sums[self._rows.up], 1e-300)
                    factor = aim / np.maximum(model, 1e-300)
                response = response.times(factor)
                if self.comoving:
                    self._formal_light = self._bundles(response)
                    self._rates(n, response, each=self._formal_light)
                anchored = self._anchored(rates, sums, response)
            self._trap(response, anchored)
            found = self._equilibrium(n, rates, anchored, response, redistribution, stable)
            if found is None and build == 0:
                return None
            if found is None:
                # The one before is what there is.
                break
            stable = found.stable
            last, moved = moved if stable else np.inf, largest(np.log(found.n / n))
            # The first of all may have LTE to leave.
            if moved > self.ways.far and not linear and self.made > 1:
                return None
            if last < min(moved, _MAX_STEP):
                # Linearisations around their own solutions lead away: the host is to tell.
                break
            n, response, J = found.n, found.response, found.J
            radiation.emit(response.radiation.transfer)
            if not self.ways.lags:
                _, J = self._rates(n, response)
            if build == 0 and moved < _NEAR:
                break
            near = min(_MOVED * largest(np.log(n / rates.n)), _FAR)
            if moved < max(self.effort.tolerance * near, self.ways.still):
                break
        else:
            if stable and moved > _UNSETTLED:
                return None
        if self.ways.smoothing and not linear:
            # Where the limiter switches a linearisation errs at single points, which the next one
            # may do the other way round: plain iterations around where it led damp that.
            response = self._response(n, radiation.linearised(n, J, 1.0), factor)
            self._trap(response, anchored)
            for _ in range(self.ways.smoothing):
                n, *_ = self._swept(n, rates, anchored, response, self._electrons(n, rates))
            _, J = self._rates(n, response)
        self._last = response
        return n, np.ascontiguousarray(J.T)

    def _response(self, n: Array, radiation: LinearisedRadiation[Any], factor: Array) -> _Response:
        """Return one linearisation around some populations, [Nlevel, Nspace]."""
        t = self.transfer
        local, share = local_response(
            t.start, t.first, t.lower, t.upper, t.emission, t.absorption, t.stimulated, t.profile,
            t.up, t.down, self._rows.up, self._rows.down, self._rows.Nrow, n, radiation.total,
            radiation.diagonal(),
        )  # fmt: skip
        net = n[t.lower] - t.inverse * n[t.upper]
        share = np.where(net > INVERTED * n[t.lower], np.minimum(share, 1.0), 0.0)
        net = np.where(net > 0.0, net, 1.0)
        own = radiation.plain.approximate()
        return _Response(radiation, np.ones_like(factor), local, net, share, own).times(factor)

    def _sums(self, J: Array) -> Array:
        """Return the rates of every row in a mean intensity by the entries' sums [s-1]."""
        t, rows = self.transfer, self._rows
        rate = np.zeros((rows.Nrow, len(J)))
        seen(t.start, t.first, rows.up, rows.down, t.up, t.down, J, rate)
        return rate

    def _anchored(self, rates: Rates, sums: Array, response: _Response) -> _Anchored:
        """Return what ties the operator to the host's rates.

        Parameters
        ----------
        rates : Rates
            Of the formal solution.
        sums : Array
            From :meth:`_sums` of its mean intensity, [Nrow, Nspace].
        response : _Response
            The linearisation around it.
        """
        t = self.transfer
        two = (self._rows.down != self._rows.up)[:, None]
        multiple = np.where(two, 0.0, t.multiple)
        stimulated = np.where(two, sums[self._rows.down], multiple * rates.up)
        spontaneous = np.maximum(rates.down - stimulated, 0.0)
        lost = rates.collisions.sum(axis=0)
        np.add.at(lost, t.lower, rates.up)
        np.add.at(lost, t.upper, rates.down)
        shared = self._shared.mattering(rates.n, response, rates.n * lost)
        gain = shared.gain(rates.n, response)
        # What else there is stays the same share of the losses.
        defect = np.where(rates.defect == 0.0, 0.0, rates.defect - gain / rates.n)
        return _Anchored(multiple, spontaneous, defect / lost, shared)

    def _trap(self, response: _Response, anchored: _Anchored) -> None:
        """Limit the local response: of a line's photons no more than all are absorbed again."""
        local, share = response.local, response.share
        for k in np.flatnonzero(self._rows.up == self._rows.down):
            own = self._rows.up[k]
            most = _TRAPPED * anchored.spontaneous[k] / response.net[k]
            local[own] = np.where(share[k] > 0.0, np.minimum(local[own], most), local[own])

    def _equilibrium(
        self,
        n: Array,
        rates: Rates,
        anchored: _Anchored,
        response: _Response,
        redistribution: Redistribution | None,
        accelerated: bool,
    ) -> _Solution | None:
        """Return the equilibrium of one linearisation, or the last state on the way to it.

        Emission profiles are iterated with the populations.

        At given opacities, which an ionisation front does not leave as they are, radiation can grow
        from one iteration to the next; acceleration then leads to the equilibrium that it grows
        away from, on the wrong side. Some plain iterations, and opacities made anew, follow the
        front.
        """
        xs: list[Array] = []
        images: list[Array] = []
        electrons, older = self._electrons(n, rates), n
        solved = _SOLVED * self.effort.tolerance
        emission = _Emission.of(redistribution, response.radiation.transfer, n)
        each = self._bundles(response) if emission.comoving else None
        begun, first, relaxing = n, n, None
        for made in range(_MOST_SWEEPS):
            # Recombination by more electrons leaves fewer: the mean damps what would oscillate.
            if rates.given is not None:
                electrons = np.sqrt(electrons * self._electrons(n, rates))
            tied = emission.anchored(anchored)
            new, J, rate = self._swept(n, rates, tied, response, electrons, each)
            emitted = emission.following(n, J if each is None else each, rate[self._rows.up])
            change = np.log(new / n)
            size = largest(change)
            changed = max(size, emission.change(emitted))
            if not np.isfinite(changed):
                return None
            if made == 0:
                first = new
            if changed < max(solved * largest(np.log(new / rates.n)), _FLOOR):
                break
            if made == _RELAXING - 1:
                relaxing = _Solution(new, response, J, stable=False)
                if not accelerated:
                    return relaxing
            if made < _DELAY or size > _MAX_STEP or not accelerated:
                # Far away there is nothing to extrapolate, but some populations take turns.
                back = np.abs(np.log(new / older))
                turns = (size > _MAX_STEP) & (back < np.abs(change))
                older, xs, images = n, [], []
                n = self._normalised(np.where(turns, np.sqrt(n * new), new), rates)
                response = emission.emit(emitted, response)
                continue
            xs, images = (
                [*xs[-_WINDOW:], emission.joined(n, emission.now)],
                [*images[-_WINDOW:], emission.joined(new, emitted)],
            )
            if len(xs) == 1:
                n, response = new, emission.emit(emitted, response)
                continue
            mixed = anderson_mix(xs, images)
            log = limit_step(xs[-1][: n.size], mixed[: n.size], _MAX_STEP)
            n = self._normalised(np.exp(log).reshape(n.shape), rates)
            response = emission.emit(emission.parted(mixed[n.size :], emitted), response)
        else:
            new = n
            # Emission profiles can run away, and populations with them.
            if redistribution is not None and size > _MAX_STEP:
                return None
        if relaxing is not None and _lead_away(begun, first, relaxing.n, new):
            return relaxing
        return _Solution(new, response, J, stable=True)

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

    def _rates(
        self,
        n: Array,
        response: _Response,
        strength: Array | None = None,
        each: Array | None = None,
    ) -> tuple[Array, Array]:
        """Return the rates of every row [s-1], [Nrow, Nspace], and the mean intensity.

        That is of shape [Nspace, Nwave]; `each` is filled with what every bundle brings to it.
        """
        if strength is None:
            strength = np.ones((len(self.transfer.lower), n.shape[1]))
        t = self.transfer
        emitter = emitters(n, strength, t.lower, t.upper, t.inverse, response.net, response.share)
        rate, J = response.radiation.rates(emitter, self._rows, each)
        self.effort.did("swept", J.size)
        return np.maximum(response.factor * rate, 0.0), J

    def _swept(
        self,
        n: Array,
        rates: Rates,
        anchored: _Anchored,
        response: _Response,
        electrons: Array,
        each: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        """Return the populations after one iteration, and mean intensity and rates before it.

        Collisions are in proportion to the electrons, recombination in three-body collisions to
        their square, and what recombination emits to themselves; `electrons` is their number over
        that of the formal solution, [Nspace].
        """
        t = self.transfer
        strength, fixed, row = self._local(rates, anchored, electrons)
        rate, J = self._rates(n, response, strength, each)
        swept: Array = sweep(
            n, rates.nTotal, t.first_level, t.Nlevel, fixed, anchored.defect,
            anchored.shared.gain(n, response), t.lower, t.upper, self._rows.up,
            self._rows.down, anchored.multiple, rate * row, strength, response.local * row,
            t.inverse, response.net, response.share, not self.ways.follows,
        )  # fmt: skip
        return swept, J, rate

    def _local(
        self, rates: Rates, anchored: _Anchored, electrons: Array
    ) -> tuple[Array, Array, Array]:
        """Return what does not depend on light.

        Returns
        -------
        strength, row : Array
            Factors on what every transition emits, [Ntransition, Nspace], and on rates,
            [Nrow, Nspace].
        fixed : Array
            Rates, [Nlevel, Nlevel, Nspace].
        """
        of = rates.collisions, anchored.spontaneous, electrons
        if self._held is not None and all(map(operator.is_, self._held[0], of)):
            return self._held[1]
        t = self.transfer
        recombines = t.charge[t.upper] > t.charge[t.lower]
        strength = np.where(recombines[:, None], electrons, 1.0)
        fixed = rates.collisions * electrons
        ionised = t.charge[:, None] < t.charge
        fixed[ionised] *= electrons
        np.add.at(fixed, (t.lower, t.upper), strength * anchored.spontaneous)
        down = self._rows.down > self._rows.up
        row = np.ones((self._rows.Nrow, len(electrons)))
        row[self._rows.down[down]] = strength[down]
        self._held = of, (strength, fixed, row)
        return self._held[1]
