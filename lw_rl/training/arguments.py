"""The arguments of a training run; no torch here, so that the command's help needs none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import TrainingError
from ..policies.observation import POINT_MULTIPLE

__all__ = ["Args"]


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Args:
    """Arguments of a training run; each field's help is that of the command line."""

    out: str = _option("runs/default", "Folder of the run: log, checkpoint, policy.")
    seed: int = _option(1, "Seed of networks, exploration, environments and pairs.")
    problems: int = _option(800, "Problems of the train stream.")
    steps: int = _option(12000, "Environment steps; each is one formal solution.")
    envs: int = _option(4, "Vectorised environments.")
    workers: bool = _option(True, "Run every environment in a process of its own.")
    threads: int = _option(1, "Threads of torch.")
    points: int = _option(96, "Points of the policy in the environments.")
    horizon: int = _option(10, "Steps of an episode.")
    reward: Literal["error", "residual"] = _option(
        "error", "Reward: decrease of the true 'error' or of the 'residual'."
    )
    sampling: Literal["uniform", "hard"] = _option(
        "uniform", "Problems drawn all alike, or 'hard' ones more often."
    )
    warmup: int = _option(400, "Steps with random actions before learning starts.")
    updates_per_step: float = _option(1.0, "Gradient steps per environment step.")
    imitation_batch: int = _option(48, "Hindsight demonstrations per gradient step; 0: none.")
    imitation_until: float = _option(1.0, "Fraction of the steps after which imitation ends.")
    return_every: int = _option(8, "Gradient steps between updates by the return; 0: none.")
    return_weight: float = _option(0.005, "Weight of SAC's objective beside imitation.")
    batch: int = _option(32, "Transitions per update by the return.")
    gamma: float = _option(0.5, "Discount factor.")
    learning_rate: float = _option(2e-3, "Learning rate at the start.")
    final_learning_rate: float = _option(3e-5, "Learning rate at the end (linear in between).")
    cycles: int = _option(1, "How often the learning rate falls from start to end.")
    entropy: str = _option("auto_0.01", "Temperature of SAC, as stable-baselines3 takes it.")
    noise: float = _option(0.15, "Amplitude of the exploration noise, smooth along depth.")
    gain: float = _option(1.0, "Factor of the actor's output, in units of the estimate.")
    width: int = _option(40, "Channels of the network.")
    levels: int = _option(4, "Levels of the network.")
    buffer: int = _option(6000, "Transitions kept by the replay buffer.")
    checkpoint_every: int = _option(2000, "Steps between checkpoints and validations.")
    validation: int = _option(40, "Problems of the validation stream.")
    calibration: int = _option(
        60, "Validation problems to calibrate the card on, 5 of training for each; 0: none."
    )

    def __post_init__(self) -> None:
        least = {
            "problems": self.envs, "steps": 1, "envs": 1, "threads": 1, "horizon": 1, "warmup": 0,
            "imitation_batch": 0, "return_every": 0, "return_weight": 0.0, "batch": 1, "cycles": 1,
            "noise": 0.0, "width": 1, "levels": 1, "buffer": self.envs, "checkpoint_every": 1,
            "validation": 1, "calibration": 0,
        }  # fmt: skip
        for name, bound in least.items():
            value = getattr(self, name)
            if not value >= bound:
                raise TrainingError(f"{name} must be at least {bound}, got {value!r}")
        if not 0.0 <= self.gamma < 1.0:
            raise TrainingError(f"gamma must be at least 0 and below 1, got {self.gamma!r}")
        if not 0.0 < self.final_learning_rate <= self.learning_rate:
            raise TrainingError(
                "the learning rate must not rise and must stay above 0, got "
                f"{self.learning_rate!r} to {self.final_learning_rate!r}"
            )
        if POINT_MULTIPLE % 2 ** (self.levels + 1):
            raise TrainingError(
                f"levels must be at most {POINT_MULTIPLE.bit_length() - 2} on a multiple of "
                f"{POINT_MULTIPLE} points, got {self.levels}"
            )
