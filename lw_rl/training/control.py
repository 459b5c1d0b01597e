"""Train any member of the family on any environment with a bounded box of actions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PolicyPredictor

from ..errors import MissingExtraError, TrainingError, UnknownNameError
from ..files import Json
from .recorder import TrainingRecorder
from .s2ac import S2AC
from .sampler import Sampler
from .stein import Langevin, Stein
from .temperature import Schedule, TargetEntropy
from .tempered_sac import TemperedSAC

__all__ = ["ALGORITHMS", "Algorithm", "ControlSettings", "environment", "evaluate", "train_control"]

Algorithm = Literal["sac", "s2ac", "s2ac-langevin"]
ALGORITHMS: tuple[Algorithm, ...] = ("sac", "s2ac", "s2ac-langevin")


@dataclass(frozen=True)
class ControlSettings:
    """Of a training run; where nothing else is said, stable-baselines3's defaults for SAC."""

    algorithm: Algorithm = "sac"
    steps: int = 10_000  # Environment steps.
    temperature: float | str | Schedule | TargetEntropy = "auto_0.1"  # See `temperature`.
    target_entropy: float | str = "auto"  # Of the automatic temperature [nat].
    learn_start: bool = True  # Of S2AC: whether the start is a function of the state.
    sampler: Json = field(default_factory=dict)  # ControlSettings of S2AC's sampler.
    learning_rate: float = 1e-3
    batch_size: int = 64
    gamma: float = 0.99
    learning_starts: int = 500  # Random steps first.
    train_freq: int = 1  # Environment steps between gradient steps.
    net: tuple[int, ...] = (64, 64)
    policy: str | type[BasePolicy] = "MlpPolicy"
    policy_kwargs: Json = field(default_factory=dict)  # Further ones of the policy.

    def __post_init__(self) -> None:
        """Check the algorithm's name and the steps."""
        if self.algorithm not in ALGORITHMS:
            raise UnknownNameError("algorithm", self.algorithm, ALGORITHMS)
        if not 0 <= self.learning_starts < self.steps:
            raise TrainingError(
                f"learning_starts must be at least 0 and below the {self.steps} steps of the run, "
                f"got {self.learning_starts}: nothing would be learned"
            )


def environment(env: str | gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Return an environment, made if it is an id, whose observations a policy here can take.

    Raises
    ------
    TrainingError
        If there is no such environment, or its observations are not a Box.
    MissingExtraError
        If it needs a package that is not installed.
    """
    if isinstance(env, str):
        try:
            env = gym.make(env)
        except (gym.error.Error, ModuleNotFoundError) as err:
            # Where it is the environment itself that is not there, gymnasium names no module.
            absent = isinstance(err, ModuleNotFoundError) and err.name is not None
            if absent or isinstance(err, gym.error.DependencyNotInstalled):
                raise MissingExtraError(
                    f"{env} needs a package that is not installed: {err} For MuJoCo: "
                    "python -m pip install 'gymnasium[mujoco]'"
                ) from err
            raise TrainingError(f"there is no environment {env!r}: {err}") from err
    if not isinstance(env.observation_space, gym.spaces.Box):
        raise TrainingError(
            f"observations must be a Box of real numbers, got {env.observation_space}; wrap the "
            "environment in gymnasium.wrappers.FlattenObservation"
        )
    return env


def train_control(
    env: str | gym.Env[Any, Any],
    settings: ControlSettings,
    seed: int = 0,
    folder: str | Path | None = None,
    quiet: bool = False,
    rows: int = 100,
    redraw: float = 60.0,
) -> tuple[SAC, TrainingRecorder]:
    """Train, and leave log, figures and model in a folder.

    Parameters
    ----------
    env : str or Env
        An environment with a bounded box of actions, or its id.
    settings : ControlSettings
        Algorithm and hyper-parameters.
    seed : int, optional
        Of networks, exploration, replay and environment (default: 0).
    folder : path-like, optional
        For progress.csv, training.png, policy.png, maps.json and model.zip (default: none kept).
    quiet : bool, optional
        No progress bar (default: False).
    rows : int, optional
        Rows of the log (default: 100).
    redraw : float, optional
        Seconds between two drawings of the figures while training (default: 60).

    Returns
    -------
    SAC
        The model.
    TrainingRecorder
        With the log's rows and every episode's return.

    Raises
    ------
    ActionSpaceError, SamplerError, InvertibilityError, TemperatureError, CriticError
        See :class:`~lw_rl.training.s2ac.S2AC`.
    TrainingError, MissingExtraError
        See :func:`environment`.
    """
    torch.set_num_threads(1)  # Networks this small are slower on two threads than on one.
    made = environment(env)
    common: Json = {
        "learning_rate": settings.learning_rate,
        "batch_size": settings.batch_size,
        "gamma": settings.gamma,
        "learning_starts": settings.learning_starts,
        "train_freq": settings.train_freq,
        "buffer_size": settings.steps + 1,
        "ent_coef": settings.temperature,
        "target_entropy": settings.target_entropy,
        "seed": seed,
        "device": "cpu",
        # Fused Adam is the same update in fewer calls.
        "policy_kwargs": {
            "net_arch": list(settings.net),
            "optimizer_kwargs": {"fused": True},
            **settings.policy_kwargs,
        },
    }
    monitored = Monitor(made)
    model: SAC
    if settings.algorithm == "sac":
        model = TemperedSAC(settings.policy, monitored, **common)
    else:
        kind: type[Any] = Stein if settings.algorithm == "s2ac" else Langevin
        sampler: Sampler = kind(**settings.sampler)
        model = S2AC(
            settings.policy,  # type: ignore[arg-type]
            monitored,
            sampler=sampler,
            learn_start=settings.learn_start,
            **common,
        )
    path = Path(folder) if folder is not None else None
    recorder = TrainingRecorder(path, settings.steps, rows, quiet, redraw)
    model.set_logger(recorder.make_logger())
    # The recorder dumps the log, at equal steps: hence not the algorithm, at episodes' ends.
    try:
        model.learn(settings.steps, callback=recorder, log_interval=10**9)
    finally:
        recorder.close()
    if path is not None:
        model.save(path / "model.zip")
    return model, recorder


def evaluate(
    model: PolicyPredictor,
    env: str | gym.Env[Any, Any],
    seeds: Sequence[int],
    deterministic: bool = True,
) -> tuple[list[float], list[Json]]:
    """Return each episode's return and the last info, one episode for each seed."""
    made = environment(env)
    returns, infos = [], []
    for seed in seeds:
        observation, _ = made.reset(seed=int(seed))
        total, over = 0.0, False
        while not over:
            action, _ = model.predict(observation, deterministic=deterministic)
            observation, reward, terminated, truncated, info = made.step(np.asarray(action))
            total += float(reward)
            over = terminated or truncated
        returns.append(total)
        infos.append(info)
    return returns, infos


def __getattr__(name: str) -> Any:
    """Return `ControlSettings` by its name of 0.1, for one release."""
    if name != "Settings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("Settings is now ControlSettings", DeprecationWarning, stacklevel=2)
    return ControlSettings
