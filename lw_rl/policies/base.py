"""What a policy is, and how to make one from a name, a file or an object."""

from __future__ import annotations

import os
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from . import actor

__all__ = ["Policy", "PolicyLike", "make_policy"]


@runtime_checkable
class Policy(Protocol):
    """Anything that maps an observation to an action, as stable-baselines3's models do.

    One that also has a card (`lw_rl.policies.card.Carded`) is used within the limits set there.
    """

    def predict(
        self, observation: NDArray[np.float32], *, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Return the action in [-1, 1], shape [Npoints], and a recurrent state (ignored)."""
        ...


PolicyLike = str | os.PathLike[str] | Policy
"""A name that ships, a file, or a policy."""


def make_policy(policy: PolicyLike) -> Policy:
    """Return a policy from a name, a path, or anything with a ``predict`` method.

    Raises
    ------
    UnknownNameError
        If a name is not that of a shipped policy, nor of a file.
    PolicyFileError, SchemaError
        If a file is not a policy of this lw_rl.
    TypeError
        If the object has no ``predict`` method.
    """
    if isinstance(policy, os.PathLike):
        return actor.load(policy)
    if isinstance(policy, str):
        if policy in actor.known():
            return actor.load_shipped(policy)
        if os.sep in policy or policy.endswith((".json", ".safetensors")):
            return actor.load(policy)
        raise UnknownNameError("policy", policy, actor.known())
    if not isinstance(policy, Policy):
        raise TypeError(
            "a policy is a name, a path, or an object with predict(obs, deterministic=True); got "
            f"{type(policy).__name__}"
        )
    return policy
