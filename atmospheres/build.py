"""Build, check and resample one-dimensional atmospheres."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import lightweaver as lw
import numpy as np
from lightweaver.wittmann import Wittmann
from scipy.interpolate import PchipInterpolator

from lw_rl.errors import AtmosphereError
from lw_rl.host.names import Named, both_spellings, keywords

__all__ = ["SOLAR_GRAVITY", "from_arrays", "hydrostatic", "isothermal", "resample", "validate"]

#: Solar surface gravity [m s-2] (log g = 4.44 in cgs).
SOLAR_GRAVITY = 10**2.44


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
    if not np.all(ok):
        k = int(np.argmin(ok))
        raise AtmosphereError(
            f"{name} must be {condition} at every depth; it is {values[k]!r} at depth index {k}"
        )


def validate(atmos: lw.Atmosphere) -> None:
    """Check that a formal solution can be made for an atmosphere.

    Parameters
    ----------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    AtmosphereError
        For fewer than three depths, heights that do not decrease strictly, temperatures or
        densities that are not positive and finite, microturbulence that is negative, velocities
        that are not finite. The message names the quantity, the first depth and the value there.
    """
    if atmos.Ndim == 1:
        z = np.asarray(atmos.z)
        if z.shape[0] < 3:
            raise AtmosphereError(f"an atmosphere needs at least 3 depths, this one has {len(z)}")
        _require(np.isfinite(z), "height z [m]", z, "finite")
        _require(
            np.append(np.diff(z) < 0.0, True), "height z [m]", z, "strictly greater than the next"
        )
    for name, values in (
        ("temperature [K]", atmos.temperature),
        ("electron density ne [m-3]", atmos.ne),
        ("hydrogen density nHTot [m-3]", Named(atmos).nh_tot),
    ):
        values = np.asarray(values)
        _require(np.isfinite(values) & (values > 0.0), name, values, "positive and finite")
    vturb, vz = np.asarray(atmos.vturb), np.asarray(atmos.vz)
    ok = np.isfinite(vturb) & (vturb >= 0.0)
    _require(ok, "microturbulence vturb [m s-1]", vturb, "finite and not negative")
    _require(np.isfinite(vz), "velocity vz [m s-1]", vz, "finite")


@both_spellings
def from_arrays(
    height: Any,
    temperature: Any,
    ne: Any,
    nHTot: Any,
    vturb: Any = 0.0,
    vlos: Any = 0.0,
) -> lw.Atmosphere:
    """Build an atmosphere on a geometric scale, without a conversion through the opacities.

    Parameters
    ----------
    height : array_like or Quantity
        Heights, from the top downwards [m], shape [Nspace].
    temperature : array_like or Quantity
        Temperature [K], shape [Nspace] (or one number).
    ne, nHTot : array_like or Quantity
        Electron and total hydrogen density [m-3] (``nh_tot`` in the spelling of Lightweaver 1.0).
    vturb, vlos : array_like or Quantity, optional
        Microturbulence and line-of-sight velocity, positive upwards [m s-1] (default: 0).

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
    given = keywords(
        lw.Layout.make_1d,
        z=z,
        vz=_si("vlos", vlos, u.m / u.s, N),
        lower_bc=lw.ThermalisedRadiation(),
        upper_bc=lw.ZeroRadiation(),
    )
    structure = lw.Layout.make_1d(**given)
    given = keywords(
        lw.Atmosphere,
        structure=structure,
        temperature=_si("temperature", temperature, u.K, N),
        vturb=_si("vturb", vturb, u.m / u.s, N),
        ne=_si("ne", ne, u.m**-3, N),
        nh_tot=_si("nHTot", nHTot, u.m**-3, N),
    )
    atmos = lw.Atmosphere(**given)
    validate(atmos)
    return atmos


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
    abundance = lw.DefaultAtomicAbundance
    eos = Wittmann(abund_init=np.array([abundance[e] for e in lw.PeriodicTable.elements]))
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
    )
