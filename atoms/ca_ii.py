"""Ca II with six levels, and its lines H and K as two-level atoms.

Source: Lightweaver's ``CaII_atom`` (the five-level-plus-continuum Ca II of RH, Uitenbroek 2001,
ApJ 557, 389). Levels: 0 = 3p6 4s 2S1/2, 3 = 4p 2P1/2, 4 = 4p 2P3/2. Wavelengths in vacuum.
"""

from __future__ import annotations

from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import CaII_atom

from .multilevel import multilevel_atom
from .two_level import two_level_atom

__all__ = ["CaII", "CaII_H", "CaII_K"]


def CaII_K(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the line's name)
    """Return Ca II K, 393.48 nm, 4s 2S1/2 - 4p 2P3/2, as a two-level atom."""
    return two_level_atom(CaII_atom(), 0, 4, prd=prd, collision_scale=collision_scale)


def CaII_H(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the line's name)
    """Return Ca II H, 396.96 nm, 4s 2S1/2 - 4p 2P1/2, as a two-level atom."""
    return two_level_atom(CaII_atom(), 0, 3, prd=prd, collision_scale=collision_scale)


def CaII(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the ion's name)
    """Return Ca II with five levels and Ca III: H, K, the infrared triplet, five continua.

    Source: ``CaII_atom`` of the host. Partial redistribution is that of H and K.
    """
    return multilevel_atom(CaII_atom(), prd, collision_scale)
