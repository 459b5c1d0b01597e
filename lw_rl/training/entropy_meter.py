"""The entropy of a policy, measured: exactly in the actions where it is a squashed Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

#: States that the entropy is measured on now and then, and in between, and updates from one to the
#: next.
_MANY, _SOME, _EVERY = 8192, 512, 50
#: Entropy of a Gaussian of unit width.
_HALF_LOG_2_PI_E = 0.5 * math.log(2.0 * math.pi * math.e)
_hermite = np.polynomial.hermite.hermgauss(16)
_NODES = torch.as_tensor(_hermite[0], dtype=torch.float32)
_WEIGHTS = torch.as_tensor(_hermite[1] / math.sqrt(math.pi), dtype=torch.float32)


class EntropyMeter:
    """A Gaussian actor's mean entropy over replayed states, after every update.

    Entropies differ by nats from state to state, so that a mean over a batch of them jitters. It is
    the change since the last look at many states that is averaged over few (a control variate, as
    in Johnson and Zhang 2013, NeurIPS 26, 315).

    Parameters
    ----------
    actor : Actor
        stable-baselines3's, a squashed Gaussian.
    replayed : callable
        Returns so many replayed states.
    """

    def __init__(self, actor: Any, replayed: Callable[[int], torch.Tensor]):
        self.actor, self.replayed = actor, replayed
        self.calls = 0

    def look(self) -> Callable[[], tuple[float, float]]:
        """Draw states; return what measures the entropy there [nat], and its slope.

        The slope is that with the log standard deviation, of all components alike.
        """
        if self.calls % _EVERY == 0:
            self.states = self.replayed(_MANY)
            self.entropies, _ = gaussian_entropies(self.actor, self.states)
        self.calls += 1
        some = torch.randint(len(self.states), (_SOME,))
        known = self.entropies.mean() - self.entropies[some].mean()

        def measure() -> tuple[float, float]:
            now, slope = gaussian_entropies(self.actor, self.states[some])
            return float(known + now.mean()), float(slope)

        return measure


def measured_entropy(model: Any, observations: torch.Tensor) -> float:
    """Return the policy's mean entropy over states [nat].

    A Gaussian actor's is exact in the actions; any other's is estimated from one action for each
    state.
    """
    if is_gaussian(model.actor):
        return float(gaussian_entropies(model.actor, observations)[0].mean())
    with torch.no_grad():
        _, log_prob = model.actor.action_log_prob(observations)
    return -float(log_prob.mean())


@torch.no_grad()
def gaussian_entropies(actor: Any, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a squashed Gaussian's entropy in every state [nat], and the mean of its slope.

    The entropy is that of the Gaussian and the mean logarithm of what the hyperbolic tangent
    shrinks, by Gauss-Hermite quadrature in every component. Its slope is that with the log
    standard deviation, of all components alike.
    """
    mean, log_std, _ = actor.get_action_dist_params(observations)
    x = log_std.exp()[..., None] * math.sqrt(2.0) * _NODES
    u = mean[..., None] + x
    # log(1 - tanh(u)^2) without cancellation.
    shrunk = 2.0 * (math.log(2.0) - u - torch.nn.functional.softplus(-2.0 * u))
    entropies = (_HALF_LOG_2_PI_E + log_std + shrunk @ _WEIGHTS).sum(dim=1)
    slopes = (1.0 - 2.0 * (torch.tanh(u) * x) @ _WEIGHTS).sum(dim=1)
    return entropies, slopes.mean()


def is_gaussian(actor: Any) -> bool:
    """Whether an actor is stable-baselines3's own: a squashed Gaussian of each state's width."""
    return isinstance(getattr(actor, "log_std", None), torch.nn.Linear)
