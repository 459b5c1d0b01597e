"""The reward of the depth-wise environment, point by point."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..policies.observation import size_of

__all__ = ["REWARD_CLIP", "REWARD_FLOOR", "reward_map"]

#: An error this far below the largest one no longer counts in the reward.
REWARD_FLOOR = 1e-2
#: Largest reward or penalty at a point.
REWARD_CLIP = 6.0


def reward_map(before: Array, after: Array) -> Array:
    """Return the decrease of a logarithmic error, point by point.

    Parameters
    ----------
    before, after : Array
        Errors (or preconditioned residuals) in the logarithm of the source function, shape [N].

    Returns
    -------
    reward : Array
        ``ln((|before|/m + f) / (|after|/m + f))`` with m the largest error before and
        f = :data:`REWARD_FLOOR`, clipped at +-:data:`REWARD_CLIP`; shape [N].
    """
    m = size_of(before)
    ratio = (np.abs(before) / m + REWARD_FLOOR) / (np.abs(after) / m + REWARD_FLOOR)
    decrease: Array = np.log(np.maximum(ratio, 1e-30))
    return np.clip(decrease, -REWARD_CLIP, REWARD_CLIP)
