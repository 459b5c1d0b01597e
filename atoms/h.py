"""H with six levels, and Lyman alpha as a two-level atom.

Source: Lightweaver's ``H_6_atom`` (five levels and the proton, from RH). Levels: 0 = n 1,
1 = n 2. Wavelengths in vacuum. In the two-level atom all hydrogen sits in these two levels, so
the protons of the model atmosphere do not take part, and the background opacity has no hydrogen
continua beyond those of H- ; electrons keep the density that the atmosphere gives them.
"""

from __future__ import annotations

from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import H_6_atom

from .multilevel import multilevel_atom
from .two_level import two_level_atom

__all__ = ["H", "H_Lya"]


def H_Lya(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the line's name)
    """Return H Lyman alpha, 121.57 nm, n 1 - n 2, as a two-level atom."""
    return two_level_atom(H_6_atom(), 0, 1, prd=prd, collision_scale=collision_scale)


def H(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:
    """Return H with five levels and the proton: ten lines and five continua.

    Source: ``H_6_atom`` of the host. Partial redistribution is that of Lyman alpha and beta.
    """
    return multilevel_atom(H_6_atom(), prd, collision_scale)
