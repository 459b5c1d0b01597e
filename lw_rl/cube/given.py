"""Populations that columns begin with: an emulator's, or those of another output.

A dataset with dimensions x and y (and perhaps t), level and depth: variables ``n_Ca`` [m-3] or
``departure_Ca`` of every atom, or ``populations`` or ``departure`` of all of them one after the
other, as an output of a cube has them. On other depths than the cube's it needs ``column_mass``
[kg m-2] or ``log_tau``, of one dimension or for every column.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..arrays import Array
from ..errors import CubeInputError
from .rh_format import open_cube
from .source import Source
from .window import Window

__all__ = ["Given", "GivenPopulations"]

#: Coordinates on which populations can be interpolated.
_COORDINATES = ("column_mass", "log_tau")


@dataclass(frozen=True)
class Given:
    """Populations of the columns of a window.

    Attributes
    ----------
    populations : mapping
        By element, populations [m-3] or departure coefficients, [Ncolumn, Nlevel, Ndepth].
    departure : bool
        Which of the two.
    where : mapping
        ``column_mass`` or ``log_tau`` if they are on depths of their own, [Ncolumn, Ndepth].
    """

    populations: Mapping[str, Array]
    departure: bool
    where: Mapping[str, Array] = field(default_factory=dict)

    def column(self, k: int) -> dict[str, Any]:
        """Return keywords of :func:`lw_rl.refine` for one column."""
        return {
            "populations": {element: n[k] for element, n in self.populations.items()},
            "departure": self.departure,
            **{name: values[k] for name, values in self.where.items()},
        }

    def only(self, k: int) -> Given:
        """Return those of one column."""
        return replace(
            self,
            populations={element: n[k : k + 1] for element, n in self.populations.items()},
            where={name: values[k : k + 1] for name, values in self.where.items()},
        )


class GivenPopulations:
    """A file of populations, checked, and read window by window.

    Parameters
    ----------
    data : path-like or xarray.Dataset
        A zarr or netCDF, or a dataset (see the module).
    source : Source
        The cube that they are for.
    elements : mapping
        Number of levels of every active atom, by element, in the order of the atoms.

    Raises
    ------
    CubeInputError
        If it cannot be read, has no populations or those of other atoms, or another shape.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | xr.Dataset,
        source: Source,
        elements: Mapping[str, int],
    ):
        self.name = "the dataset of populations" if isinstance(data, xr.Dataset) else str(data)
        self._data = data if isinstance(data, xr.Dataset) else open_cube(Path(data))
        self._source, self._elements = source, dict(elements)
        self._variables = self._found()
        self.departure = next(iter(self._variables)).startswith("departure")
        for name, levels in self._variables.items():
            self._check(name, levels)
        self._where = next((name for name in _COORDINATES if name in self._data.variables), None)
        depths = self._data.sizes[self._depth]
        if self._where is not None and self._data[self._where].dims[-1:] != (self._depth,):
            raise CubeInputError(
                f"{self._where} of {self.name} has the dimensions {self._data[self._where].dims}; "
                f"its last one must be {self._depth}, that of the populations"
            )
        if self._where is None and depths != source.Nspace:
            raise CubeInputError(
                f"the populations of {self.name} are at {depths} depths, the cube has "
                f"{source.Nspace}: add a variable column_mass [kg m-2] or log_tau to interpolate by"
            )

    def _found(self) -> Mapping[str, Sequence[str]]:
        """Return the variables with populations, and the elements that each is of."""
        for kind in ("n", "departure"):
            names = {f"{kind}_{element}": (element,) for element in self._elements}
            found = {name: who for name, who in names.items() if name in self._data}
            if found:
                return found
        for name in ("populations", "departure"):
            if name in self._data:
                return {name: tuple(self._elements)}
        others = [
            str(name)
            for name in self._data.data_vars
            if str(name).split("_")[0] in ("n", "departure") and self._data[name].ndim >= 2
        ]
        wanted = " or ".join(f"n_{element}, departure_{element}" for element in self._elements)
        raise CubeInputError(
            f"{self.name} has no populations of the active atoms, variables such as {wanted}, "
            f"populations or departure; it has {', '.join(others) or 'none of any'}"
        )

    @property
    def _depth(self) -> str:
        return str(self._data[next(iter(self._variables))].dims[-1])

    def _check(self, name: str, elements: Sequence[str]) -> None:
        variable = self._data[name]
        levels = sum(self._elements[element] for element in elements)
        nt, nx, ny = self._source.shape
        dims = tuple(map(str, variable.dims[:-2]))
        if dims not in (("x", "y"), ("t", "x", "y")):
            raise CubeInputError(
                f"{name} of {self.name} has the dimensions {variable.dims}; populations of a cube "
                "have x and y, or t, x and y, then level and depth"
            )
        wanted = ((nt,) if len(dims) == 3 else ()) + (nx, ny, levels)
        if variable.shape[:-1] != wanted:
            raise CubeInputError(
                f"{name} of {self.name} has the shape {variable.shape}; the cube and the levels of "
                f"{' and '.join(elements)} take {wanted} and the depths"
            )

    def read(self, window: Window) -> Given:
        """Return the populations of a window.

        Raises
        ------
        CubeInputError
            If they cannot be read.
        """
        try:
            found: dict[str, Array] = {}
            for name, elements in self._variables.items():
                values = self._columns(name, window, 2)
                first = 0
                for element in elements:
                    found[element] = values[:, first : first + self._elements[element]]
                    first += self._elements[element]
            where = {} if self._where is None else {
                self._where: self._columns(self._where, window, 1)
            }  # fmt: skip
        except Exception as err:  # h5py, h5netcdf and zarr each have their own
            raise CubeInputError(f"{self.name} cannot be read at {window}: {err}") from err
        return Given(found, self.departure, where)

    def _columns(self, name: str, window: Window, own: int) -> Array:
        """Return a variable at a window, its last `own` dimensions for every column."""
        variable = self._data[name].variable
        t, x, y = window.slices
        at = {"t": t, "x": x, "y": y}
        part = variable.isel({d: at[str(d)] for d in variable.dims[:-own]})
        values = np.asarray(part.values, dtype=np.float64)
        if values.ndim == own:
            nx, ny = window.shape
            return np.broadcast_to(values, (nx * ny, *values.shape))
        return values.reshape(-1, *values.shape[-own:])
