"""Cubes to read: the RH 1.5D atmosphere format, and any xarray Dataset with the same names.

Nothing is read before it is needed. The format is described in `lw_rl.cube.rh_format`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ..errors import CubeInputError
from .rh_format import (
    DIMENSIONS,
    VARIABLES,
    boundary,
    canonical,
    check_heights,
    conversion_factor,
    open_cube,
)
from .simulations import is_snapshot, open_snapshot
from .window import Window

__all__ = ["Columns", "Source", "write"]

#: What is read for Stokes profiles only.
_FIELD = ("B_x", "B_y", "B_z")

Column = npt.NDArray[np.floating]
"""Numbers in the precision of the file."""


@dataclass(frozen=True)
class Columns:
    """The columns of a window; arrays have shape [Ncolumn, Nspace], y varies fastest.

    Attributes
    ----------
    z, temperature, ne, nHTot, vturb, vz : Column
        Height [m], temperature [K], electron and hydrogen density [m-3], microturbulence and
        upward velocity [m s-1], each in the precision of the file. `ne` is None where the cube has
        no electron density.
    bottom, top : {"zero", "thermalised"}
        The radiation that enters there.
    B_x, B_y, B_z : Column or None
        Magnetic field [T], if it was asked for.
    """

    z: Column
    temperature: Column
    ne: Column | None
    nHTot: Column
    vturb: Column
    vz: Column
    bottom: str = "thermalised"
    top: str = "zero"
    B_x: Column | None = None
    B_y: Column | None = None
    B_z: Column | None = None

    def __len__(self) -> int:
        return self.temperature.shape[0]

    def only(self, k: int) -> Columns:
        """Return the columns that consist of one of these."""
        all_of = {f.name: getattr(self, f.name) for f in fields(self)}
        one: dict[str, Any] = {
            n: v[k : k + 1] for n, v in all_of.items() if isinstance(v, np.ndarray)
        }
        return replace(self, **one)

    def column(self, k: int) -> dict[str, Any]:
        """Return one column in double precision, named as ``lw_rl.atmospheres.from_arrays``.

        Without ``"ne"`` where the cube has none, and with the boundaries where they are not the
        usual ones.
        """
        column: dict[str, Any] = {
            "height": self.z[k].astype(float),
            "temperature": self.temperature[k].astype(float),
            "nHTot": self.nHTot[k].astype(float),
            "vturb": self.vturb[k].astype(float),
            "vlos": self.vz[k].astype(float),
        }
        if self.ne is not None:
            column["ne"] = self.ne[k].astype(float)
        if self.B_x is not None and self.B_y is not None and self.B_z is not None:
            field = (self.B_x[k], self.B_y[k], self.B_z[k])
            column["magnetic"] = np.array(field, dtype=float)
        if self.unusual:
            column |= {"bottom": self.bottom, "top": self.top}
        return column

    @property
    def unusual(self) -> bool:
        """Whether the radiation at the boundaries is not what it is in a solar atmosphere."""
        return (self.bottom, self.top) != ("thermalised", "zero")


class Source:
    """A cube to read, checked, and read window by window.

    Parameters
    ----------
    data : path-like or xarray.Dataset
        A file in the format (``.hdf5``, ``.h5``, ``.nc``; a folder is taken to be zarr), a
        snapshot of a simulation (`lw_rl.cube.simulations`), or a dataset with the format's names.
    magnetic : bool, optional
        Whether to read the magnetic field (default: False).

    Attributes
    ----------
    name : str
        What reports call it.
    shape : tuple of int
        (nt, nx, ny); 1 along an axis that the data lack, as after ``ds.isel(x=0)``.
    Nspace : int
        Number of depths.
    bottom, top : {"zero", "thermalised"}
        The radiation that enters there, by the attributes ``boundary_bottom``, ``boundary_top``.

    Raises
    ------
    CubeInputError
        For a file that cannot be read, a variable that is missing or has the wrong unit, type or
        dimensions, a boundary that needs more than the file holds, or heights that do not
        decrease; the message names it and says what is expected.
    """

    def __init__(self, data: str | os.PathLike[str] | xr.Dataset, magnetic: bool = False):
        self.name = "dataset" if isinstance(data, xr.Dataset) else str(data)
        self._data = data if isinstance(data, xr.Dataset) else _opened(data)
        self._factor = {
            name: conversion_factor(self._data, name, self.name)
            for name in VARIABLES
            if name in self._data and (magnetic or name not in _FIELD)
        }
        missing = [n for n, v in VARIABLES.items() if v.required and n not in self._data]
        if missing:
            raise CubeInputError(
                f"{self.name} lacks {', '.join(missing)}; it holds "
                f"{', '.join(map(str, self._data.variables)) or 'nothing'}. The names are those of "
                "the RH 1.5D atmosphere format"
            )
        self._magnetic = _FIELD if magnetic else ()
        absent = [n for n in self._magnetic if n not in self._data]
        if absent:
            raise CubeInputError(
                f"{self.name} lacks {', '.join(absent)}: Stokes profiles need the magnetic field"
            )
        temperature = self._variable("temperature")
        sizes = {str(d): n for d, n in zip(temperature.dims, temperature.shape, strict=True)}
        self.shape: tuple[int, int, int] = (
            sizes.get("t", 1), sizes.get("x", 1), sizes.get("y", 1)
        )  # fmt: skip
        self.Nspace = sizes["depth"]
        self.bottom, self.top = (
            boundary(self._data, where, self.name) for where in ("bottom", "top")
        )
        if self.Nspace < 3 or 0 in self.shape:
            raise CubeInputError(
                f"{self.name} has {self.Nspace} depths and {self.shape} snapshots and columns; at "
                "least 3 depths and one column are needed"
            )
        for name in self._factor:
            self._check_shape(name, sizes)
        self._check_heights()

    def _variable(self, name: str) -> xr.Variable:
        return canonical(self._data, name, self.name)

    def _check_shape(self, name: str, sizes: dict[str, int]) -> None:
        variable = self._variable(name)
        found = {str(d): n for d, n in zip(variable.dims, variable.shape, strict=True)}
        found.pop("nhydr", None)
        need = {"depth"} if name == "z" else {"x", "y", "depth"} & sizes.keys()
        if not need <= set(found) or any(sizes.get(d, 1) != N for d, N in found.items()):
            raise CubeInputError(
                f"{name} of {self.name} has shape {variable.shape} for dimensions "
                f"{variable.dims}; temperature has {sizes}"
            )

    def _check_heights(self) -> None:
        z = self._variable("z")
        first = _values(z.isel({d: 0 for d in z.dims if d != "depth"}), {}) * self._factor["z"]
        if {"x", "y"} & set(z.dims) and not np.all(np.isfinite(first)):
            # A column without heights fails by itself; the others need not.
            return
        check_heights(first.astype(float), self.name)

    def _read(self, name: str, window: Window) -> Column:
        variable = self._variable(name)
        index = {
            "t": window.t,
            "x": slice(window.x0, window.x1),
            "y": slice(window.y0, window.y1),
        }
        part = variable.isel({d: i for d, i in index.items() if d in variable.dims})
        axes = [d for d in ("x", "y", "depth") if d in part.dims]
        part = part.transpose(*axes, *(d for d in part.dims if d not in axes))
        values = _values(part, self._data.variables[name].attrs)
        if "nhydr" in part.dims:
            # Levels and protons; a file with one level holds the total.
            values = values.sum(axis=-1, dtype=float)
        values = np.expand_dims(values, [k for k, d in enumerate(("x", "y")) if d not in axes])
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
                ne=self._read("electron_density", window)
                if "electron_density" in self._factor
                else None,
                nHTot=self._read("hydrogen_populations", window),
                vturb=optional["velocity_turbulent"],
                vz=optional["velocity_z"],
                bottom=self.bottom,
                top=self.top,
                **{name: self._read(name, window) for name in self._magnetic},
            )
        except (OSError, RuntimeError) as err:
            raise CubeInputError(f"{self.name} cannot be read at {window}: {err}") from err

    def coordinate(self, axis: str) -> xr.Variable | None:
        """Return the coordinate along ``"t"``, ``"x"`` or ``"y"``, if the cube has one."""
        for alias in DIMENSIONS[axis]:
            if alias in self._data.variables and self._data[alias].dims in ((alias,), ()):
                # A row or column that was selected keeps its coordinate as one number.
                found = self._data.variables[alias]
                values = np.atleast_1d(found.values)
                if values.dtype == object:
                    values = values.astype(str)
                return xr.Variable(
                    (axis,), values, {str(k): _attr(v) for k, v in found.attrs.items()}
                )
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
                        if isinstance(values, np.ndarray):
                            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
                    if columns.unusual:
                        digest.update(f"{columns.bottom} {columns.top}".encode())
        return digest.hexdigest()[:16]


def _attr(value: Any) -> Any:
    """Return an attribute as JSON can have it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if isinstance(value, str | int | float | list) else str(value)


def _opened(data: Any) -> xr.Dataset:
    if not isinstance(data, str | os.PathLike):
        raise CubeInputError(
            f"a cube is the path of a file or an xarray Dataset, got {type(data).__name__}"
        )
    path = Path(data)
    return open_snapshot(path) if is_snapshot(path) else open_cube(path)


def _values(part: xr.Variable, attrs: Mapping[Any, Any]) -> Column:
    """Return the numbers of a part of a variable, NaN where it is masked or was never written."""
    # Not `.values`: it takes the numbers behind a mask for data.
    data = part.data
    data = data.compute() if hasattr(data, "compute") else data
    missing = [attrs[name] for name in ("_FillValue", "missing_value") if name in attrs]
    values = np.asarray(data)
    hidden = np.ma.getmaskarray(data)
    for value in missing:
        hidden = hidden | (values == value)
    if not np.any(hidden):
        return values
    return np.where(hidden, np.nan, values)


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
