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
from scipy.linalg.lapack import dgetrf, dgetrs

from ..arrays import Array, Integers
from ..extrapolation import anderson_mix
from ..host.equations import Rates, Transfer
from ..norms import largest, limit_step
from . import bezier_1d
from .beams_1d import Beams, DiffuseLight, optical_steps
from .response_1d import (
    emitted,
    emitters,
    local_response,
    opacities,
    scatters,
    seen,
    sweep,
)

__all__ = ["CoupledEquilibrium"]

#: Iterations of one linearisation, and how many of them before they are accelerated.
_MOST_SWEEPS, _DELAY = 20, 3
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
#: Iterations over scattered light, and the share of its first change that they leave.
_MOST_SCATTERINGS, _SCATTERED = 2, 0.1
#: Where more is left, the operator of a wavelength is made as a matrix; one that has more negative
#: responses than this, of the largest, is of linear interpolation.
_HARD, _NEGATIVE = 3e-2, 0.1
#: Limits of the ratio of the host's mean intensity to the operator's; what is above is light from
#: outside, which stays as it is.
_LEAST_RATIO, _LARGEST_RATIO = 1e-3, 2.0
#: No tolerance of a linearisation is below the first, nor of their sequence below the second.
_FLOOR, _STILL = 1e-8, 1e-7
#: Photons are not trapped by more than this.
_TRAPPED = 1.0 - 1e-10
#: A transition whose lower level has less than this share left by stimulated emission is taken for
#: thin.
_INVERTED = 0.02


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
class _Tie:
    """What ties the operator's light to the host's, from one formal solution on.

    Attributes
    ----------
    ratio : Array
        Ratio of the host's mean intensity to the operator's, [Nspace, Nwave].
    outside : Array
        What the host's has besides, [Nspace, Nwave].
    scattered : Array
        Indices of the wavelengths at which scattering is solved.
    eta : Array
        Emissivity of all but the active atoms, scattered light included where it is not solved,
        [Nspace, Nwave].
    """

    ratio: Array
    outside: Array
    scattered: Integers
    eta: Array

    def meet(self, host: Array, formal: Array, at: Integers | slice) -> None:
        """Set what makes the operator's mean intensity the host's at some wavelengths."""
        ratio = np.clip(host / np.maximum(formal, 1e-300), _LEAST_RATIO, _LARGEST_RATIO)
        self.ratio[:, at] = ratio
        self.outside[:, at] = np.maximum(host - ratio * formal, 0.0)


class _Light:
    """Mean intensities by one linearisation.

    Parameters
    ----------
    beams : list of Beams
        Those of every bundle of rays.
    scattering : tuple
        The same of the wavelengths at which scattering is solved, and the diffuse light there.
    """

    def __init__(self, total: Array, sca: Array, tie: _Tie, beams: list[Beams]):
        self.total, self.tie, self._beams = total, tie, beams
        self._over = 1.0 / total

    def solve_scattering(
        self,
        sca: Array,
        beams: list[Beams],
        diffuse: DiffuseLight,
        dense: dict[int, tuple[Array, Array]],
        J: Array,
    ) -> None:
        at = self.tie.scattered
        self._sca, self._scattering, self._diffuse, self._J = sca[:, at], beams, diffuse, J[:, at]
        self._over_s = self._over[:, :, at]
        self._albedo = self._sca * self._over_s.mean(axis=0)
        self._ratio, self._outside = self.tie.ratio[:, at], self.tie.outside[:, at]
        self._dense = [(k, dense[int(v)]) for k, v in enumerate(at) if int(v) in dense]

    def __call__(self, eta: Array) -> Array:
        """Return what every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave].

        Parameters
        ----------
        eta : Array
            Emissivity of all but light that is scattered where that is solved, of the same shape.
        """
        S = eta * self._over
        J = np.empty_like(S)
        for r, beams in enumerate(self._beams):
            np.multiply(self.tie.ratio, beams.mean_intensity(S[r]), out=J[r])
        at = self.tie.scattered
        if len(at):
            J[:, :, at] = self._scattered(eta[:, :, at])
        return J

    def scattered_part(self) -> Array:
        """Return the emissivity of scattered light, [Nspace, Nscattered]."""
        return self._sca * self._J

    def hard(self, eta: Array) -> Array:
        """Return at which of the wavelengths scattered light is not found, [Nscattered]."""
        J = self._J
        left = self._seen(eta, J)[1]
        before = np.abs(left / J).max(axis=0)
        self._scattered(eta)
        left = self._seen(eta, self._J)[1]
        after = np.abs(left / self._J).max(axis=0)
        hard: Array = after > np.maximum(_HARD * before, 1e-8)
        return hard

    def _seen(self, eta: Array, J: Array) -> tuple[Array, Array]:
        own = (eta + self._sca * J) * self._over_s
        each = np.stack(
            [self._ratio * b.mean_intensity(own[r]) for r, b in enumerate(self._scattering)]
        )
        return each, each.sum(axis=0) + self._outside - J

    def _scattered(self, eta: Array) -> Array:
        J = self._J
        each, left = self._seen(eta, J)
        size = np.abs(left / J).max()
        for _ in range(_MOST_SCATTERINGS):
            now = np.abs(left / J).max()
            if not now > max(_SCATTERED * size, _FLOOR):
                break
            step = left + self._diffuse.solve(self._albedo * left)
            for k, (factors, pivots) in self._dense:
                step[:, k] = dgetrs(factors, pivots, left[:, k])[0]
            new, remains = self._seen(eta, J + step)
            fallen = (left - remains) / J
            share = (fallen * left / J).sum(axis=0) / np.maximum((fallen**2).sum(axis=0), 1e-300)
            share = np.clip(share, 0.0, 2.0)
            each = each + share * (new - each)
            left = left + share * (remains - left)
            J = J + share * step
        self._J = np.maximum(J + left, 0.01 * J)
        return each


@dataclass(frozen=True)
class _Response:
    """One linearisation; attributes as in `lw_rl.operator.response_1d`.

    `factor` is that on the rates of every row, [Nrow, Nspace].
    """

    light: _Light
    factor: Array
    local: Array
    net: Array
    share: Array

    def times(self, factor: Array, rows: Integers) -> _Response:
        """Return the response with a factor on every row, [Nrow, Nspace]."""
        # The local response is never above that of the operator itself.
        local = self.local * np.minimum(factor, 1.0)[rows]
        return replace(self, factor=factor, local=local)


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
    _dense: dict[int, tuple[Array, Array]] = field(default_factory=dict, init=False)
    _linear: set[int] = field(default_factory=set, init=False)
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
        last = t.first + np.diff(t.start)
        met = (t.first[:, None] < last) & (t.first < last[:, None])
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
        n = rates.n
        sums = self._sums(rates.J)
        anchored = self._anchored(rates, sums)
        around: list[Array] = []
        tie, factor, J = None, np.ones_like(sums), rates.before.T
        for build in range(_MOST_BUILDS):
            self.made += 1
            light, tie = self._light(n, rates, J, around, 1.0 if build < _FREE else 0.5, tie)
            before = n
            response = self._response(n, light, factor)
            if build == 0:
                # What the rates are in the radiation field with scattering solved.
                model, J = self._model(n, response)
                aim = self._sums(J.T)
                aim[self._first_row] *= rates.up / np.maximum(sums[self._first_row], 1e-300)
                factor = aim / np.maximum(model, 1e-300)
                response = response.times(factor, self._rows)
            self._trap(response, anchored)
            found = self._equilibrium(n, rates, anchored, response)
            if found is None:
                return None
            n = found
            moved = largest(np.log(n / before))
            J = self._model(n, response)[1]
            if moved < max(min(_MOVED * largest(np.log(n / rates.n)), _FAR), _STILL):
                break
        else:
            if moved > _UNSETTLED:
                return None
        return n, np.ascontiguousarray(J.T)

    def _light(
        self,
        n: Array,
        rates: Rates,
        J: Array,
        around: list[Array],
        present: float,
        tie: _Tie | None,
    ) -> tuple[_Light, _Tie]:
        """Return the light around some populations, and what ties it to the host's.

        Parameters
        ----------
        n : Array
            Populations, [Nlevel, Nspace].
        rates : Rates
            Of the formal solution.
        J : Array
            Estimate of the mean intensity, [Nspace, Nwave].
        around : list of Array
            Source functions around which the limiter of the interpolation was linearised last,
            written, each [Nspace, Nwave].
        present : float
            Weight in it of the present source function; the rest is that of the one before.
        tie : _Tie or None
            What ties it, if that was found.
        """
        t = self.transfer
        chi, sca = (np.ascontiguousarray(x.T) for x in (rates.chi, rates.sca))
        total = opacities(
            t.start, t.first, t.lower, t.upper, t.absorption, t.stimulated, t.profile, n, chi
        )
        B = len(total)
        steps = [optical_steps(x, t.height) for x in total]
        emission = emitted(
            t.start, t.first, t.emission, t.profile, n[t.upper],
            np.ascontiguousarray(rates.eta.T) + sca * J,
        )  # fmt: skip
        sources = list(emission / total)
        if around and present < 1.0:
            sources = [
                (1.0 - present) * old + present * new
                for old, new in zip(around, sources, strict=True)
            ]
        around[:] = sources
        planck = np.ascontiguousarray(t.planck.T)
        beams = [self._bundle(r, B, steps[r], sources[r], planck) for r in range(B)]
        first = tie is None
        if tie is None:
            self._dense.clear()
            self._linear.clear()
            before, host = rates.before.T, rates.J.T
            at = np.flatnonzero(scatters(steps[0], sca / total[0]))
            formal = sum(b.mean_intensity(S) for b, S in zip(beams, sources, strict=True))
            eta = rates.eta.T + sca * before
            eta[:, at] -= (sca * before)[:, at]
            tie = _Tie(np.empty_like(host), np.empty_like(host), at, eta)
            tie.meet(host, formal, slice(None))
            J = host
        light = _Light(total, sca, tie, beams)
        at = tie.scattered
        if not len(at):
            return light, tie
        mean = sum(steps)[:, at] / B
        albedo = (sca / total.mean(axis=0))[:, at]
        diffuse = DiffuseLight(mean, albedo)
        while True:
            linear = np.isin(at, list(self._linear))
            some = [
                self._bundle(r, B, steps[r][:, at], sources[r][:, at], planck[:, at], linear)
                for r in range(B)
            ]
            if first and linear.any():
                formal = sum(b.mean_intensity(S[:, at]) for b, S in zip(some, sources, strict=True))
                tie.meet(rates.J.T[:, at], formal, at)
            light.solve_scattering(sca, some, diffuse, self._dense, J)
            hard = light.hard(emission[:, :, at] - light.scattered_part())
            if self.made == 1 and not self._dense:
                tau = np.zeros_like(albedo)
                np.cumsum(mean, axis=0, out=tau[1:])
                hard |= (albedo * np.minimum(tau, 1.0)).max(axis=0) > 0.5
            if not hard.any():
                return light, tie
            known = len(self._linear)
            for k in np.flatnonzero(hard):
                self._factorise(int(at[k]), mean[:, k], albedo[:, k], sources, tie, first)
            if len(self._linear) == known:
                light.solve_scattering(sca, some, diffuse, self._dense, J)
                return light, tie

    def _factorise(
        self, v: int, step: Array, albedo: Array, sources: list[Array], tie: _Tie, first: bool
    ) -> None:
        """Make the operator of a wavelength at which scattered light is not mere diffusion."""
        t = self.transfer
        along = np.minimum(step[:, None] / t.mu, 1e12)
        source = np.broadcast_to(np.mean(sources, axis=0)[:, v, None], (len(albedo), t.mu.size))
        ones = np.ones(source.shape)
        for linear in (v in self._linear, True):
            Lambda = bezier_1d.unit_responses(
                *bezier_1d.stencils(along, np.ascontiguousarray(source), linear), along,
                t.weight * ones, ones,
            ) * tie.ratio[:, v, None]  # fmt: skip
            A = -Lambda * albedo
            A.flat[:: len(A) + 1] += 1.0
            factors, pivots, _ = dgetrf(A)
            some = np.asfortranarray(Lambda[:, :: max(1, len(A) // 16)])
            solved = dgetrs(factors, pivots, some)[0]
            self._dense[v] = factors, pivots
            if linear or not first or solved.min() >= -_NEGATIVE * solved.max():
                break
            self._linear.add(v)

    def _bundle(
        self,
        r: int,
        B: int,
        step: Array,
        source: Array,
        planck: Array,
        linear: Array | None = None,
    ) -> Beams:
        """Return a bundle's beams: all rays, or one ray in one direction."""
        t = self.transfer
        if B == 1:
            return Beams.around(step, source, t.mu, t.weight, planck, linear)
        ray = slice(r // 2, r // 2 + 1)
        down = r % 2 == 0
        return Beams.around(
            step, source, t.mu[ray], t.weight[ray], planck, linear, down=down, up=not down
        )

    def _response(self, n: Array, light: _Light, factor: Array) -> _Response:
        """Return one linearisation."""
        t, tie = self.transfer, light.tie
        diagonal = np.stack([b.diagonal() for b in light._beams])
        at = tie.scattered
        diagonal = np.maximum(diagonal, 0.0)
        if len(at):
            albedo = light._albedo
            diagonal[:, :, at] /= np.maximum(1.0 - albedo * diagonal[:, :, at].sum(axis=0), 1e-3)
        diagonal *= np.minimum(tie.ratio, 1.0) / light.total
        local, share = local_response(
            t.start, t.first, t.lower, t.upper, t.emission, t.absorption, t.stimulated, t.profile,
            t.up, t.down, self._of_row, self._first_row, self._rows, self._columns, n, light.total,
            diagonal,
        )  # fmt: skip
        local *= np.minimum(factor, 1.0)[self._rows]
        net = n[t.lower] - t.inverse * n[t.upper]
        share = np.where(net > _INVERTED * n[t.lower], np.minimum(share, 1.0), 0.0)
        net = np.where(net > 0.0, net, 1.0)
        return _Response(light, factor, local, net, share)

    def _sums(self, J: Array) -> Array:
        """Return the rates of every row in a mean intensity by the entries' sums [s-1]."""
        J = np.ascontiguousarray(J.T)[None]
        return self._seen(J, np.zeros_like(J[0]))

    def _seen(self, J: Array, outside: Array) -> Array:
        """Return the rates of every row [s-1], [Nrow, Nspace]."""
        t = self.transfer
        rate = np.zeros((len(self._of_row), J.shape[1]))
        seen(
            t.start, t.first, self._first_row, self._second_row, t.up, t.down, t.profile, J,
            outside, rate,
        )  # fmt: skip
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

    def _model(
        self, n: Array, response: _Response, strength: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the rates of every row [s-1], [Nrow, Nspace], and the mean intensity."""
        t, light = self.transfer, response.light
        if strength is None:
            strength = np.ones((len(t.lower), n.shape[1]))
        emitter = emitters(
            n, strength, t.lower, t.upper, t.inverse, response.net, response.share
        )
        J = light(emitted(t.start, t.first, t.emission, t.profile, emitter, light.tie.eta))
        rate = response.factor * self._seen(J, light.tie.outside)
        return np.maximum(rate, 0.0), J.sum(axis=0) + light.tie.outside

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
        rate, _ = self._model(n, response, strength)
        swept: Array = sweep(
            n, rates.nTotal, t.first_level, t.Nlevel, fixed, anchored.defect,
            t.lower, t.upper, self._first_row, self._second_row, self._of_row, anchored.multiple,
            rate * row, self._rows, self._columns,
            response.local * row[self._rows] * strength[self._columns], t.inverse, response.net,
            response.share,
        )  # fmt: skip
        return swept
