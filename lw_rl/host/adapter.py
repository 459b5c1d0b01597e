"""The one class that reads and writes the insides of a Lightweaver context.

Statistical equilibrium is sought for one vector `y`, the active atoms' blocks one after another,
each what `lw_rl.host.unknown` says.

One formal solution at `y` gives, through the host's own update of the populations, the image
``y + r``; ``r`` is zero at statistical equilibrium and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import lightweaver as lw
import numpy as np
import numpy.typing as npt
from lightweaver.atomic_model import LineType

from ..arrays import Array, Integers
from ..errors import ContextError
from ..norms import not_below
from . import line_physics
from .balance import balanced_shares, total_rates
from .names import Named, entry, keywords
from .plane import check_rays, mean_opacity, plane_light, plane_line, plane_of
from .plane_state import PlaneLight, PlaneLine
from .redistribution import LEAST_PROFILE
from .state import (
    Atom,
    Block,
    Continuum,
    Evaluation,
    Grid,
    Line,
    LinePhysics,
    Snapshot,
)
from .unknown import LineSource, LogPopulations

__all__ = ["Adapter"]


#: Electrons, and populations in LTE at that density, are made consistent in so many iterations.
_CHARGE_ITERATIONS = 3
#: Relative difference from LTE that is rounding.
_IN_LTE = 1e-6


@dataclass
class Adapter:
    """Evaluate, read, write, snapshot and restore the populations of a context.

    Parameters
    ----------
    ctx : lightweaver.Context
        A context with at least one active atom and a valid atmosphere; it is not changed here.

    Attributes
    ----------
    Nformal : int
        Formal solutions made so far through this adapter.

    Raises
    ------
    ContextError
        If there is nothing to iterate, or populations or atmosphere are not physical.
    """

    ctx: Any
    Nformal: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        ctx = Named(self.ctx)
        if not ctx.has("active_atoms"):
            raise ContextError(
                f"expected a lightweaver.Context, got {type(self.ctx).__name__}: it has no active "
                "atoms"
            )
        #: The context and its active atoms, under the names of 1.0.
        self._host = ctx
        self._active = [Named(atom) for atom in ctx.active_atoms]
        if not self._active:
            raise ContextError(
                "the context has no active atoms, so there are no populations to iterate; "
                "call RadiativeSet.set_active before making the context"
            )
        self._check_atmosphere()
        self._sources = [self._line_is_unknown(atom) for atom in self._active]
        self._atoms: list[LineSource | LogPopulations] = []
        start = 0
        for atom, lines in zip(self._active, self._sources, strict=True):
            n = np.asarray(atom.n)
            size = n.shape[1] if lines else n.size
            block = Block(start, start + size, n.shape[1:] if lines else n.shape)
            nTotal = np.asarray(atom.n_total)
            if lines:
                levels = atom.atomic_model.levels
                self._atoms.append(LineSource(n, nTotal, block, levels[1].g / levels[0].g))
            else:
                self._atoms.append(LogPopulations(n, nTotal, block))
            start += size
            if not (np.all(np.isfinite(n)) and np.all(n >= 0.0)):
                bad = float(n[~(np.isfinite(n) & (n >= 0.0))][0])
                raise ContextError(
                    f"the populations of {atom.element} hold {bad!r}; set them to LTE "
                    "(eqPops.atomicPops[...].set_n_to_lte()) before iterating"
                )
        self.blocks: tuple[Block, ...] = tuple(a.block for a in self._atoms)
        # The host redistributes with the rates of the last formal solution, so they belong to the
        # state. Those of atoms whose populations are given are iterated as well.
        detailed = [Named(a) for a in ctx.detailed_atoms] if ctx.detailed_atom_prd else []
        self._active_rho = [rho for atom in self._active for rho in _emission_profiles(atom)]
        self._rho = [*self._active_rho, *(rho for a in detailed for rho in _emission_profiles(a))]
        self._rates = [
            np.asarray(rate)
            for atom in ((*self._active, *detailed) if self._rho else ())
            for t in atom.trans
            for rate in (t.Rij, t.Rji)
        ]
        options = entry(self.ctx.kwargs, "ng_options")
        #: Whether the context was made with Ng acceleration of its own.
        self.host_ng = options is not None and options.Norder > 0
        self._y: Array | None = None
        self._foreseen: tuple[Array, Array] | None = None
        #: By how much the host's emission profiles differ from those of the same light.
        self.profile_defect: Array | None = None
        self._iterated: tuple[Integers, Array] | None = None
        self._behind: tuple[Integers, Array] | None = None
        self._rates_behind: list[tuple[Array, Array]] = []
        self._before: Array = np.array(self.ctx.spect.J)
        self._electrons: Array | None = None
        self._waves: dict[int, tuple[slice, Array]] = {}

    # ---- checks -----------------------------------------------------------------------------

    def _line_is_unknown(self, atom: Any) -> bool:
        """Whether an atom's unknown is the source function of its only line."""
        return (
            atom.Nlevel == 2
            and len(atom.trans) == 1
            and len(atom.atomic_model.lines) == 1
            and self.ctx.kwargs["atmos"].Ndim <= 2
        )

    def _check_atmosphere(self) -> None:
        from ..atmospheres import validate
        from ..errors import AtmosphereError

        try:
            validate(self.ctx.kwargs["atmos"])
        except AtmosphereError as err:
            raise ContextError(f"the context's atmosphere is not valid: {err}") from err
        if self.ctx.kwargs["atmos"].Ndim == 2:
            check_rays(self.ctx.kwargs["atmos"])

    # ---- the unknown ------------------------------------------------------------------------

    @property
    def Nspace(self) -> int:
        """Number of depths."""
        return int(self.ctx.kwargs["atmos"].Nspace)

    @property
    def quadrature(self) -> tuple[int, int]:
        """Number of wavelengths, and of rays at each."""
        return len(self.ctx.spect.wavelength), int(self.ctx.kwargs["atmos"].Nrays)

    @property
    def moves(self) -> bool:
        """Whether there is a velocity field."""
        atmos = self.ctx.kwargs["atmos"]
        fields = (atmos.vlos,) if atmos.Ndim == 1 else (atmos.vx, atmos.vz)
        return any(bool(np.any(v)) for v in fields)

    @property
    def line_sources(self) -> bool:
        """Whether the unknown of every active atom is a line source function."""
        return all(self._sources)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each active atom is, in words: its element, with its only line or its levels."""
        return tuple(
            f"{atom.element.name} {atom.atomic_model.lines[0].lambda0:.1f} nm"
            if atom.Nlevel == 2 and len(atom.atomic_model.lines) == 1
            else f"{atom.element.name} ({atom.Nlevel} levels)"
            for atom in self._active
        )

    @property
    def Nthreads(self) -> int:
        """Threads that the user gave the context."""
        return int(self.ctx.Nthreads)

    def read(self) -> Array:
        """Return the unknown, shape [Nunknown]; NaN where the populations are not physical."""
        if len(self._atoms) == 1:
            return self._atoms[0].read()
        return np.concatenate([a.read() for a in self._atoms])

    def write(self, y: Array) -> None:
        """Set the populations to those of `y`; they are positive and sum to `nTotal`."""
        for atom in self._atoms:
            atom.write(y[atom.block.span])
        if self.conserves_charge:
            self._neutralise()

    @property
    def electrons(self) -> Array:
        """Electron density of the last formal solution [m-3], [Nspace]."""
        return np.array(self.ctx.atmos.ne) if self._electrons is None else self._electrons.copy()

    def given_electrons(self) -> Array:
        """Return the electrons of atoms that are not active [m-3], [Nspace]."""
        radiative_set = Named(Named(self.ctx.kwargs["spect"]).rad_set)
        atoms = Named(self._host.eq_pops).atomic_pops
        given = np.zeros(self.Nspace)
        for model in [*radiative_set.detailed_atoms, *radiative_set.passive_atoms]:
            stage = np.array([level.stage for level in model.levels])
            given += stage @ np.asarray(atoms[model.element].n)
        return given

    def _neutralise(self) -> None:
        """Set the electron density to what the ions of all atoms need, as the host does.

        Populations of atoms in LTE follow it, and what they give of it in their turn.
        """
        active = np.zeros(self.Nspace)
        for atom, unknown in zip(self._active, self._atoms, strict=True):
            stage = np.array([level.stage for level in atom.atomic_model.levels])
            active += stage @ unknown.n
        atmos = self.ctx.kwargs["atmos"]
        update = Named(self._host.eq_pops).update_lte_atoms_hmin_pops
        for _ in range(_CHARGE_ITERATIONS):
            self.ctx.atmos.ne[:] = active + self.given_electrons()
            update(atmos, **keywords(update, conserve_charge=False), quiet=True)

    def go_back(self, y: Array) -> None:
        """Set the populations to those of `y`, at which the last formal solution was made."""
        self.write(y)
        self._take_back()
        self._store_in_ng_buffer()

    def _take_back(self) -> None:
        """Put mean intensity and rates back that were written ahead."""
        if self._behind is not None:
            waves, J = self._behind
            self.ctx.spect.J[waves] = J
        for rate, before in reversed(self._rates_behind):
            rate[:] = before
        self._foreseen = None
        self.keep_ahead()

    def keep_ahead(self) -> None:
        """Let mean intensity and rates stand that were written ahead, or made anew since."""
        self._behind = None
        self._rates_behind = []

    def populations(self, y: Array | None = None) -> list[Array]:
        """Return copies of the active atoms' populations [m-3], each [Nlevel, Nspace].

        Parameters
        ----------
        y : Array, optional
            The unknown that they are to be of (default: the present one).
        """
        atoms = [replace(a, n=a.n.copy()) for a in self._atoms]
        if y is not None:
            for atom in atoms:
                atom.write(y[atom.block.span])
        return [a.n for a in atoms]

    def levels(self, y: Array | None = None) -> Array:
        """Return the same of all atoms, one level after the other, [Nlevel, Nspace]."""
        return np.concatenate(self.populations(y))

    def unknown(self, populations: list[Array]) -> Array:
        """Return the unknown of some populations [m-3], shape [Nunknown]."""
        return np.concatenate(
            [replace(a, n=n).read() for a, n in zip(self._atoms, populations, strict=True)]
        )

    @property
    def elements(self) -> list[str]:
        """Symbols of the active atoms' elements."""
        return [str(atom.element.name) for atom in self._active]

    def column_mass(self) -> Array:
        """Return the mass above every depth [kg m-2], [Nspace]."""
        mass: Array = np.asarray(self.ctx.kwargs["atmos"].cmass)
        return mass

    def log_tau(self) -> Array:
        """Return the logarithm to base ten of the optical depth at 500 nm, [Nspace]."""
        tau: Array = np.log10(np.asarray(Named(self.ctx.kwargs["atmos"]).tau_ref))
        return tau

    def totals(self) -> list[Array]:
        """Return copies of the active atoms' total number densities [m-3], each [Nspace]."""
        return [a.nTotal.copy() for a in self._atoms]

    def time_dependent_update(self, dt: float, before: list[Array]) -> None:
        """Apply the host's own implicit step in time after a formal solution.

        Parameters
        ----------
        dt : float
            Length of the step [s].
        before : list of Array
            Populations of every active atom at its beginning [m-3], each [Nlevel, Nspace].
        """
        if self.host_ng:
            self.ctx.clear_ng()
        self.ctx.time_dep_update(dt, before)
        if self.conserves_charge:
            update = self.ctx.nr_post_update
            data = {"dt": dt, "nPrev": before}
            update(**keywords(update, time_dependent_data=data))

    def lte_populations(self) -> list[Array]:
        """Return copies of the active atoms' populations in LTE [m-3], each [Nlevel, Nspace]."""
        return [np.array(atom.n_star) for atom in self._active]

    @property
    def conserves_charge(self) -> bool:
        """Whether the host adjusts the electron density as the populations change."""
        return bool(self._host.conserve_charge)

    @property
    def switched(self) -> float:
        """Factor of collisional-radiative switching on the collisional rates, one in the end."""
        return float(self._host.crsw_callback.val)

    @property
    def settled(self) -> bool:
        """Whether collisional-radiative switching, if there is any, has come to its end."""
        return bool(self._host.crsw_done)

    def valid(self) -> bool:
        """Whether every population is finite and positive, and the electron density as well."""
        return all(_physical(a.n).all() for a in self._atoms) and (
            not self.conserves_charge or bool(_physical(self.ctx.atmos.ne).all())
        )

    def in_lte(self, block: Block) -> bool:
        """Whether an atom's populations are those of LTE, to rounding."""
        k = self.blocks.index(block)
        lte = np.asarray(self._active[k].n_star)
        return bool((np.abs(self._atoms[k].n - lte) <= _IN_LTE * lte).all())

    def renormalise(self) -> None:
        """Make the populations sum to `nTotal` (the host's solver does to rounding)."""
        for a in self._atoms:
            a.n *= a.nTotal / a.n.sum(axis=0)

    @property
    def evaluated(self) -> Array | None:
        """The unknown at which the last formal solution was made, None before any."""
        return self._y

    # ---- one iteration ----------------------------------------------------------------------

    def formal_solution(self, **kwargs: Any) -> lw.IterationUpdate:
        """Make the formal solution at the present populations and count it.

        Keyword arguments are those of ``ctx.formal_sol_gamma_matrices``, in the spelling of 1.0.
        """
        self._y = self.read()
        self._iterated = self._foreseen = None
        self.keep_ahead()
        self._before = np.array(self.ctx.spect.J)
        self._electrons = np.array(self.ctx.atmos.ne) if self.conserves_charge else None
        self.Nformal += 1
        solve = self.ctx.formal_sol_gamma_matrices
        return solve(**keywords(solve, **kwargs))

    def formal_solution_with_opacity(self, **kwargs: Any) -> lw.IterationUpdate:
        """Make a formal solution that stores the opacity (:meth:`opacity`)."""
        if self.grid.plane is not None:
            return self.formal_solution(**kwargs)
        data = self._host.depth_data
        fill, data.fill = data.fill, True
        try:
            return self.formal_solution(**kwargs)
        finally:
            data.fill = fill

    # ---- scattering in the background -------------------------------------------------------

    def radiation(self, waves: Integers | slice = slice(None)) -> Array:
        """Return a copy of the mean intensity at some wavelengths, [Nwave, Nspace]."""
        return np.array(self.ctx.spect.J[waves])

    def write_radiation(self, waves: Integers, J: Array) -> None:
        """Set the mean intensity at some wavelengths, the source of scattered background light."""
        self._iterated = waves, self.radiation(waves)
        self.ctx.spect.J[waves] = J

    def write_line_radiation(self, block: Block, J: Array) -> None:
        """Set the mean intensity of an atom's line, as c^2 J / 2 h nu^3, [Nwave, Nspace]."""
        waves, photons = self._of_line(self.blocks.index(block))
        self.ctx.spect.J[waves] = photons * J

    def _of_line(self, index: int) -> tuple[slice, Array]:
        """Return the wavelengths of an atom's line, and 2 h nu^3 / c^2 there, [Nwave, 1]."""
        if index not in self._waves:
            trans = Named(self._active[index].trans[0])
            self._waves[index] = line_physics.line_waves(self.ctx, trans)
        return self._waves[index]

    def write_radiation_ahead(self, waves: Integers, J: Array) -> None:
        """Set the mean intensity that belongs to the next unknown, until :meth:`go_back`."""
        held = np.zeros(0, dtype=int), np.zeros((0, self.Nspace))
        held = held if self._behind is None else self._behind
        new = np.setdiff1d(waves, held[0])
        self._behind = (
            np.concatenate([held[0], new]),
            np.concatenate([held[1], self.radiation(new)]),
        )
        self.ctx.spect.J[waves] = J

    def write_rate_ahead(self, rate: Array, grown: Array) -> None:
        """Multiply a rate of the host's by what the next unknown makes of it, [Nspace].

        As :meth:`write_radiation_ahead`, until :meth:`go_back`.
        """
        self._rates_behind.append((rate, rate.copy()))
        rate *= grown

    def net_rates(self, y: Array) -> Array:
        """Return the net rates into the levels in the last formal solution [m-3 s-1].

        By the host's own preconditioned equations, atom after atom, [Nlevel, Nspace].

        Parameters
        ----------
        y : Array
            The unknown that the formal solution was made with, shape [Nunknown].
        """
        net = [
            np.einsum("ijk,jk->ik", np.asarray(atom.Gamma), n)
            for atom, n in zip(self._active, self.populations(y), strict=True)
        ]
        return np.concatenate(net)

    def scattered_radiation(self, waves: Integers | slice = slice(None)) -> Array:
        """Return the source of scattered light in the last formal solution, [Nwave, Nspace]."""
        scattered: Array = self._before[waves]
        return scattered

    def iterated_radiation(self, waves: Integers | slice = slice(None)) -> Array:
        """Return the mean intensity of the last formal solution, [Nwave, Nspace].

        The rates belong to it; :meth:`write_radiation` may have changed it since.
        """
        J = np.array(self.ctx.spect.J)
        for held in (self._behind, self._iterated):
            if held is not None:
                J[held[0]] = held[1]
        iterated: Array = J[waves]
        return iterated

    def opacity(self, waves: Integers | slice = slice(None)) -> Array:
        """Return the total opacity of the last formal solution, mean over rays, [Nwave, Nspace].

        In two dimensions that of the present populations.
        """
        if self.grid.plane is not None:
            every = np.arange(len(self.ctx.spect.J))
            return mean_opacity(self.ctx, every[waves])
        mean: Array = np.asarray(self._host.depth_data.chi)[waves].mean(axis=(1, 2))
        return mean

    def scattering(self, waves: Integers | slice = slice(None)) -> Array:
        """Return the background's scattering opacity [m-1], [Nwave, Nspace]."""
        return np.asarray(self.ctx.background.sca)[waves]

    def plain_update(self, **kwargs: Any) -> tuple[lw.IterationUpdate | None, Evaluation]:
        """Apply the host's own update of the populations after a formal solution.

        Where the host's preconditioned rates have no positive solution, as on coarse grids far
        from equilibrium, populations are in equilibrium with the rates themselves: a step of
        Lambda iteration there, which has the same fixed point. An electron density that the host
        made negative is that of the ions. Exploding matrices, and levels that nothing connects,
        give an evaluation that is not valid.

        Returns
        -------
        update : lightweaver.IterationUpdate or None
            The host's own report; None if its solver gave up.
        evaluation : Evaluation
            The unknown at which the formal solution was made, and its residual.
        """
        y = self.read() if self._y is None else self._y
        lambda_residual = self._lambda_residual(y)
        if self.host_ng:
            # The host's own Ng acceleration would mix its history into the plain update.
            self.ctx.clear_ng()
        try:
            update = self.ctx.stat_equil(**kwargs)
        except (lw.ExplodingMatrixError, np.linalg.LinAlgError, ArithmeticError):
            return None, Evaluation(y, np.full_like(y, np.nan), self.blocks, False, lambda_residual)
        note = ""
        if not self.valid():
            note = self._lambda_iterate_where_unphysical()
            if self.valid():
                self.report_change(update, self.populations(y), 0.0)
        r = self.read() - y
        valid = bool(np.isfinite(r.sum()))
        light = self._light_changed()
        return update, Evaluation(y, r, self.blocks, valid, lambda_residual, light, note)

    def _lambda_iterate_where_unphysical(self) -> str:
        """Balance the rates of the last formal solution where populations are not positive."""
        depths: set[int] = set()
        for atom, unknown in zip(self._active, self._atoms, strict=True):
            where = np.flatnonzero(~_physical(unknown.n).all(axis=0))
            if not len(where):
                continue
            depths.update(where.tolist())
            shares = balanced_shares(total_rates(atom, self.switched)[:, :, where])
            unknown.n[:, where] = shares * unknown.nTotal[where]
        if self.conserves_charge:
            depths.update(np.flatnonzero(~_physical(self.ctx.atmos.ne)).tolist())
            self._neutralise()
        return (
            f"MALI's populations were not positive at {len(depths)} depths (the first: "
            f"{min(depths)}); there a step of Lambda iteration"
        )

    def _light_changed(self) -> dict[Block, Array]:
        """Return by how much the last formal solution changed J of every line that is unknown."""
        one = self.ctx.kwargs["atmos"].Ndim == 1
        if not one or not self.line_sources or self._y is None:
            return {}
        J, changed = self.ctx.spect.J, {}
        for k, block in enumerate(self.blocks):
            waves, photons = self._of_line(k)
            changed[block] = (J[waves] - self._before[waves]) / photons
        return changed

    def _lambda_residual(self, y: Array) -> Array:
        """Return the residual of Lambda iteration by the rates of the last formal solution."""
        residual = np.zeros_like(y)
        for atom, unknown in zip(self._active, self._atoms, strict=True):
            # Switching scales the collisional rates in the host's equations.
            trans, C = atom.trans[0], np.asarray(atom.C) * self.switched
            # C[i, j] is the rate from j to i.
            iterated = unknown.lambda_iterated(trans.Rij + C[1, 0], trans.Rji + C[0, 1])
            if iterated is not None:
                span = unknown.block.span
                residual[span] = iterated - y[span]
        return residual

    def evaluate(self, y: Array | None = None, lambdaIterate: bool = False) -> Evaluation:
        """Make one formal solution at `y` and return the plain update's residual there.

        The populations hold the plain update afterwards.

        Parameters
        ----------
        y : Array, optional
            The unknown; the present populations if not given.
        lambdaIterate : bool, optional
            Classical Lambda iteration instead of MALI (default: False).
        """
        if y is not None:
            self.write(y)
        self.formal_solution(lambda_iterate=lambdaIterate)
        return self.plain_update()[1]

    def blank_update(self) -> lw.IterationUpdate:
        """Return a report for an iteration in which the host's own solver gave up.

        The change it reports is 1: such an iteration must not count as converged.
        """
        N = len(self._atoms)
        given = keywords(
            lw.IterationUpdate,
            ctx=self.ctx,
            crsw=self._host.crsw_callback.val,
            updated_pops=True,
            dpops=[1.0] * N,
            dpops_max_idx=[0] * N,
            ng_accelerated=[False] * N,
        )
        return lw.IterationUpdate(**given)

    def report_change(
        self, update: lw.IterationUpdate, before: list[Array], at_least: float
    ) -> None:
        """Put the change from `before` to the present populations into the host's report.

        Parameters
        ----------
        update : lightweaver.IterationUpdate
            Changed in place.
        before : list of Array
            Populations of every active atom at the formal solution.
        at_least : float
            Estimate of the relative error of the populations: what is reported is the larger of
            it and of the change, since a small change is not a small error.
        """
        report = Named(update)
        for k, (atom, old) in enumerate(zip(self._atoms, before, strict=True)):
            change = np.abs(1.0 - old / atom.n)
            report.dpops[k] = max(float(change.max()), at_least)
            report.dpops_max_idx[k] = int(change.argmax())
        self._store_in_ng_buffer()

    def _store_in_ng_buffer(self) -> None:
        """Let the host compare its next update with the present, edited populations."""
        if self.host_ng:
            # Without this, its own Ng acceleration may fire and change the populations.
            self.ctx.clear_ng()
        self.ctx.rel_diff_ng_accelerate()

    # ---- emission profiles ------------------------------------------------------------------

    def profiles(self) -> Array:
        """Return the emission profiles of the active atoms' lines, flattened.

        Those in partial redistribution.
        """
        return np.concatenate([np.empty(0), *(rho.ravel() for rho in self._active_rho)])

    def redistributes(self, block: Block) -> bool:
        """Whether an atom has a line in partial redistribution."""
        return bool(_emission_profiles(self._active[self.blocks.index(block)]))

    @property
    def any_redistributes(self) -> bool:
        """Whether any active atom has a line in partial redistribution."""
        return any(map(self.redistributes, self.blocks))

    def write_profiles(self, values: Array) -> None:
        """Set them."""
        parts = np.split(values, np.cumsum([rho.size for rho in self._active_rho])[:-1])
        for rho, part in zip(self._active_rho, parts, strict=True):
            rho[:] = part.reshape(rho.shape)

    def foresee_profiles(self, present: Array, foreseen: Array) -> None:
        """Keep emission profiles for :meth:`write_foreseen_profiles`, until another step is made.

        In the atoms' rest frame the host makes them of light that cannot be written ahead.

        Parameters
        ----------
        present, foreseen : Array
            Those in the light of the formal solution, as the host will make them, and those that
            are wanted.
        """
        self._foreseen = present, foreseen

    def write_foreseen_profiles(self) -> None:
        """Set the emission profiles that were foreseen, if there are such, after the host's own.

        By how much the host's differ from what was taken for them these differ as well.
        """
        if self._foreseen is not None:
            present, foreseen = self._foreseen
            self.profile_defect = self.profiles() - present
            made = foreseen + self.profile_defect
            self.write_profiles(not_below(LEAST_PROFILE, foreseen, made))

    # ---- snapshots --------------------------------------------------------------------------

    def _charge(self) -> tuple[Array, ...]:
        """Arrays that charge conservation changes besides the active populations."""
        if not self._host.conserve_charge:
            return ()
        eq_pops = Named(self._host.eq_pops)
        arrays = [np.asarray(self.ctx.atmos.ne)]
        for state in eq_pops.atomic_pops:
            arrays.append(np.asarray(Named(state).n_star))
        arrays.append(np.asarray(eq_pops.hmin_pops))
        return tuple(arrays)

    def snapshot(self, radiation: bool = True) -> Snapshot:
        """Copy what an iteration changes: n, J, PRD's rho and rates, the charge if conserved.

        Parameters
        ----------
        radiation : bool, optional
            False leaves out what only a formal solution changes: J, rho and the rates
            (default: True).
        """
        return Snapshot(
            n=tuple([a.n.copy() for a in self._atoms]),
            J=np.array(self.ctx.spect.J) if radiation else None,
            rho=tuple([r.copy() for r in self._rho]) if radiation else (),
            rates=tuple([r.copy() for r in self._rates]) if radiation else (),
            charge=tuple([c.copy() for c in self._charge()]),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Put a context back to what it was at :meth:`snapshot`."""
        for atom, n in zip(self._atoms, snapshot.n, strict=True):
            atom.n[:] = n
        self._take_back()
        if snapshot.J is not None:
            self.ctx.spect.J[:] = snapshot.J
            for rho, saved in zip(self._rho, snapshot.rho, strict=True):
                rho[:] = saved
            for rate, saved in zip(self._rates, snapshot.rates, strict=True):
                rate[:] = saved
        for array, saved in zip(self._charge(), snapshot.charge, strict=True):
            array[:] = saved
        self._store_in_ng_buffer()
        self._y = None

    # ---- physics ----------------------------------------------------------------------------

    @property
    def grid(self) -> Grid:
        """Where the depths of the atmosphere are."""
        atmos = self.ctx.kwargs["atmos"]
        plane = plane_of(self.ctx) if atmos.Ndim == 2 else None
        return Grid(int(atmos.Ndim), np.array(atmos.z), plane)

    def circumstances(self) -> tuple[Array, ...]:
        """Return copies of what a solve takes for given: temperature, velocities, densities."""
        return tuple([np.array(values) for values in self._given()])

    def imprint(self, populations: bool = False) -> bytes:
        """Return the bytes of :meth:`circumstances`, or of the populations: what is to stay."""
        arrays = [a.n for a in self._atoms] if populations else map(np.asarray, self._given())
        return b"".join([array.tobytes() for array in arrays])

    def _given(self) -> list[Any]:
        atmos = self.ctx.kwargs["atmos"]
        given = [atmos.temperature, atmos.vx, atmos.vz, atmos.vturb, Named(atmos).nh_tot]
        if not self.conserves_charge:
            given.append(atmos.ne)
        return given

    def atom(self, block: Block) -> Atom:
        """Return the levels and transitions of an active atom.

        Parameters
        ----------
        block : Block
            One of :attr:`blocks`.
        """
        index = self.blocks.index(block)
        atom = self._active[index]
        lines = len(atom.atomic_model.lines)
        two = self.ctx.kwargs["atmos"].Ndim == 2 and self._sources[index]
        plane = cache(partial(self._line_in_plane, index)) if two else None
        transitions = tuple(
            Line(
                t.i,
                t.j,
                cache(partial(line_physics.of_line, self.ctx, atom, k)),
                plane,
                cache(partial(line_physics.profile_of_line, self.ctx, atom, k)),
            )
            if k < lines
            else Continuum(t.i, t.j)
            for k, t in enumerate(atom.trans)
        )
        source = transitions[0] if self._sources[index] else None
        assert source is None or isinstance(source, Line)
        return Atom(str(atom.element.name), int(atom.Nlevel), transitions, source)

    def line(self, block: Block) -> LinePhysics | None:
        """Return the line whose source function is the unknown; None for other atoms."""
        index = self.blocks.index(block)
        if not self._sources[index]:
            return None
        return line_physics.of_line(self.ctx, self._active[index], 0)

    def line_physics(self, block: Block) -> LinePhysics:
        """Return what the policy may know about the line whose source function is the unknown.

        Parameters
        ----------
        block : Block
            One of :attr:`blocks`.

        Raises
        ------
        ContextError
            If the block is of another atom.
        """
        physics = self.line(block)
        if physics is None:
            raise ContextError("line physics is defined for two-level atoms with one line only")
        return physics

    def entries(self) -> tuple[int, int]:
        """Return the number of wavelengths of the active atoms, and those of every transition."""
        each = [np.asarray(t.wavelength) for atom in self._active for t in atom.trans]
        return len(np.unique(np.concatenate(each))), sum(map(len, each))

    def plane_light(self, waves: Integers) -> PlaneLight:
        """Return what enters an atmosphere of two dimensions at some wavelengths."""
        return plane_light(self.ctx, waves)

    def _line_in_plane(self, index: int) -> PlaneLine:
        block = self.blocks[index]
        return plane_line(self, block, self._active[index], self.line_physics(block))


def _physical(values: Array) -> npt.NDArray[np.bool_]:
    """Return where densities are positive and finite; what is not a number is neither."""
    found: npt.NDArray[np.bool_] = (values > 0.0) & (values < np.inf)
    return found


def _emission_profiles(atom: Named) -> list[Array]:
    """Return the emission profiles of an atom's lines in partial redistribution."""
    lines = zip(atom.trans, atom.atomic_model.lines, strict=False)
    return [np.asarray(Named(t).rho_prd) for t, line in lines if line.type == LineType.PRD]
