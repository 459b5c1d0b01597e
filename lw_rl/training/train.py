"""Train a depth-wise policy by Soft Actor-Critic with hindsight, from one command.

Reads top to bottom: environments, learner, callbacks, ``learn``, export.
"""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from .. import actor as actors
from ..adapter import Adapter
from ..envs.stat_equil import StatEquil
from ..errors import PolicyFileError
from ..iterate import iterate_ctx_rl
from ..network import Architecture, Network
from ..observation import NCHANNELS
from ..problems import random_problem
from ..schemes import Depthwise
from . import checkpoint
from .hindsight import HindsightBuffer
from .noise import SmoothNoise
from .policy import DepthwiseActor, DepthwisePolicy
from .sac import DepthwiseSAC

#: Formal solutions after which a validation solve is given up.
_VALIDATION_BUDGET = 60


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Args:
    """Arguments of a training run; each field's help is that of the command line."""

    out: str = _option("runs/default", "Folder of the run: log, checkpoint, policy.")
    seed: int = _option(1, "Seed of networks, exploration, environments and pairs.")
    problems: int = _option(1000, "Problems of the train stream.")
    steps: int = _option(40_000, "Environment steps; each is one formal solution.")
    envs: int = _option(4, "Vectorised environments.")
    workers: bool = _option(True, "Run every environment in a process of its own.")
    threads: int = _option(1, "Threads of torch.")
    points: int = _option(96, "Points of the policy in the environments.")
    horizon: int = _option(10, "Steps of an episode.")
    reward: str = _option("error", "Reward: decrease of the true 'error' or of the 'residual'.")
    warmup: int = _option(400, "Steps with random actions before learning starts.")
    updates_per_step: float = _option(0.75, "Gradient steps per environment step.")
    imitation_batch: int = _option(48, "Hindsight demonstrations per gradient step; 0: none.")
    return_every: int = _option(8, "Gradient steps between updates by the return; 0: none.")
    return_weight: float = _option(0.02, "Weight of SAC's objective beside imitation.")
    batch: int = _option(32, "Transitions per update by the return.")
    gamma: float = _option(0.5, "Discount factor.")
    learning_rate: float = _option(2e-3, "Learning rate at the start.")
    final_learning_rate: float = _option(3e-5, "Learning rate at the end (linear in between).")
    cycles: int = _option(1, "How often the learning rate falls from start to end.")
    entropy: str = _option("auto_0.01", "Temperature of SAC, as stable-baselines3 takes it.")
    noise: float = _option(0.15, "Amplitude of the exploration noise, smooth along depth.")
    gain: float = _option(10.0, "Factor of the actor's output, in units of max|r|.")
    width: int = _option(56, "Channels of the network.")
    levels: int = _option(4, "Levels of the network.")
    buffer: int = _option(6000, "Transitions kept by the replay buffer.")
    checkpoint_every: int = _option(2000, "Steps between checkpoints and validations.")
    validation: int = _option(24, "Problems of the validation stream.")


def train(args: Args, quiet: bool = False) -> Path:
    """Train a policy, or go on from the run's checkpoint if there is one.

    Parameters
    ----------
    args : Args
        The run's arguments.
    quiet : bool, optional
        No progress bar (default: False).

    Returns
    -------
    card : Path
        The exported policy's card; the weights lie beside it.

    Raises
    ------
    PolicyFileError
        If the folder holds a checkpoint of a run with other arguments.
    """
    out = Path(args.out)
    torch.set_num_threads(args.threads)
    env = _environments(args)
    try:
        model = _learner(args, env)
        follower = Follower(args, out, _resume(args, model, out))
        # A resumed run begins a log of its own: none is written over.
        log = out / "log" / f"from_step_{model.num_timesteps}"
        model.set_logger(configure(str(log), ["csv", "tensorboard"]))
        remaining = args.steps - model.num_timesteps
        if remaining > 0:
            model.learn(
                remaining,
                callback=CallbackList([follower]),
                reset_num_timesteps=False,
                progress_bar=not quiet,
            )
        follower.finish(model)
        spent = follower.spent
    finally:
        env.close()
    return export(
        out / "policy",
        model,
        {
            "description": "Depth-wise policy, Soft Actor-Critic with hindsight demonstrations.",
            "command": command(args),
            "arguments": asdict(args),
            "seed": args.seed,
            "environment_steps": model.num_timesteps,
            "gradient_steps": model._n_updates,
            "training_formal_solutions": spent.Nformal,
            "training_wall_time_s": round(spent.seconds, 1),
            "resumed_at_steps": list(spent.resumed_at),
            "validation": follower.scores,
            "versions": _versions(),
        },
    )


def command(args: Args) -> str:
    """Return the command line that repeats a run."""
    words = ["lw-rl train"]
    for f in fields(Args):
        value = getattr(args, f.name)
        if value != f.default:
            name = f.name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{name}" if value else f"--no-{name}")
            else:
                words.append(f"--{name} {value}")
    return " ".join(words)


def export(path: Path, model: DepthwiseSAC, card: dict[str, Any]) -> Path:
    """Write the policy's weights without pickle, and its card."""
    policy = in_numpy(model)
    return actors.save(path, policy.network.architecture, policy.network.weights, policy.gain, card)


def in_numpy(model: DepthwiseSAC) -> actors.Actor:
    """Return the actor as it is solved with."""
    trained = model.actor
    assert isinstance(trained, DepthwiseActor)
    net = trained.net
    return actors.Actor(Network(net.architecture, net.to_numpy(0)), trained.gain)


def _environments(args: Args) -> VecEnv:
    """Return the vectorised environments; each has every n-th problem of the stream."""

    def make(k: int) -> Any:
        def one() -> gym.Env:
            mine = [random_problem("train", i) for i in range(k, args.problems, args.envs)]
            env = StatEquil(mine, args.points, reward=args.reward, start="mixed")  # type: ignore[arg-type]
            return gym.wrappers.TimeLimit(env, args.horizon)

        return one

    makers = [make(k) for k in range(args.envs)]
    env: VecEnv = SubprocVecEnv(makers, "spawn") if args.workers else DummyVecEnv(makers)
    env.seed(args.seed)
    return env


def _learner(args: Args, env: VecEnv) -> DepthwiseSAC:
    def learning_rate(progress_remaining: float) -> float:
        # `learn` counts a resumed run's progress from its own start: take the run's instead.
        done = 0 if model is None else model.num_timesteps
        fraction = min(done / args.steps, 1.0 - 1e-9) * args.cycles % 1.0
        return args.learning_rate + fraction * (args.final_learning_rate - args.learning_rate)

    model: DepthwiseSAC | None = None
    model = DepthwiseSAC(
        DepthwisePolicy,
        env,
        learning_rate=learning_rate,
        buffer_size=args.buffer,
        learning_starts=args.warmup,
        batch_size=args.batch,
        gamma=args.gamma,
        train_freq=1,
        gradient_steps=max(1, round(args.updates_per_step * args.envs)),
        ent_coef=args.entropy,
        action_noise=SmoothNoise(args.points, args.noise, args.seed),
        replay_buffer_class=HindsightBuffer,
        replay_buffer_kwargs={"seed": args.seed},
        policy_kwargs={
            "architecture": Architecture(NCHANNELS, args.width, args.levels),
            "gain": args.gain,
            "optimizer_class": torch.optim.AdamW,
            "optimizer_kwargs": {"weight_decay": 1e-4},
        },
        imitation_batch=args.imitation_batch,
        return_every=args.return_every,
        return_weight=args.return_weight,
        seed=args.seed,
        device="cpu",
    )
    return model


def _resume(args: Args, model: DepthwiseSAC, out: Path) -> checkpoint.Spent:
    """Go on from the checkpoint, if there is one; return what the run has cost so far."""
    file = out / "checkpoint.pt"
    if not file.exists():
        return checkpoint.Spent()
    state = checkpoint.load(file)
    before, now = state["arguments"], asdict(args)
    different = sorted(
        k
        for k in now
        if k not in ("out", "steps", "threads", "workers") and before.get(k) != now[k]
    )
    if different:
        raise PolicyFileError(
            f"{file} is of a run with other arguments ("
            + ", ".join(f"{k}: {before.get(k)!r} then, {now[k]!r} now" for k in different)
            + "); take another --out or the same arguments"
        )
    checkpoint.restore(model, state)
    spent = checkpoint.Spent(*state["spent"])
    resumed = (*spent.resumed_at, model.num_timesteps)
    return checkpoint.Spent(spent.seconds, spent.Nformal, resumed)


def _versions() -> dict[str, str]:
    packages = ("lw-rl", "lightweaver", "numpy", "torch", "stable-baselines3", "gymnasium")
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


class Follower(BaseCallback):
    """Validates and writes a checkpoint every so often.

    Parameters
    ----------
    args : Args
        The run's arguments.
    out : Path
        Folder of the run.
    before : Spent
        What the run cost before this process.
    """

    def __init__(self, args: Args, out: Path, before: checkpoint.Spent):
        super().__init__()
        self.args, self.out, self.before = args, out, before
        self.started = time.time() - before.seconds
        self.scores: dict[str, Any] = {}
        #: Formal solutions for validation, and those of earlier processes.
        self._Nformal_else = before.Nformal
        self._due = 0
        self._problems: list[tuple[Any, Any, Any]] = []

    @property
    def spent(self) -> checkpoint.Spent:
        """What the run has cost, in all processes: episodes, references and validation."""
        Nformal = self._Nformal_else + int(sum(self.training_env.get_attr("Nformal")))
        return checkpoint.Spent(time.time() - self.started, Nformal, self.before.resumed_at)

    def _on_training_start(self) -> None:
        self._due = self.model.num_timesteps + self.args.checkpoint_every

    def _on_step(self) -> bool:
        if self.model.num_timesteps >= self._due:
            self._due += self.args.checkpoint_every
            self.finish(self.model)  # type: ignore[arg-type]
        return True

    def finish(self, model: DepthwiseSAC) -> None:
        """Validate, log, export the policy as it is, and write a checkpoint."""
        self.model = model
        self.scores = self.validate(model)
        for name, value in self.scores.items():
            model.logger.record(f"validation/{name}", value)
        spent = self.spent
        model.logger.record("time/seconds", spent.seconds)
        model.logger.record("time/formal_solutions", spent.Nformal)
        model.logger.dump(model.num_timesteps)
        checkpoint.save(self.out / "checkpoint.pt", model, asdict(self.args), spent)
        export(
            self.out / "latest",
            model,
            {"environment_steps": model.num_timesteps, "validation": self.scores},
        )

    def validate(self, model: DepthwiseSAC) -> dict[str, float]:
        """Return formal solutions to a true error of 1e-3 and 1e-6 on the validation stream."""
        if not self._problems:
            self._prepare()
        policy = in_numpy(model)
        counts: dict[float, list[int]] = {1e-3: [], 1e-6: []}
        for adapter, start, solution in self._problems:
            adapter.restore(start)
            errors: list[float] = []

            def record(accelerated: Any, errors=errors, adapter=adapter, solution=solution) -> None:
                errors.append(float(np.max(np.abs(adapter.read() - solution))))

            iterate_ctx_rl(
                adapter.ctx,
                scheme=Depthwise(policy),
                quiet=True,
                popsTol=1e-7,
                JTol=1e-5,
                NmaxIter=_VALIDATION_BUDGET,
                callback=record,
            )
            self._Nformal_else += len(errors)
            for tolerance, found in counts.items():
                late = np.flatnonzero(np.array(errors) >= tolerance)
                found.append(int(late[-1]) + 2 if late.size else 1)
        return {
            f"{name}_{tolerance:.0e}": float(value)
            for tolerance, found in counts.items()
            for name, value in (
                ("median", np.median(found)),
                ("p90", np.percentile(found, 90)),
                ("worst", np.max(found)),
            )
        }

    def _prepare(self) -> None:
        for k in range(self.args.validation):
            adapter = Adapter(random_problem("validation", k).context())
            start = adapter.snapshot()
            counted: list[int] = []
            iterate_ctx_rl(
                adapter.ctx,
                scheme="anderson",
                quiet=True,
                popsTol=1e-10,
                JTol=1e-7,
                NmaxIter=500,
                callback=lambda a, counted=counted: counted.append(a.report.Nformal),  # type: ignore[misc]
            )
            self._Nformal_else += counted[-1]
            self._problems.append((adapter, start, adapter.read()))


if __name__ == "__main__":
    sys.exit("run this by `lw-rl train`")
