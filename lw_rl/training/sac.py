"""Depth-wise Soft Actor-Critic with hindsight demonstrations, on stable-baselines3's SAC.

What differs from SAC (Haarnoja et al. 2018, arXiv 1812.05905): rewards, values and log
probabilities are maps over depth, and every gradient step of the actor adds imitation of
relabelled transitions (`lw_rl.training.hindsight`). Collection, schedules, logging and saving are
stable-baselines3's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.utils import polyak_update
from torch.nn import functional

from ..envs.reward import REWARD_CLIP, REWARD_FLOOR
from .hindsight import Demonstrations, HindsightBuffer
from .policy import DepthwiseActor, estimate_size, points_to_action

__all__ = ["DepthwiseSAC"]

_MAX_GRADIENT = 10.0
#: An operator that is right to this leaves nothing to imitate.
_EXACT = 0.01


class DepthwiseSAC(SAC):
    """Soft Actor-Critic with a map over depth, and imitation of hindsight demonstrations.

    Parameters
    ----------
    *args, **kwargs
        As for stable-baselines3's SAC.
    imitation_batch : int, optional
        Demonstrations per gradient step of the actor; 0 turns imitation off (default: 48).
    imitation_until : float, optional
        Fraction of the training after which the actor no longer imitates (default: 1).
    return_every : int, optional
        Gradient steps between two updates by the return (critics, temperature, and the SAC part
        of the actor's loss); 0 turns the return off (default: 4).
    return_weight : float, optional
        Weight of SAC's objective beside imitation in the actor's loss (default: 0.02).
    """

    replay_buffer: HindsightBuffer

    def __init__(
        self,
        *args: Any,
        imitation_batch: int = 48,
        imitation_until: float = 1.0,
        return_every: int = 4,
        return_weight: float = 0.02,
        **kwargs: Any,
    ):
        self.imitation_batch = imitation_batch
        self.imitation_until = imitation_until
        self.return_every = return_every
        self.return_weight = return_weight
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        # The log probability is averaged over depth: so is the entropy that is aimed for.
        self.target_entropy = float(np.log(0.05))

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Make gradient steps on the actor, and every few of them on the critics."""
        self.policy.set_training_mode(True)
        optimizers = [self.actor.optimizer, self.critic.optimizer]
        if self.ent_coef_optimizer is not None:
            optimizers.append(self.ent_coef_optimizer)
        self._update_learning_rate(optimizers)

        logs: dict[str, list[float]] = {}
        imitates = self.imitation_batch > 0 and self.progress < self.imitation_until
        for _ in range(gradient_steps):
            self._n_updates += 1
            loss = torch.zeros(())
            if imitates and self.replay_buffer.ready(4):
                demonstrations = self.replay_buffer.demonstrations(self.imitation_batch)
                loss = loss + _logged(logs, "imitation_loss", self._imitation(demonstrations))
            if self.return_every and self._n_updates % self.return_every == 0:
                weight = self.return_weight if imitates else 1.0
                loss = loss + weight * self._return(batch_size, logs)
            if not loss.requires_grad:
                continue
            self._descend(self.actor, loss, logs)

        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in logs.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))

    @property
    def progress(self) -> float:
        """Fraction of the training that is done."""
        return self.num_timesteps / max(self._total_timesteps, 1)

    def _descend(self, module: Any, loss: torch.Tensor, logs: dict[str, list[float]]) -> None:
        """Take one step of a module's optimiser, unless the gradient is not finite."""
        module.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(module.parameters(), _MAX_GRADIENT)
        finite = bool(torch.isfinite(norm))
        logs.setdefault("skipped_steps", []).append(float(not finite))
        if finite:
            module.optimizer.step()

    def _imitation(self, demonstrations: Demonstrations) -> torch.Tensor:
        """Return the mean misfit of the proposed corrections, relative to the operator's own."""
        actor: DepthwiseActor = self.actor  # type: ignore[assignment]
        misfit = actor.correction(demonstrations.observations) - demonstrations.targets
        left = demonstrations.targets.norm(dim=1) + _EXACT * demonstrations.errors.norm(dim=1)
        return (misfit.norm(dim=1) / left).mean()

    def _return(self, batch_size: int, logs: dict[str, list[float]]) -> torch.Tensor:
        """Update critics and temperature; return SAC's loss of the actor."""
        data = self.replay_buffer.sample(batch_size)
        alpha = self._temperature(data.observations, logs)
        with torch.no_grad():
            next_action, next_log_prob = self.actor.action_log_prob(data.next_observations)
            next_value = self.critic_target(data.next_observations, next_action)
            next_value = torch.min(*next_value) - alpha * next_log_prob  # type: ignore[call-overload]
            target = data.rewards + (1.0 - data.dones) * self.gamma * next_value
        value = self.critic(data.observations, data.actions)
        critic_loss = _twin_loss(value, target)
        if self.imitation_batch:
            critic_loss = critic_loss + self._solved(batch_size // 2)
        self._descend(self.critic, critic_loss, logs)
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        logs.setdefault("critic_loss", []).append(float(critic_loss.detach()))

        action, log_prob = self.actor.action_log_prob(data.observations)
        # The critic's own weights must not collect the gradient of the actor's loss.
        self.critic.requires_grad_(False)
        best = torch.min(*self.critic(data.observations, action))  # type: ignore[call-overload]
        self.critic.requires_grad_(True)
        return _logged(logs, "actor_loss", (alpha * log_prob - best).mean())

    def _temperature(self, observations: torch.Tensor, logs: dict[str, list[float]]) -> Any:
        if self.ent_coef_optimizer is None or self.log_ent_coef is None:
            return self.ent_coef_tensor
        with torch.no_grad():
            _, log_prob = self.actor.action_log_prob(observations)
        assert isinstance(self.target_entropy, float)
        loss = -(self.log_ent_coef * (log_prob.mean() + self.target_entropy))
        self.ent_coef_optimizer.zero_grad()
        loss.backward()
        self.ent_coef_optimizer.step()
        alpha = self.log_ent_coef.detach().exp()
        logs.setdefault("ent_coef", []).append(float(alpha))
        logs.setdefault("entropy", []).append(-float(log_prob.mean()))
        return alpha

    def _solved(self, batch_size: int) -> torch.Tensor:
        """Return the critics' loss on relabelled transitions, which end in the solution."""
        demonstrations = self.replay_buffer.demonstrations(batch_size)
        error = demonstrations.errors.abs()
        error = error / error.amax(dim=1, keepdim=True)
        reward = torch.log((error + REWARD_FLOOR) / REWARD_FLOOR).clamp(max=REWARD_CLIP)
        size = estimate_size(demonstrations.observations)
        action = points_to_action(demonstrations.targets * size, size).clamp(-1.0, 1.0)
        value = self.critic(demonstrations.observations, action)
        return _twin_loss(value, reward)


def _logged(logs: dict[str, list[float]], name: str, loss: torch.Tensor) -> torch.Tensor:
    logs.setdefault(name, []).append(float(loss.detach()))
    return loss


def _twin_loss(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the sum of both critics' mean squared errors."""
    return functional.mse_loss(values[0], target) + functional.mse_loss(values[1], target)
