"""Model atoms from Lightweaver's own: with many levels, and two-level reductions of one line.

``CaII()``, ``H()``, ... and ``CaII_K()``, ``MgII_k()``, ... return a fresh
:class:`lightweaver.atomic_model.AtomicModel`; :func:`two_level_atom` reduces any other line, and
:func:`make` looks one up by name.
"""

from __future__ import annotations

from collections.abc import Callable

from lightweaver.atomic_model import AtomicModel

from lw_rl.errors import UnknownNameError

from .background import BACKGROUND, background_atom
from .ca_ii import CaII, CaII_H, CaII_K
from .h import H, H_Lya
from .he_i import HeI
from .mg_ii import MgII, MgII_h, MgII_k
from .na_i import NaI, NaI_D1, NaI_D2
from .two_level import two_level_atom

_Factory = Callable[..., AtomicModel]

_LINES: dict[str, _Factory] = {
    f.__name__: f for f in (CaII_K, CaII_H, MgII_k, MgII_h, NaI_D2, NaI_D1, H_Lya)
}
_MULTILEVEL: dict[str, _Factory] = {f.__name__: f for f in (CaII, MgII, H, NaI, HeI)}
_ATOMS = {**_LINES, **_MULTILEVEL}

__all__ = [
    *_ATOMS,
    "BACKGROUND",
    "background_atom",
    "canonical",
    "known",
    "known_lines",
    "make",
    "make_all",
    "two_level_atom",
]


def known() -> list[str]:
    """Return the names of the ready-made atoms."""
    return list(_ATOMS)


def known_lines() -> list[str]:
    """Return the names of those that are two-level atoms, each of one line."""
    return list(_LINES)


def canonical(name: str) -> str:
    """Return the name that an atom is listed under; case, dashes and underscores do not matter.

    Raises
    ------
    UnknownNameError
        If there is no such atom; the message lists those that there are.
    """
    if name in _ATOMS:
        return name
    found = [known for known in _ATOMS if _folded(known) == _folded(name)]
    if not found:
        raise UnknownNameError("atom", name, _ATOMS)
    return found[0]


def _folded(name: str) -> str:
    return "".join(c for c in name.lower() if c not in "_- ")


def make(name: str, prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:
    """Return a fresh atom by name.

    Parameters
    ----------
    name : str
        One of :func:`known`, in any spelling of :func:`canonical`.
    prd : bool, optional
        Partial instead of complete redistribution, of the line of a two-level atom or of those
        lines that the host's model has so (default: False).
    collision_scale : float, optional
        Factor on all collisional rates (default: 1).

    Raises
    ------
    UnknownNameError
        If there is no such atom; the message lists those that there are.
    AtomReductionError
        If the scale is not positive and finite, or the atom does not allow for scale or `prd`.
    """
    return _ATOMS[canonical(name)](prd=prd, collision_scale=collision_scale)


def make_all(names: str, prd: bool = False, collision_scale: float = 1.0) -> list[AtomicModel]:
    """Return fresh atoms by their names, joined by plus signs: ``"H+CaII"``.

    Parameters
    ----------
    names : str
    prd, collision_scale
        As for :func:`make`, whose errors it raises.
    """
    return [make(name, prd, collision_scale) for name in names.split("+")]
