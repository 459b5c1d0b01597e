"""Model atmospheres: FAL A, C, F and X, isothermal slabs, and a seeded random family.

Everything here returns a :class:`lightweaver.Atmosphere` (SI; ``.unit_view()`` gives it with
`astropy.units`). Arguments may be plain SI numbers or astropy quantities.
"""

from __future__ import annotations

from .build import from_arrays, isothermal, lte_electron_density, resample, validate
from .fal import canonical, known, load, read
from .random_family import random

__all__ = [
    "canonical",
    "from_arrays",
    "isothermal",
    "known",
    "load",
    "lte_electron_density",
    "random",
    "read",
    "resample",
    "validate",
]
