"""Adversarial policies: constant, wild or broken answers that a safeguard must survive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, Single

__all__ = ["ADVERSARIAL", "BlindPolicy"]


@dataclass(frozen=True)
class BlindPolicy:
    """A policy whose action does not depend on the observation.

    Parameters
    ----------
    action : callable
        Returns the action, given the number of points.
    """

    action: Callable[[int], Array]

    def predict(self, observation: Single, *, deterministic: bool = True) -> tuple[Array, Any]:
        """Return the action for as many points as the observation has."""
        return self.action(observation.shape[1]), None


def _raise(N: int) -> Array:
    raise RuntimeError("a policy that raises")


def _noise(N: int) -> Array:
    return np.random.default_rng(N).uniform(-1.0, 1.0, N)


#: Adversarial policies by name.
ADVERSARIAL: dict[str, BlindPolicy] = {
    "zeros": BlindPolicy(np.zeros),
    "ones": BlindPolicy(np.ones),
    "minus ones": BlindPolicy(lambda N: -np.ones(N)),
    "halves": BlindPolicy(lambda N: np.full(N, 0.5)),
    "small": BlindPolicy(lambda N: np.full(N, 0.1)),
    "jagged": BlindPolicy(lambda N: np.where(np.arange(N) % 2, -1.0, 1.0)),
    "noise": BlindPolicy(_noise),
    "huge": BlindPolicy(lambda N: np.full(N, 1e300)),
    "nan": BlindPolicy(lambda N: np.full(N, np.nan)),
    "shape": BlindPolicy(lambda N: np.zeros(7)),
    "raises": BlindPolicy(_raise),
}
