"""Output directories of finished experiments, without running any."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

import lw_rl.policies
from lw_rl.experiments.max_entropy.deviation import target_deviation
from lw_rl.experiments.max_entropy.experiments import RUNS
from lw_rl.experiments.max_entropy.experiments import experiments as entropy_experiments
from lw_rl.experiments.paper.experiments import experiments as paper_experiments
from lw_rl.experiments.store import experiment_path
from lw_rl.files import write_json

SHIPPED = Path(lw_rl.policies.__file__).parent
EXAMPLES = Path(__file__).parents[1] / "examples"


def committed(name):
    """Return the content of a result file of the examples."""
    return json.loads((EXAMPLES / f"{name}_result.json").read_text())


def flat(text):
    """Return a text without its line breaks."""
    return " ".join(text.split())


def found(claims, start):
    """Return the one claim whose text starts so."""
    (claim,) = [c for c in claims if c["claim"].startswith(start)]
    return claim


def keep(directory, experiment, outcome, cpu_seconds=1.0):
    """Keep an outcome as a finished experiment's."""
    kept = {"config": experiment.config, "outcome": outcome, "cpu_seconds": cpu_seconds}
    write_json(experiment_path(directory, experiment), kept)


def keep_paper(directory, seeds=5):
    """Keep the outcomes of the committed result of the paper."""
    result = committed("paper")
    for experiment in paper_experiments(seeds, False):
        cpu_seconds = 1.0
        if experiment.kind == "facts":
            outcome = result["facts"][experiment.name]
        elif experiment.kind == "greedy":
            outcome = result["greedy"][experiment.seed]
            cpu_seconds = outcome["cpu_seconds"]
        else:
            series = {key: [0.0] for key in ("curve", "relative_change", "mse_to_ali")}
            outcome = {**series, **result["sac"][experiment.name][experiment.seed]}
        keep(directory, experiment, outcome, cpu_seconds)


def keep_entropy(directory, seeds=3):
    """Keep made-up outcomes of every experiment on maximum-entropy control."""
    for experiment in entropy_experiments(seeds, False):
        if experiment.kind == "train":
            keep(directory, experiment, trained(experiment.name))
        else:
            keep(directory, experiment, well() if experiment.name == "well" else fact())


def sweep(values, error):
    return {"values": values, "error": error, "spread": error, "contraction": [0.5, 2.0]}


def fact():
    kinds = {"tracers": sweep([5, 80], [0.05, 0.01]), "particles": sweep([5, 80], [0.05, -3.0])}
    full = {**kinds, "langevin": {**sweep([5, 80], [0.2, 0.05]), "contraction": [None, None]}}
    return {
        "exact": 1.2, "trace": 0.02,
        "sweeps": {"step_size": full, "steps": full, "bandwidth": kinds, "particles": full},
    }  # fmt: skip


def well():
    density = {"density": [0.5, 0.5], "right": 0.5, "distance": 0.02, "free_energy": 1.0}
    entry = {"exact": [0.5, 0.5], "free_energy": 1.0, "svgd": density, "langevin": density}
    cold = {**entry, "langevin": {**density, "right": 0.0, "distance": 0.5}}
    return {"x": [-1.0, 1.0], "temperatures": {"0.1": cold, "0.5": entry, "2": entry}}


def trained(name):
    run = RUNS[name]
    temperature = run.settings.get("temperature")
    target = isinstance(temperature, dict) and "target" in temperature
    s2ac = run.settings.get("algorithm", "sac") != "sac"
    stein = run.settings.get("algorithm") == "s2ac"
    level = -1.0 if target else None
    d = 1 if run.group in ("pendulum", "temperature") else 2
    axis = np.linspace(-1, 1, 5)
    Q = -(axis**2) if d == 1 else -(axis[:, None] ** 2) - axis**2
    outcome = {
        "curve": {
            "steps": [10, 20, 30, 40], "wall": [9.0, 18.0, 27.0, 36.0],
            "cpu": [1.0, 2.0, 3.0, 4.0 + s2ac], "return": [None, -9.0, -5.0, -3.0 + s2ac],
            "entropy": [-0.2, -0.95, -1.0, -1.02], "target": [level] * 4,
            "alpha": [None, 0.1, 0.2, 0.3], "critic_loss": [None, 1.0, 1.0, 1.0],
            "actor_loss": [None, 1.0, 1.0, 1.0], "contraction": [0.5 if stein else None] * 4,
            "shortened": [0.1 if stein else None] * 4,
        },
        "weights": {"actor": 1000, "critic": 2000},
        "modes": {
            "counts": [1, 2 if s2ac else 1],
            "example": {
                "axis": axis.tolist(), "Q": Q.tolist(), "alpha": 0.3,
                "draws": np.zeros((4, d)).tolist(),
            },
        },
        "evaluation": [-150.0 + s2ac, -160.0],
    }  # fmt: skip
    if target:
        curve = outcome["curve"]
        outcome["deviation"] = target_deviation(curve["steps"], curve["entropy"], curve["target"])
    if run.group == "multigoal":
        outcome |= {
            "goals": [5, 5, 5, 5] if s2ac else [20, 0, 0, 0], "missed": 0,
            "stochastic": [1.0] * 20, "first_steps": [[0.1, 0.2]], "modes_at_start": 1 + s2ac,
        }  # fmt: skip
    if run.group == "sigmoid":
        outcome |= {"true_error": [0.2, 0.2], "correction": [0.1, 0.1]}
    if run.group in ("columns", "shared"):
        outcome |= {"home_error": [0.5, 0.6], "unseen_error": [0.7]}
    if run.group == "shared":
        outcome |= {"fine_error": [0.8], "fine_return": [1.0]}
    return outcome


class ShippedTrainer:
    """Leaves the policy that ships, and remembers with which arguments."""

    def __init__(self):
        self.made = []

    def __call__(self, args):
        self.made.append(args)
        out = Path(args.out)
        out.mkdir(parents=True)
        shutil.copy(SHIPPED / "default.safetensors", out / "policy.safetensors")
        shutil.copy(SHIPPED / "default.json", out / "policy.json")
