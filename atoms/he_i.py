"""He I and He II with nine levels.

Source: Lightweaver's ``He_9_atom`` (from RH). Levels: five of He I up to 2p 1P, three of He II,
and He III; 1083 nm is one line. Wavelengths in vacuum.
"""

from __future__ import annotations

from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import He_9_atom

from .multilevel import multilevel_atom

__all__ = ["HeI"]


def HeI(prd: bool = False, collision_scale: float = 1.0) -> AtomicModel:  # noqa: N802 (the ion's name)
    """Return helium with nine levels: seven lines and eight continua.

    No line of it is in partial redistribution.
    """
    return multilevel_atom(He_9_atom(), prd, collision_scale)
