"""The experiments of the paper, run: what is trained, and what is measured of it."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ...envs.sigmoid_source import SourceStep, converged_ali
from ...files import Json
from ...slab.peers import run_peer
from ...slab.slab import Slab, paper_slab
from ...training.paper import SACSettings, as_policy, policy_seconds, rollout, train_sac
from ..store import outcome
from . import facts
from .experiments import RUNS, PaperExperiment
from .greedy import train_greedy

__all__ = ["run_experiment"]

Array = NDArray[np.float64]

_FACTS = {
    "verification": facts.verification,
    "throughput": facts.throughput,
    "peers": facts.peer_costs,
    "lambda_iteration": facts.lambda_iteration,
    "optima": facts.reward_optima,
    "expressiveness": facts.expressiveness,
}
_QUICKER: dict[str, Json] = {
    "optima": {"seeds": 1},
    "expressiveness": {"seeds": 1, "generations": 100},
    "throughput": {"repeats": 10},
}


def run_experiment(experiment: PaperExperiment) -> Json:
    """Run an experiment and return its outcome as plain data, with what it cost."""
    run = {"facts": _facts, "greedy": _greedy, "sac": _sac}[experiment.kind]
    return outcome(experiment, run)


def _facts(experiment: PaperExperiment) -> Json:
    """Return one of the facts; a quick run searches from one seed only."""
    if experiment.name == "solve_times":
        return {**facts.solve_times(), "policy": policy_seconds(SourceStep(paper_slab()))}
    less = _QUICKER.get(experiment.name, {}) if experiment.quick else {}
    return dict(_FACTS[experiment.name](**less))  # type: ignore[operator]


def _greedy(experiment: PaperExperiment) -> Json:
    """Train the greedy network and thin its history out to 200 points."""
    slab = paper_slab()
    steps = experiment.steps
    run = train_greedy(slab, experiment.seed, steps)
    tail = slice(3 * steps // 4, None)
    every = max(steps // 200, 1)
    return {
        "steps": np.arange(0, steps, every),
        "loss": run.loss[::every],
        "parameters": run.parameters[::every],
        "tail_low": run.parameters[tail].min(0),
        "tail_high": run.parameters[tail].max(0),
        "tail_loss": np.quantile(run.loss[tail], [0.05, 0.5, 0.95]),
        "true_error": _true_error(run.S, slab),
        "S": run.S,
    }


def _sac(experiment: PaperExperiment) -> Json:
    """Train SAC and measure its policy while training, at the end, in transfer and as a start."""
    run = RUNS[experiment.name]
    slab = paper_slab()
    advance = SourceStep(slab, **run.options)
    quicker: Json = {"learning_starts": 200} if experiment.quick else {}
    settings = SACSettings(steps=experiment.steps, **quicker, **run.sac)
    model, curve = train_sac(advance, settings, experiment.seed)
    policy = as_policy(model)
    S = rollout(policy, advance, 50)
    transfer = {}
    for name, problem in facts.test_problems().items():
        unseen = SourceStep(problem, **{**run.options, "stop": "residual"})
        S_unseen = rollout(policy, unseen, 50)
        transfer[name] = {
            "true_error": _true_error(S_unseen[-1], problem),
            "differs_from_home": float(np.max(np.abs(S_unseen - S))),
        }
    return {
        "settings": asdict(settings),
        "curve": {
            key: getattr(curve, key) for key in ("steps", "reward", "critic_loss", "entropy")
        },
        "evaluated": curve.evaluated,
        "evaluated_true_error": [_true_error(s[-1], slab) for s in curve.S],
        "evaluated_residual_mse": [_residual_mse(s[-1], slab) for s in curve.S],
        "true_error": [_true_error(s, slab) for s in S],
        "relative_change": np.max(np.abs(S[1:] / S[:-1] - 1.0), axis=1),
        "mse_to_ali": np.mean((S - converged_ali(slab)) ** 2, axis=1),
        "residual_mse": [_residual_mse(s, slab) for s in S],
        "S": S[-1],
        "transfer": transfer,
        # Anderson, without a safeguard, may wander off from a useless start: then None.
        "warm_start": {
            name: run_peer(name, slab, 300, start=S[-1]).cost_to(1e-3)
            for name in ("ali", "anderson")
        },
        "episodes": curve.episodes,
        "terminated": curve.terminated,
        "training_cpu_seconds": curve.cpu_seconds,
    }


def _true_error(S: Array, slab: Slab) -> float:
    return float(np.max(np.abs(S / slab.solution - 1.0)))


def _residual_mse(S: Array, slab: Slab) -> float:
    return float(np.mean((slab.implied_source(S) - S) ** 2))
