"""The output: a zarr that xarray opens, written block by block, each block whole or not at all.

Every array is chunked by blocks of columns, and zarr replaces a chunk in one step. The chunk of
``outcome`` is written last: a block is there when its outcomes are, whatever was interrupted
where. Nothing else needs to be remembered to resume.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.errors import ZarrUserWarning

from ..errors import CubeOutputError, CubeSettingsError
from ..provenance import (
    versions,
)
from .column import FINISHERS, OUTCOMES
from .settings import Settings, as_plain, differences
from .source import Source, Window

Array = np.ndarray

#: Version of the layout of the output.
FORMAT = 1
#: Bytes that a reason is reckoned with; few columns have one.
_REASON = 16
_COLUMNS = ("t", "x", "y")


@dataclass(frozen=True)
class Field:
    """An array of the output: one value, or an array of `dims`, for every column."""

    dtype: str
    fill: Any
    attrs: Mapping[str, Any]
    dims: tuple[str, ...] = ()


def _flags(names: tuple[str, ...]) -> dict[str, Any]:
    # The CF conventions' way to spell out codes.
    return {"flag_values": list(range(len(names))), "flag_meanings": " ".join(names)}


def fields(settings: Settings) -> dict[str, Field]:
    """Return the arrays that an output with these settings holds, ``outcome`` last."""
    found = {
        "intensity": Field(
            "f4",
            np.nan,
            {"units": "J s-1 m-2 sr-1 Hz-1", "long_name": "emergent specific intensity"},
            ("mu", "wavelength"),
        )
    }
    if settings.tau_one:
        found["tau_one"] = Field(
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
        found[settings.keep] = Field("f4", np.nan, meaning, ("level", "depth"))
    return found | {
        "formal_solutions": Field(
            "i4", 0, {"units": "1", "long_name": "formal solutions, all attempts together"}
        ),
        "error_estimate": Field(
            "f4", np.nan, {"units": "1", "long_name": "estimated largest relative error of n"}
        ),
        "seconds": Field("f4", np.nan, {"units": "s", "long_name": "wall time in the worker"}),
        "attempts": Field("i1", 0, {"units": "1", "long_name": "schemes tried"}),
        "finisher": Field(
            "i1", 0, {"long_name": "scheme that made the last step", **_flags(FINISHERS)}
        ),
        "policy_version": Field(
            "i2", -1, {"long_name": "version of the policy; 0 is the one that the run began with"}
        ),
        "reason": Field("str", "", {"long_name": "why it failed, or took more than one attempt"}),
        "outcome": Field("i1", 0, {"long_name": "how the column ended", **_flags(OUTCOMES)}),
    }


def block_shape(shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return the block that a cube of a shape is solved in unless another is asked for.

    Some 64 blocks or more, so that every worker has its share, of at most 16 x 16 columns.
    """
    side = min(max(isqrt(shape[1] * shape[2]) // 8, 1), 16)
    return min(side, shape[1]), min(side, shape[2])


def windows(shape: tuple[int, int, int], block: tuple[int, int]) -> list[Window]:
    """Return the blocks of a cube, in the order in which they are solved."""
    nt, nx, ny = shape
    return [
        Window(t, x, min(x + block[0], nx), y, min(y + block[1], ny))
        for t in range(nt)
        for x in range(0, nx, block[0])
        for y in range(0, ny, block[1])
    ]


class Output:
    """The output of a cube: made, or opened to go on.

    Parameters
    ----------
    path : path-like
        The folder of the zarr.
    source : Source
        The cube.
    settings : Settings
        What it is solved with.
    wavelength : Array
        Wavelengths of the line [nm].
    block : tuple of int, optional
        Columns of a block in x and y (default: what the output has, or :func:`block_shape`).
    attrs : mapping, optional
        More attributes of a new output; what is not a number is written as JSON.

    Raises
    ------
    CubeOutputError
        If the folder holds something else, cannot be written, is too small, or is in use by
        another run.
    CubeSettingsError
        If the output was begun with other settings or for another cube; the message names what
        differs.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: Source,
        settings: Settings,
        wavelength: Array,
        block: tuple[int, int] | None = None,
        attrs: Mapping[str, Any] | None = None,
    ):
        self.path = Path(path)
        self.settings = settings
        self.Nwave = wavelength.size
        self._lock: int | None = None
        identity = {
            **as_plain(settings),
            "input": source.fingerprint(),
            "shape": [*source.shape, source.Nspace],
            "format": FORMAT,
        }
        if block is not None and not (np.shape(block) == (2,) and min(block) >= 1):
            raise CubeSettingsError(
                f"a block is two numbers of columns, in x and in y, from 1 on; got {block!r}"
            )
        existing = (self.path / "zarr.json").exists()
        if not existing and self.path.exists() and any(self.path.iterdir()):
            raise CubeOutputError(
                f"{self.path} exists and is not the output of a cube; take another name or an "
                "empty folder"
            )
        if existing:
            block = self._compare(identity, block)
        else:
            block = block_shape(source.shape) if block is None else block
        self.block = min(block[0], source.shape[1]), min(block[1], source.shape[2])
        self.windows = windows(source.shape, self.block)
        self._sizes = {
            "t": source.shape[0],
            "x": source.shape[1],
            "y": source.shape[2],
            "mu": len(settings.mus),
            "wavelength": wavelength.size,
            "level": 2,
            "depth": source.Nspace,
        }
        try:
            if not existing:
                self._create(source, wavelength, identity, attrs or {})
            self._take_lock()
            self._group = zarr.open_group(self.path, mode="r+")
            self._arrays: dict[str, Any] = {name: self._group[name] for name in fields(settings)}
            self._check_space()
        except OSError as err:
            self.close()
            if isinstance(err, CubeOutputError):
                raise
            raise CubeOutputError(f"{self.path} cannot be written: {err}") from err

    # ---- making and checking ------------------------------------------------------------------

    def _compare(self, identity: dict[str, Any], block: tuple[int, int] | None) -> tuple[int, int]:
        try:
            attrs = zarr.open_group(self.path, mode="r").attrs
            before = json.loads(str(attrs["settings"]))
            shape = tuple(before.pop("block"))
        except Exception as err:  # zarr, JSON and attributes each have their own
            raise CubeOutputError(
                f"{self.path} is not the output of a cube: {type(err).__name__}: {err}"
            ) from err
        different = differences(before, identity)
        if block is not None and block != shape:
            different.append(f"block was {shape}, is {block}")
        if different:
            raise CubeSettingsError(
                f"{self.path} was begun with other settings: {'; '.join(different)}. Take these "
                "settings, or another output"
            )
        return shape

    def _take_lock(self) -> None:
        """Keep a second run off; a run that is killed leaves no lock behind."""
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise CubeOutputError(f"{self.path} is being written by another run") from err
        except OSError:
            # Some parallel file systems have no locks. Blocks are whole there too.
            pass

    def _create(
        self,
        source: Source,
        wavelength: Array,
        identity: dict[str, Any],
        attrs: Mapping[str, Any],
    ) -> None:
        sizes, chunk = self._sizes, {"t": 1, "x": self.block[0], "y": self.block[1]}
        # Made beside its place and moved there whole: whatever kills this leaves no half output.
        temporary = self.path.with_name(f".{self.path.name}.new")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        about: dict[str, Any] = {
            "title": f"{self.settings.line}: 1.5D non-LTE synthesis of {source.name}",
            "settings": json.dumps({**identity, "block": list(self.block)}),
            "versions": json.dumps(versions()),
            **{k: v if isinstance(v, float) else json.dumps(v) for k, v in attrs.items()},
        }
        group = zarr.open_group(
            temporary,
            mode="w",
            zarr_format=3,
            attributes=about,
        )
        for name, f in fields(self.settings).items():
            dims = (*_COLUMNS, *f.dims)
            group.create_array(
                name,
                shape=tuple(sizes[d] for d in dims),
                chunks=tuple(chunk.get(d, sizes[d]) for d in dims),
                dtype=f.dtype,
                fill_value=f.fill,
                dimension_names=dims,
                attributes=dict(f.attrs),
            )
        coordinates: dict[str, tuple[Array, dict[str, Any]]] = {
            "wavelength": (wavelength, {"units": "nm", "long_name": "vacuum wavelength"}),
            "mu": (np.array(self.settings.mus), {"units": "1", "long_name": "cosine of the angle"}),
        }
        for axis in _COLUMNS:
            found = source.coordinate(axis)
            if found is not None:
                coordinates[axis] = (found.values, found.attrs)
        for name, (values, its) in coordinates.items():
            array = group.create_array(
                name,
                shape=values.shape,
                chunks=values.shape,
                dtype=values.dtype,
                dimension_names=(name,),
                attributes=its,
            )
            array[...] = values
        _consolidate(temporary)
        os.rename(temporary, self.path)

    def _check_space(self) -> None:
        needed = self.bytes_per_column * self.columns(self.pending())
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise CubeOutputError(
                f"{self.path} needs up to {needed / 1e9:.3g} GB, its disk has {free / 1e9:.3g} GB "
                "left; keep less (--keep none) or take another disk"
            )

    @property
    def bytes_per_column(self) -> int:
        """Bytes of a column in the output, before compression."""
        return sum(
            int(np.prod([self._sizes[d] for d in f.dims], dtype=int))
            * (_REASON if f.dtype == "str" else np.dtype(f.dtype).itemsize)
            for f in fields(self.settings).values()
        )

    @staticmethod
    def columns(blocks: list[Window]) -> int:
        """Return the number of columns in blocks."""
        return sum(w.shape[0] * w.shape[1] for w in blocks)

    # ---- reading and writing ------------------------------------------------------------------

    def pending(self) -> list[Window]:
        """Return the blocks that are not there yet, in the order of :attr:`windows`."""
        outcome = np.asarray(self._arrays["outcome"][...])
        return [w for w in self.windows if np.any(outcome[w.slices] == 0)]

    def totals(self) -> tuple[int, int, int]:
        """Return columns done, columns failed, and formal solutions of the converged ones."""
        outcome = np.asarray(self._arrays["outcome"][...])
        Nformal = np.asarray(self._arrays["formal_solutions"][...])
        converged = outcome == OUTCOMES.index("converged")
        done = int(np.sum(outcome > 0))
        return done, done - int(converged.sum()), int(Nformal[converged].sum())

    def commit(self, window: Window, values: Mapping[str, Array]) -> None:
        """Write a block; it counts once the last of its arrays, the outcomes, is in place.

        Parameters
        ----------
        window : Window
            One of :attr:`windows`.
        values : mapping
            An array of shape [Ncolumn, ...] for each of :func:`fields`.

        Raises
        ------
        CubeOutputError
            If the block cannot be written; the blocks before are safe.
        """
        try:
            for name, f in fields(self.settings).items():
                part = np.asarray(values[name], dtype=f.dtype)
                array = self._arrays[name]
                array[window.slices] = part.reshape(1, *window.shape, *part.shape[1:])
        except OSError as err:
            raise CubeOutputError(
                f"{self.path} cannot be written any more: {err}. The blocks written so far are "
                "whole: the same command goes on from there"
            ) from err

    def attribute(self, name: str) -> Any:
        """Return an attribute of the output, parsed; None if it is not there."""
        text = self._group.attrs.get(name)
        return None if text is None else json.loads(str(text))

    def set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute of the output, as JSON.

        Raises
        ------
        CubeOutputError
            If it cannot be written.
        """
        try:
            self._group.attrs[name] = json.dumps(value)
            _consolidate(self.path)
        except OSError as err:
            raise CubeOutputError(f"{self.path} cannot be written any more: {err}") from err

    def dataset(self) -> xr.Dataset:
        """Open the output, nothing read, as an xarray Dataset."""
        return open_output(self.path)

    def close(self) -> None:
        """Let another run have the output."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _consolidate(path: Path) -> None:
    """Gather the metadata in one file, which ``xarray.open_zarr`` looks for first."""
    with warnings.catch_warnings():
        # zarr says that other readers may not look there; they then read the arrays' own.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(str(path), zarr_format=3)


def open_output(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open the output of a cube lazily.

    Raises
    ------
    CubeOutputError
        If there is none.
    """
    try:
        return xr.open_zarr(path, chunks=None, decode_times=False)
    except Exception as err:  # zarr and xarray each have their own
        raise CubeOutputError(f"{path} cannot be opened: {type(err).__name__}: {err}") from err
