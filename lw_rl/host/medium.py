"""What an atmosphere is to light and to its active atoms, with the host's own quadratures.

A `Medium` has every number that the host's formal solution and its rates are made of, so that both
can be made, and differentiated, outside the host to rounding. It differs from
`lw_rl.host.transfer.Transfer`, of which operators are made, in that: rays are not averaged but in
an atmosphere at rest, and all wavelengths of the context are there.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightweaver as lw
import numpy as np
from lightweaver.atomic_model import LineType
from lightweaver.constants import HC, CLight, HPlanck, KBoltzmann
from lightweaver.utils import planck

from ..arrays import Array, Integers
from ..errors import ContextError
from .names import Named, entry, keywords, spelled

__all__ = [
    "QUANTITIES",
    "Medium",
    "check_differentiable",
    "evaluate",
    "in_lte",
    "media_by_hydrogen",
    "medium",
    "perturbed",
    "ray_context",
    "scattered",
    "set_state",
]

#: Quantities of an atmosphere, their unit, and the step of finite differences: relative ones, and
#: in metres per second for velocities. They are small because the host's formal solver has kinks,
#: where the limits of its interpolation set in, which are close where velocities change.
QUANTITIES: dict[str, tuple[str, float]] = {
    "temperature": ("K", 1e-5),
    "vlos": ("m s-1", 0.1),
    "vturb": ("m s-1", 0.1),
    "ne": ("m-3", 1e-5),
    "nHTot": ("m-3", 1e-5),
}


@dataclass(frozen=True)
class Medium:
    """Arrays of a context at all of its wavelengths.

    An *entry* is a transition at a wavelength; entries are sorted by wavelength. *Bundles* are
    those of `lw_rl.operator.linearised_1d`.

    Attributes
    ----------
    height : Array
        Height of the depths, downwards [m], [Nspace].
    mu, weight : Array
        Cosines of the rays' angles, and their weights, which sum to one, [Nray].
    share : Array
        Weight of every bundle, [Nbundle].
    wavelength : Array
        [nm], [Nwave].
    planck : Array
        Planck function at the two lowest depths [J s-1 m-2 sr-1 Hz-1], [Nwave, 2].
    chi, eta, sca : Array
        Opacity and emissivity of all but the active atoms, and scattering, [Nwave, Nspace].
    first_level, Nlevel : Array
        Of every atom, [Natom].
    lower, upper : Array
        Levels of every transition, [Ntransition].
    start : Array
        First entry of every wavelength and the number of entries, [Nwave + 1].
    transition : Array
        Transition of every entry, [Nentry].
    V, g, u, w : Array
        Opacity per population, [Nentry, Nbundle, Nspace], ratio of stimulated emission to
        absorption, [Nentry, Nspace], that of spontaneous to stimulated emission, [Nentry], and
        weight in the rates, [Nentry, Nspace].
    collisions : Array
        Rates from the second level to the first [s-1], [Nlevel, Nlevel, Nspace].
    n, n_star : Array
        Populations, and those of LTE [m-3], [Nlevel, Nspace].
    nTotal : Array
        Of every atom [m-3], [Natom, Nspace].
    """

    height: Array
    mu: Array
    weight: Array
    share: Array
    wavelength: Array
    planck: Array
    chi: Array
    eta: Array
    sca: Array
    first_level: Integers
    Nlevel: Integers
    lower: Integers
    upper: Integers
    start: Integers
    transition: Integers
    V: Array
    g: Array
    u: Array
    w: Array
    collisions: Array
    n: Array
    n_star: Array
    nTotal: Array

    @property
    def of_atom(self) -> Integers:
        """Atom of every level, [Nlevel]."""
        atoms: Integers = np.repeat(np.arange(len(self.Nlevel)), self.Nlevel)
        return atoms


def check_differentiable(ctx: lw.Context, held: bool = False) -> None:
    """Check that a context is one whose equations can be differentiated.

    Parameters
    ----------
    ctx : lightweaver.Context
        Not changed.
    held : bool, optional
        Whether emission profiles are held while the atmosphere changes (default: False).

    Raises
    ------
    ContextError
        If it is not one-dimensional, has another formal solver or boundary than the host's
        defaults, or lines that were solved in partial redistribution.
    """
    kwargs = ctx.kwargs
    atmos = kwargs["atmos"]
    if atmos.Ndim != 1:
        raise ContextError(f"the atmosphere has {atmos.Ndim} dimensions; only one can be handled")
    solver = entry(kwargs, "formal_solver")
    if solver not in (None, "piecewise_bezier3_1d"):
        raise ContextError(
            f"the context's formal solver is {solver!r}; its derivatives are known for "
            "'piecewise_bezier3_1d', the host's default, only"
        )
    boundaries = [
        type(boundary).__name__
        for boundary in (Named(atmos).z_lower_bc, Named(atmos).z_upper_bc)
    ]  # fmt: skip
    if boundaries != ["ThermalisedRadiation", "ZeroRadiation"]:
        raise ContextError(
            f"the boundaries are {' below and '.join(boundaries)} above; only thermalised light "
            "below and none above can be handled, the host's defaults"
        )
    for atom in () if held else map(Named, Named(ctx).active_atoms):
        for t, line in zip(atom.trans, atom.atomic_model.lines, strict=False):
            # A profile that was never iterated is that of complete redistribution.
            if line.type == LineType.PRD and np.any(np.asarray(Named(t).rho_prd) != 1.0):
                raise ContextError(
                    f"the line {line.j}-{line.i} of {atom.element.name} was solved in partial "
                    "redistribution, whose emission profile has a response of its own, which is "
                    "not known: hold it with populations='departure coefficients', or solve it "
                    "without (prd=False) in a context made anew"
                )


def medium(ctx: lw.Context, outward_only: bool = False, by_ray: bool = False) -> Medium:
    """Return the medium of a context.

    Parameters
    ----------
    ctx : lightweaver.Context
        Its profiles, background and LTE populations are taken as they are.
    outward_only : bool, optional
        See the outward light of its first ray only (default: False).
    by_ray : bool, optional
        See every ray as a bundle of its own in an atmosphere at rest too (default: False).
    """
    atmos = ctx.kwargs["atmos"]
    grid = np.asarray(ctx.spect.wavelength)
    active = [Named(atom) for atom in Named(ctx).active_atoms]
    counts = np.array([int(a.Nlevel) for a in active])
    first_level = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    together = outward_only or not (by_ray or np.any(atmos.vz))
    mu = np.array(atmos.muz)
    weight = np.ones(1) if outward_only else np.array(atmos.wmu) / np.sum(atmos.wmu)
    parts = [
        (first, t, _entries(atom, t, atmos, together, outward_only))
        for atom, first in zip(active, first_level, strict=True)
        for t in map(Named, atom.trans)
    ]
    found = [(np.searchsorted(grid, np.asarray(t.wavelength)), *made) for _, t, made in parts]
    if not found:
        # Wavelengths of one's own may have no transitions.
        N, bundles = int(atmos.Nspace), 1 if together else 2 * len(mu)
        nothing = np.zeros((0, N))
        found = [(np.zeros(0, int), np.zeros((0, bundles, N)), nothing, np.zeros(0), nothing)]
    where, *stacked = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(where, kind="stable")
    stacked = [np.ascontiguousarray(each[order]) for each in stacked]
    of = np.repeat(np.arange(len(parts)), [len(part[2][2]) for part in parts])[order]
    collisions = np.zeros((counts.sum(), counts.sum(), int(atmos.Nspace)))
    for atom, first, size in zip(active, first_level, counts, strict=True):
        atom.compute_collisions()
        span = slice(first, first + size)
        collisions[span, span] = np.asarray(atom.C) * float(Named(ctx).crsw_callback.val)
    chi, eta = np.array(ctx.background.chi), np.array(ctx.background.eta)
    _add_detailed(ctx, chi, eta, together, outward_only)
    bottom = np.asarray(atmos.temperature)[-2:]
    return Medium(
        height=np.array(atmos.z),
        mu=mu,
        weight=weight,
        share=np.ones(1) if together else np.repeat(0.5 * weight, 2),
        wavelength=grid.copy(),
        planck=np.array([planck(bottom, wave) for wave in grid]),
        chi=chi,
        eta=eta,
        sca=np.array(ctx.background.sca),
        first_level=first_level,
        Nlevel=counts.astype(np.int64),
        lower=np.array([first + t.i for first, t, _ in parts], dtype=np.int64),
        upper=np.array([first + t.j for first, t, _ in parts], dtype=np.int64),
        start=np.searchsorted(where[order], np.arange(len(grid) + 1)).astype(np.int64),
        transition=of.astype(np.int64),
        V=stacked[0],
        g=stacked[1],
        u=stacked[2],
        w=stacked[3],
        collisions=collisions,
        n=np.concatenate([np.array(a.n) for a in active]),
        n_star=np.concatenate([np.array(a.n_star) for a in active]),
        nTotal=np.array([np.array(a.n_total) for a in active]),
    )


def _entries(
    atom: Any, t: Any, atmos: Any, together: bool, outward_only: bool
) -> tuple[Array, Array, Array, Array]:
    """Return V, g, u and w of a transition of an atom, wavelength by wavelength."""
    wavelength = np.asarray(t.wavelength)
    width = np.ones(1)
    if len(wavelength) > 1:
        width = np.gradient(wavelength)
        width[[0, -1]] *= 0.5
    # The transitions are those that are seen: at wavelengths of one's own not all of the model's.
    if t.type == "Line":
        phi = np.asarray(t.phi)
        N = phi.shape[-1]
        seen = phi[:, :1, int(outward_only)] if together else phi.reshape(len(phi), -1, N)
        V = HC / (4.0 * np.pi) * (t.lambda0 / wavelength)[:, None, None] * t.Bij * seen
        g = np.full((len(phi), N), t.Bji / t.Bij)
        if t.trans_model.type == LineType.PRD:
            # In partial redistribution emission, spontaneous or stimulated, has its own profile.
            g *= np.asarray(t.rho_prd)
        u = np.full(len(phi), t.Aji / t.Bji)
        w = 4.0 * np.pi / HC * CLight / t.lambda0 * width[:, None] * np.asarray(t.wphi)
        return V, g, u, w
    x = HC / (KBoltzmann * np.asarray(atmos.temperature) * wavelength[:, None] * 1e-9)
    n_star = np.asarray(atom.n_star)
    g = n_star[t.i] / n_star[t.j] * np.exp(-x)
    bundles = 1 if together else 2 * len(atmos.muz)
    V = np.repeat(np.repeat(np.asarray(t.alpha)[:, None], bundles, 1)[..., None], x.shape[1], 2)
    u = 2.0 * HC / (wavelength * 1e-9) ** 3
    w = np.repeat((4.0 * np.pi / HPlanck * width / wavelength)[:, None], x.shape[1], 1)
    return V, g, u, w


def _add_detailed(
    ctx: lw.Context, chi: Array, eta: Array, together: bool, outward_only: bool
) -> None:
    """Add opacity and emissivity of atoms whose populations are given, mean over the bundles."""
    atmos, grid = ctx.kwargs["atmos"], np.asarray(ctx.spect.wavelength)
    for atom in map(Named, Named(ctx).detailed_atoms):
        n = np.asarray(atom.n)
        for t in map(Named, atom.trans):
            V, g, u, _ = _entries(atom, t, atmos, together, outward_only)
            V = V.mean(axis=1)
            where = np.searchsorted(grid, np.asarray(t.wavelength))
            chi[where] += V * (n[t.i] - g * n[t.j])
            eta[where] += u[:, None] * g * V * n[t.j]


def perturbed(ctx: lw.Context, quantity: str, change: Array) -> lw.Context:
    """Return a copy of a context in another atmosphere, its active populations as they are.

    The copy does not conserve charge: its electrons are as given.

    Parameters
    ----------
    ctx : lightweaver.Context
        Not changed.
    quantity : str
        One of `QUANTITIES`, or the empty string for the same atmosphere.
    change : Array
        Of the quantity at every depth, [Nspace].
    """
    other = copy.deepcopy(ctx)
    setattr(other, spelled(other, "conserve_charge"), False)
    atmos = other.kwargs["atmos"]
    if quantity:
        name = {"vlos": "vz", "nHTot": "nHTot"}.get(quantity, quantity)
        getattr(Named(atmos), name)[:] += change
    eq_pops = Named(entry(other.kwargs, "eq_pops"))
    update = eq_pops.update_lte_atoms_hmin_pops
    # The host makes profiles before the populations that broaden them.
    update(atmos, **keywords(update, conserve_charge=False, update_totals=True), quiet=True)
    if quantity in ("", "temperature", "ne", "nHTot"):
        other.update_deps()
    else:
        other.update_deps(temperature=False, ne=False, background=False)
        other.compute_profiles()
    return other


def ray_context(ctx: lw.Context, mu: float, wavelengths: Array | None) -> lw.Context:
    """Return the context of one ray, with the populations of another one.

    Parameters
    ----------
    ctx : lightweaver.Context
        Not changed.
    mu : float
        Cosine of the angle with the vertical.
    wavelengths : Array or None
        Vacuum wavelengths [nm], increasing; None for the context's own.
    """
    rays = ctx.compute_rays
    given = keywords(rays, wavelengths=wavelengths, mus=mu, return_ctx=True)
    _, found = rays(**given)
    return found


def evaluate(ctx: lw.Context, n: Array, J: Array) -> tuple[Array, Array]:
    """Make a formal solution at some populations.

    Parameters
    ----------
    ctx : lightweaver.Context
        It is given the populations and the radiation field.
    n : Array
        Populations of all active atoms [m-3], [Nlevel, Nspace].
    J : Array
        Mean intensity that is scattered, [Nwave, Nspace].

    Returns
    -------
    net : Array
        Net rates into the levels by the host's own equations [m-3 s-1], [Nlevel, Nspace].
    J : Array
        Mean intensity, [Nwave, Nspace].
    """
    set_state(ctx, n, J)
    ctx.formal_sol_gamma_matrices()
    net = [
        np.einsum("ijk,jk->ik", np.asarray(atom.Gamma), np.asarray(atom.n))
        for atom in Named(ctx).active_atoms
    ]
    return np.concatenate(net), np.array(ctx.spect.J)


def scattered(ctx: lw.Context) -> Array:
    """Return a copy of the mean intensity that is scattered next, [Nwave, Nspace]."""
    return np.array(ctx.spect.J)


def set_state(ctx: lw.Context, n: Array, J: Array) -> None:
    """Set populations and mean intensity of a context; as for :func:`evaluate`."""
    first = 0
    for atom in Named(ctx).active_atoms:
        atom.n[:] = n[first : first + len(atom.n)]
        first += len(atom.n)
    ctx.spect.J[:] = J


def in_lte(ctx: lw.Context) -> lw.Context:
    """Return a copy of a context with the active atoms' populations in LTE."""
    other = copy.deepcopy(ctx)
    for atom in map(Named, Named(other).active_atoms):
        atom.n[:] = atom.n_star
    return other


def media_by_hydrogen(
    ctx: lw.Context, mu: float, wavelengths: Array | None, ray: Medium
) -> list[tuple[int, Medium, Array]]:
    """Return what a ray passes through at other populations of hydrogen, if that is active.

    The host makes background and damping of `ray_context` with hydrogen as it is, and does not
    follow it in those of a context that it solves. It takes them from the ground level and the
    protons: the levels between are looked at one by one only if all of them together matter.

    Parameters
    ----------
    ctx, mu, wavelengths
        As for :func:`ray_context`.
    ray : Medium
        What the ray passes through at the populations of the context.

    Returns
    -------
    found : list of tuple
        For every level of hydrogen that matters its number among those of all active atoms, the
        medium with its population raised, and by how much [m-3], [Nspace].
    """
    found: list[tuple[int, Medium, Array]] = []
    first = 0
    for which, atom in enumerate(map(Named, Named(ctx).active_atoms)):
        if atom.element.name == "H":
            other, step = copy.deepcopy(ctx), QUANTITIES["nHTot"][1] * np.array(atom.n)
            raised = partial(_raised, other, Named(other).active_atoms[which].n, step)
            ends, between = [0, len(step) - 1], list(range(1, len(step) - 1))
            if between and not _same(raised(between, mu, wavelengths), ray):
                ends = list(range(len(step)))
            found += [(first + k, raised([k], mu, wavelengths), step[k]) for k in ends]
        first += int(atom.Nlevel)
    return found


def _raised(
    ctx: lw.Context,
    n: Array,
    step: Array,
    levels: list[int],
    mu: float,
    wavelengths: Array | None,
) -> Medium:
    """Return what a ray passes through with the populations of some levels raised by steps."""
    before = np.array(n)
    n[levels] += step[levels]
    ray = medium(ray_context(ctx, mu, wavelengths), outward_only=True)
    n[:] = before
    return ray


def _same(one: Medium, other: Medium) -> bool:
    """Return whether light passes through two media in the same way, given its populations."""
    names = ("chi", "eta", "sca", "V", "g")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
