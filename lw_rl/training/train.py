"""Train a depth-wise policy by Soft Actor-Critic with hindsight, from one command.

Reads top to bottom: environments, learner, callbacks, ``learn``, export.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import torch
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from ..envs.stat_equil import Sampling, StatEquil
from ..errors import PolicyFileError
from ..files import write_json
from ..policies.network import Architecture
from ..policies.observation import NCHANNELS
from ..problems import random_problem
from . import checkpoint
from .arguments import Args
from .export import export
from .follower import Follower
from .hindsight import HindsightBuffer
from .noise import SmoothNoise
from .plots import ARGUMENTS
from .policy import DepthwisePolicy
from .sac import DepthwiseSAC
from .validation import ProblemSource
from .visits import WithVisits

__all__ = ["Args", "command", "environments", "learner", "train"]

#: Arguments with which a run may go on that was begun with others.
_FREE = ("out", "steps", "threads", "workers", "calibration")


def train(args: Args, quiet: bool = False, problem_of: ProblemSource = random_problem) -> Path:
    """Train a policy, or go on from the run's checkpoint if there is one.

    Parameters
    ----------
    args : Args
        The run's arguments.
    quiet : bool, optional
        No progress bar (default: False).
    problem_of : callable, optional
        Returns the problems of the streams ``"train"`` and ``"validation"`` by their numbers
        (default: the random family's).

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
    env = environments(args, problem_of=problem_of)
    try:
        model = learner(args, env)
        follower = Follower(asdict(args), out, _resume(args, model, out), problem_of)
        # Not before the checkpoint, if there is one, is known to be of these.
        write_json(out / ARGUMENTS, asdict(args))
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
            "arguments": {k: v for k, v in asdict(args).items() if k != "out"},
            "seed": args.seed,
            "environment_steps": model.num_timesteps,
            "gradient_steps": model._n_updates,
            "training_formal_solutions": spent.Nformal,
            "training_wall_time_s": round(spent.seconds, 1),
            "resumed_at_steps": list(spent.resumed_at),
            "validation": follower.scores,
            "versions": _versions(),
        },
        args.calibration,
    )


def command(args: Args) -> str:
    """Return the command line that repeats a run, wherever its folder is."""
    words = ["lw-rl train"]
    for f in fields(Args):
        value = getattr(args, f.name)
        if value != f.default and f.name != "out":
            name = f.name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{name}" if value else f"--no-{name}")
            else:
                words.append(f"--{name} {value}")
    return " ".join(words)


def environments(
    args: Args, in_order: bool = False, problem_of: ProblemSource = random_problem
) -> VecEnv:
    """Return the vectorised environments; each has every n-th problem of the training stream.

    Parameters
    ----------
    args : Args
        The run's arguments.
    in_order : bool, optional
        Problems one after the other, each from the operator's own solution (default: False).
    problem_of : callable, optional
        As for :func:`train`.
    """

    def make(k: int) -> Any:
        def one() -> gym.Env:
            mine = [problem_of("train", i) for i in range(k, args.problems, args.envs)]
            start: Literal["operator", "mixed"] = "operator" if in_order else "mixed"
            sampling: Sampling = "in order" if in_order else args.sampling
            env = StatEquil(mine, args.points, args.reward, start, sampling=sampling)
            return WithVisits(gym.wrappers.TimeLimit(env, args.horizon))

        return one

    makers = [make(k) for k in range(args.envs)]
    env: VecEnv = SubprocVecEnv(makers, "spawn") if args.workers else DummyVecEnv(makers)
    env.seed(args.seed)
    return env


def learner(
    args: Args, env: VecEnv, buffer: type[HindsightBuffer] = HindsightBuffer
) -> DepthwiseSAC:
    """Return the untrained learner of a run on its environments, with a kind of replay buffer."""

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
        replay_buffer_class=buffer,
        replay_buffer_kwargs={"seed": args.seed},
        policy_kwargs={
            "architecture": Architecture(NCHANNELS, args.width, args.levels),
            "gain": args.gain,
            "optimizer_class": torch.optim.AdamW,
            "optimizer_kwargs": {"weight_decay": 1e-4},
        },
        imitation_batch=args.imitation_batch,
        imitation_until=args.imitation_until,
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
    different = sorted(k for k in now if k not in _FREE and before.get(k) != now[k])
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
