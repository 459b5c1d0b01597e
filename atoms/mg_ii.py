"""Mg II with eleven levels, and its lines h and k as two-level atoms.

Source of the lines: Lightweaver's ``MgII_hk_atom`` (three levels and a continuum, from RH). Levels:
0 = 3s 2S1/2, 1 = 3p 2P1/2, 2 = 3p 2P3/2. Wavelengths in vacuum.
"""

from __future__ import annotations

from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import MgII_atom, MgII_hk_atom

from .multilevel import multilevel_atom
from .two_level import two_level_atom

__all__ = ["MgII", "MgII_h", "MgII_k"]


def MgII_k(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the line's name)
    """Return Mg II k, 279.64 nm, 3s 2S1/2 - 3p 2P3/2, as a two-level atom."""
    return two_level_atom(MgII_hk_atom(), 0, 2, prd=prd, collision_scale=collision_scale)


def MgII_h(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the line's name)
    """Return Mg II h, 280.35 nm, 3s 2S1/2 - 3p 2P1/2, as a two-level atom."""
    return two_level_atom(MgII_hk_atom(), 0, 1, prd=prd, collision_scale=collision_scale)


def MgII(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the ion's name)
    """Return Mg II with ten levels and Mg III: 15 lines and 10 continua.

    Source: ``MgII_atom`` of the host (from RH). Partial redistribution is that of h and k.
    """
    return multilevel_atom(MgII_atom(), prd, collision_scale)
