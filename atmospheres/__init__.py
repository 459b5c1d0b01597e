"""Model atmospheres: FAL A, C, F and X, isothermal slabs, a seeded random family, and planes.

Everything here returns a :class:`lightweaver.Atmosphere` (SI; ``.unit_view()`` gives it with
`astropy.units`). Arguments may be plain SI numbers or astropy quantities.
"""

from __future__ import annotations

from .build import from_arrays, isothermal, lte_electron_density, resample, validate
from .fal import canonical, known, load, read
from .plane import PLANE_KINDS, UniformDisk, slab_2d
from .random_family import random

__all__ = [
    "PLANE_KINDS",
    "UniformDisk",
    "canonical",
    "from_arrays",
    "isothermal",
    "known",
    "load",
    "lte_electron_density",
    "random",
    "read",
    "resample",
    "slab_2d",
    "validate",
]
