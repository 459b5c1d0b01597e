"""The FAL models that ship (Fontenla, Avrett and Loeser 1993, ApJ 406, 319)."""

from __future__ import annotations

from importlib.resources import as_file, files

import lightweaver as lw

from lw_rl.errors import UnknownNameError

from .build import resample

__all__ = ["canonical", "known", "load"]

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
        _, atmos = lw.read_multi_atmos(str(path))
    if Nspace is not None:
        atmos = resample(atmos, Nspace)
    return atmos
