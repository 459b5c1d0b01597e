"""Stein Soft Actor-Critic (Messaoud et al. 2024, arXiv:2405.00987) on stable-baselines3."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import polyak_update
from torch.nn import functional

from ..errors import CriticError, SamplerError
from ..files import Json
from .s2ac_policy import PolicySamples, S2ACPolicy, SteinActor
from .sampler import Sampler
from .tempered_sac import Tempered

__all__ = ["S2AC", "Logs"]

Logs = dict[str, list[float]]


class S2AC(Tempered, SAC):
    """Soft Actor-Critic whose policy is the Boltzmann distribution of its own action value.

    What differs from SAC (Haarnoja et al. 2018): the policy is sampled by following the critics'
    gradient from a Gaussian start (:mod:`lw_rl.training.stein`), so it can have several modes; its
    entropy, which enters the value's target, is that of the samples' change of variables. The
    start's mean and standard deviation learn from the same Kullback-Leibler divergence as SAC's
    actor, the transport from start to sample held fixed in the start's own coordinates. An
    imitation of the sampler is learned beside it: ``predict(deterministic=True)`` takes the best
    of its proposals without following any gradient, ``predict(deterministic=False)`` samples the
    policy itself.

    Parameters
    ----------
    policy : str or type of S2ACPolicy
        ``"MlpPolicy"``.
    env : environment or its id
        With a bounded box of actions.
    sampler : Sampler, optional
        :class:`~lw_rl.training.stein.Stein` or :class:`~lw_rl.training.stein.Langevin`
        (default: the former).
    learn_start : bool, optional
        Whether the start is a learned function of the state (default: True).
    **kwargs
        As for :class:`~lw_rl.training.tempered_sac.TemperedSAC`, temperature included.

    Raises
    ------
    ActionSpaceError, TemperatureError, SamplerError, InvertibilityError
        At construction, for what can be known then.
    CriticError
        In training or prediction, if the critics do not return finite values.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": S2ACPolicy}
    actor: SteinActor  # type: ignore[assignment]

    def __init__(
        self,
        policy: str | type[S2ACPolicy],
        env: Any,
        *args: Any,
        sampler: Sampler | None = None,
        learn_start: bool = True,
        policy_kwargs: Json | None = None,
        **kwargs: Any,
    ):
        if kwargs.get("use_sde"):
            raise SamplerError(
                "use_sde must be False: S2AC explores by sampling its policy, not by noise that "
                "depends on the state"
            )
        policy_kwargs = dict(policy_kwargs or {})
        if sampler is not None:
            policy_kwargs["sampler"] = sampler
        policy_kwargs.setdefault("learn_start", learn_start)
        super().__init__(policy, env, *args, policy_kwargs=policy_kwargs, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        self._follow_temperature()

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Make gradient steps on critics, start, imitation and temperature."""
        self._set_temperature()
        self.policy.set_training_mode(True)
        optimizers = [self.actor.optimizer, self.critic.optimizer]
        if isinstance(self.ent_coef_optimizer, torch.optim.Adam):
            optimizers.append(self.ent_coef_optimizer)
        self._update_learning_rate(optimizers)
        logs: Logs = {}
        for step in range(gradient_steps):
            data = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)  # type: ignore[union-attr]
            # One call for both ends of the transitions: the sampler's cost is mostly per call.
            both = self.actor.sample(torch.cat((data.observations, data.next_observations)))
            for name, value in both.drawn.report.items():
                logs.setdefault(f"sampler_{name}", []).append(value)
            alpha = self._temperature(both.log_prob[:batch_size], logs)
            self._learn_values(data, both, alpha, logs)
            self._learn_start(data.observations, both, alpha, logs)
            if step % self.target_update_interval == 0:
                polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
                polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in logs.items():
            worst = name in ("sampler_contraction", "sampler_step_over_bandwidth")
            self.logger.record(f"train/{name}", float(max(values) if worst else np.mean(values)))

    def _follow_temperature(self) -> torch.Tensor:
        """Return the temperature and let the actor's energy have it."""
        if self.log_ent_coef is not None:
            alpha = self.log_ent_coef.detach().exp()[0]
        else:
            alpha = self.ent_coef_tensor
        self.actor.alpha.copy_(alpha)
        return alpha

    def _temperature(self, log_prob: torch.Tensor, logs: Logs) -> torch.Tensor:
        """Update the temperature, if it is to be learned, and return it."""
        if self.ent_coef_optimizer is not None and self.log_ent_coef is not None:
            assert isinstance(self.target_entropy, float)
            loss = -(self.log_ent_coef * (log_prob.mean() + self.target_entropy)).mean()
            self.ent_coef_optimizer.zero_grad()
            loss.backward()
            self.ent_coef_optimizer.step()
            logs.setdefault("ent_coef_loss", []).append(float(loss.detach()))
        alpha = self._follow_temperature()
        logs.setdefault("ent_coef", []).append(float(alpha))
        return alpha

    def _learn_values(
        self, data: Any, both: PolicySamples, alpha: torch.Tensor, logs: Logs
    ) -> None:
        """Take a step on the critics towards the soft value of the next state."""
        with torch.no_grad():
            batch = len(data.next_observations)
            actions = both.actions[batch:]
            n = actions.shape[1]
            repeated = data.next_observations.repeat_interleave(n, dim=0)
            values = torch.cat(self.critic_target(repeated, actions.flatten(0, 1)), dim=1)
            soft = values.min(dim=1).values.view(batch, n) - alpha * both.log_prob[batch:]
            discount = data.discounts if data.discounts is not None else self.gamma
            target = data.rewards + (1.0 - data.dones) * discount * soft.mean(1, keepdim=True)
        found = self.critic(data.observations, data.actions)
        loss = 0.5 * sum(functional.mse_loss(value, target) for value in found)
        assert isinstance(loss, torch.Tensor)
        if not bool(torch.isfinite(loss)):
            raise CriticError(
                f"the critics' loss must be finite, got {float(loss.detach())}: rewards, target "
                f"values (up to {float(target.abs().max()):.3g}) or the critics' own are not; "
                "lower the learning rate or scale the rewards"
            )
        self.critic.optimizer.zero_grad()
        loss.backward()
        self.critic.optimizer.step()
        logs.setdefault("critic_loss", []).append(float(loss.detach()))

    def _learn_start(self, obs: Any, both: PolicySamples, alpha: torch.Tensor, logs: Logs) -> None:
        """Take a step on the start and on the imitation."""
        drawn = both.drawn.first(len(obs))
        loss = imitation = self.actor.imitation_loss(obs, drawn)
        logs.setdefault("imitation_loss", []).append(float(imitation.detach()))
        if self.actor.learn_start:
            mean, std = (t[:, None] for t in self.actor.start(obs))
            u, log_prob = self.actor.place(mean, std, drawn)
            # The critics' own weights must not collect this gradient.
            self.critic.requires_grad_(False)
            value = self.actor.value(obs, torch.tanh(u))
            self.critic.requires_grad_(True)
            actor_loss = (alpha * log_prob - value).mean()
            logs.setdefault("actor_loss", []).append(float(actor_loss.detach()))
            loss = loss + actor_loss
        self.actor.optimizer.zero_grad()
        loss.backward()
        self.actor.optimizer.step()
