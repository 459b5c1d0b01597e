"""The training runs of the entropy report: what is trained, and what is measured of it."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import SAC

from ...envs.columns import ReducedBasis
from ...files import Json
from ...problems import random_problem
from ...training.control import ControlSettings, evaluate, train_control
from ...training.maps import boltzmann_slice, sampled_actions
from ...training.recorder import curve
from ...training.shared_weights import SharedPolicy, equal_width, weights
from ...training.temperature import TargetEntropy, described
from ..store import outcome
from .deviation import target_deviation
from .experiments import RUNS, EntropyExperiment
from .facts import accuracy, double_well
from .modes import count_modes

__all__ = [
    "AnyDepths", "Resampled", "environment", "equal_weights", "run_experiment",
]  # fmt: skip

COLUMNS_OF_LOG = {
    "steps": "time/total_timesteps",
    "wall": "time/time_elapsed",
    "cpu": "time/cpu",
    "return": "rollout/ep_rew_mean",
    "entropy": "train/entropy",
    "target": "train/target_entropy",
    "alpha": "train/ent_coef",
    "critic_loss": "train/critic_loss",
    "actor_loss": "train/actor_loss",
    "contraction": "train/sampler_contraction",
    "shortened": "train/sampler_shortened",
}
_STATES, _DRAWS = 8, 256
_SHARED_WIDTH = 24


def run_experiment(experiment: EntropyExperiment, out: Path) -> Json:
    """Run an experiment and return its outcome as plain data, with what it cost.

    Parameters
    ----------
    experiment : EntropyExperiment
        What to run.
    out : Path
        Output directory; the log of a training run goes into a folder of its own there.
    """
    folder = out / "runs" / experiment.key.removeprefix("train-")
    run = _facts if experiment.kind == "facts" else partial(_train, folder=folder)
    return outcome(experiment, run)


def _facts(experiment: EntropyExperiment) -> Json:
    torch.set_num_threads(1)
    if experiment.name == "well":
        return double_well(experiment.quick)
    name, d = experiment.name.split("-")
    return accuracy(name, int(d), experiment.quick)


def environment(name: str, **change: Any) -> gym.Env[Any, Any]:
    """Return a run's environment, with some of its options changed."""
    run = RUNS[name]
    options = {**run.options, **change}
    modes = options.pop("modes", None)
    made = gym.make(run.env, **options)
    return ReducedBasis(made, modes) if modes else made


def _train(experiment: EntropyExperiment, folder: Path) -> Json:
    run = RUNS[experiment.name]
    env = environment(experiment.name)
    chosen = experiment.settings
    settings = ControlSettings(
        **{**chosen, "temperature": described(chosen.get("temperature", "auto_0.1"))}
    )
    if run.group == "shared":
        settings = equal_weights(experiment, settings, env)
    rows = 10 if experiment.quick else 100
    # Nothing is drawn meanwhile: the processor time is the learner's own.
    model, recorder = train_control(
        env, settings, experiment.seed, folder, quiet=True, rows=rows, redraw=math.inf
    )
    log = {k: curve(recorder.rows, v) for k, v in COLUMNS_OF_LOG.items()}
    found: Json = {
        "curve": log,
        "weights": {"actor": weights(model.actor), "critic": weights(model.critic)},
        "modes": _modes(model),
    }
    seeds = [10_000 + k for k in range(2 if experiment.quick else 10)]
    returns, infos = evaluate(model, env, seeds)
    found["evaluation"] = returns
    if isinstance(settings.temperature, TargetEntropy):
        found["deviation"] = target_deviation(log["steps"], log["entropy"], log["target"])
    measure = {"multigoal": _goals, "sigmoid": _slab_error, "columns": _unseen, "shared": _transfer}
    if run.group in measure:
        found |= measure[run.group](experiment, model, infos)
    return found


def _modes(model: SAC) -> Json:
    """Return how many modes the policy has in replayed states, and the most multimodal of them."""
    buffer = model.replay_buffer
    assert buffer is not None
    states = buffer.observations[np.linspace(0, buffer.size() - 1, _STATES).astype(int), 0]
    counts = [count_modes(sampled_actions(model, state, _DRAWS)) for state in states]
    most = states[int(np.argmax(counts))]
    return {"counts": counts, "example": boltzmann_slice(model, most)}


def _goals(experiment: EntropyExperiment, model: SAC, infos: list[Json]) -> Json:
    """Return how often each goal is reached by the policy itself, and its first steps."""
    episodes = 4 if experiment.quick else 60
    env = environment(experiment.name)
    returns, ends = evaluate(model, env, [20_000 + k for k in range(episodes)], False)
    reached = [info["goal"] for info in ends]
    goals = len(env.unwrapped.goals)  # type: ignore[attr-defined]
    return {
        "goals": [reached.count(k) for k in range(goals)],
        "missed": reached.count(-1),
        "stochastic": returns,
        "first_steps": sampled_actions(model, np.zeros(2, np.float32), 128),
        "modes_at_start": count_modes(sampled_actions(model, np.zeros(2, np.float32), 512)),
    }


def _slab_error(experiment: EntropyExperiment, model: SAC, infos: list[Json]) -> Json:
    """Return the true error of the source function in which the policy ends."""
    slab = environment(experiment.name).unwrapped.advance.slab  # type: ignore[attr-defined]
    errors = [float(np.max(np.abs(info["S"] / slab.solution - 1.0))) for info in infos]
    return {"true_error": errors, "correction": [i["relative_correction"] for i in infos]}


def _unseen(experiment: EntropyExperiment, model: SAC, infos: list[Json]) -> Json:
    """Return the error of ln S after the last step, at home and on problems never seen."""
    problems = [random_problem("validation", k) for k in range(1 if experiment.quick else 4)]
    others = environment(experiment.name, problems=problems, sampling="in order")
    _, unseen = evaluate(model, others, range(len(problems)))
    return {
        "home_error": [info["error"] for info in infos],
        "unseen_error": [info["error"] for info in unseen],
    }


def equal_weights(
    experiment: EntropyExperiment, settings: ControlSettings, env: gym.Env[Any, Any]
) -> ControlSettings:
    """Return settings of the shared policy, or of perceptrons with as many weights."""
    chosen: Json = dict(vars(settings))
    shared = {**chosen, "policy": SharedPolicy, "policy_kwargs": {"width": _SHARED_WIDTH}}
    if experiment.name == "shared-shared":
        return ControlSettings(**shared)
    sizes = SAC(SharedPolicy, env, buffer_size=1, policy_kwargs={"width": _SHARED_WIDTH})
    channels, points = env.observation_space.shape or (1, 1)
    inputs = channels * points
    critic = weights(sizes.critic) // 2
    net = {
        "pi": [equal_width(weights(sizes.actor), inputs, 2 * points)] * 2,
        "qf": [equal_width(critic, inputs + points, 1)] * 2,
    }
    return ControlSettings(**{**chosen, "policy_kwargs": {"net_arch": net}})


class Resampled:
    """A policy of one number of points, applied to another by linear interpolation."""

    def __init__(self, model: SAC, points: int):
        self.model, self.points = model, points

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, None]:
        """Return the action on the observation's own points; see stable-baselines3."""
        there = np.linspace(0.0, 1.0, observation.shape[1])
        here = np.linspace(0.0, 1.0, self.points)
        seen = np.array([np.interp(here, there, c) for c in observation], np.float32)
        action, _ = self.model.predict(seen, deterministic=deterministic)
        return np.interp(there, here, action).astype(np.float32), None


class AnyDepths:
    """A shared policy on any number of points."""

    def __init__(self, model: SAC):
        self.model = model

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, None]:
        """Return the action; see stable-baselines3."""
        batch = torch.as_tensor(observation[None], dtype=torch.float32)
        with torch.no_grad():
            return self.model.actor(batch, deterministic)[0].numpy(), None


def _transfer(experiment: EntropyExperiment, model: SAC, infos: list[Json]) -> Json:
    """Return the errors at home, on unseen problems, and on twice as many points."""
    points = int(RUNS[experiment.name].options["Npoints"])
    fine = environment(experiment.name, Npoints=2 * points, sampling="in order")
    own = AnyDepths(model) if experiment.name == "shared-shared" else Resampled(model, points)
    problems = range(1 if experiment.quick else int(RUNS[experiment.name].options["problems"]))
    returns, finer = evaluate(own, fine, problems)
    return {
        **_unseen(experiment, model, infos),
        "fine_error": [info["error"] for info in finer],
        "fine_return": returns,
    }
