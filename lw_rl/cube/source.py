"""Cubes to read: the RH 1.5D atmosphere format, and any xarray Dataset with the same names.

Nothing is read before it is needed. The format is described in `lw_rl.cube.rh_format`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from ..arrays import Array
from ..errors import CubeInputError
from .rh_format import (
    DIMENSIONS,
    VARIABLES,
    canonical,
    check_heights,
    conversion_factor,
    open_cube,
)
from .window import Window

__all__ = ["Columns", "Source", "write"]

Column = npt.NDArray[np.floating]
"""Numbers in the precision of the file."""


@dataclass(frozen=True)
class Columns:
    """The columns of a window; arrays have shape [Ncolumn, Nspace], y varies fastest.

    Attributes
    ----------
    z, temperature, ne, nHTot, vturb, vz : Column
        Height [m], temperature [K], electron and hydrogen density [m-3], microturbulence and
        upward velocity [m s-1], each in the precision of the file.
    """

    z: Column
    temperature: Column
    ne: Column
    nHTot: Column
    vturb: Column
    vz: Column

    def __len__(self) -> int:
        return self.temperature.shape[0]

    def only(self, k: int) -> Columns:
        """Return the columns that consist of one of these."""
        return Columns(*(getattr(self, f.name)[k : k + 1] for f in fields(self)))

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
        self._data = data if isinstance(data, xr.Dataset) else open_cube(Path(data))
        self._factor = {
            name: conversion_factor(self._data, name, self.name)
            for name in VARIABLES
            if name in self._data
        }
        missing = [n for n, v in VARIABLES.items() if v.required and n not in self._data]
        if missing:
            raise CubeInputError(
                f"{self.name} lacks {', '.join(missing)}; it holds "
                f"{', '.join(map(str, self._data.variables)) or 'nothing'}. The names are those of "
                "the RH 1.5D atmosphere format"
            )
        temperature = self._variable("temperature")
        sizes = {str(d): n for d, n in zip(temperature.dims, temperature.shape, strict=True)}
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

    def _variable(self, name: str) -> xr.Variable:
        return canonical(self._data, name, self.name)

    def _check_shape(self, name: str, sizes: dict[str, int]) -> None:
        variable = self._variable(name)
        found = {str(d): n for d, n in zip(variable.dims, variable.shape, strict=True)}
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
        check_heights(first, self.name)

    def _read(self, name: str, window: Window) -> Column:
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
        for alias in DIMENSIONS[axis]:
            if alias in self._data.variables and self._data[alias].dims == (alias,):
                found = self._data.variables[alias]
                attrs = {
                    k: v.decode() if isinstance(v, bytes) else v for k, v in found.attrs.items()
                }
                return xr.Variable((axis,), found.values, attrs)
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
