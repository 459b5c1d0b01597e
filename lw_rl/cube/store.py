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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from ..arrays import Array
from ..errors import CubeOutputError, CubeSettingsError
from ..files import Json, versions
from .column import OUTCOMES
from .layout import COLUMN_DIMS, FORMAT, Values, consolidate, create, fields
from .lines import KeptLine
from .settings import CubeSettings, as_plain, differences
from .source import Source
from .window import Window, block_shape, windows

__all__ = ["Output", "open_output"]


#: Bytes that a reason is reckoned with; few columns have one.
_REASON = 16


class Output:
    """The output of a cube: made, or opened to go on.

    Parameters
    ----------
    path : path-like
        The folder of the zarr.
    source : Source
        The cube.
    settings : CubeSettings
        What it is solved with.
    wavelength : Array
        Wavelengths that the light is kept at [nm].
    block : tuple of int, optional
        Columns of a block in x and y (default: what the output has, or :func:`block_shape`).
    attrs : mapping, optional
        More attributes of a new output; what is neither text nor a number is written as JSON.
    levels : sequence of str, optional
        Names of the levels that are kept (default: those of a two-level atom).
    lines : sequence of KeptLine, optional
        The lines, which a new output lists.

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
        settings: CubeSettings,
        wavelength: Array,
        block: tuple[int, int] | None = None,
        attrs: Mapping[str, object] | None = None,
        *,
        levels: Sequence[str] = ("lower", "upper"),
        lines: Sequence[KeptLine] = (),
    ):
        self.path = Path(path)
        self.settings = settings
        self.Nwave, self.Nlevel = wavelength.size, len(levels)
        self._levels, self._lines = levels, lines
        self._lock: int | None = None
        identity: dict[str, object] = {
            **as_plain(settings),
            "input": source.fingerprint(),
            "shape": [*source.shape, source.Nspace],
            "format": FORMAT,
        }
        if block is not None and not (np.shape(block) == (2,) and min(block) >= 1):
            raise CubeSettingsError(
                f"a block is two numbers of columns, in x and in y, from 1 on; got {block!r}"
            )
        existing = _is_output(self.path)
        if existing:
            block = self._compare(identity, block)
        elif block is None:
            block = block_shape(source.shape, self.two_level)
        nt, nx, ny = source.shape
        self.block = min(block[0], nx), min(block[1], ny)
        self.windows = windows(source.shape, self.block)
        self._sizes = {
            **{"t": nt, "x": nx, "y": ny, "mu": len(settings.mus), "wavelength": wavelength.size},
            **{"level": len(levels), "depth": source.Nspace, "line": len(lines)},
        }
        about = {
            "title": f"{settings.title}: 1.5D non-LTE synthesis of {source.name}",
            "settings": json.dumps({**identity, "block": list(self.block)}),
            "versions": versions(),
            **(attrs or {}),
        }
        try:
            if not existing:
                coordinates = self._coordinates(source, wavelength)
                create(self.path, settings, self._sizes, self.block, coordinates, about)
            self._take_lock()
            self._group = zarr.open_group(self.path, mode="r+")
            self._arrays: Json = {name: self._group[name] for name in fields(settings)}
            self._check_space()
        except OSError as err:
            self.close()
            if isinstance(err, CubeOutputError):
                raise
            raise CubeOutputError(f"{self.path} cannot be written: {err}") from err

    # ---- making and checking ------------------------------------------------------------------

    def _compare(
        self, identity: dict[str, object], block: tuple[int, int] | None
    ) -> tuple[int, int]:
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

    def _coordinates(self, source: Source, wavelength: Array) -> dict[str, xr.Variable]:
        coordinates = {
            "wavelength": xr.Variable(
                ("wavelength",), wavelength, {"units": "nm", "long_name": "vacuum wavelength"}
            ),
            "mu": xr.Variable(
                ("mu",),
                np.array(self.settings.mus),
                {"units": "1", "long_name": "cosine of the angle"},
            ),
        }
        if not self.two_level:
            coordinates["level"] = xr.Variable(("level",), np.array(self._levels))
        if self._lines:
            coordinates |= _line_variables(self._lines)
        found = {axis: source.coordinate(axis) for axis in COLUMN_DIMS}
        return coordinates | {axis: c for axis, c in found.items() if c is not None}

    def _check_space(self) -> None:
        needed = self.bytes_per_column * self.columns(self.pending())
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise CubeOutputError(
                f"{self.path} needs up to {needed / 1e9:.3g} GB, its disk has {free / 1e9:.3g} GB "
                "left; keep less (--keep none) or take another disk"
            )

    @property
    def two_level(self) -> bool:
        """Whether one two-level atom is solved."""
        return self.Nlevel == 2

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

    def commit(self, window: Window, values: Mapping[str, Values]) -> None:
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

    def set_attribute(self, name: str, value: object) -> None:
        """Set an attribute of the output, as JSON.

        Raises
        ------
        CubeOutputError
            If it cannot be written.
        """
        try:
            self._group.attrs[name] = json.dumps(value)
            consolidate(self.path)
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


def _line_variables(lines: Sequence[KeptLine]) -> dict[str, xr.Variable]:
    """Return what an output says of its lines: name, centre, and where each lies."""
    nm = {"units": "nm"}
    return {
        "line": xr.Variable(("line",), np.array([line.name for line in lines])),
        "line_centre": xr.Variable(
            ("line",),
            np.array([line.lambda0 for line in lines]),
            {**nm, "long_name": "vacuum wavelength of line centre"},
        ),
        "line_blue": xr.Variable(
            ("line",), np.array([line.blue for line in lines]), {**nm, "long_name": "blue end"}
        ),
        "line_red": xr.Variable(
            ("line",), np.array([line.red for line in lines]), {**nm, "long_name": "red end"}
        ),
    }


def _is_output(path: Path) -> bool:
    """Return whether there is an output; False where there is nothing, else it raises."""
    if (path / "zarr.json").exists():
        return True
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise CubeOutputError(
            f"{path} exists and is not the output of a cube; take another name or an empty folder"
        )
    return False


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
