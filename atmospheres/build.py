"""Build, check and resample one-dimensional atmospheres."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import astropy.units as u
import lightweaver as lw
import numpy as np
from lightweaver.wittmann import Wittmann
from scipy.interpolate import PchipInterpolator

from lw_rl.errors import AtmosphereError
from lw_rl.host.names import Named, both_spellings, keywords

__all__ = [
    "BOUNDARIES",
    "SOLAR_GRAVITY",
    "from_arrays",
    "hydrostatic",
    "isothermal",
    "lte_electron_density",
    "resample",
    "validate",
]

#: Solar surface gravity [m s-2] (log g = 4.44 in cgs).
SOLAR_GRAVITY = 10**2.44

#: The radiation that enters through the top or the bottom, by name.
BOUNDARIES = {"zero": lw.ZeroRadiation, "thermalised": lw.ThermalisedRadiation}

#: No stellar atmosphere comes near these; numbers that were never written lie far beyond (the fill
#: value of netCDF is 1e37).
_MAX_HEIGHT, _MAX_TEMPERATURE, _MAX_DENSITY, _MAX_FIELD = 1e15, 1e9, 1e30, 1e6


def _si(name: str, value: Any, unit: u.UnitBase, Nspace: int | None = None) -> np.ndarray:
    """Return `value` as a float array in `unit`; a bare number is taken to be in it already."""
    try:
        array = np.array(u.Quantity(value, unit).value, dtype=float)
    except (u.UnitConversionError, u.UnitTypeError, TypeError, ValueError) as err:
        raise AtmosphereError(f"{name} must be convertible to [{unit}]: {err}") from err
    if Nspace is not None:
        if array.ndim == 0:
            array = np.full(Nspace, float(array))
        if array.shape != (Nspace,):
            raise AtmosphereError(f"{name} has shape {array.shape}, expected ({Nspace},)")
    return array


def _require(ok: np.ndarray, name: str, values: np.ndarray, condition: str) -> None:
    if not ok.all():
        k = int(np.argmin(ok))
        value = values[k].item()
        raise AtmosphereError(
            f"{name} must be {condition} at every depth; it is {value!r} at depth index {k}"
        )


def validate(atmos: lw.Atmosphere) -> None:
    """Check that a formal solution can be made for an atmosphere.

    Parameters
    ----------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    AtmosphereError
        For fewer than three depths (or columns, in two dimensions), heights that do not decrease
        strictly or columns that do not increase, a last column that does not repeat the first where
        x is periodic, a boundary that the host does not have in x, temperatures or
        densities that are not positive, microturbulence that is negative, velocities of light or
        above, and whatever is not finite or beyond all atmospheres (heights of 1e15 m, 1e9 K,
        1e30 m-3). The message names the quantity, the first depth and the value there.
    """
    if atmos.Ndim == 1:
        z = np.asarray(atmos.z)
        if z.shape[0] < 3:
            raise AtmosphereError(f"an atmosphere needs at least 3 depths, this one has {len(z)}")
        _require(np.abs(z) <= _MAX_HEIGHT, "height z [m]", z, f"finite (at most {_MAX_HEIGHT:g})")
        _require(z[1:] < z[:-1], "height z [m]", z, "strictly greater than the next")
    elif atmos.Ndim == 2:
        _validate_plane(atmos)
    for name, values, most in (
        ("temperature [K]", atmos.temperature, _MAX_TEMPERATURE),
        ("hydrogen density nHTot [m-3]", Named(atmos).nh_tot, _MAX_DENSITY),
        ("electron density ne [m-3]", atmos.ne, _MAX_DENSITY),
    ):
        values = np.asarray(values)
        _require((values > 0.0) & (values <= most), name, values, _positive(most))
    vturb, vz = np.asarray(atmos.vturb), np.asarray(atmos.vz)
    ok = (vturb >= 0.0) & (vturb < lw.CLight)
    _require(ok, "microturbulence vturb [m s-1]", vturb, "finite, not negative and below light's")
    _require(np.abs(vz) < lw.CLight, "velocity vz [m s-1]", vz, "finite and below light's")
    if atmos.Ndim == 2:
        vx = np.asarray(atmos.vx)
        _require(np.abs(vx) < lw.CLight, "velocity vx [m s-1]", vx, "finite and below light's")


def _validate_plane(atmos: lw.Atmosphere) -> None:
    """Check grid and sides of an atmosphere of two dimensions."""
    z, x = np.asarray(atmos.z), np.asarray(atmos.x)
    if len(z) < 3 or len(x) < 3:
        raise AtmosphereError(
            f"an atmosphere of two dimensions needs at least 3 rows and 3 columns, this one has "
            f"{len(z)} x {len(x)}"
        )
    for name, values, falls in (("height z [m]", z, True), ("column x [m]", x, False)):
        _require(np.abs(values) <= _MAX_HEIGHT, name, values, f"finite (at most {_MAX_HEIGHT:g})")
        step = np.diff(values) < 0.0 if falls else np.diff(values) > 0.0
        beyond = "strictly greater than the next" if falls else "strictly less than the next"
        _require(np.append(step, True), name, values, beyond)
    names = Named(atmos)
    sides = names.x_lower_bc, names.x_upper_bc
    periodic = [isinstance(side, lw.PeriodicRadiation) for side in sides]
    given = [
        not isinstance(side, lw.PeriodicRadiation | lw.ZeroRadiation | lw.ThermalisedRadiation)
        for side in sides
    ]
    if not (all(periodic) or all(given)):
        kinds = " and ".join(type(side).__name__ for side in sides)
        raise AtmosphereError(
            f"the sides are {kinds}; the host has two in x: PeriodicRadiation on both, or on both "
            "a BoundaryCondition of one's own whose compute_bc returns what enters"
        )
    if all(periodic):
        for name, values in (
            ("temperature", atmos.temperature), ("nHTot", names.nh_tot), ("ne", atmos.ne),
            ("vturb", atmos.vturb), ("vx", atmos.vx), ("vz", atmos.vz),
        ):  # fmt: skip
            values = np.reshape(values, (len(z), len(x)))
            differs = ~np.isclose(values[:, 0], values[:, -1], rtol=1e-6, atol=1e-3)
            if np.any(differs):
                k = int(np.argmax(differs))
                raise AtmosphereError(
                    f"a periodic atmosphere repeats its first column in the last, since its period "
                    f"is x[-1] - x[0]; {name} is {values[k, 0]:.6g} in the first and "
                    f"{values[k, -1]:.6g} in the last at row {k}: append the first column"
                )


def _positive(most: float) -> str:
    return f"positive and finite (at most {most:g})"


def lte_electron_density(temperature: Any, nHTot: Any) -> np.ndarray:
    """Return the electron density in LTE, from temperature and hydrogen density.

    Lightweaver's equation of state (Wittmann 1974, Sol. Phys. 35, 11): all elements give electrons.

    Parameters
    ----------
    temperature : array_like or Quantity
        Temperature [K], shape [Nspace].
    nHTot : array_like or Quantity
        Total hydrogen density [m-3], shape [Nspace].

    Returns
    -------
    ne : array
        Electron density [m-3], shape [Nspace].

    Raises
    ------
    AtmosphereError
        If temperature or density are not positive and finite, or beyond all atmospheres.
    """
    T, nH = _si("temperature", temperature, u.K), _si("nHTot", nHTot, u.m**-3)
    for name, values, most in (
        ("temperature [K]", T, _MAX_TEMPERATURE),
        ("hydrogen density nHTot [m-3]", nH, _MAX_DENSITY),
    ):
        _require((values > 0.0) & (values <= most), name, values, _positive(most))
    rho = (nH * lw.Amu * Named(lw.DefaultAtomicAbundance).mass_per_h << u.kg / u.m**3).to_value(
        u.g / u.cm**3
    )
    eos = _equation_of_state()
    pe_cgs = np.array([eos.pe_from_rho(t, r) for t, r in zip(T, rho, strict=True)])
    return (pe_cgs << u.dyn / u.cm**2).to_value(u.Pa) / (lw.KBoltzmann * T)


@cache
def _equation_of_state() -> Wittmann:
    abundance = lw.DefaultAtomicAbundance
    return Wittmann(abund_init=np.array([abundance[e] for e in lw.PeriodicTable.elements]))


@both_spellings
def from_arrays(
    height: Any,
    temperature: Any,
    ne: Any,
    nHTot: Any,
    vturb: Any = 0.0,
    vlos: Any = 0.0,
    bottom: str | lw.BoundaryCondition = "thermalised",
    top: str | lw.BoundaryCondition = "zero",
    magnetic: Any = None,
) -> lw.Atmosphere:
    """Build an atmosphere on a geometric scale, without a conversion through the opacities.

    Parameters
    ----------
    height : array_like or Quantity
        Heights, from the top downwards [m], shape [Nspace].
    temperature : array_like or Quantity
        Temperature [K], shape [Nspace] (or one number).
    ne : array_like, Quantity or None
        Electron density [m-3]; None for that of LTE (:func:`lte_electron_density`).
    nHTot : array_like or Quantity
        Total hydrogen density [m-3] (``nh_tot`` in the spelling of Lightweaver 1.0).
    vturb, vlos : array_like or Quantity, optional
        Microturbulence and line-of-sight velocity, positive upwards [m s-1] (default: 0).
    bottom, top : {"zero", "thermalised"} or lightweaver.BoundaryCondition, optional
        The radiation that enters from below (default: the Planck function) and from above
        (default: none).
    magnetic : array_like or Quantity, optional
        Magnetic field along x, y and upwards [T], shape [3, Nspace], for Stokes profiles
        (default: none).

    Returns
    -------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    AtmosphereError
        For wrong units or shapes, and for whatever :func:`validate` refuses.
    """
    z = _si("height", height, u.m)
    if z.ndim != 1:
        raise AtmosphereError(f"height must be one-dimensional, got shape {z.shape}")
    N = z.shape[0]
    T, nH = _si("temperature", temperature, u.K, N), _si("nHTot", nHTot, u.m**-3, N)
    given = keywords(
        lw.Layout.make_1d,
        z=z,
        vz=_si("vlos", vlos, u.m / u.s, N),
        lower_bc=_boundary("bottom", bottom),
        upper_bc=_boundary("top", top),
    )
    structure = lw.Layout.make_1d(**given)
    given = keywords(
        lw.Atmosphere,
        structure=structure,
        temperature=T,
        vturb=_si("vturb", vturb, u.m / u.s, N),
        ne=lte_electron_density(T, nH) if ne is None else _si("ne", ne, u.m**-3, N),
        nh_tot=nH,
        **_field(magnetic, N),
    )
    atmos = lw.Atmosphere(**given)
    validate(atmos)
    return atmos


def _field(magnetic: Any, Nspace: int) -> dict[str, np.ndarray]:
    """Return strength, inclination and azimuth of a magnetic field, as the host names them."""
    if magnetic is None:
        return {}
    field = _si("magnetic", magnetic, u.T)
    if field.shape != (3, Nspace):
        raise AtmosphereError(f"magnetic has shape {field.shape}, expected (3, {Nspace})")
    for values in field:
        _require(np.abs(values) <= _MAX_FIELD, "magnetic field [T]", values, "finite, at most 1e6,")
    strength = np.sqrt((field**2).sum(axis=0))
    cosine = np.divide(field[2], strength, out=np.ones(Nspace), where=strength > 0.0)
    return {"B": strength, "gamma_B": np.arccos(cosine), "chi_B": np.arctan2(field[1], field[0])}


def _boundary(where: str, given: str | lw.BoundaryCondition) -> lw.BoundaryCondition:
    if hasattr(given, "compute_bc"):
        return given
    if given not in BOUNDARIES:
        raise AtmosphereError(
            f"{where} is one of {', '.join(BOUNDARIES)} or a lightweaver.BoundaryCondition, got "
            f"{given!r}"
        )
    return BOUNDARIES[given]()


def hydrostatic(
    column_mass: np.ndarray,
    temperature: np.ndarray,
    vturb: Any = 0.0,
    vlos: Any = 0.0,
    gravity: float = SOLAR_GRAVITY,
) -> lw.Atmosphere:
    """Build an atmosphere in hydrostatic equilibrium from temperature against column mass.

    The gas pressure is gravity times column mass; electron and mass density follow from it
    through Lightweaver's equation of state (Wittmann 1974, Sol. Phys. 35, 11; LTE ionisation).

    Parameters
    ----------
    column_mass : array
        Column mass, increasing [kg m-2], shape [Nspace].
    temperature : array
        Temperature [K], shape [Nspace].
    vturb, vlos : array_like, optional
        Microturbulence and line-of-sight velocity [m s-1].
    gravity : float, optional
        Surface gravity [m s-2] (default: the Sun's).

    Returns
    -------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    AtmosphereError
        As :func:`from_arrays`, and if the column mass does not increase.
    """
    m, T = np.asarray(column_mass, float), np.asarray(temperature, float)
    _require(np.append(np.diff(m) > 0.0, True) & (m > 0.0), "column mass", m, "increasing")
    _require(
        np.isfinite(T) & (T >= 2000.0), "temperature [K]", T, "at least 2000 (the EOS's limit)"
    )
    abundance, eos = lw.DefaultAtomicAbundance, _equation_of_state()
    pgas = (gravity * m << u.Pa).to_value(u.dyn / u.cm**2)
    rho_cgs = np.array([eos.rho_from_pg(t, p) for t, p in zip(T, pgas, strict=True)])
    pe_cgs = np.array([eos.pe_from_pg(t, p) for t, p in zip(T, pgas, strict=True)])
    rho = (rho_cgs << u.g / u.cm**3).to_value(u.kg / u.m**3)
    ne = (pe_cgs << u.dyn / u.cm**2).to_value(u.Pa) / (lw.KBoltzmann * T)
    height = -np.concatenate(([0.0], np.cumsum(np.diff(m) * 2.0 / (rho[1:] + rho[:-1]))))
    return from_arrays(
        height=height - height[-1],
        temperature=T,
        ne=ne,
        nHTot=rho / (lw.Amu * Named(abundance).mass_per_h),
        vturb=vturb,
        vlos=vlos,
    )


def isothermal(
    temperature: Any = 6000.0 * u.K,
    Nspace: int = 82,
    column_mass: tuple[Any, Any] = (1e-4 * u.kg / u.m**2, 80.0 * u.kg / u.m**2),
    vturb: Any = 2e3 * u.m / u.s,
) -> lw.Atmosphere:
    """Return an isothermal slab in hydrostatic equilibrium, uniform in log column mass.

    Parameters
    ----------
    temperature : float or Quantity, optional
        Temperature [K] (default: 6000).
    Nspace : int, optional
        Number of depths (default: 82).
    column_mass : tuple of float or Quantity, optional
        Column mass at the top and at the bottom [kg m-2] (default: 1e-4 and 80).
    vturb : float or Quantity, optional
        Microturbulence [m s-1] (default: 2000).

    Raises
    ------
    AtmosphereError
        For values no atmosphere can be made of; the message names the value.
    """
    top, bottom = (float(_si("column_mass", c, u.kg / u.m**2)) for c in column_mass)
    if not 0.0 < top < bottom:
        raise AtmosphereError(f"column mass must satisfy 0 < top < bottom, got {top} and {bottom}")
    if Nspace < 3:
        raise AtmosphereError(f"Nspace must be at least 3, got {Nspace}")
    T = np.full(Nspace, float(_si("temperature", temperature, u.K)))
    return hydrostatic(np.geomspace(top, bottom, Nspace), T, vturb=vturb)


def resample(atmos: lw.Atmosphere, Nspace: int) -> lw.Atmosphere:
    """Resample an atmosphere to another number of depths.

    Monotone cubic interpolation (Fritsch and Carlson 1980) against the depth index, densities and
    temperature in the logarithm: the points stay concentrated where the model concentrates them.

    Parameters
    ----------
    atmos : lightweaver.Atmosphere
        One-dimensional.
    Nspace : int
        The new number of depths.

    Returns
    -------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    AtmosphereError
        If `Nspace` is below 3 or the atmosphere is not one-dimensional.
    """
    if atmos.Ndim != 1:
        raise AtmosphereError(f"only 1-D atmospheres can be resampled, this one is {atmos.Ndim}-D")
    if Nspace < 3:
        raise AtmosphereError(f"Nspace must be at least 3, got {Nspace}")
    old = np.linspace(0.0, 1.0, atmos.Nspace)
    new = np.linspace(0.0, 1.0, Nspace)

    def at(values):
        return PchipInterpolator(old, np.asarray(values))(new)

    return from_arrays(
        height=at(atmos.z),
        temperature=np.exp(at(np.log(atmos.temperature))),
        ne=np.exp(at(np.log(atmos.ne))),
        nHTot=np.exp(at(np.log(Named(atmos).nh_tot))),
        vturb=at(atmos.vturb),
        vlos=at(atmos.vz),
        bottom=copy.copy(Named(atmos).z_lower_bc),
        top=copy.copy(Named(atmos).z_upper_bc),
    )
