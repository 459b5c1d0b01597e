"""Fresh copies of Lightweaver's multi-level model atoms, as this package uses them."""

from __future__ import annotations

import numpy as np
from lightweaver.atomic_model import AtomicModel, LineType

from lw_rl.errors import AtomReductionError

from .two_level import scale_collisions

__all__ = ["multilevel_atom"]


def multilevel_atom(
    model: AtomicModel, prd: bool = False, collision_scale: float = 1.0
) -> AtomicModel:
    """Return one of the host's model atoms, all its lines in complete redistribution.

    Parameters
    ----------
    model : AtomicModel
        A model with any number of levels; it is changed.
    prd : bool, optional
        Keep the lines in partial redistribution that the model has so (default: False).
    collision_scale : float, optional
        Factor on the tables of all collisional rates (default: 1).

    Raises
    ------
    AtomReductionError
        If partial redistribution is asked for and the model has no such line, if the scale is not
        positive and finite, or if a collisional rate has no table to scale.
    """
    if not (np.isfinite(collision_scale) and collision_scale > 0.0):
        raise AtomReductionError(
            f"collision_scale must be positive and finite, got {collision_scale!r}"
        )
    if prd and all(line.type is not LineType.PRD for line in model.lines):
        raise AtomReductionError(
            f"the model of {model.element} has no line in partial redistribution"
        )
    if not prd:
        for line in model.lines:
            line.type = LineType.CRD
    if collision_scale != 1.0:
        model.collisions = [scale_collisions(rate, collision_scale) for rate in model.collisions]
    return model
