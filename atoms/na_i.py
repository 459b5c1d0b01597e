"""Na I with twelve levels, and the D lines as two-level atoms.

Source: Lightweaver's ``NaI_fine_atom`` (from RH), van der Waals broadening after Barklem and
O'Mara. Levels: 0 = 3s 2S1/2, 1 = 3p 2P1/2, 2 = 3p 2P3/2. Wavelengths in vacuum.
"""

from __future__ import annotations

from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import NaI_fine_atom

from .multilevel import multilevel_atom
from .two_level import two_level_atom

__all__ = ["NaI", "NaI_D1", "NaI_D2"]


def NaI_D2(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:
    """Return Na I D2, 589.16 nm, 3s 2S1/2 - 3p 2P3/2, as a two-level atom."""
    return two_level_atom(NaI_fine_atom(), 0, 2, prd=prd, collision_scale=collision_scale)


def NaI_D1(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:
    """Return Na I D1, 589.76 nm, 3s 2S1/2 - 3p 2P1/2, as a two-level atom."""
    return two_level_atom(NaI_fine_atom(), 0, 1, prd=prd, collision_scale=collision_scale)


def NaI(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:
    """Return Na I with eleven levels and Na II: 29 lines and 11 continua.

    Source: ``NaI_fine_atom`` of the host, the parent of the D lines. (Its ``Na_atom`` does not
    resolve the doublet and goes on to Na III.) No line of it is in partial redistribution.
    """
    return multilevel_atom(NaI_fine_atom(), prd, collision_scale)
