"""Maximum-entropy control, measured: what `lw-rl entropy-report` runs and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...files import Json
from ..claims import ResultFile
from ..reproduction import Reproduction
from .experiments import RUNS, EntropyExperiment, experiments, left_out
from .figures import save_figures
from .modes import boltzmann_modes
from .report import SECTIONS
from .summary import summarise

__all__ = ["MAX_ENTROPY"]


def _run(experiment: EntropyExperiment, out: Path) -> Json:
    # It imports torch, which a report alone does not need.
    from .measure import run_experiment

    return run_experiment(experiment, out)


def _collect(found: Sequence[tuple[EntropyExperiment, Json]]) -> ResultFile:
    result: ResultFile = {"left_out": left_out(), "facts": {}, "runs": {}}
    for experiment, kept in found:
        if experiment.kind == "facts":
            result["facts"][experiment.name] = kept["outcome"]
        else:
            run = {"seed": experiment.seed, **kept["outcome"]}
            run["settings"] = kept["config"]["settings"]
            result["runs"].setdefault(experiment.name, []).append(_slim(run))
    result["labels"] = {name: RUNS[name].label for name in result["runs"]}
    return {**result, "summary": summarise(result)}


def _slim(run: Json) -> Json:
    """Count the modes, and leave out the pictures of all but the first seed.

    The result file is for keeping in a repository.
    """
    example = run["modes"]["example"]
    modes = dict(run["modes"], boltzmann=boltzmann_modes(example["Q"], example["alpha"]))
    if run["seed"] == 0:
        return dict(run, modes=modes)
    del modes["example"]
    kept = dict(run, modes=modes)
    kept.pop("first_steps", None)
    return kept


MAX_ENTROPY = Reproduction(
    command="entropy-report",
    name="entropy",
    packages=("torch", "stable_baselines3", "gymnasium", "mujoco"),
    experiments=experiments,
    run_one=_run,
    collect=_collect,
    sections=SECTIONS,
    save_figures=save_figures,
)
"""What the papers on maximum-entropy control claim, measured."""
