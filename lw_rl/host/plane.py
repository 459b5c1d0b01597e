"""An atmosphere of two dimensions and a line in it, read from a context as plain arrays.

Rays, profiles, background and boundaries: what an operator of the plane (`lw_rl.operator.plane_2d`)
is made of. No formal solution has to have been made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import lightweaver as lw
import numpy as np
from lightweaver.constants import HC, CLight, HPlanck, KBoltzmann

from ..arrays import Array, Integers
from ..errors import ContextError
from .boundaries import given_light
from .names import Named, entry
from .plane_state import Plane, PlaneLight, PlaneLine
from .state import Block, LinePhysics

__all__ = [
    "Radiation",
    "ScatteredLight",
    "check_rays",
    "mean_opacity",
    "plane_light",
    "plane_line",
    "plane_of",
]

#: No opacity is below this [m-1].
_TRANSPARENT = 1e-30

#: Wavelengths are even to this part of their extent, and the background to this part of itself.
_EVEN, _ALIKE = 1e-6, 0.1

#: Mean of mux and of its square at which a quadrature is one of two dimensions.
_UPRIGHT = 1e-6

#: Formal solvers in two dimensions, and whether their steps are of the BESSER method.
_SOLVERS = {"piecewise_besser_2d": True, "piecewise_linear_2d": False}


class Radiation(Protocol):
    """Access to the radiation field of a context (`lw_rl.host.adapter`)."""

    @property
    def evaluated(self) -> Array | None:
        """The unknown at which the last formal solution was made, None before any."""
        ...

    def scattered_radiation(self, waves: Integers) -> Array:
        """Return the source of scattered light in the last formal solution, [Nwave, Nspace]."""
        ...

    def iterated_radiation(self, waves: Integers) -> Array:
        """Return the mean intensity of the last formal solution, [Nwave, Nspace]."""
        ...

    def write_radiation_ahead(self, waves: Integers, J: Array) -> None:
        """Set the mean intensity that belongs to the next unknown."""
        ...


@dataclass(frozen=True)
class ScatteredLight:
    """The mean intensity of a context at a line's wavelengths, whose light the background scatters.

    Attributes
    ----------
    adapter : Radiation
        Access to the context.
    block : Block
        Of the line's atom.
    waves : Array
        Indices of the wavelengths, [2, Nwave]; of two sides the mean is taken.
    unit : float
        2 h nu0^3 / c^2 [J s-1 m-2 sr-1 Hz-1].
    """

    adapter: Radiation
    block: Block
    waves: Integers
    unit: float

    def of(self, y: Array) -> tuple[Array, Array] | None:
        """Return what was scattered in the last formal solution, and the field that it led to.

        Each [Nspace, Nwave]; None if it was not made at `y`.
        """
        last = self.adapter.evaluated
        if last is None or not np.array_equal(last[self.block.span], y):
            return None
        before = self.adapter.scattered_radiation(self.waves.ravel())
        return self._points(before), self._points(self._iterated())

    def last(self) -> Array | None:
        """Return the field of the last formal solution, [Nspace, Nwave]; None without any."""
        if self.adapter.evaluated is None:
            return None
        return self._points(self._iterated())

    def write(self, J: Array) -> None:
        """Set the field that belongs to the populations of the next formal solution."""
        field = np.broadcast_to(J.T.astype(float) * self.unit, (*self.waves.shape, len(J)))
        if self.adapter.evaluated is not None:
            # Both sides keep their ratio.
            last = self._iterated().reshape(field.shape)
            field = field * last / last.mean(axis=0)
        self.adapter.write_radiation_ahead(self.waves.ravel(), field.reshape(-1, len(J)))

    def _iterated(self) -> Array:
        return self.adapter.iterated_radiation(self.waves.ravel())

    def _points(self, J: Array) -> Array:
        J = J.reshape(*self.waves.shape, -1).mean(axis=0)
        return np.ascontiguousarray(J.T / self.unit, dtype=np.float32)


def check_rays(atmos: Any) -> None:
    """Check that the rays of an atmosphere of two dimensions are a quadrature over the sphere.

    The host takes what is given to ``atmos.rays`` for granted: without weights there is no mean
    intensity, and where all rays keep to one column, or lean to one side, it is that of another
    problem.

    Raises
    ------
    ContextError
        If they are not.
    """
    mux, weight = np.asarray(atmos.mux), np.asarray(atmos.wmu)
    total = float(np.sum(weight))
    if not total > 0.0:
        wrong = f"the weights of the {len(mux)} rays add up to {total:g}"
    elif np.sum(weight * mux**2) < _UPRIGHT * total:
        wrong = f"the quadrature has one dimension: of {len(mux)} rays none leaves its column"
    elif abs(np.sum(weight * mux)) > _UPRIGHT * total:
        wrong = (
            f"the quadrature has one dimension: its {len(mux)} rays lean to one side, the mean of "
            f"mux is {np.sum(weight * mux) / total:.2g}"
        )
    else:
        return
    raise ContextError(
        f"{wrong}; in two dimensions the host has atmos.quadrature(3), (6), (7), (10) and (11), "
        "rays per octant"
    )


def plane_of(ctx: Any) -> Plane:
    """Return grid and rays of a context in two dimensions.

    Raises
    ------
    ContextError
        If its formal solver is not one of the host's own.
    """
    atmos = ctx.kwargs["atmos"]
    name = entry(ctx.kwargs, "formal_solver") or lw.config.params["FormalSolver2d"]
    if name not in _SOLVERS:
        raise ContextError(
            f"the formal solver {name!r} is not known in two dimensions; the host has "
            f"{', '.join(_SOLVERS)}"
        )
    return Plane(
        x=np.array(atmos.x),
        z=np.array(atmos.z),
        mux=np.array(atmos.mux),
        muz=np.array(atmos.muz),
        weight=np.array(atmos.wmu) / np.sum(atmos.wmu),
        periodic=isinstance(Named(atmos).x_lower_bc, lw.PeriodicRadiation),
        besser=_SOLVERS[name],
        between=entry(ctx.kwargs, "interp_fn") in (None, "interp_linear_2d"),
    )


def plane_line(adapter: Any, block: Block, atom: Any, physics: LinePhysics) -> PlaneLine:
    """Return what the line of a two-level atom looks like at every point.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    block : Block
        Of the atom.
    atom : object
        The atom, under the names of 1.0.
    physics : LinePhysics
        What is known of it point by point.
    """
    ctx = adapter.ctx
    trans, atmos = Named(atom.trans[0]), ctx.kwargs["atmos"]
    line = atom.atomic_model.lines[0]
    levels = atom.atomic_model.levels
    wavelength = np.asarray(trans.wavelength)
    grid = np.asarray(ctx.spect.wavelength)
    waves = np.searchsorted(grid, wavelength)
    nu0 = CLight / line.lambda0_m
    unit = 2.0 * HPlanck * nu0**3 / CLight**2
    frequency = line.lambda0 / wavelength

    chi = np.array(ctx.background.chi)[waves]
    eta = np.array(ctx.background.eta)[waves]
    _add_transitions(ctx, atom, waves, chi, eta)
    sca = np.asarray(ctx.background.sca)[waves]
    chi = np.maximum(chi, _TRANSPARENT)
    moving = bool(np.any(atmos.vx) or np.any(atmos.vz))
    sides = _sides(wavelength - line.lambda0, chi, eta, moving)
    alone = len(sides[0]) == len(wavelength)

    def mean(values: Array) -> Array:
        """Return the mean of both sides, which is a copy of a profile on all rays otherwise."""
        taken: Array = values if alone else values[sides].mean(axis=0)
        return taken

    def points(values: Array) -> Array:
        return np.ascontiguousarray(mean(values).T.astype(np.float32))

    # The host's profile is per frequency; opacity is too, in units of the line's centre.
    phi = np.asarray(trans.phi)
    phi = phi.reshape(len(wavelength), -1, phi.shape[-1]) if moving else phi[:, :1, 0]
    weight = _trapezoid(wavelength) / wavelength**2
    # What the sides have in common counts once.
    weight = np.array([weight[np.unique(pair)].sum() for pair in sides.T])
    weight /= weight.sum()
    angles = np.repeat(0.5 * np.asarray(atmos.wmu) / np.sum(atmos.wmu), 2) if moving else [1.0]
    phi = mean(phi)
    profile = np.empty((phi.shape[1], phi.shape[2], phi.shape[0]), np.float32)
    norm = np.zeros(phi.shape[2])
    # Ray by ray: all of them at once are many times the memory that is near.
    for ray, angle in enumerate(angles):
        profile[ray] = phi[:, ray].T
        norm += angle * (profile[ray].astype(float) @ weight)
    norm = 1.0 / norm

    return PlaneLine(
        waves=waves[sides],
        opacity=HC / (4.0 * np.pi) * line.Bij * np.asarray(atom.n_total),
        g_ratio=levels[line.j].g / levels[line.i].g,
        epsilon=physics.epsilon,
        log_B=physics.log_B,
        profile=profile,
        weight=weight,
        norm=norm,
        chi=points(chi),
        thermal=points(eta / chi / unit),
        albedo=points(sca / chi),
        entering=_entering(ctx, waves[sides], unit),
        frequency=mean(frequency),
        excitation=HPlanck * nu0 / KBoltzmann,
        temperature=np.array(atmos.temperature),
        unit=unit,
        light=ScatteredLight(adapter, block, waves[sides], unit),
    )


def _sides(offset: Array, chi: Array, eta: Array, moving: bool) -> Integers:
    """Return the wavelengths that are taken together, [2, Nwave]: one twice if it is alone.

    Those on both sides of a line at rest, where the background is about the same on both.
    """
    alone = np.arange(len(offset))
    if moving or np.abs(offset + offset[::-1]).max() > _EVEN * np.abs(offset).max():
        return np.stack([alone, alone])
    alike = np.ones(len(offset), dtype=bool)
    for values in (chi, eta):
        alike &= np.all(np.abs(values - values[::-1]) <= _ALIKE * values, axis=1)
    alike &= alike[::-1]
    keep = ~alike | (alone <= alone[::-1])
    return np.stack([alone, np.where(alike, alone[::-1], alone)])[:, keep]


def mean_opacity(ctx: Any, waves: Integers) -> Array:
    """Return the total opacity [m-1] at some wavelengths, mean over the rays, [Nwave, Nspace].

    The host's own record of it (``depthData``) would take a gigabyte for a larger plane.
    """
    chi: Array = np.array(ctx.background.chi)[waves]
    _add_transitions(ctx, None, waves, chi, np.zeros_like(chi))
    return chi


def _add_transitions(ctx: Any, but: Any | None, waves: Integers, chi: Array, eta: Array) -> None:
    """Add lines and continua of all atoms `but` one at these wavelengths, mean over the rays."""
    atmos = ctx.kwargs["atmos"]
    host = Named(ctx)
    Uji, Vij, Vji = (np.zeros(chi.shape[1]) for _ in range(3))
    weight = 0.5 * np.asarray(atmos.wmu) / np.sum(atmos.wmu)
    moving = bool(np.any(atmos.vx) or np.any(atmos.vz))
    for other in (*host.active_atoms, *host.detailed_atoms):
        other = Named(other)
        if but is not None and other.element == but.element:
            continue
        n = np.asarray(other.n)
        for t in other.trans:
            there = int(Named(t).Nblue)
            for m, wave in enumerate(waves):
                if not there <= wave < there + len(t.wavelength):
                    continue
                # Without motion, and for continua, all rays see the same.
                same = not moving or not hasattr(t.transModel, "lambda0")
                for mu, w in enumerate([0.5] if same else weight):
                    for outward in (False, True):
                        t.uv(int(wave), mu, outward, Uji, Vij, Vji)
                        chi[m] += w * (n[t.i] * Vij - n[t.j] * Vji)
                        eta[m] += w * n[t.j] * Uji


def plane_light(ctx: Any, waves: Integers) -> PlaneLight:
    """Return what enters a plane at some wavelengths of the context's grid, [Nwave]."""
    wavelength = np.asarray(ctx.spect.wavelength)[waves] * 1e-9
    temperature = np.array(ctx.kwargs["atmos"].temperature)
    excitation = HC / (KBoltzmann * wavelength)
    hot = np.expm1(np.minimum(excitation / temperature.max(), 700.0))
    scale = 2.0 * HC / wavelength**3 / hot
    entering = _entering(ctx, np.stack([waves, waves]), scale)
    return PlaneLight(scale, excitation, temperature, entering)


def _entering(ctx: Any, waves: Integers, unit: float | Array) -> tuple[Any, Any, Any, Any]:
    """Return what enters at the upper and lower edge and at the left and right side."""
    atmos = ctx.kwargs["atmos"]
    names = Named(atmos)
    found: list[Any] = []
    for bc, sign in (
        (names.z_upper_bc, None),
        (names.z_lower_bc, None),
        (names.x_lower_bc, 1.0),
        (names.x_upper_bc, -1.0),
    ):
        if isinstance(bc, lw.ZeroRadiation | lw.PeriodicRadiation):
            found.append(None)
        elif isinstance(bc, lw.ThermalisedRadiation) and sign is None:
            found.append("thermalised")
        else:
            data = given_light(bc, ctx, len(atmos.z if sign else atmos.x))
            given = {
                2 * mu + outward: np.ascontiguousarray(
                    data[waves, Named(bc).index_vector[mu, outward]].mean(axis=0).T / unit,
                    dtype=np.float32,
                )
                for mu in range(len(Named(bc).index_vector))
                for outward in (0, 1)
                if Named(bc).index_vector[mu, outward] >= 0
            }
            found.append(given)
    return found[0], found[1], found[2], found[3]


def _trapezoid(x: Array) -> Array:
    """Return the weights of the trapezoidal rule."""
    weight = np.zeros(len(x))
    weight[1:] += 0.5 * np.diff(x)
    weight[:-1] += 0.5 * np.diff(x)
    return weight
