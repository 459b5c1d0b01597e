"""Emission profiles of lines in partial redistribution, in any mean intensity.

The host redistributes in the mean intensity of its last formal solution only
(``Context.prd_redistribute``). This is the same map, for light that an operator foresees: the
redistribution function of Gouttebroze (1986, A&A 160, 195) on the host's quadrature (its
``Source/Prd.cpp``), angle-averaged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lightweaver.constants import CLight
from numba import njit

from ..arrays import Array, Integers
from .names import Named
from .transfer import Transfer

__all__ = [
    "LEAST_PROFILE",
    "ComovingFrame",
    "LineRedistribution",
    "Redistribution",
    "emits",
    "line_redistribution",
    "neighbours",
]

#: The host's limits of core and wing, the reach of the function, and the step of its quadrature,
#: all in Doppler widths.
_CORE, _WING, _SPREAD, _STEP = 2.0, 4.0, 5.0, 0.15
#: Share of the profile that is aimed at below which none is set.
LEAST_PROFILE = 0.1
#: Emission profiles are not divided by less.
_LEAST = 1e-30

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class LineRedistribution:
    """How one line's emission profile follows the mean intensity.

    Attributes
    ----------
    line, atom
        The host's transition, and its atom.
    first, start : Array
        First wavelength that scatters into one of the line's, [Nspace, Nwave], and where its
        weights begin, [Nspace * Nwave + 1].
    weight : Array
        Weights of the mean intensity, which sum to one, [start[-1]].
    """

    line: Any
    atom: Any
    first: Integers
    start: Integers
    weight: Array

    def profile(self, J: Array, absorbed: Array, ratio: Array) -> Array:
        """Return the emission profile over that of absorption, [Nspace, Nwave].

        Parameters
        ----------
        J : Array
            Mean intensity at the line's wavelengths, [Nspace, Nwave].
        absorbed : Array
            Rate of absorption [s-1], [Nspace].
        ratio : Array
            Lower population over the upper one, [Nspace].
        """
        depopulates = np.array(self.line.Qelast)
        for i in range(int(self.atom.Nlevel)):
            depopulates += np.asarray(self.atom.C)[i, self.line.j]
        for t in self.atom.trans:
            if t.j == self.line.j:
                depopulates += t.Rji
            if t.i == self.line.j:
                depopulates += t.Rij
        Bij = self.line.Bij
        coherent = ratio * Bij / depopulates
        found: Array = _profile(self.first, self.start, self.weight, J, coherent, absorbed / Bij)
        return found


@dataclass(frozen=True)
class ComovingFrame:
    """A line's wavelengths as bundles of rays and atoms in a flow see them.

    Light is interpolated linearly between both, as the host's hybrid redistribution does
    (Leenaarts, Pereira and Uitenbroek 2012, A&A 543, A109).

    Attributes
    ----------
    places : slice
        Where the wavelengths from which light comes are in those of the transfer.
    of_atoms, of_bundles : tuple of Array
        Neighbour below and the weight of the one above, [Nbundle, Nspace, Nwave]: where the atoms
        see a wavelength of the bundle, among the line's, and where the bundle has a wavelength of
        the atoms, among those from which light comes.
    """

    places: slice
    of_atoms: tuple[Integers, Array]
    of_bundles: tuple[Integers, Array]

    @classmethod
    def of(cls, line: Array, velocity: Array, grid: Array) -> ComovingFrame:
        """Return it.

        Parameters
        ----------
        line : Array
            Wavelengths of the line [nm], [Nwave].
        velocity : Array
            Of the atoms towards where a bundle's light goes to [m s-1], [Nbundle, Nspace].
        grid : Array
            Wavelengths of the transfer [nm].
        """
        shift = 1.0 + velocity[:, :, None] / CLight
        comes = line / shift
        around = neighbours(grid, comes.min(), comes.max())
        return cls(around, _between(line, line * shift), _between(grid[around], comes))

    def emitted(self, profile: Array) -> Array:
        """Return what bundles see of an emission profile, [Nbundle, Nspace, Nwave].

        Parameters
        ----------
        profile : Array
            In the atoms' frame, [Nspace, Nwave].
        """
        found: Array = _emitted(np.ascontiguousarray(profile), *self.of_atoms)
        return found

    def seen(self, light: Array) -> Array:
        """Return the mean intensity that atoms see, [Nspace, Nwave].

        Parameters
        ----------
        light : Array
            What every bundle brings to it at the transfer's wavelengths, [Nbundle, Nspace, Nwave].
        """
        mean: Array = _seen(light, self.places.start, *self.of_bundles)
        return mean


def neighbours(grid: Array, low: float, high: float) -> slice:
    """Return where a grid has values from one to another, and those next to them."""
    begin = int(np.searchsorted(grid, low, "right")) - 1
    end = int(np.searchsorted(grid, high, "left")) + 1
    return slice(max(begin, 0), min(end, len(grid)))


def _between(x: Array, at: Array) -> tuple[Integers, Array]:
    """Return neighbours below, and the weights of those above."""
    below = np.clip(np.searchsorted(x, at, "right") - 1, 0, len(x) - 2)
    return below, np.clip((at - x[below]) / (x[below + 1] - x[below]), 0.0, 1.0)


@_compiled
def _emitted(profile: Array, below: Integers, weight: Array) -> Array:
    """Return a profile between its neighbours, [Nbundle, Nspace, Nwave]."""
    B, N, W = below.shape
    found = np.empty((B, N, W))
    for r in range(B):
        for k in range(N):
            for w in range(W):
                one, other = profile[k, below[r, k, w]], profile[k, below[r, k, w] + 1]
                found[r, k, w] = one + weight[r, k, w] * (other - one)
    return found


@_compiled
def _seen(light: Array, first: int, below: Integers, weight: Array) -> Array:
    """Return the sum of bundles' light between its neighbours, [Nspace, Nwave]."""
    B, N, W = below.shape
    total = np.zeros((N, W))
    for r in range(B):
        for k in range(N):
            for w in range(W):
                at = first + below[r, k, w]
                one, other = light[r, k, at], light[r, k, at + 1]
                total[k, w] += one + weight[r, k, w] * (other - one)
    return total


@dataclass(frozen=True)
class Redistribution:
    """How the emission profiles of lines in partial redistribution follow light and populations.

    Attributes
    ----------
    transfer : Transfer
        Lines and continua as in complete redistribution.
    lines : dict
        The lines, by transition.
    formal : Array
        Emission profiles of the formal solution, as :meth:`profiles` returns them.
    before : Array
        Its mean intensity, [Nwave, Nspace].
    up : Array
        Its radiative rates of absorption [s-1], [Ntransition, Nspace].
    frames : dict
        The atoms' frame by transition, in the host's hybrid redistribution; else empty.
    defect : Array or None
        By how much the host's profiles in that frame differ from :meth:`comoving_profiles`.
    """

    transfer: Transfer
    lines: dict[int, LineRedistribution]
    formal: Array
    before: Array
    up: Array
    frames: dict[int, ComovingFrame] = field(default_factory=dict)
    defect: Array | None = None

    def profiles(self, n: Array, J: Array) -> Array:
        """Return the emission profiles over those of absorption, flattened, line by line.

        Parameters
        ----------
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        J : Array
            Mean intensity at the transfer's wavelengths, [Nspace, Nwave].
        """
        t, found = self.transfer, []
        for k, line in self.lines.items():
            light, up = J[:, t.places(k)], t.up[:, t.entries(k)]
            before = (up * self.before[t.places(k)].T).sum(axis=1)
            absorbed = self.up[k] * (up * light).sum(axis=1) / np.maximum(before, 1e-300)
            found.append(line.profile(light, absorbed, n[t.lower[k]] / n[t.upper[k]]).ravel())
        return np.concatenate(found)

    def comoving_profiles(self, n: Array, light: Array, up: Array) -> Array:
        """Return what :meth:`profiles` does, in the atoms' frame.

        Parameters
        ----------
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        light : Array
            What every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave].
        up : Array
            Rates of absorption [s-1], [Ntransition, Nspace].
        """
        t, found = self.transfer, []
        for k, line in self.lines.items():
            J = self.frames[k].seen(light)
            found.append(line.profile(J, up[k], n[t.lower[k]] / n[t.upper[k]]).ravel())
        return np.concatenate(found)

    def present(self, transfer: Transfer) -> Array:
        """Return the emission profiles that lines and continua have, as :meth:`profiles` does."""
        of, plain = transfer.emission, self.transfer.emission
        parts = [(of / plain)[:, self.transfer.entries(k)].ravel() for k in self.lines]
        return np.concatenate(parts)

    def emitting(self, profiles: Array) -> Transfer:
        """Return lines and continua with some emission profiles."""
        scale = np.ones_like(self.transfer.emission)
        for k, rho in self.parted(profiles):
            scale[:, self.transfer.entries(k)] = rho
        return self.transfer.emitting(scale, emits(self.transfer, self.frames, scale))

    def sums(self, profiles: Array) -> Array:
        """Return the sum over each emission profile, one for other lines, [Ntransition, Nspace]."""
        t = self.transfer
        sums = np.ones((len(t.lower), len(t.up)))
        for k, rho in self.parted(profiles):
            if k in self.frames:
                # The mean of the bundles, over their absorption profile.
                half = np.repeat(0.5 * t.weight, 2)[:, None, None]
                seen = self.frames[k].emitted(rho) * t.profile[:, :, t.entries(k)]
                rho = (half * seen).sum(axis=0)
            up = t.up[:, t.entries(k)]
            sums[k] = (up * rho).sum(axis=1) / up.sum(axis=1)
        return sums

    def parted(self, profiles: Array) -> Iterator[tuple[int, Array]]:
        """Return every line and its emission profile, [Nspace, Nwave], of those flattened."""
        N, end = len(self.transfer.up), 0
        for k in self.lines:
            entries = self.transfer.entries(k)
            begin, end = end, end + N * (entries.stop - entries.start)
            yield k, profiles[begin:end].reshape(N, -1)


def emits(transfer: Transfer, frames: Mapping[int, ComovingFrame], scale: Array) -> Array | None:
    """Return what bundles see of emission times a factor, None where it is as of absorption.

    Parameters
    ----------
    transfer : Transfer
        Lines and continua.
    frames : mapping
        The atoms' frame, by transition.
    scale : Array
        The factor in that frame, [Nspace, Nentry].
    """
    if not frames:
        return None
    seen = transfer.profile.copy()
    for k, frame in frames.items():
        at = transfer.entries(k)
        rho = scale[:, at]
        seen[:, :, at] *= frame.emitted(rho) / np.where(np.abs(rho) > _LEAST, rho, _LEAST)
    return seen


def line_redistribution(line: Any, atom: Any) -> LineRedistribution:
    """Return how a line's emission profile follows the mean intensity.

    Parameters
    ----------
    line, atom
        The host's transition, and its atom.
    """
    wavelength, lambda0 = np.asarray(line.wavelength), line.lambda0
    q = (wavelength - lambda0) * CLight / (lambda0 * np.asarray(Named(atom).v_broad)[:, None])
    return LineRedistribution(line, atom, *_weights(q, np.asarray(Named(line).a_damp)))


@_compiled
def _g_zero(x: float) -> float:
    found: float = 1.0 / (abs(x) + math.sqrt(x * x + 1.273239545))
    return found


@_compiled
def _redistributed(a: float, emitted: float, absorbed: float) -> float:
    """Return what is emitted at one distance from the line of what is absorbed at another.

    The redistribution function R_II over the absorption profile, with damping `a`; distances in
    Doppler widths.
    """
    if emitted < 0.0:
        emitted, absorbed = -emitted, -absorbed
    core, share = 0.0, 0.0
    if emitted < _WING:
        if absorbed < -_WING or absorbed > emitted + _SPREAD:
            return 0.0
        if abs(absorbed) <= emitted:
            core = _g_zero(emitted)
        else:
            core = math.exp(emitted * emitted - absorbed * absorbed) * _g_zero(absorbed)
        if emitted < _CORE:
            return core
        doppler = math.exp(-emitted * emitted)
        wing = a / (math.sqrt(math.pi) * (a * a + emitted * emitted))
        share = doppler / (doppler + wing)
    elif abs(absorbed - emitted) > _SPREAD:
        return 0.0
    u = abs(0.5 * (absorbed - emitted))
    ratio = absorbed / emitted
    wing = 2.0 * (1.0 - 2.0 * u * _g_zero(u)) * math.exp(-u * u) / (2.0 * math.sqrt(math.pi))
    wing *= 2.75 - (2.5 - 0.75 * ratio) * ratio
    return share * core + (1.0 - share) * wing


@_compiled
def _range(q: float) -> tuple[float, float]:
    """Return between which distances photons scatter to one, in Doppler widths."""
    if abs(q) < _CORE:
        return -_WING, _WING
    if abs(q) < _WING:
        return (-_WING, q + _SPREAD) if q > 0.0 else (q - _SPREAD, _WING)
    return q - _SPREAD, q + _SPREAD


@_compiled
def _weights(q: Array, a: Array) -> tuple[Integers, Integers, Array]:
    """Return `first`, `start` and `weight` of a line (:class:`LineRedistribution`).

    Parameters
    ----------
    q : Array
        Distances from the line in Doppler widths, [Nspace, Nwave].
    a : Array
        Damping, [Nspace].
    """
    N, W = q.shape
    first: Integers = np.zeros((N, W), np.int64)
    start: Integers = np.zeros(N * W + 1, np.int64)
    for k in range(N):
        for w in range(W):
            low, high = _range(q[k, w])
            last = low + (int((high - low) / _STEP) + 1) * _STEP
            one = max(int(np.searchsorted(q[k], low, "right")) - 1, 0)
            other = min(int(np.searchsorted(q[k], last, "right")), W - 1)
            first[k, w] = one
            start[k * W + w + 1] = start[k * W + w] + other - one + 1
    weight = np.zeros(start[-1])
    for k in range(N):
        for w in range(W):
            low, high = _range(q[k, w])
            points = int((high - low) / _STEP) + 1
            at, into = first[k, w], start[k * W + w]
            total, here, m = 0.0, low, at
            for p in range(points):
                # Press et al. 2007, Numerical Recipes, section 4.1.
                end = min(p, points - 1 - p)
                rule = 5.0 / 12.0 if end == 0 else 13.0 / 12.0 if end == 1 else 1.0
                g = rule * _STEP * _redistributed(a[k], q[k, w], here)
                here += _STEP
                total += g
                x = low + p * _STEP
                while m < W - 1 and q[k, m + 1] <= x:
                    m += 1
                if x < q[k, 0]:
                    weight[into] += g
                elif m == W - 1:
                    weight[into + m - at] += g
                else:
                    share = (x - q[k, m]) / (q[k, m + 1] - q[k, m])
                    weight[into + m - at] += (1.0 - share) * g
                    weight[into + m - at + 1] += share * g
            weight[into : start[k * W + w + 1]] /= total
    return first, start, weight


@_compiled
def _profile(
    first: Integers, start: Integers, weight: Array, J: Array, coherent: Array, mean: Array
) -> Array:
    """Return the emission profile over that of absorption, [Nspace, Nwave].

    Parameters
    ----------
    first, start, weight
        Of :class:`LineRedistribution`.
    J : Array
        Mean intensity, [Nspace, Nwave].
    coherent : Array
        What of the emission is scattered per mean intensity, [Nspace].
    mean : Array
        The line's mean intensity, [Nspace].
    """
    N, W = first.shape
    rho = np.empty((N, W))
    for k in range(N):
        for w in range(W):
            at, end = start[k * W + w], start[k * W + w + 1]
            scattered = 0.0
            for e in range(end - at):
                scattered += weight[at + e] * J[k, first[k, w] + e]
            rho[k, w] = 1.0 + coherent[k] * (scattered - mean[k])
    return rho
