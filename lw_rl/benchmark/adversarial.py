"""Adversarial policies and drivers: constant, wild or broken answers that one must survive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, Single
from ..policies.drive import Decision, FixedDriver, Situation, decision_of

__all__ = ["ADVERSARIAL", "ADVERSARIAL_DRIVERS", "BlindDriver", "BlindPolicy"]


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


@dataclass(frozen=True)
class BlindDriver:
    """A driver that looks at nothing but how many formal solutions there were.

    Parameters
    ----------
    answer : callable
        Returns the decision, or what is none.
    """

    answer: Callable[[int], Any]

    def decide(self, situation: Situation) -> Decision:
        """Return the answer."""
        decision: Decision = self.answer(situation.made)
        return decision


def _driver_noise(made: int) -> Decision:
    return decision_of(np.random.default_rng(made).uniform(-1.0, 1.0, 7))


#: Adversarial drivers by name.
ADVERSARIAL_DRIVERS: dict[str, FixedDriver | BlindDriver] = {
    "driver stops": FixedDriver(Decision(stop=True)),
    "driver never steps": FixedDriver(Decision(plain=True)),
    "driver hands over": FixedDriver(Decision(hand_over=True)),
    "driver renews": FixedDriver(Decision(renew=True)),
    "driver spends nothing": FixedDriver(decision_of(np.array([-1.0, 1, -1, -1, -1, 0, 0]))),
    "driver overshoots": FixedDriver(decision_of(np.array([0.0, 1, 1, 1, 0, 0, 0]))),
    "driver noise": BlindDriver(_driver_noise),
    "driver nan": BlindDriver(lambda made: Decision(tolerance=float("nan"))),
    "driver out of range": BlindDriver(lambda made: Decision(fidelity=-3.0)),
    "driver of another kind": BlindDriver(lambda made: "left"),
}
