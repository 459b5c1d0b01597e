"""Files that are never half written, plain data for JSON, and the versions that it depends on."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from .errors import FigureFormatError

__all__ = ["Json", "figure_format", "plain", "versions", "write_atomically", "write_json"]

Json = dict[str, Any]
"""An object of a JSON document."""

_PACKAGES = ("lw-rl", "lightweaver", "numpy", "scipy")


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a reader sees the old contents or the new, never a part.

    Parameters
    ----------
    path : path-like
        The file; missing folders are made.
    data : bytes
        Its contents.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


#: Formats of figures, by suffix.
_FIGURES = {s: s for s in ("pdf", "svg", "eps", "png", "webp", "tiff")} | {
    "jpg": "jpeg", "jpeg": "jpeg", "tif": "tiff",
}  # fmt: skip


def figure_format(path: str | os.PathLike[str]) -> str:
    """Return the format of a figure, which its suffix says, under matplotlib's name.

    Raises
    ------
    FigureFormatError
        If there is no such format; the message lists those that there are.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in _FIGURES:
        raise FigureFormatError(
            f"{path} has {f'the suffix .{suffix}' if suffix else 'no suffix'}, which is no format "
            f"of a figure; those are .{', .'.join(_FIGURES)}"
        )
    return _FIGURES[suffix]


def write_json(path: Path, content: Mapping[str, Any], readable: bool = False) -> None:
    """Write JSON, whole or not at all; a line for every value if it is to be read by people."""
    text = json.dumps(content, indent=1) + "\n" if readable else json.dumps(content)
    write_atomically(path, text.encode())


def plain(value: Any, digits: int | None = 6) -> Any:
    """Return plain data for JSON: no arrays, None for what is not finite.

    Parameters
    ----------
    value : object
        Mappings, sequences and arrays, nested at will, of numbers, strings and None.
    digits : int or None, optional
        Significant digits of floating-point numbers; None keeps them all (default: 6).
    """
    if isinstance(value, dict):
        return {str(k): plain(v, digits) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v, digits) for v in value]
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return None
        return float(value if digits is None else f"{value:.{digits}g}")
    return int(value) if isinstance(value, np.integer) else value


def versions() -> dict[str, str]:
    """Return the versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # pragma: no cover (a vendored installation)
            found[package] = "unknown"
    return found
