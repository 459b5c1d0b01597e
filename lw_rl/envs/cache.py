"""Solutions of problems, found once and kept on disk.

Training, validation and benchmarks meet the same problems again and again. What is kept is keyed
by everything that the solution depends on, the line's local physics bit by bit, so a changed atom,
atmosphere or host is another problem. Any number of processes may share a cache: files appear
in one step, and who comes second writes the same.

The cache lies in the directory ``$LW_RL_CACHE``, or in the user's cache directory; an empty
``$LW_RL_CACHE`` turns it off.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..files import write_atomically
from ..host.state import LinePhysics

__all__ = ["directory", "kept", "key"]


def directory() -> Path | None:
    """Return where solutions are kept; None if they are not."""
    chosen = os.environ.get("LW_RL_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lw_rl"
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "lw_rl"


def key(kind: str, physics: LinePhysics, atom: str) -> str:
    """Return what a solution is kept under.

    Parameters
    ----------
    kind : str
        What is kept: a solution to another tolerance is of another kind.
    physics : LinePhysics
        The line in its atmosphere.
    atom : str
        The line's name.
    """
    digest = hashlib.sha256(f"{kind} {atom} {version('lightweaver')} ".encode())
    for f in fields(LinePhysics):
        digest.update(np.ascontiguousarray(getattr(physics, f.name), dtype=np.float64).tobytes())
    return digest.hexdigest()


def kept(name: str, find: Callable[[], Mapping[str, Array]]) -> dict[str, Array]:
    """Return the arrays that are kept under a name, found first if there are none.

    Parameters
    ----------
    name : str
        From :func:`key`.
    find : callable
        Returns the arrays.
    """
    root = directory()
    if root is None:
        return dict(find())
    file = root / f"{name}.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, KeyError, SystemError):
        # Not there, or damaged, or met a race that parsing has in threads before Python 3.11.8
        # (https://github.com/python/cpython/issues/106905): found again.
        pass
    arrays = dict(find())
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    try:
        write_atomically(file, stream.getvalue())
    except OSError:
        pass  # a cache that cannot be written only costs time
    return arrays
