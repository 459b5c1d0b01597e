"""The local physics of a line of a context, or of a two-level atom's from plain arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from lightweaver import voigt_H
from lightweaver.constants import CLight, HPlanck, KBoltzmann

from ..arrays import Array
from .boundaries import HOSTS, given_light, kind
from .names import Named, entry
from .state import LinePhysics, LineProfile, unlit

__all__ = [
    "equivalent",
    "from_arrays",
    "line_waves",
    "of_line",
    "profile_from_arrays",
    "profile_of_line",
]

#: No opacity is below this [m-1].
_TRANSPARENT = 1e-300
#: What counts as symmetric, as a share of the largest value.
_SYMMETRIC = 1e-6


def from_arrays(
    *,
    height: Array,
    temperature: Array,
    vlos: Array,
    vBroad: Array,
    aDamp: Array,
    nTotal: Array,
    C_ul: Array,
    chi: Array,
    sca: Array,
    lambda0: float,
    Aji: float,
    Bij: float,
    g_ratio: float,
    extent: float,
    columns: int = 1,
) -> LinePhysics:
    """Return the line physics of a two-level atom; all arrays have shape [Nspace].

    Parameters
    ----------
    height : Array
        Height of the depths, downwards [m].
    temperature : Array
        Temperature [K].
    vlos : Array
        Line-of-sight velocity [m s-1].
    vBroad : Array
        Doppler broadening velocity [m s-1].
    aDamp : Array
        Voigt damping parameter.
    nTotal : Array
        Number density of the atom [m-3].
    C_ul : Array
        Collisional rate of de-excitation [s-1].
    chi, sca : Array
        Opacity of the background at line centre, and the part of it that scatters [m-1].
    lambda0 : float
        Vacuum wavelength of line centre [m].
    Aji, Bij : float
        Einstein's coefficients of spontaneous emission [s-1] and of absorption [m2 J-1 sr].
    g_ratio : float
        Statistical weight of the upper level over that of the lower one.
    extent : float
        How far the line's wavelengths reach from its centre, as a velocity [m s-1].
    columns : int, optional
        Columns, whose points at one height are neighbours in the arrays (default: 1).
    """
    nu = CLight / lambda0
    x = HPlanck * nu / (KBoltzmann * temperature)
    destruction = C_ul * -np.expm1(-x)
    epsilon = destruction / (Aji + destruction)

    doppler_width = nu * vBroad / CLight
    phi0 = voigt_H(aDamp, np.zeros_like(aDamp)) / (np.sqrt(np.pi) * doppler_width)
    chi_line = HPlanck * nu / (4.0 * np.pi) * nTotal * Bij * phi0
    chi_line = np.maximum(chi_line, _TRANSPARENT)
    chi = np.maximum(chi, _TRANSPARENT)

    return LinePhysics(
        height=height.copy(),
        opacity=chi_line,
        log_tau=_log_tau(height, chi_line, columns),
        epsilon=epsilon,
        log_B=-np.log(np.expm1(np.minimum(x, 700.0))),
        damping=aDamp.copy(),
        background=chi / chi_line,
        albedo=sca / chi,
        velocity=vlos / vBroad,
        broadening=vBroad.copy(),
        temperature=temperature.copy(),
        g_ratio=g_ratio,
        extent=extent,
    )


def _log_tau(height: Array, chi_line: Array, columns: int) -> Array:
    """Return the logarithm of the vertical optical depth."""
    above, below = slice(None, -columns), slice(columns, None)
    mean_chi = 0.5 * (chi_line[below] + chi_line[above])
    # Above the top the optical depth continues with the scale height of the first layer.
    dtau = ((height[above] - height[below]) * mean_chi).reshape(-1, columns)
    tau = 0.5 * dtau[0] + np.concatenate([np.zeros((1, columns)), np.cumsum(dtau, axis=0)])
    log_tau: Array = np.log(tau).ravel()
    return log_tau


def equivalent(line: LinePhysics, share: Array, epsilon: Array, log_B: Array) -> LinePhysics:
    """Return the physics of a line as that of a two-level atom of its two levels alone.

    Parameters
    ----------
    line : LinePhysics
        Of the line, with opacities of atoms that are all in its lower level.
    share : Array
        Share of the atoms in its two levels, [Nspace].
    epsilon, log_B : Array
        Photon destruction probability, and ln(c^2 B / 2 h nu^3) of what is created otherwise,
        [Nspace].
    """
    opacity = np.maximum(line.opacity * share, _TRANSPARENT)
    return replace(
        line,
        opacity=opacity,
        log_tau=_log_tau(line.height, opacity, line.columns),
        epsilon=epsilon,
        log_B=log_B,
        background=line.background * line.opacity / opacity,
    )


def profile_from_arrays(
    *,
    wavelength: Array,
    lambda0: float,
    phi: Array,
    vlos: Array,
    vBroad: Array,
    aDamp: Array,
    mu: Array,
    wmu: Array,
    incident: Array | None = None,
) -> LineProfile | None:
    """Return a line's profile on its own wavelengths, None where these are not symmetric.

    Parameters
    ----------
    wavelength : Array
        Increasing vacuum wavelengths [nm], [Nwave].
    lambda0 : float
        That of line centre [nm].
    phi : Array
        Profile [s m-1], per velocity, as the host has it, [Nwave, Nray, down and up, Nspace].
    vlos, vBroad, aDamp : Array
        Line-of-sight velocity and Doppler broadening velocity [m s-1], Voigt damping parameter,
        [Nspace].
    mu, wmu : Array
        Cosines of the rays' angles, and their weights, [Nray].
    incident : Array, optional
        Intensity that enters, [2, Nwave, Nray] as of `LineProfile` (default: see there).
    """
    incident = unlit(wavelength.size, mu.size) if incident is None else incident
    x = wavelength - lambda0
    N = x.size
    if N < 3 or np.abs(x + x[::-1]).max() > _SYMMETRIC * x[-1]:
        return None
    if np.abs(phi[:, 0, 0] - phi[::-1, 0, 1]).max() > _SYMMETRIC * phi[:, 0, 0].max():
        return None
    weight = np.gradient(x)
    # The trapezoidal rule, as the host's.
    weight[[0, -1]] *= 0.5
    up = phi[:, :, 1]
    if not vlos.any():
        half = (N + 1) // 2
        weight, up = weight[:half].copy(), up[:half, :1]
        # The middle one of an odd number is its own image.
        weight[: N // 2] *= 2.0
        incident = 0.5 * (incident + incident[:, ::-1])[:, :half]
    else:
        # Light that goes inward belongs to the mirror images of the wavelengths.
        incident = np.stack([incident[0, ::-1], incident[1]])
    centre = voigt_H(aDamp, np.zeros_like(aDamp)) / (np.sqrt(np.pi) * vBroad)
    value = np.ascontiguousarray((up / centre).transpose(2, 0, 1))
    return LineProfile(value, weight, mu.copy(), wmu.copy(), N, incident)


def of_line(ctx: Any, atom: Named, k: int) -> LinePhysics:
    """Return the physics of a line of a context.

    Parameters
    ----------
    ctx : lightweaver.Context
        The context.
    atom : Named
        One of its active atoms.
    k : int
        Which of the atom's lines.
    """
    trans, atmos = Named(atom.trans[k]), ctx.kwargs["atmos"]
    line, levels = atom.atomic_model.lines[k], atom.atomic_model.levels
    # C[i, j] is the rate from j to i.
    C_ul = np.asarray(atom.C)[line.i, line.j]
    if not np.any(C_ul > 0.0):
        C_ul = _collisions(ctx, atom)[line.i, line.j]
    wave = int(np.argmin(np.abs(np.asarray(ctx.spect.wavelength) - line.lambda0)))
    offset = np.abs(np.asarray(trans.wavelength) / line.lambda0 - 1.0)
    columns = int(atmos.Nspace) // len(atmos.z)
    return from_arrays(
        height=np.repeat(atmos.z, columns),
        columns=columns,
        temperature=np.asarray(atmos.temperature),
        vlos=np.asarray(atmos.vz),
        vBroad=np.asarray(atom.v_broad),
        aDamp=np.asarray(trans.a_damp),
        nTotal=np.asarray(atom.n_total),
        C_ul=C_ul,
        chi=np.asarray(ctx.background.chi)[wave],
        sca=np.asarray(ctx.background.sca)[wave],
        lambda0=line.lambda0_m,
        Aji=line.Aji,
        Bij=line.Bij,
        g_ratio=levels[line.j].g / levels[line.i].g,
        extent=float(offset.max()) * CLight,
    )


def profile_of_line(ctx: Any, atom: Named, k: int) -> LineProfile | None:
    """Return a line's profile on the context's own wavelengths (`profile_from_arrays`).

    Parameters
    ----------
    ctx, atom, k
        As for :func:`of_line`.
    """
    atmos, trans = ctx.kwargs["atmos"], Named(atom.trans[k])
    return profile_from_arrays(
        wavelength=np.asarray(trans.wavelength),
        lambda0=atom.atomic_model.lines[k].lambda0,
        phi=np.asarray(trans.phi),
        vlos=np.asarray(atmos.vz),
        vBroad=np.asarray(atom.v_broad),
        aDamp=np.asarray(trans.a_damp),
        mu=np.asarray(atmos.muz),
        wmu=np.asarray(atmos.wmu),
        incident=_incident(ctx, trans),
    )


def line_waves(ctx: Any, trans: Named) -> tuple[slice, Array]:
    """Return where a line's wavelengths are in the context's, and 2 h nu^3 / c^2, [Nwave, 1]."""
    wavelength = np.asarray(trans.wavelength)
    first = int(np.searchsorted(np.asarray(ctx.spect.wavelength), wavelength[0]))
    photons = 2.0 * HPlanck * CLight / (wavelength * 1e-9) ** 3
    return slice(first, first + wavelength.size), photons[:, None]


def _incident(ctx: Any, trans: Named) -> Array:
    """Return the intensity that enters at a line's wavelengths, as `LineProfile` has it."""
    atmos = Named(ctx.kwargs["atmos"])
    incident = unlit(len(trans.wavelength), len(atmos.muz))
    if kind(atmos.z_lower_bc) != "ThermalisedRadiation":
        incident[1] = 0.0
    for outward, bc in enumerate((atmos.z_upper_bc, atmos.z_lower_bc)):
        if kind(bc) not in HOSTS:
            waves, photons = line_waves(ctx, trans)
            data = given_light(bc, ctx, 1)[waves, :, 0]
            incident[outward] = data[:, Named(bc).index_vector[:, outward]] / photons
    return incident


def _collisions(ctx: Any, atom: Named) -> Array:
    """Return C [s-1] before the first formal solution has filled the host's array."""
    eq_pops, atmos = entry(ctx.kwargs, "eq_pops"), ctx.kwargs["atmos"]
    C = np.zeros((atom.Nlevel, atom.Nlevel, int(atmos.Nspace)))
    for rate in atom.atomic_model.collisions:
        rate.compute_rates(atmos, eq_pops, C)
    return C
