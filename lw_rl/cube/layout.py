"""The layout of an output: its arrays, their units and meanings, and how an empty one is made."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from zarr.errors import ZarrUserWarning

from ..files import Json
from .column import FINISHERS, OUTCOMES
from .settings import CubeSettings

__all__ = [
    "COLUMN_DIMS",
    "FORMAT",
    "STOKES",
    "OutputField",
    "Values",
    "consolidate",
    "create",
    "fields",
]

Values = npt.NDArray[Any]
"""Values of an array of the output, of its own type."""

#: Polarised light beside the intensity.
STOKES = ("stokes_Q", "stokes_U", "stokes_V")
#: Version of the layout.
FORMAT = 1
#: The dimensions that tell columns apart.
COLUMN_DIMS = ("t", "x", "y")
#: Columns along one side of a chunk of what is one number for a column.
_WIDE = 64


@dataclass(frozen=True)
class OutputField:
    """An array of the output: one value, or an array of `dims`, for every column."""

    dtype: str
    fill: float | str
    attrs: Mapping[str, Any]
    dims: tuple[str, ...] = ()


def _flags(names: tuple[str, ...]) -> Json:
    # The CF conventions' way to spell out codes.
    return {"flag_values": list(range(len(names))), "flag_meanings": " ".join(names)}


def fields(settings: CubeSettings) -> dict[str, OutputField]:
    """Return the arrays that an output with these settings holds, ``outcome`` last."""
    found = {
        "intensity": OutputField(
            "f4",
            np.nan,
            {"units": "J s-1 m-2 sr-1 Hz-1", "long_name": "emergent specific intensity"},
            ("mu", "wavelength"),
        )
    }
    if settings.stokes:
        for name in STOKES:
            found[name] = OutputField(
                "f4",
                np.nan,
                {"units": "J s-1 m-2 sr-1 Hz-1", "long_name": f"emergent Stokes {name[-1]}"},
                ("mu", "wavelength"),
            )
    if settings.tau_one:
        found["tau_one"] = OutputField(
            "f4",
            np.nan,
            {"units": "m", "long_name": "height where the optical depth along the ray is 1"},
            ("mu", "wavelength"),
        )
    if settings.keep != "none":
        meaning = {
            "departure": {"units": "1", "long_name": "departure coefficient n / n(LTE)"},
            "populations": {"units": "m-3", "long_name": "population"},
        }[settings.keep]
        found[settings.keep] = OutputField("f4", np.nan, meaning, ("level", "depth"))
    return found | {
        "formal_solutions": OutputField(
            "i4", 0, {"units": "1", "long_name": "formal solutions, all attempts together"}
        ),
        "error_estimate": OutputField(
            "f4", np.nan, {"units": "1", "long_name": "estimated largest relative error of n"}
        ),
        "seconds": OutputField(
            "f4", np.nan, {"units": "s", "long_name": "wall time in the worker"}
        ),
        "attempts": OutputField("i1", 0, {"units": "1", "long_name": "schemes tried"}),
        "finisher": OutputField(
            "i1", 0, {"long_name": "scheme that made the last step", **_flags(FINISHERS)}
        ),
        "policy_version": OutputField(
            "i2", -1, {"long_name": "version of the policy; 0 is the one that the run began with"}
        ),
        "reason": OutputField(
            "str", "", {"long_name": "why it failed, or took more than one attempt"}
        ),
        "outcome": OutputField("i1", 0, {"long_name": "how the column ended", **_flags(OUTCOMES)}),
    }


def create(
    path: Path,
    settings: CubeSettings,
    sizes: Mapping[str, int],
    block: tuple[int, int],
    coordinates: Mapping[str, xr.Variable],
    attrs: Mapping[str, object],
) -> None:
    """Make an output without a column in it, whole or not at all.

    Parameters
    ----------
    path : Path
        The folder of the zarr.
    settings : CubeSettings
        They say which arrays there are.
    sizes : mapping
        Length of every dimension.
    block : tuple of int
        Columns of a block in x and y: one chunk of each array.
    coordinates : mapping
        By name, variables with their dimensions and attributes.
    attrs : mapping
        Attributes; what is neither text nor a number is written as JSON.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    chunk = {"t": 1, "x": block[0], "y": block[1]}
    # What is one number for a column goes into chunks of several blocks, each a part of a file of
    # kilobytes: one process writes them, and zarr replaces a chunk in one step.
    wide = {
        axis: min(_WIDE // size, -(-sizes[axis] // size)) * size if size < _WIDE else size
        for axis, size in (("x", block[0]), ("y", block[1]))
    } | {"t": 1}
    # Made beside its place and moved there whole: whatever kills this leaves no half output.
    temporary = path.with_name(f".{path.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    attributes: Json = {
        k: v if isinstance(v, float | str) else json.dumps(v) for k, v in attrs.items()
    }
    group = zarr.open_group(temporary, mode="w", zarr_format=3, attributes=attributes)
    for name, f in fields(settings).items():
        dims = (*COLUMN_DIMS, *f.dims)
        group.create_array(
            name,
            shape=tuple(sizes[d] for d in dims),
            chunks=tuple((chunk if f.dims else wide).get(d, sizes[d]) for d in dims),
            dtype=f.dtype,
            fill_value=f.fill,
            dimension_names=dims,
            attributes=dict(f.attrs),
        )
    for name, variable in coordinates.items():
        values = np.asarray(variable.values)
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=values.shape,
            dtype="str" if values.dtype.kind == "U" else values.dtype,
            dimension_names=tuple(map(str, variable.dims)),
            attributes=variable.attrs,
        )
        array[...] = values
    consolidate(temporary)
    os.rename(temporary, path)


def consolidate(path: Path) -> None:
    """Gather the metadata in one file, which ``xarray.open_zarr`` looks for first."""
    with warnings.catch_warnings():
        # zarr says that other readers may not look there; they then read the arrays' own.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(str(path), zarr_format=3)
