"""Two-level model atoms, each reduced from a line of one of Lightweaver's atomic models.

``CaII_K()``, ``MgII_k()``, ... return a fresh :class:`lightweaver.atomic_model.AtomicModel`;
:func:`two_level_atom` reduces any other line, and :func:`make` looks one up by name.
"""

from __future__ import annotations

from collections.abc import Callable

from lightweaver.atomic_model import AtomicModel

from lw_rl.errors import UnknownNameError

from .ca_ii import CaII_H, CaII_K
from .h import H_Lya
from .mg_ii import MgII_h, MgII_k
from .na_i import NaI_D1, NaI_D2
from .two_level import two_level_atom

_ATOMS: dict[str, Callable[..., AtomicModel]] = {
    f.__name__: f for f in (CaII_K, CaII_H, MgII_k, MgII_h, NaI_D2, NaI_D1, H_Lya)
}

__all__ = [*_ATOMS, "known", "make", "two_level_atom"]


def known() -> list[str]:
    """Return the names of the ready-made two-level atoms."""
    return list(_ATOMS)


def make(name: str, prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:
    """Return a fresh two-level atom by name.

    Parameters
    ----------
    name : str
        One of :func:`known`.
    prd : bool, optional
        Treat the line in partial instead of complete redistribution (default: False).
    collision_scale : float, optional
        Factor on all collisional rates (default: 1).

    Raises
    ------
    UnknownNameError
        If there is no such atom; the message lists those that there are.
    AtomReductionError
        If the scale is not positive and finite.
    """
    if name not in _ATOMS:
        raise UnknownNameError("atom", name, _ATOMS)
    return _ATOMS[name](prd=prd, collision_scale=collision_scale)
