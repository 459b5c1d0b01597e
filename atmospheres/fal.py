"""The FAL models that ship (Fontenla, Avrett and Loeser 1993, ApJ 406, 319)."""

from __future__ import annotations

import os
from importlib.resources import as_file, files

import lightweaver as lw

from lw_rl.errors import AtmosphereError, UnknownNameError

from .build import resample, validate

__all__ = ["canonical", "known", "load", "read"]

_FILES = {
    "FALA": "FALA.atmos",
    "FALC": "FALC.atmos",
    "FALF": "FALF.atmos",
    "FALX": "FALX.atmos",
}


def known() -> list[str]:
    """Return the names of the atmospheres that ship."""
    return list(_FILES)


def canonical(name: str) -> str:
    """Return the name that an atmosphere is listed under.

    Raises
    ------
    UnknownNameError
        If there is no such atmosphere; the message lists those that there are.
    """
    key = name.upper().replace("-", "").replace("_", "").replace(" ", "")
    if key not in _FILES:
        raise UnknownNameError("atmosphere", name, _FILES)
    return key


def load(name: str, Nspace: int | None = None) -> lw.Atmosphere:
    """Load a model atmosphere that ships.

    Parameters
    ----------
    name : str
        One of :func:`known`; case, dashes and underscores do not matter.
    Nspace : int, optional
        Resample to this many depths (default: the model's own 80 or 82).

    Returns
    -------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    UnknownNameError
        If there is no such atmosphere; the message lists those that there are.
    """
    key = canonical(name)
    with as_file(files(__package__) / _FILES[key]) as path:
        return read(path, Nspace)


def read(path: str | os.PathLike[str], Nspace: int | None = None) -> lw.Atmosphere:
    """Read an atmosphere from a file in the MULTI format, as Lightweaver does.

    Parameters
    ----------
    path : path-like
        The file; its scale can be column mass, optical depth at 500 nm or height.
    Nspace : int, optional
        Resample to this many depths (default: the file's own).

    Returns
    -------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    AtmosphereError
        If the file cannot be read, is not in the format, or holds values no formal solution can
        be made for.
    """
    try:
        _, atmos = lw.read_multi_atmos(os.fspath(path))
    except Exception as err:  # whatever the host meets in a file that is none
        raise AtmosphereError(
            f"{path} cannot be read as an atmosphere in the MULTI format: {type(err).__name__}: "
            f"{err}"
        ) from err
    validate(atmos)
    return atmos if Nspace is None else resample(atmos, Nspace)
