"""The reproduction of Panos & Milic (2025): what `lw-rl paper` runs and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...files import Json
from ..claims import ResultFile
from ..reproduction import Reproduction
from .experiments import PaperExperiment, experiments
from .figures import save_figures
from .report import SECTIONS
from .summary import MAIN, summarise

__all__ = ["PAPER"]


def _run(experiment: PaperExperiment, out: Path) -> Json:
    # It imports torch, which a report alone does not need.
    from .measure import run_experiment

    return run_experiment(experiment)


def _collect(found: Sequence[tuple[PaperExperiment, Json]]) -> ResultFile:
    result: ResultFile = {"facts": {}, "greedy": [], "sac": {}}
    for experiment, kept in found:
        if experiment.kind == "facts":
            result["facts"][experiment.name] = kept["outcome"]
        elif experiment.kind == "greedy":
            run = {"seed": experiment.seed, **kept["outcome"], "cpu_seconds": kept["cpu_seconds"]}
            result["greedy"].append(run)
        else:
            run = {"seed": experiment.seed, "options": kept["config"]["options"]}
            run |= _slim(experiment, kept["outcome"])
            result["sac"].setdefault(experiment.name, []).append(run)
    return {**result, "summary": summarise(result)}


def _slim(experiment: PaperExperiment, outcome: Json) -> Json:
    """Leave out the series that no figure draws: the result file is for keeping in a repository."""
    kept = dict(outcome)
    if experiment.name != "published":
        del kept["curve"]
    if experiment.name not in MAIN:
        for series in ("true_error", "residual_mse"):
            kept[series] = kept[series][-1:]
        for series in ("relative_change", "mse_to_ali"):
            del kept[series]
    return kept


PAPER = Reproduction(
    command="paper",
    name="paper",
    packages=("torch", "stable_baselines3"),
    experiments=experiments,
    run_one=_run,
    collect=_collect,
    sections=SECTIONS,
    save_figures=save_figures,
)
"""The paper of Panos & Milic, reproduced and corrected."""
