"""Radiative transfer and statistical equilibrium of all active atoms, as plain arrays.

What an operator of coupled transitions is made of: which levels a line or continuum connects, what
it emits and absorbs at each wavelength, how its rates follow from mean intensities (`Transfer`,
which is found once for a solve), and the rates of the last formal solution (`Rates`).

Levels of all active atoms are numbered one after the other. Opacity is
``absorption n_lower - stimulated n_upper`` and emissivity ``emission n_upper`` (Rybicki and Hummer
1992, A&A 262, 209, equations 2.2 to 2.6), both averaged over the rays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import lightweaver as lw
import numpy as np
from lightweaver.atomic_model import LineType
from lightweaver.constants import HC, CLight, HPlanck, KBoltzmann

from ..arrays import Array, Integers
from .balance import total_rates
from .names import Named, entry
from .redistribution import (
    ComovingFrame,
    LineRedistribution,
    Redistribution,
    emits,
    line_redistribution,
    neighbours,
)
from .transfer import Transfer

if TYPE_CHECKING:
    from .adapter import Adapter

__all__ = ["Equations", "Rates"]


@dataclass(frozen=True)
class Rates:
    """What the last formal solution told, at the wavelengths of a `Transfer`.

    Attributes
    ----------
    n : Array
        Populations at which it was made [m-3], [Nlevel, Nspace].
    nTotal : Array
        Of every atom [m-3], [Natom, Nspace].
    collisions : Array
        Collisional rates from the second level to the first [s-1], [Nlevel, Nlevel, Nspace].
    up, down : Array
        Radiative rates of every transition [s-1], [Ntransition, Nspace].
    defect : Array
        Net rate into a level per population by the host's own preconditioned equations, less that
        by the rates above [s-1], [Nlevel, Nspace]. It vanishes but for the host's quadrature of
        overlapping transitions, which does not matter, and is left out, where a level is far from
        equilibrium.
    before : Array
        Mean intensity that was the source of scattered light, [Nwave, Nspace].
    J : Array
        Mean intensity of the formal solution, to which the rates belong, [Nwave, Nspace].
    chi, eta, sca : Array
        Opacity and emissivity of all but the active atoms, and scattering, [Nwave, Nspace].
    electrons : Array
        Electron density at which it was made [m-3], [Nspace].
    given : Array or None
        Electrons of all but the active atoms [m-3], [Nspace], where charge is conserved.
    """

    n: Array
    nTotal: Array
    collisions: Array
    up: Array
    down: Array
    defect: Array
    before: Array
    J: Array
    chi: Array
    eta: Array
    sca: Array
    electrons: Array
    given: Array | None


@dataclass(frozen=True)
class _Transition:
    """One line or continuum: what it adds at its wavelengths."""

    lower: int
    upper: int
    waves: Integers
    emission: Array
    absorption: Array
    stimulated: Array
    profile: Array
    up: Array
    multiple: Array


class Equations:
    """Access to a context's transfer and rates in one or two dimensions.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    """

    def __init__(self, adapter: Adapter):
        self._adapter = adapter
        ctx = adapter.ctx
        self._active = [Named(atom) for atom in Named(ctx).active_atoms]
        self._others: tuple[Array, Array] | None = None
        self._redistributed = [
            (k, t)
            for k, (t, line) in enumerate(
                (t, line)
                for atom in self._active
                for t, line in zip_longest(atom.trans, atom.atomic_model.lines)
            )
            if line is not None and line.type == LineType.PRD
        ]
        self._complete = self._transfer(ctx)
        # Those that the continua are made with: a plain update may have moved them since.
        self._electrons = np.array(ctx.atmos.ne)
        self._lines: dict[int, LineRedistribution] | None = None
        self._frames = self._comoving_frames()

    @property
    def transfer(self) -> Transfer:
        """Lines and continua with the emission profiles and electrons of the formal solution."""
        scale = self._recombination()
        rho = np.ones_like(scale)
        for k, t in self._redistributed:
            rho[:, self._complete.entries(k)] = np.asarray(Named(t).rho_prd).T
        return self._complete.emitting(scale * rho, emits(self._complete, self._frames, rho))

    def _comoving_frames(self) -> dict[int, ComovingFrame]:
        """Return the atoms' frame of lines in hybrid redistribution, by transition."""
        if not self._hybrid:
            return {}
        ctx, atmos = self._adapter.ctx, self._adapter.ctx.kwargs["atmos"]
        along = np.outer(atmos.muz, atmos.vz)
        # The light of a ray that goes inward, then of the one that goes outward; all at rest.
        velocity = np.stack([-along, along], axis=1).reshape(-1, along.shape[-1])
        velocity = velocity[: len(self._complete.profile)]
        grid = np.asarray(ctx.spect.wavelength)[self._complete.waves]
        return {
            k: ComovingFrame.of(np.asarray(Named(t).wavelength), velocity, grid)
            for k, t in self._redistributed
        }

    @property
    def comoving(self) -> bool:
        """Whether emission profiles are those of the atoms' frame."""
        return bool(self._frames)

    @property
    def _hybrid(self) -> bool:
        """Whether the host redistributes in the atoms' frame, in one dimension."""
        kwargs = self._adapter.ctx.kwargs
        return bool(entry(kwargs, "hprd") and kwargs["atmos"].Ndim == 1)

    def _around(self, wavelength: Array) -> list[Integers]:
        """Return the wavelengths from which light comes to lines in the atoms' frame."""
        if not self._hybrid:
            return []
        most = float(np.abs(self._adapter.ctx.kwargs["atmos"].vz).max()) / CLight
        found = []
        for _, t in self._redistributed:
            line = np.asarray(Named(t).wavelength)
            around = neighbours(wavelength, line[0] / (1.0 + most), line[-1] / (1.0 - most))
            found.append(np.arange(len(wavelength))[around])
        return found

    def _recombination(self) -> Array:
        """Return by what more emits than at the beginning where electrons do, [Nspace, Nentry]."""
        whole = self._complete
        scale = np.ones_like(whole.emission)
        if self._adapter.conserves_charge:
            # Recombination is in proportion to the electrons (Saha).
            recombines = whole.charge[whole.upper] > whole.charge[whole.lower]
            ratio = self._adapter.electrons / self._electrons
            scale[:, np.repeat(recombines, np.diff(whole.start))] *= ratio[:, None]
        return scale

    @property
    def redistributes(self) -> bool:
        """Whether emission profiles of lines are iterated."""
        return any(np.any(np.asarray(Named(t).rho_prd) != 1.0) for _, t in self._redistributed)

    @property
    def foresees(self) -> bool:
        """Whether it is known how emission profiles follow the mean intensity.

        In two dimensions it is left to the host.
        """
        return self._adapter.grid.Ndim == 1

    def redistribution(self, rates: Rates) -> Redistribution | None:
        """Return how emission profiles follow, None where they do not or are not foreseen.

        Parameters
        ----------
        rates : Rates
            Of the formal solution.
        """
        return self._redistribution(rates) if self.redistributes and self.foresees else None

    def foresee_profiles(
        self, rates: Rates, follow: Callable[[Array, Redistribution], tuple[Array, Array]]
    ) -> None:
        """Let emission profiles in the atoms' frame be those that follow an operator's light.

        The host makes them of light in that frame, which cannot be written ahead.

        Parameters
        ----------
        rates : Rates
            Of the formal solution.
        follow : callable
            Returns those in the light of the formal solution, and those in the operator's, from the
            rates of absorption that the host takes for the former, and from how profiles follow.
        """
        redistribution = self._redistribution(rates)
        up = rates.up.copy()
        for k, t in self._redistributed:
            up[k] = t.Rij
        present, foreseen = (
            np.concatenate([rho.T.ravel() for _, rho in redistribution.parted(profiles)])
            for profiles in follow(up, redistribution)
        )
        self._adapter.foresee_profiles(present, foreseen)

    def _redistribution(self, rates: Rates) -> Redistribution:
        if self._lines is None:
            of = {t: atom for atom in self._active for t in atom.trans}
            self._lines = {k: line_redistribution(t, of[t]) for k, t in self._redistributed}
        transfer = self._complete.emitting(self._recombination())
        rho = [np.asarray(Named(t).rho_prd).T.ravel() for _, t in self._redistributed]
        formal = np.concatenate(rho)
        return Redistribution(
            transfer, self._lines, formal, rates.J, rates.up, self._frames, self._profile_defect()
        )

    def _profile_defect(self) -> Array | None:
        """Return by how much the host's emission profiles differ from those of the same light."""
        defect = self._adapter.profile_defect
        if defect is None:
            return None
        shapes = [np.shape(Named(t).rho_prd) for _, t in self._redistributed]
        parts = np.split(defect, np.cumsum([a * b for a, b in shapes])[:-1])
        return np.concatenate([p.reshape(s).T.ravel() for p, s in zip(parts, shapes, strict=True)])

    def foresee(self, J: Array) -> None:
        """Write the rates that lines in partial redistribution have in a mean intensity ahead.

        The host makes emission profiles of both, which have to belong together.

        Parameters
        ----------
        J : Array
            Mean intensity at the transfer's wavelengths, [Nwave, Nspace].
        """
        whole, adapter = self._complete, self._adapter
        for k, t in self._redistributed:
            up = whole.up[:, whole.entries(k)].T
            at = slice(whole.first[k], whole.first[k] + len(up))
            before = (up * adapter.iterated_radiation(whole.waves[at])).sum(axis=0)
            grown = (up * J[at]).sum(axis=0) / np.maximum(before, 1e-300)
            adapter.write_rate_ahead(np.asarray(Named(t).Rij), grown)

    # ---- what does not change ---------------------------------------------------------------

    def _transfer(self, ctx: lw.Context) -> Transfer:
        atmos = ctx.kwargs["atmos"]
        wavelength = np.asarray(ctx.spect.wavelength)
        counts = np.array([int(a.Nlevel) for a in self._active])
        first_level = np.concatenate([[0], np.cumsum(counts)[:-1]])
        found = [
            t
            for atom, first in zip(self._active, first_level, strict=True)
            for t in _transitions(atom, int(first), atmos, wavelength)
        ]
        waves = np.unique(np.concatenate([*(t.waves for t in found), *self._around(wavelength)]))
        stacked = {
            name: np.ascontiguousarray(np.concatenate([getattr(t, name) for t in found]).T)
            for name in ("emission", "absorption", "stimulated", "up")
        }
        profile = np.concatenate([t.profile for t in found]).transpose(1, 2, 0)
        profile = np.ascontiguousarray(profile)
        inverse = np.array(
            [(t.stimulated / np.maximum(t.absorption, 1e-300)).max(axis=0) for t in found]
        )
        down = stacked["up"] * stacked["stimulated"] / np.maximum(stacked["absorption"], 1e-300)
        temperature = np.asarray(atmos.temperature)[-2:]
        x = HC / (KBoltzmann * temperature * wavelength[waves][:, None] * 1e-9)
        planck = 2.0 * HC / (wavelength[waves][:, None] * 1e-9) ** 3
        return Transfer(
            height=np.array(atmos.z),
            mu=np.array(atmos.muz),
            weight=np.array(atmos.wmu) / np.sum(atmos.wmu),
            waves=waves,
            planck=planck / np.expm1(np.minimum(x, 700.0)),
            first_level=first_level.astype(np.int64),
            Nlevel=counts.astype(np.int64),
            charge=np.array(
                [level.stage for atom in self._active for level in atom.atomic_model.levels]
            ),
            lower=np.array([t.lower for t in found]),
            upper=np.array([t.upper for t in found]),
            multiple=np.array([t.multiple for t in found]),
            inverse=inverse,
            start=np.cumsum([0, *(len(t.waves) for t in found)]).astype(np.int64),
            first=np.searchsorted(waves, [t.waves[0] for t in found]).astype(np.int64),
            profile=profile,
            emits=profile,
            down=down,
            **stacked,
        )

    # ---- what each formal solution tells ----------------------------------------------------

    def rates(self, populations: list[Array], switched: float) -> Rates:
        """Return the rates of the last formal solution.

        Parameters
        ----------
        populations : list of Array
            Populations of every active atom at which it was made [m-3].
        switched : float
            Factor of collisional-radiative switching on the collisional rates.
        """
        adapter, ctx, transfer = self._adapter, self._adapter.ctx, self._complete
        n = np.concatenate(populations)
        collisions = np.zeros((len(n), len(n), n.shape[1]))
        defect = np.zeros_like(n)
        up, down = [], []
        for atom, first, size in zip(
            self._active, transfer.first_level, transfer.Nlevel, strict=True
        ):
            span = slice(first, first + size)
            C = np.asarray(atom.C) * switched
            C[np.arange(size), np.arange(size)] = 0.0
            collisions[span, span] = C
            up += [np.array(t.Rij) for t in atom.trans]
            down += [np.array(t.Rji) for t in atom.trans]
            total = total_rates(atom, switched)
            lost = total.sum(axis=0)
            net = np.einsum("ijk,jk->ik", total, n[span]) - lost * n[span]
            host = np.einsum("ijk,jk->ik", np.asarray(atom.Gamma), n[span])
            balanced = np.abs(net) < lost * n[span]
            defect[span] = np.where(balanced, (host - net) / n[span], 0.0)
        waves = transfer.waves
        background = ctx.background
        chi, eta = np.asarray(background.chi)[waves], np.asarray(background.eta)[waves]
        chi_static, eta_static = self._static()
        return Rates(
            n=n,
            nTotal=np.array([np.asarray(a.n_total) for a in self._active]),
            collisions=collisions,
            up=np.array(up),
            down=np.array(down),
            defect=defect,
            before=adapter.scattered_radiation(waves),
            J=adapter.iterated_radiation(waves),
            chi=chi + chi_static,
            eta=eta + eta_static,
            sca=adapter.scattering(waves),
            electrons=adapter.electrons,
            given=adapter.given_electrons() if adapter.conserves_charge else None,
        )

    def _static(self) -> tuple[Array, Array]:
        """Return opacity and emissivity of detailed atoms, whose populations are given."""
        if self._others is None:
            ctx, waves = self._adapter.ctx, self._complete.waves
            atmos = ctx.kwargs["atmos"]
            shape = (len(waves), self._adapter.Nspace)
            chi, eta = np.zeros(shape), np.zeros(shape)
            for atom in Named(ctx).detailed_atoms:
                atom = Named(atom)
                n = np.asarray(atom.n)
                for t in _transitions(atom, 0, atmos, np.asarray(ctx.spect.wavelength)):
                    shared, here, there = np.intersect1d(waves, t.waves, return_indices=True)
                    if len(shared):
                        chi[here] += t.absorption[there] * n[t.lower]
                        chi[here] -= t.stimulated[there] * n[t.upper]
                        eta[here] += t.emission[there] * n[t.upper]
            self._others = chi, eta
        return self._others


def _transitions(atom: Any, first: int, atmos: Any, grid: Array) -> list[_Transition]:
    """Return an atom's transitions."""
    lines = len(atom.atomic_model.lines)
    at_rest = not (np.any(atmos.vz) or (atmos.Ndim > 1 and np.any(atmos.vx)))
    angles = 0.5 * np.asarray(atmos.wmu) / np.sum(atmos.wmu)
    found = []
    for k, t in enumerate(atom.trans):
        t = Named(t)
        wavelength = np.asarray(t.wavelength)
        width = _trapezoid(wavelength)[:, None]
        if k < lines:
            phi = np.asarray(t.phi)
            profile = phi.mean(axis=(1, 2)) if at_rest else np.einsum("wmdk,m->wk", phi, angles)
            seen = phi[:, :1, 0] if at_rest else phi.reshape(len(phi), -1, phi.shape[-1])
            seen = seen / np.maximum(profile, 1e-300)[:, None]
            # A photon's energy is that of its own wavelength.
            unit = HC / (4.0 * np.pi) * profile * t.lambda0 / wavelength[:, None]
            share = profile * width / wavelength[:, None] ** 2
            g = np.full(profile.shape[1], t.Bji / t.Bij)
            absorption, stimulated = unit * t.Bij, unit * t.Bji
            emission = unit * t.Aji
            up = t.Bij * share / share.sum(axis=0)
        else:
            alpha = np.asarray(t.alpha)[:, None]
            x = HC / (KBoltzmann * np.asarray(atmos.temperature) * wavelength[:, None] * 1e-9)
            n_star = np.asarray(atom.n_star)
            ratio = n_star[t.i] / n_star[t.j] * np.exp(-x)
            absorption = alpha * np.ones_like(ratio)
            stimulated = alpha * ratio
            emission = stimulated * 2.0 * HC / (wavelength[:, None] * 1e-9) ** 3
            up = 4.0 * np.pi / HPlanck * absorption * width / wavelength[:, None]
            g = np.full(ratio.shape[1], np.nan)
            bundles = 1 if at_rest else 2 * len(atmos.muz)
            seen = np.ones((len(ratio), bundles, ratio.shape[1]))
        found.append(
            _Transition(
                first + t.i,
                first + t.j,
                np.searchsorted(grid, wavelength),
                emission,
                absorption,
                stimulated,
                seen,
                up,
                g,
            )
        )
    return found


def _trapezoid(x: Array) -> Array:
    """Return the weights of the trapezoidal rule."""
    if len(x) == 1:
        return np.ones(1)
    weight = np.zeros(len(x))
    weight[1:] += 0.5 * np.diff(x)
    weight[:-1] += 0.5 * np.diff(x)
    return weight
