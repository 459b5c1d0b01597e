"""The entropy of a policy, measured: exactly in the actions where it is a squashed Gaussian."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.sac.policies import Actor

__all__ = [
    "EntropyMeter",
    "is_gaussian",
    "measured_entropy",
    "replayed_states",
    "squashed_entropies",
]

Tensor = torch.Tensor

#: States that the entropy is measured over, at most: of a Gaussian policy, and of one that can only
#: be drawn from.
_STATES, _DRAWN = 8192, 2048
#: States that its change is measured over in between, and updates from one sweep to the next.
_SOME, _EVERY = 1024, 20
#: Entropy of a Gaussian of unit width.
_HALF_LOG_2_PI_E = 0.5 * math.log(2.0 * math.pi * math.e)
_hermite = np.polynomial.hermite.hermgauss(16)
_NODES = torch.as_tensor(_hermite[0] * math.sqrt(2.0), dtype=torch.float32)
_WEIGHTS = torch.as_tensor(_hermite[1] / math.sqrt(math.pi), dtype=torch.float32)


def measured_entropy(model: SAC) -> float:
    """Return the policy's entropy [nat]: its mean over the states of :func:`replayed_states`.

    A Gaussian actor's is exact in the actions; any other's is estimated from one action in
    each of fewer states.
    """
    with torch.no_grad():
        if is_gaussian(model.actor):
            mean, log_std, _ = model.actor.get_action_dist_params(replayed_states(model))
            return float(squashed_entropies(mean, log_std).mean())
        _, log_prob = model.actor.action_log_prob(replayed_states(model, _DRAWN))
    return -float(log_prob.mean())


def replayed_states(model: SAC, most: int = _STATES) -> Tensor:
    """Return every state in a model's replay buffer, evenly spaced ones if they are too many.

    Entropies differ by nats from state to state, so that a mean over a few hundred drawn at random
    jitters by more than what a requested one may be off.
    """
    buffer = model.replay_buffer
    assert buffer is not None
    each = max(most // buffer.n_envs, 1)
    index = np.linspace(0, buffer.size() - 1, min(buffer.size(), each)).astype(int)
    states = buffer.observations[index].reshape(-1, *buffer.obs_shape)
    normalised = model.get_vec_normalize_env()
    if normalised is not None:
        states = normalised.normalize_obs(states)
    return torch.as_tensor(np.asarray(states, np.float32), device=model.device)


def squashed_entropies(mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the entropy of squashed Gaussians, [batch, d] to [batch], in nats.

    It is that of the Gaussian and the mean logarithm of what the hyperbolic tangent shrinks, by
    Gauss-Hermite quadrature in every component.
    """
    u = mean[..., None] + log_std.exp()[..., None] * _NODES
    # log(1 - tanh(u)^2) without cancellation.
    shrunk = 2.0 * (math.log(2.0) - u - torch.nn.functional.softplus(-2.0 * u))
    return (_HALF_LOG_2_PI_E + log_std + shrunk @ _WEIGHTS).sum(dim=1)


def is_gaussian(actor: Actor) -> bool:
    """Whether an actor draws as stable-baselines3's own does: from a squashed Gaussian."""
    return type(actor).action_log_prob is Actor.action_log_prob and not actor.use_sde


class EntropyMeter:
    """The entropy of :func:`measured_entropy` after every update, at a fraction of its cost.

    The change since the last sweep over all states is averaged over some of them (a control
    variate, as in Johnson and Zhang 2013, NeurIPS 26, 315).

    Parameters
    ----------
    model : TemperedSAC
        With a :class:`~lw_rl.training.target_entropy.TargetEntropyActor`.
    some : int, optional
        States between two sweeps (default: 1024).
    """

    def __init__(self, model: SAC, some: int = _SOME):
        self.model, self.some = model, some
        self.left = 0

    @torch.no_grad()
    def measure(self) -> tuple[Tensor, Tensor, float]:
        """Return means and widths in some states, and what to add to their mean entropy.

        Returns
        -------
        mean, width : Tensor [n, d]
            As :meth:`~lw_rl.training.target_entropy.TargetEntropyActor.mean_and_width`.
        offset : float
            Entropy over all states minus that over these [nat].
        """
        actor: Any = self.model.actor
        if self.left == 0:
            self.states = replayed_states(self.model)
            self.entropies = self._entropies(*actor.mean_and_width(self.states))
            # A young buffer soon holds states that no sweep has seen.
            self.left = min(_EVERY, 1 + len(self.states) // 100)
        self.left -= 1
        if len(self.states) <= self.some:
            return *actor.mean_and_width(self.states), 0.0
        some = torch.randint(len(self.states), (self.some,))
        offset = float(self.entropies.mean() - self.entropies[some].mean())
        return *actor.mean_and_width(self.states[some]), offset

    def _entropies(self, mean: Tensor, width: Tensor) -> Tensor:
        actor: Any = self.model.actor
        return squashed_entropies(mean, actor.log_std_of(width))
