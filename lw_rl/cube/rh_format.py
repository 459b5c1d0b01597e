"""The RH 1.5D atmosphere format: its variables, units and dimensions.

The format (Pereira and Uitenbroek 2015, A&A 574, A3) is netCDF4/HDF5 in SI: ``temperature``,
``velocity_z``, ``electron_density``, ``velocity_turbulent`` with dimensions (nt, nx, ny, nz),
``hydrogen_populations`` with (nt, nhydr, nx, ny, nz), and ``z`` with (nt, nz) or
(nt, nx, ny, nz), from the top downwards. ``electron_density`` and the velocities may be left out.
The magnetic field, ``B_x``, ``B_y``, ``B_z``, is read where Stokes profiles are asked for.
The attributes ``boundary_top`` and ``boundary_bottom`` say what radiation enters there; without
them it is none at the top and the Planck function at the bottom.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
import xarray as xr

from ..arrays import Array
from ..errors import CubeInputError

__all__ = [
    "DIMENSIONS",
    "VARIABLES",
    "FormatVariable",
    "boundary",
    "canonical",
    "check_heights",
    "conversion_factor",
    "open_cube",
]


#: Names that the dimensions go by, canonical name first.
DIMENSIONS = {
    "t": ("t", "nt", "time", "snapshot_number", "snapshot"),
    "x": ("x", "nx"),
    "y": ("y", "ny"),
    "depth": ("depth", "nz", "height", "z", "index"),
    "nhydr": ("nhydr", "level", "hydrogen_level"),
}
#: The order in which the format declares them, for files without names of dimensions.
_ORDER = ("t", "x", "y", "depth")


@dataclass(frozen=True)
class FormatVariable:
    """What the format says of a variable: its unit, and whether a cube may lack it."""

    unit: u.UnitBase
    required: bool


VARIABLES = {
    "temperature": FormatVariable(u.K, True),
    "electron_density": FormatVariable(u.m**-3, False),
    "hydrogen_populations": FormatVariable(u.m**-3, True),
    "z": FormatVariable(u.m, True),
    "velocity_z": FormatVariable(u.m / u.s, False),
    "velocity_turbulent": FormatVariable(u.m / u.s, False),
    **{name: FormatVariable(u.T, False) for name in ("B_x", "B_y", "B_z")},
}


#: The codes of the boundaries, and what those stand for that need more than the file holds: RH 1.5D
#: takes 2 for irradiation from a file of its own, helita writes 2 for a mirror.
_BOUNDARIES = {0: "zero", 1: "thermalised"}
_WITHOUT = {2: "irradiated or reflective", 3: "reflective", 4: "irradiated"}
#: The boundary of a cube that has no attribute.
_USUAL = {"top": "zero", "bottom": "thermalised"}


def boundary(data: xr.Dataset, where: str, cube: str) -> str:
    """Return what radiation enters at the ``"top"`` or the ``"bottom"`` of a cube.

    Parameters
    ----------
    data : xarray.Dataset
    where : {"top", "bottom"}
    cube : str
        What error messages call the cube.

    Returns
    -------
    boundary : {"zero", "thermalised"}

    Raises
    ------
    CubeInputError
        If the attribute says something else.
    """
    name = f"boundary_{where}"
    if name not in data.attrs:
        return _USUAL[where]
    given = data.attrs[name]
    try:
        (value,) = np.ravel(given)
        code = int(value)
        if code != float(value):
            raise ValueError(value)
    except (TypeError, ValueError):
        code = -1
    if code in _BOUNDARIES:
        return _BOUNDARIES[code]
    meaning = f" ({_WITHOUT[code]})" if code in _WITHOUT else ""
    raise CubeInputError(
        f"{name} of {cube} is {given!r}{meaning}; it can be 0, no radiation enters, or 1, the "
        "Planck function does"
    )


def conversion_factor(data: xr.Dataset, name: str, cube: str) -> float:
    """Return the factor from a variable's unit to the format's.

    Parameters
    ----------
    data : xarray.Dataset
    name : str
        One of :data:`VARIABLES`.
    cube : str
        What error messages call the cube.

    Raises
    ------
    CubeInputError
        If the unit cannot be converted.
    """
    given = data[name].attrs.get("units")
    expected = VARIABLES[name].unit
    if given is None:
        # The format lays down SI; the attribute is optional in it.
        return 1.0
    text = given.decode() if isinstance(given, bytes) else str(given)
    try:
        return float(u.Unit(text).to(expected))
    except (ValueError, TypeError, u.UnitConversionError) as err:
        raise CubeInputError(
            f"{name} of {cube} has units {text!r}, which cannot be converted to [{expected}]: {err}"
        ) from err


def canonical(data: xr.Dataset, name: str, cube: str) -> xr.Variable:
    """Return a variable with canonical names of its dimensions, nothing read.

    Takes what :func:`conversion_factor` does.

    Raises
    ------
    CubeInputError
        If the dimensions are not those of the format.
    """
    variable = data.variables[name]
    if variable.dtype.kind not in "fiu":
        raise CubeInputError(f"{name} of {cube} holds {variable.dtype}; expected are numbers")
    known = {alias: k for k, aliases in DIMENSIONS.items() for alias in aliases}
    dims = [known.get(str(d)) for d in variable.dims]
    if all(d is None for d in dims):
        order: tuple[str, ...] = (
            _ORDER if name != "hydrogen_populations" else ("t", "nhydr", *_ORDER[1:])
        )
        if name == "z" and variable.ndim == 2:
            order = ("t", "depth")
        dims = list(order[-variable.ndim :])
    allowed = {*_ORDER, "nhydr"} if name == "hydrogen_populations" else {*_ORDER}
    named_once = len(set(dims)) == len(dims) == variable.ndim
    if not {*dims} <= allowed or not named_once or "depth" not in dims:
        raise CubeInputError(
            f"{name} of {cube} has dimensions {variable.dims}; expected are (nt, nx, ny, nz), of "
            "which all but nz can be left out, by the names "
            + ", ".join("/".join(aliases) for aliases in DIMENSIONS.values())
        )
    # A view: dimensions are renamed on it, never on the dataset that was handed in.
    return xr.Variable(dims, variable._data)


def check_heights(z: Array, cube: str) -> None:
    """Check that heights decrease.

    Parameters
    ----------
    z : Array
        Heights of a column [m], shape [Nspace].
    cube : str
        What error messages call the cube.

    Raises
    ------
    CubeInputError
        If they do not; the message says where.
    """
    if np.all(np.diff(z) > 0.0):
        raise CubeInputError(
            f"z of {cube} increases, from {z[0]:g} to {z[-1]:g} m; the format goes from the top "
            "downwards: reverse the depth dimension of every variable"
        )
    if not np.all(np.diff(z) < 0.0):
        k = int(np.argmin(np.diff(z) < 0.0))
        raise CubeInputError(
            f"z of {cube} must decrease strictly; in the first column it is {float(z[k])!r} m at "
            f"depth index {k} and {float(z[k + 1])!r} m at the next"
        )


def open_cube(path: Path) -> xr.Dataset:
    """Open a file in the format (HDF5/netCDF4), or a folder (zarr) with the same names, lazily.

    Raises
    ------
    CubeInputError
        If it cannot be read.
    """
    if not path.exists():
        raise CubeInputError(f"{path} is not there")
    engine = "zarr" if path.is_dir() else "h5netcdf"
    try:
        # Times stay numbers: a unit of seconds is no reason to make a date of it. No dask arrays:
        # windows are read when they are sent.
        return xr.open_dataset(path, engine=engine, chunks=None, decode_times=False, cache=False)
    except Exception as err:  # h5py, h5netcdf and zarr each have their own
        raise CubeInputError(
            f"{path} cannot be read as {'zarr' if engine == 'zarr' else 'HDF5/netCDF4'}: "
            f"{type(err).__name__}: {err}"
        ) from err
