"""Statistical equilibrium of all active atoms, linearised exactly in populations and atmosphere.

With the net rates into the levels written as G(n, p), populations follow the atmosphere p by
implicit differentiation, ``dn/dp = - (dG/dn)^-1 dG/dp``. Both derivatives are those of the host's
own discrete equations (`lw_rl.operator.linearised_1d`), so that no formal solution is needed, and
one factorisation serves all perturbations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from ..arrays import Array, Integers
from ..host.medium import Medium
from .linearised_1d import (
    mean_intensities,
    net_rates,
    opacities,
    radiation,
    responses,
    scattered_light,
)

__all__ = [
    "Field",
    "LinearisedEquilibrium",
    "State",
    "into_levels",
    "opacity_derivatives",
    "scatters",
]

#: Scattering matters where albedo times optical depth, or albedo where thick, is above this.
_SCATTERS = 1e-4


@dataclass(frozen=True)
class Field:
    """What a perturbation changes at every depth where nothing else is changed.

    Attributes
    ----------
    eta, chi : Array
        Emissivity, with scattering, and opacity of every bundle, [Nwave, Nbundle, Nspace]; of
        every ray inward and outward where these see it another way, in an atmosphere at rest too.
    planck : Array
        Planck function at the two lowest depths, [Nwave, 2].
    rates : Array
        Net rate into every level at given radiation [m-3 s-1], [Nlevel, Nspace].
    nTotal : Array
        [Natom, Nspace].
    """

    eta: Array
    chi: Array
    planck: Array
    rates: Array
    nTotal: Array


def into_levels(lower: Integers, upper: Integers, net: Array, Nlevel: int) -> Array:
    """Return the sums over transitions of net rates into the levels, [Nlevel, ...]."""
    into = np.zeros((Nlevel, *net.shape[1:]))
    for low, high, rate in zip(lower, upper, net, strict=True):
        into[high] += rate
        into[low] -= rate
    return into


def _collisional(m: Medium, n: Array) -> Array:
    """Return the net rate of collisions into the levels [m-3 s-1], [Nlevel, Nspace]."""
    net: Array = np.einsum("ijk,jk->ik", m.collisions, n) - m.collisions.sum(axis=0) * n
    return net


def _opacities(m: Medium, n: Array) -> tuple[Array, Array]:
    total, emitted = opacities(
        m.start, m.transition, m.lower, m.upper, m.V, m.g, m.u, n, m.chi, m.eta
    )  # fmt: skip
    return total, emitted


def _net_rates(m: Medium, n: Array, light: Array, psi: Array) -> tuple[Array, Array, Array]:
    up, down, net = net_rates(
        m.start, m.transition, m.lower, m.upper, m.of_atom, m.V, m.g, m.u, m.w, m.share, n, light,
        psi,
    )  # fmt: skip
    return up, down, net


@dataclass
class State:
    """A medium with populations, and its light.

    Parameters
    ----------
    medium : Medium
        The medium.
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    source : Array
        Mean intensity that is scattered, [Nwave, Nspace].

    Attributes
    ----------
    total, emitted : Array
        Opacity, and emissivity but for scattering, [Nwave, Nbundle, Nspace].
    light : Array
        Mean intensity of every bundle, [Nwave, Nbundle, Nspace].
    psi : Array
        The diagonal of the host's Lambda operator, per emissivity, of the same shape.
    J : Array
        Mean intensity, [Nwave, Nspace]; the host's may be put in its place.
    """

    medium: Medium
    n: Array
    source: Array
    total: Array = field(init=False)
    emitted: Array = field(init=False)
    light: Array = field(init=False)
    psi: Array = field(init=False)
    J: Array = field(init=False)

    def __post_init__(self) -> None:
        self.total, self.emitted = _opacities(self.medium, self.n)
        self.light, self.psi = self._light(len(self.medium.share))
        self.J = np.einsum("b,wbk->wk", self.medium.share, self.light)

    def _light(self, bundles: int) -> tuple[Array, Array]:
        """Return the mean intensity of every bundle and its diagonal, of so many bundles."""
        m = self.medium
        light, psi = mean_intensities(
            m.height, m.mu, m.weight, m.sca, m.planck, self.total, self.emitted, self.source,
            bundles,
        )  # fmt: skip
        return light, psi

    def field(self, plus: Medium, minus: Medium, step: Array) -> Field:
        """Return the field of a perturbation, by central differences, per unit of it.

        Parameters
        ----------
        plus, minus : Medium
            Media with a quantity raised and lowered at all depths; those of one that every ray sees
            another way have the rays as bundles.
        step : Array
            By how much, [Nspace].
        """
        half = 0.5 / step
        sides, bundles = [], len(plus.share)
        alike = bundles == len(self.medium.share)
        light, psi = (self.light, self.psi) if alike else self._light(bundles)
        for m in (plus, minus):
            chi, emitted = _opacities(m, self.n)
            net = _net_rates(m, self.n, light, psi)[2]
            rates = into_levels(m.lower, m.upper, net, len(self.n)) + _collisional(m, self.n)
            scattered = (m.sca * self.source)[:, None]
            sides.append((emitted + scattered, chi, m.planck, rates, m.nTotal))
        eta, chi, planck, rates, total = (
            (a - b) * (half[-2:] if k == 2 else half)
            for k, (a, b) in enumerate(zip(*sides, strict=True))
        )
        return Field(eta, chi, planck, rates, total)

    def lagging(self) -> Field:
        """Return what scattered light lacks: the change of the source by the formal solution."""
        eta = np.repeat(
            (self.medium.sca * (self.J - self.source))[:, None], len(self.medium.share), 1
        )
        none = np.zeros_like(self.n), np.zeros_like(self.medium.nTotal)
        return Field(eta, np.zeros_like(eta), np.zeros((len(eta), 2)), *none)

    def following(self, waves: Integers, dn: Array) -> Array:
        """Return the mean intensity at some wavelengths with scattering solved.

        Parameters
        ----------
        waves : Array
            Indices of the wavelengths, [Nwave].
        dn : Array
            Change of the populations [m-3], [Nlevel, Nspace].

        Returns
        -------
        J : Array
            [Nwave, Nspace].
        """
        m = self.medium
        J = self.J[waves]
        for x, v in enumerate(waves):
            eta = np.repeat((m.sca[v] * (self.J[v] - self.source[v]))[None], len(m.share), 0)
            J[x] += self.change_of_light(int(v), dn, eta, np.zeros_like(eta), np.zeros(2))
        return J

    def change_of_light(self, v: int, dn: Array, eta: Array, chi: Array, planck: Array) -> Array:
        """Return the change of the mean intensity at a wavelength, [Nspace].

        By populations, [Nlevel, Nspace], and whatever else changes emissivity and opacity,
        [Nbundle, Nspace] as of a `Field`, and the Planck function, [2].
        """
        m = self.medium
        eta, chi = eta.copy(), chi.copy()
        for e in range(m.start[v], m.start[v + 1]):
            low, high = m.lower[m.transition[e]], m.upper[m.transition[e]]
            stimulated = m.g[e] * dn[high]
            chi += m.V[e] * (dn[low] - stimulated)
            eta += m.u[e] * m.V[e] * stimulated
        change: Array = radiation(
            m.height, m.mu, m.weight, m.sca[v], m.planck[v], self.total[v], self.emitted[v],
            self.source[v], eta, chi, planck,
        )  # fmt: skip
        return change

    def light_seen(self, v: int, seen: Array, bundles: int) -> tuple[Array, Array, Array]:
        """Return the derivatives of weighted sums of the mean intensity at a wavelength.

        Parameters
        ----------
        v : int
            The wavelength's index.
        seen : Array
            Weights of the depths, [Nsum, Nspace].
        bundles : int
            Of the fields that are to be seen.

        Returns
        -------
        by_eta, by_chi : Array
            By emissivity and opacity, [Nsum, Nbundle, Nspace].
        by_planck : Array
            By the Planck function at the two lowest depths, [Nsum, 2].
        """
        m = self.medium
        by_eta, by_chi, by_planck = scattered_light(
            m.height, m.mu, m.weight, m.sca[v], m.planck[v], self.total[v], self.emitted[v],
            self.source[v], seen, bundles,
        )  # fmt: skip
        return by_eta, by_chi, by_planck


def scatters(height: Array, total: Array, sca: Array) -> Array:
    """Return at which wavelengths scattering matters, [Nwave]."""
    chi = total.mean(axis=1)
    tau = np.zeros_like(chi)
    np.cumsum(0.5 * (chi[:, 1:] + chi[:, :-1]) * -np.diff(height), axis=1, out=tau[:, 1:])
    found: Array = (sca / chi * np.minimum(tau, 1.0)).max(axis=1) > _SCATTERS
    return found


@dataclass
class LinearisedEquilibrium:
    """Equilibrium of a medium, linearised around some populations.

    Parameters
    ----------
    state : State
        Medium, populations and light.
    fields : tuple of Field, optional
        Whose responses :meth:`respond` is to return (default: none).
    """

    state: State
    fields: tuple[Field, ...] = ()
    _response: Array = field(init=False)
    _factors: tuple[Array, Array] = field(init=False)
    _conserved: Array = field(init=False)
    _row: Array = field(init=False)

    def __post_init__(self) -> None:
        s, m = self.state, self.state.medium
        W, N, Q = len(s.total), s.n.shape[1], len(self.fields)
        bundles = max([len(m.share), *(f.eta.shape[1] for f in self.fields)])
        eta, chi = np.empty((2, Q, W, bundles, N))
        for q, f in enumerate(self.fields):
            eta[q], chi[q] = f.eta, f.chi
        planck = np.array([f.planck for f in self.fields]).reshape(Q, W, 2)
        found: Array = responses(
            m.height, m.mu, m.weight, m.share, m.start, m.transition, m.lower, m.upper,
            m.of_atom, m.V, m.g, m.u, m.w, m.sca, m.planck, s.n, s.total, s.emitted, s.psi,
            s.source, scatters(m.height, s.total, m.sca), eta, chi, planck,
        )  # fmt: skip
        self._response = found[:, len(s.n) :].copy()
        self._factorise(found[:, : len(s.n)])

    # ---- the equations ----------------------------------------------------------------------

    def _factorise(self, response: Array) -> None:
        m, n = self.state.medium, self.state.n
        L, N = n.shape
        up, down, _ = _net_rates(m, n, self.state.light, self.state.psi)
        A = into_levels(m.lower, m.upper, response, L)
        A = np.ascontiguousarray(A.transpose(0, 2, 1, 3))  # level, depth, of level, of depth
        depth = np.arange(N)
        for t, (low, high) in enumerate(zip(m.lower, m.upper, strict=True)):
            A[high, depth, low, depth] += up[t]
            A[low, depth, low, depth] -= up[t]
            A[high, depth, high, depth] -= down[t]
            A[low, depth, high, depth] += down[t]
        for low in range(L):
            for high in range(L):
                A[high, depth, low, depth] += m.collisions[high, low]
                A[low, depth, low, depth] -= m.collisions[high, low]
        self._row = np.abs(A[np.arange(L)[:, None], depth, np.arange(L)[:, None], depth]) * n
        conserved = np.zeros((L, N), dtype=bool)
        for first, size in zip(m.first_level, m.Nlevel, strict=True):
            most = first + n[first : first + size].argmax(axis=0)
            conserved[most, depth] = True
            for k in range(N):
                A[most[k], k] = 0.0
                A[most[k], k, first : first + size, k] = 1.0
        self._conserved = conserved
        self._row[conserved] = np.repeat(m.nTotal, m.Nlevel, axis=0)[conserved]
        A *= n
        A /= self._row[:, :, None, None]
        self._factors = lu_factor(A.reshape(L * N, L * N), overwrite_a=True, check_finite=False)

    def solve(self, rates: Array, total: Array) -> Array:
        """Return the change of the populations that balances net rates into the levels.

        Parameters
        ----------
        rates : Array
            [m-3 s-1], [Nlevel, Nspace, ...].
        total : Array
            Change of the atoms' totals [m-3], [Natom, Nspace, ...].

        Returns
        -------
        change : Array
            [m-3], of the shape of `rates`.
        """
        shape = rates.shape
        most = np.repeat(total, self.state.medium.Nlevel, axis=0)
        row, kept = (
            x.reshape(x.shape + (1,) * (len(shape) - 2)) for x in (self._row, self._conserved)
        )
        right = np.where(kept, most, -rates) / row
        n = self.state.n
        x = lu_solve(self._factors, right.reshape(n.size, -1), check_finite=False)
        n = n.reshape(n.shape + (1,) * (len(shape) - 2))
        change: Array = x.reshape(shape) * n
        return change

    def gained(self) -> Array:
        """Return what levels gain by units of all fields at all depths [m-3 s-1], [Nlevel, Nspace].

        It is for :meth:`solve`; fields that change rates or totals by themselves are not meant.
        """
        m = self.state.medium
        seen = self._response.sum(axis=(1, 3))
        return into_levels(m.lower, m.upper, seen, len(self.state.n))

    def respond(self) -> Array:
        """Return how populations respond to the fields, one depth after the other.

        Returns
        -------
        response : Array
            Change of the populations [m-3] by a unit of the field at one depth,
            [Nfield, depth of the field, Nlevel, Nspace].
        """
        m, (L, N), Q = self.state.medium, self.state.n.shape, len(self.fields)
        into = into_levels(m.lower, m.upper, self._response, L)  # level, field, depth, source
        rates = into.transpose(0, 2, 1, 3).copy()
        total = np.zeros((len(m.Nlevel), N, Q, N))
        depth = np.arange(N)
        for q, f in enumerate(self.fields):
            rates[:, depth, q, depth] += f.rates
            total[:, depth, q, depth] = f.nTotal
        return self.solve(rates, total).transpose(2, 3, 0, 1)


def opacity_derivatives(
    m: Medium, by_eta: Array, by_chi: Array, waves: Integers | None = None
) -> Array:
    """Return the derivative by populations of what is known by emissivity and opacity.

    Parameters
    ----------
    m : Medium
        The medium.
    by_eta, by_chi : Array
        Derivatives of something at every wavelength, [Nwave, Nbundle, Nspace].
    waves : Array, optional
        Indices of the medium's wavelengths that are meant, [Nwave] (default: all).

    Returns
    -------
    by_n : Array
        [Nwave, Nlevel, Nspace].
    """
    waves = np.arange(len(m.wavelength)) if waves is None else waves
    by_n = np.zeros((len(waves), len(m.n), m.n.shape[1]))
    for x, v in enumerate(waves):
        for e in range(m.start[v], m.start[v + 1]):
            absorbed = (by_chi[x] * m.V[e]).sum(axis=0)
            emitted = (by_eta[x] * m.V[e]).sum(axis=0) * m.u[e]
            by_n[x, m.lower[m.transition[e]]] += absorbed
            by_n[x, m.upper[m.transition[e]]] += m.g[e] * (emitted - absorbed)
    return by_n
