"""Cubes to read: the RH 1.5D atmosphere format, and any xarray Dataset with the same names.

The format (Pereira and Uitenbroek 2015, A&A 574, A3) is netCDF4/HDF5 in SI: ``temperature``,
``velocity_z``, ``electron_density``, ``velocity_turbulent`` with dimensions (nt, nx, ny, nz),
``hydrogen_populations`` with (nt, nhydr, nx, ny, nz), and ``z`` with (nt, nz) or
(nt, nx, ny, nz), from the top downwards. Nothing is read before it is needed.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from ..errors import CubeInputError

Array = np.ndarray

#: Names that the dimensions go by, canonical name first.
_DIMENSIONS = {
    "t": ("t", "nt", "time", "snapshot_number", "snapshot"),
    "x": ("x", "nx"),
    "y": ("y", "ny"),
    "depth": ("depth", "nz", "height", "z", "index"),
    "nhydr": ("nhydr", "level", "hydrogen_level"),
}
#: The order in which the format declares them, for files without names of dimensions.
_ORDER = ("t", "x", "y", "depth")


@dataclass(frozen=True)
class Variable:
    """What the format says of a variable: its unit, and whether a cube may lack it."""

    unit: u.UnitBase
    required: bool


VARIABLES = {
    "temperature": Variable(u.K, True),
    "electron_density": Variable(u.m**-3, True),
    "hydrogen_populations": Variable(u.m**-3, True),
    "z": Variable(u.m, True),
    "velocity_z": Variable(u.m / u.s, False),
    "velocity_turbulent": Variable(u.m / u.s, False),
}


@dataclass(frozen=True)
class Window:
    """A rectangle of columns in one snapshot: ``[t, x0:x1, y0:y1]``."""

    t: int
    x0: int
    x1: int
    y0: int
    y1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of columns in x and in y."""
        return self.x1 - self.x0, self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The rectangle as an index into (t, x, y)."""
        return slice(self.t, self.t + 1), slice(self.x0, self.x1), slice(self.y0, self.y1)


@dataclass(frozen=True)
class Columns:
    """The columns of a window; arrays have shape [Ncolumn, Nspace], y varies fastest.

    Attributes
    ----------
    z, temperature, ne, nHTot, vturb, vz : Array
        Height [m], temperature [K], electron and hydrogen density [m-3], microturbulence and
        upward velocity [m s-1], each in the precision of the file.
    """

    z: Array
    temperature: Array
    ne: Array
    nHTot: Array
    vturb: Array
    vz: Array

    def __len__(self) -> int:
        return self.temperature.shape[0]

    def column(self, k: int) -> dict[str, Array]:
        """Return one column in double precision, named as ``lw_rl.atmospheres.from_arrays``."""
        return {
            "height": self.z[k].astype(float),
            "temperature": self.temperature[k].astype(float),
            "ne": self.ne[k].astype(float),
            "nHTot": self.nHTot[k].astype(float),
            "vturb": self.vturb[k].astype(float),
            "vlos": self.vz[k].astype(float),
        }


class Source:
    """A cube to read, checked, and read window by window.

    Parameters
    ----------
    data : path-like or xarray.Dataset
        A file in the format (``.hdf5``, ``.h5``, ``.nc``; a folder is taken to be zarr), or a
        dataset with the same names.

    Attributes
    ----------
    name : str
        What reports call it.
    shape : tuple of int
        (nt, nx, ny).
    Nspace : int
        Number of depths.

    Raises
    ------
    CubeInputError
        For a file that cannot be read, a variable that is missing or has the wrong unit or
        dimensions, or heights that do not decrease; the message names it and says what is
        expected.
    """

    def __init__(self, data: str | os.PathLike[str] | xr.Dataset):
        self.name = "dataset" if isinstance(data, xr.Dataset) else str(data)
        self._data = data if isinstance(data, xr.Dataset) else _open(Path(data))
        self._factor = {name: self._check(name) for name in VARIABLES if name in self._data}
        missing = [n for n, v in VARIABLES.items() if v.required and n not in self._data]
        if missing:
            raise CubeInputError(
                f"{self.name} lacks {', '.join(missing)}; it holds "
                f"{', '.join(map(str, self._data.variables)) or 'nothing'}. The names are those of "
                "the RH 1.5D atmosphere format"
            )
        temperature = self._variable("temperature")
        sizes = dict(zip(temperature.dims, temperature.shape, strict=True))
        self.shape: tuple[int, int, int] = (sizes.get("t", 1), sizes["x"], sizes["y"])
        self.Nspace = sizes["depth"]
        if self.Nspace < 3 or 0 in self.shape:
            raise CubeInputError(
                f"{self.name} has {self.Nspace} depths and {self.shape} snapshots and columns; at "
                "least 3 depths and one column are needed"
            )
        for name in self._factor:
            self._check_shape(name, sizes)
        self._check_heights()

    # ---- checks -------------------------------------------------------------------------------

    def _check(self, name: str) -> float:
        """Return the factor to the format's unit."""
        given = self._data[name].attrs.get("units")
        expected = VARIABLES[name].unit
        if given is None:
            # The format lays down SI; the attribute is optional in it.
            return 1.0
        text = given.decode() if isinstance(given, bytes) else str(given)
        try:
            return float(u.Unit(text).to(expected))
        except (ValueError, TypeError, u.UnitConversionError) as err:
            raise CubeInputError(
                f"{name} of {self.name} has units {text!r}, which cannot be converted to "
                f"[{expected}]: {err}"
            ) from err

    def _variable(self, name: str) -> xr.Variable:
        """Return a variable with canonical names of its dimensions, nothing read."""
        variable = self._data.variables[name]
        known = {alias: k for k, aliases in _DIMENSIONS.items() for alias in aliases}
        dims = [known.get(str(d)) for d in variable.dims]
        if all(d is None for d in dims):
            order: tuple[str, ...] = (
                _ORDER if name != "hydrogen_populations" else ("t", "nhydr", *_ORDER[1:])
            )
            if name == "z" and variable.ndim == 2:
                order = ("t", "depth")
            dims = list(order[-variable.ndim :])
        if None in dims or len(set(dims)) < len(dims):
            raise CubeInputError(
                f"{name} of {self.name} has dimensions {variable.dims}; expected are (nt, nx, ny, "
                "nz), by the names "
                + ", ".join("/".join(aliases) for aliases in _DIMENSIONS.values())
            )
        # A view: dimensions are renamed on it, never on the dataset that was handed in.
        return xr.Variable(dims, variable._data)

    def _check_shape(self, name: str, sizes: dict[Any, int]) -> None:
        variable = self._variable(name)
        found = dict(zip(variable.dims, variable.shape, strict=True))
        found.pop("nhydr", None)
        need = {"depth"} if name == "z" else {"x", "y", "depth"}
        if not need <= set(found) or any(sizes.get(d, 1) != N for d, N in found.items()):
            raise CubeInputError(
                f"{name} of {self.name} has shape {variable.shape} for dimensions "
                f"{variable.dims}; temperature has {sizes}"
            )

    def _check_heights(self) -> None:
        z = self._variable("z")
        first = z.isel({d: 0 for d in z.dims if d != "depth"}).values * self._factor["z"]
        if {"x", "y"} & set(z.dims) and not np.all(np.isfinite(first)):
            # A column without heights fails by itself; the others need not.
            return
        if np.all(np.diff(first) > 0.0):
            raise CubeInputError(
                f"z of {self.name} increases, from {first[0]:g} to {first[-1]:g} m; the format "
                "goes from the top downwards: reverse the depth dimension of every variable"
            )
        if not np.all(np.diff(first) < 0.0):
            k = int(np.argmin(np.diff(first) < 0.0))
            raise CubeInputError(
                f"z of {self.name} must decrease strictly; in the first column it is "
                f"{first[k]!r} m at depth index {k} and {first[k + 1]!r} m at the next"
            )

    # ---- reading ------------------------------------------------------------------------------

    def _read(self, name: str, window: Window) -> Array:
        variable = self._variable(name)
        index = {
            "t": window.t,
            "x": slice(window.x0, window.x1),
            "y": slice(window.y0, window.y1),
        }
        part = variable.isel({d: i for d, i in index.items() if d in variable.dims})
        if "nhydr" in part.dims:
            # Levels and protons; a file with one level holds the total.
            part = part.sum("nhydr", skipna=False, dtype=float)
        values = part.transpose(*[d for d in ("x", "y", "depth") if d in part.dims]).values
        values = np.broadcast_to(values, (*window.shape, self.Nspace)).reshape(-1, self.Nspace)
        factor = self._factor[name]
        return values if factor == 1.0 else values * factor

    def read(self, window: Window) -> Columns:
        """Read the columns of a window.

        Raises
        ------
        CubeInputError
            If the file cannot be read (any more).
        """
        try:
            T = self._read("temperature", window)
            optional = {
                name: self._read(name, window) if name in self._factor else np.zeros_like(T)
                for name in ("velocity_turbulent", "velocity_z")
            }
            return Columns(
                z=self._read("z", window),
                temperature=T,
                ne=self._read("electron_density", window),
                nHTot=self._read("hydrogen_populations", window),
                vturb=optional["velocity_turbulent"],
                vz=optional["velocity_z"],
            )
        except (OSError, RuntimeError) as err:
            raise CubeInputError(f"{self.name} cannot be read at {window}: {err}") from err

    def coordinate(self, axis: str) -> xr.Variable | None:
        """Return the coordinate along ``"t"``, ``"x"`` or ``"y"``, if the cube has one."""
        for alias in _DIMENSIONS[axis]:
            if alias in self._data.variables and self._data[alias].dims == (alias,):
                found = self._data.variables[alias]
                return xr.Variable((axis,), found.values, _text(found.attrs))
        return None

    def fingerprint(self) -> str:
        """Return a digest of shape and of up to nine columns: another cube has another."""
        nt, nx, ny = self.shape
        digest = hashlib.sha256(repr((self.shape, self.Nspace)).encode())
        for t in sorted({0, nt - 1}):
            for x in sorted({0, nx // 2, nx - 1}):
                for y in sorted({0, ny // 2, ny - 1}):
                    columns = self.read(Window(t, x, x + 1, y, y + 1))
                    for values in vars(columns).values():
                        digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        return digest.hexdigest()[:16]


def _text(attrs: dict[str, Any]) -> dict[str, Any]:
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in attrs.items()}


def _open(path: Path) -> xr.Dataset:
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


def write(data: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a cube in the RH 1.5D atmosphere format, whole or not at all.

    Parameters
    ----------
    data : xarray.Dataset
        With the format's names, dimensions and units (`lw_rl.cube.synthetic_cube` makes one).
    path : path-like
        ``.hdf5``, ``.h5`` or ``.nc`` writes HDF5/netCDF4; missing folders are made.

    Returns
    -------
    path : Path

    Raises
    ------
    CubeInputError
        If the dataset is not in the format, or the file cannot be written.
    """
    path = Path(path)
    Source(data)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            data.to_netcdf(temporary, engine="h5netcdf")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as err:
        raise CubeInputError(f"{path} cannot be written: {err}") from err
    return path
