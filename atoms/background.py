"""The elements of the background, in LTE: those of the host's own gallery problem.

Source: Lightweaver's ``rh_atoms`` (from RH, Uitenbroek 2001, ApJ 557, 389).
"""

from __future__ import annotations

from collections.abc import Callable

from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import (
    Al_atom,
    C_atom,
    CaII_atom,
    Fe_atom,
    H_6_atom,
    He_9_atom,
    MgII_atom,
    N_atom,
    Na_atom,
    O_atom,
    S_atom,
    Si_atom,
)

from lw_rl.errors import UnknownNameError

__all__ = ["BACKGROUND", "background_atom"]

_ELEMENTS: dict[str, Callable[[], AtomicModel]] = {
    "H": H_6_atom,
    "C": C_atom,
    "O": O_atom,
    "Si": Si_atom,
    "Al": Al_atom,
    "Ca": CaII_atom,
    "Fe": Fe_atom,
    "He": He_9_atom,
    "Mg": MgII_atom,
    "N": N_atom,
    "Na": Na_atom,
    "S": S_atom,
}

#: Symbols of the twelve elements.
BACKGROUND = tuple(_ELEMENTS)


def background_atom(element: str) -> AtomicModel:
    """Return a fresh model of an element of the background.

    Parameters
    ----------
    element : str
        One of :data:`BACKGROUND`.

    Raises
    ------
    UnknownNameError
        If there is no such element; the message lists those that there are.
    """
    if element not in _ELEMENTS:
        raise UnknownNameError("element of the background", element, _ELEMENTS)
    return _ELEMENTS[element]()
