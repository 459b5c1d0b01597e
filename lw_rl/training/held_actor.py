"""The old names of `lw_rl.training.target_entropy`, for one release: saved models refer to them."""

from __future__ import annotations

import warnings

from .target_entropy import TargetEntropyActor as HeldActor
from .target_entropy import TargetEntropyPolicy as HeldPolicy

__all__ = ["HeldActor", "HeldPolicy"]

warnings.warn(
    "lw_rl.training.held_actor is now lw_rl.training.target_entropy",
    DeprecationWarning,
    stacklevel=2,
)
