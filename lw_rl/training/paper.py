"""The paper's training: Soft Actor-Critic on the slab.

`train_sac` uses Stable-Baselines3 unchanged, with the hyper-parameters of Panos & Milic (2025,
arXiv:2504.15679); `SlabVecEnv` puts the batched step of the environment behind its vectorised
interface, so that four environments cost one call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from ..arrays import Array
from ..envs.sigmoid_source import SourceStep, action_space, observation_space
from ..files import Json

__all__ = [
    "Curve",
    "CurveRecorder",
    "SACSettings",
    "SlabPolicy",
    "SlabVecEnv",
    "as_policy",
    "policy_seconds",
    "rollout",
    "train_sac",
]

SlabPolicy = Callable[[Array], NDArray[Any]]
"""From source functions [Nepisode, Nspace] to actions [Nepisode, Naction]."""


@dataclass(frozen=True)
class SACSettings:
    """Hyper-parameters of SAC; the defaults are the paper's.

    ``gradient_steps`` is not published.  Stable-Baselines3 makes one per call of the vectorised
    environment, that is one for four transitions by default, and so do we.
    """

    steps: int = 100_000  # Environment steps in all, over the four environments.
    gamma: float = 0.99  # Discount factor.
    entropy: str = "auto"  # Entropy coefficient: tuned, from one; "auto_0.1": tuned, from 0.1.
    entropy_per_action: float = -1.0  # Target entropy, in nats for each component of the action.
    action_noise: float = 0.15  # Standard deviation of the noise added to the policy's action.
    learning_rate: float = 3e-4  # Of actor, critics and entropy coefficient.
    decay: bool = False  # Whether the learning rate falls linearly to zero.
    buffer_size: int = 50_000  # Transitions kept.
    learning_starts: int = 1_000  # Random steps before the first update.
    batch_size: int = 256  # Transitions per update.
    tau: float = 0.005  # Rate at which the target critics follow.
    net: tuple[int, int] = (64, 64)  # Hidden layers of actor and critics.
    environments: int = 4  # Episodes that run side by side.
    gradient_steps: int = 1  # Updates per call of the vectorised environment.


class SlabVecEnv(VecEnv):
    """`SourceStep` as a vectorised environment of Stable-Baselines3.

    Parameters
    ----------
    advance : SourceStep
        The step that every episode shares.
    environments : int
        Number of episodes side by side.
    """

    def __init__(self, advance: SourceStep, environments: int):
        self.advance = advance  # First: the base class reads an attribute in its constructor.
        super().__init__(environments, observation_space(advance), action_space(advance))
        self._start = advance.source.start.astype(np.float32)
        self._count = np.zeros(environments, int)
        self._return = np.zeros(environments)

    def reset(self) -> NDArray[np.float32]:
        """Start every episode again."""
        self._count[:] = 0
        self._return[:] = 0.0
        return np.repeat(self._start[None], self.num_envs, axis=0)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Make one step in every episode and restart those that ended."""
        self._count += 1
        out = self.advance(self._actions, self._count)
        self._return += out.reward
        observation = out.S.astype(np.float32)
        done = out.terminated | out.truncated
        infos: list[Json] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i] = {
                "terminal_observation": observation[i].copy(),
                "TimeLimit.truncated": bool(out.truncated[i]),
                "episode": {"r": self._return[i], "l": int(self._count[i]), "t": 0.0},
            }
            observation[i] = self._start
        self._count[done] = 0
        self._return[done] = 0.0
        return observation, out.reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the shared step, once for each episode."""
        return [getattr(self.advance, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: the episodes share one step."""
        raise NotImplementedError("the episodes share one step; build another SourceStep")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Refuse: there are no separate environments."""
        raise NotImplementedError("the episodes share one step and have no methods of their own")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return that no episode is wrapped."""
        return [False] * self.num_envs


def rollout(
    policy: SlabPolicy, advance: SourceStep, steps: int, start: Array | None = None
) -> Array:
    """Let a policy act for a number of steps, without a stop.

    Parameters
    ----------
    policy : callable
        From source functions to actions.
    advance : SourceStep
        The step.
    steps : int
        Number of steps.
    start : ndarray [Nspace], optional
        The first observation; by default the start of the environment.

    Returns
    -------
    ndarray [steps + 1, Nspace]
        The start and every source function.
    """
    S = [advance.source.start if start is None else start]
    for k in range(1, steps + 1):
        S.append(advance(policy(S[-1][None]), np.array([k])).S[0])
    return np.array(S)


def as_policy(model: SAC) -> SlabPolicy:
    """Return the deterministic policy of a trained model."""
    return lambda S: model.predict(S.astype(np.float32), deterministic=True)[0]


@dataclass
class Curve:
    """What is recorded while training.

    ``steps, reward, critic_loss, entropy`` are means over equal windows of environment steps;
    ``S`` holds, at ``evaluated`` steps, rollouts of the deterministic policy.
    """

    steps: list[int] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    critic_loss: list[float] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)
    S: list[Array] = field(default_factory=list)
    episodes: int = 0
    terminated: int = 0
    cpu_seconds: float = 0.0


class CurveRecorder(BaseCallback):
    """Fill a `Curve`: reward and losses every window, rollouts at each evaluation."""

    model: SAC

    def __init__(self, curve: Curve, window: int, evaluate_at: Sequence[int], rollout_steps: int):
        super().__init__()
        self.curve, self.window = curve, window
        self.evaluate_at, self.rollout_steps = list(evaluate_at), rollout_steps
        self._rewards: list[float] = []
        self._losses: list[float] = []

    def _on_step(self) -> bool:
        curve = self.curve
        self._rewards.append(float(np.mean(self.locals["rewards"])))
        logged = self.model.logger.name_to_value
        if "train/critic_loss" in logged:
            self._losses.append(float(logged["train/critic_loss"]))
        for info in self.locals["infos"]:
            if "episode" in info:
                curve.episodes += 1
                curve.terminated += not info["TimeLimit.truncated"]
        if self.num_timesteps >= self.window * (len(curve.steps) + 1):
            curve.steps.append(self.num_timesteps)
            curve.reward.append(float(np.mean(self._rewards)))
            curve.critic_loss.append(float(np.mean(self._losses)) if self._losses else np.nan)
            curve.entropy.append(float(logged.get("train/ent_coef", np.nan)))
            self._rewards, self._losses = [], []
        if self.evaluate_at and self.num_timesteps >= self.evaluate_at[0]:
            curve.evaluated.append(self.evaluate_at.pop(0))
            advance = self.training_env.advance  # type: ignore[attr-defined]
            curve.S.append(rollout(as_policy(self.model), advance, self.rollout_steps))
        return True


def train_sac(
    advance: SourceStep,
    settings: SACSettings,
    seed: int,
    evaluations: int = 10,
    rollout_steps: int = 50,
) -> tuple[SAC, Curve]:
    """Train SAC on one problem.

    Parameters
    ----------
    advance : SourceStep
        The step of the environment.
    settings : SACSettings
        Hyper-parameters.
    seed : int
        Of networks, exploration and replay.
    evaluations : int
        Rollouts of the deterministic policy along the training, equally spaced, one at its end.
    rollout_steps : int
        Length of each.

    Returns
    -------
    SAC
        The trained model.
    Curve
        What was recorded.
    """
    torch.set_num_threads(1)  # Networks this small are slower on two threads than on one.
    env = SlabVecEnv(advance, settings.environments)
    Naction = advance.source.Naction
    noise = NormalActionNoise(np.zeros(Naction), np.full(Naction, settings.action_noise))
    rate = LinearSchedule(settings.learning_rate, 0.0, 1.0) if settings.decay else None
    model = SAC(
        "MlpPolicy",
        env,
        learning_rate=rate or settings.learning_rate,
        buffer_size=settings.buffer_size,
        learning_starts=settings.learning_starts,
        batch_size=settings.batch_size,
        tau=settings.tau,
        gamma=settings.gamma,
        ent_coef=settings.entropy,
        target_entropy=settings.entropy_per_action * Naction,  # type: ignore[arg-type]
        action_noise=noise if settings.action_noise > 0 else None,
        gradient_steps=settings.gradient_steps,
        # Fused Adam is the same update in fewer calls.
        policy_kwargs={"net_arch": list(settings.net), "optimizer_kwargs": {"fused": True}},
        seed=seed,
        device="cpu",
    )
    model.set_logger(Logger(None, []))
    curve = Curve()
    at = [settings.steps * (k + 1) // evaluations for k in range(evaluations)]
    recorder = CurveRecorder(curve, max(settings.steps // 100, 4), at, rollout_steps)
    cpu = time.process_time()
    # The recorder reads the logger, which a dump would empty: hence never.
    model.learn(settings.steps, callback=recorder, log_interval=10**9)
    curve.cpu_seconds = time.process_time() - cpu
    return model, curve


def policy_seconds(advance: SourceStep, calls: int = 200) -> float:
    """Processor time of one call of a policy of the paper's size [s]; it need not be trained."""
    torch.set_num_threads(1)
    net = {"net_arch": list(SACSettings.net)}
    policy = as_policy(SAC("MlpPolicy", SlabVecEnv(advance, 1), policy_kwargs=net, device="cpu"))
    S = advance.source.start[None]
    policy(S)
    start = time.process_time()
    for _ in range(calls):
        policy(S)
    return (time.process_time() - start) / calls
