"""Medians, ranges and verdicts of the paper's experiments, computed once from their cells.

What the report says in words is decided here, by comparing numbers, so that no sentence can
outlive the measurement that it describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lw_rl.envs.sigmoid_source import PAPER_MSE

MAIN = ("published", "preconditioned", "sigmoid", "spline")
"""The experiments at full length."""


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a result file without one.

    Parameters
    ----------
    result : dict
        With ``facts``, ``greedy`` and ``sac`` as `lw_rl.experiments.paper.run.gather` makes them.

    Returns
    -------
    dict
        One entry for each figure and each open question.
    """
    return {
        "fig3": _fig3(result),
        "fig4": _fig4(result),
        "fig6": _fig6(result),
        "experiments": {name: _experiment(runs) for name, runs in result["sac"].items()},
        "gamma": _ablation(result, {g: f"gamma={g}" for g in ("0", "0.5", "0.9", "0.99")}),
        "sparse": _ablation(result, {"1": "gamma=0.99", "3": "every=3", "9": "every=9"}),
        "transfer": _transfer(result),
        "cost": {name: _cost(result, name) for name in MAIN},
    }


def stat(values: Sequence[float | None]) -> dict[str, Any]:
    """Return median, quartiles and number of the values that are there."""
    v = [float(x) for x in values if x is not None]
    if not v:
        return {"median": None, "q25": None, "q75": None, "n": 0}
    q25, median, q75 = np.quantile(v, [0.25, 0.5, 0.75])
    return {"median": float(median), "q25": float(q25), "q75": float(q75), "n": len(v)}


def _last(curve: Sequence[float | None], part: float = 0.1) -> float:
    """Return the mean over the last part of a training curve."""
    return float(np.mean(_numbers(curve)[-max(int(len(curve) * part), 1) :]))


def _first(curve: Sequence[float | None], part: float = 0.1) -> float:
    return float(np.mean(_numbers(curve)[: max(int(len(curve) * part), 1)]))


def _numbers(curve: Sequence[float | None]) -> list[float]:
    return [x for x in curve if x is not None]


def _fig3(result: dict[str, Any]) -> dict[str, Any]:
    """Check that the mean reward rises and critic loss should fall while training."""
    runs = result["sac"]["published"]
    reward = [(_first(r["curve"]["reward"]), _last(r["curve"]["reward"])) for r in runs]
    loss = [(_first(r["curve"]["critic_loss"]), _last(r["curve"]["critic_loss"])) for r in runs]
    return {
        "reward_start": stat([a for a, _ in reward]),
        "reward_end": stat([b for _, b in reward]),
        "critic_loss_start": stat([a for a, _ in loss]),
        "critic_loss_end": stat([b for _, b in loss]),
        "entropy_end": stat([_last(r["curve"]["entropy"]) for r in runs]),
        "episodes": sum(r["episodes"] for r in runs),
        "terminated": sum(r["terminated"] for r in runs),
        "reward_rises": all(b > a for a, b in reward),
        "critic_loss_falls": all(b < a for a, b in loss),
    }


def _fig4(result: dict[str, Any]) -> dict[str, Any]:
    """SAC should be at the solution in about nine iterations, ALI in more than 25."""
    runs = result["sac"]["published"]
    reached = [int(np.argmax(np.array(r["mse_to_ali"]) < PAPER_MSE)) for r in runs]
    settled = [int(np.argmax(np.array(r["relative_change"]) < 1e-3)) + 1 for r in runs]
    ali = result["facts"]["verification"]["ali_iterations_to_paper_mse"]
    return {
        "ali_iterations": ali,
        "sac_seeds_at_solution": sum(k > 0 for k in reached),
        "sac_iterations": stat([k for k in reached if k > 0]),
        "sac_settled": stat(settled),
        "sac_mse": stat([r["mse_to_ali"][-1] for r in runs]),
        "sac_true_error_first": stat([r["true_error"][1] for r in runs]),
        "ali_agrees": ali > 25,
        "sac_agrees": sum(k > 0 for k in reached) > len(runs) / 2,
    }


def _fig6(result: dict[str, Any]) -> dict[str, Any]:
    """Greedy descent should go round without settling, and do worse than SAC."""
    runs = result["greedy"]
    swing = np.array([np.subtract(r["tail_high"], r["tail_low"]) for r in runs])
    sac = stat([r["true_error"][-1] for r in result["sac"]["published"]])
    greedy = stat([r["true_error"] for r in runs])
    names = ("floor", "amplitude", "centre", "width")
    # A parameter that still swings by more than one per cent of its range has not settled.
    ranges = np.array([1.0, 1.1, 3.5, 2.1])
    return {
        "swing": {n: stat(swing[:, k].tolist()) for k, n in enumerate(names)},
        "tail_loss_spread": stat([r["tail_loss"][2] / r["tail_loss"][0] for r in runs]),
        "tail_loss": stat([r["tail_loss"][1] for r in runs]),
        "true_error": greedy,
        "oscillates": bool(np.all(np.max(swing / ranges, axis=1) > 0.01)),
        "sac_is_better": sac["median"] < greedy["median"],
        "training_seconds": stat([r["cpu_seconds"] for r in runs]),
    }


def _experiment(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "seeds": len(runs),
        "steps": runs[0]["settings"]["steps"],
        "true_error": stat([r["true_error"][-1] for r in runs]),
        "residual_mse": stat([r["residual_mse"][-1] for r in runs]),
        "terminated": sum(r["terminated"] for r in runs),
        "episodes": sum(r["episodes"] for r in runs),
        "training_seconds": stat([r["training_cpu_seconds"] for r in runs]),
    }


def _ablation(result: dict[str, Any], members: dict[str, str]) -> dict[str, Any]:
    """Compare experiments that differ in one thing."""
    table = {}
    for label, name in members.items():
        runs = result["sac"][name]
        half = [r["evaluated_true_error"][len(r["evaluated"]) // 2 - 1] for r in runs]
        table[label] = {
            "true_error": stat([r["true_error"][-1] for r in runs]),
            "true_error_halfway": stat(half),
            "residual_mse": stat([r["residual_mse"][-1] for r in runs]),
        }
    medians = {k: v["true_error"]["median"] for k, v in table.items()}
    best, worst = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    # Told apart: the quartiles of the best and of the worst do not overlap, and mean something.
    enough = min(v["true_error"]["n"] for v in table.values()) >= 3
    apart = table[best]["true_error"]["q75"] < table[worst]["true_error"]["q25"]
    return {
        "steps": result["sac"][next(iter(members.values()))][0]["settings"]["steps"],
        "by": table,
        "best": best,
        "worst": worst,
        "told_apart": enough and apart,
    }


def _transfer(result: dict[str, Any]) -> dict[str, Any]:
    """Collect the error on problems that were not trained on, beside what the family could do."""
    problems = result["facts"]["expressiveness"]
    table: dict[str, Any] = {}
    for name in MAIN:
        runs = result["sac"][name]
        table[name] = {p: stat([r["transfer"][p]["true_error"] for r in runs]) for p in problems}
    differs = [
        r["transfer"][p]["differs_from_home"]
        for name in MAIN
        for r in result["sac"][name]
        for p in problems
    ]
    return {"by": table, "largest_difference": max(differs)}


def _cost(result: dict[str, Any], name: str) -> dict[str, Any]:
    """Set training against what it saves; None where it never pays off."""
    runs = result["sac"][name]
    steps = runs[0]["settings"]["steps"]
    error = stat([r["true_error"][-1] for r in runs])
    from_B = result["facts"]["peers"]["costs"]
    curves = result["facts"]["peers"]["curves"]
    out: dict[str, Any] = {
        "training_formal_solutions": steps,
        "training_seconds": stat([r["training_cpu_seconds"] for r in runs]),
        "true_error": error,
        "peers": {},
    }
    for peer in ("ali", "anderson"):
        hit = np.array(curves[peer]["Te"]) < error["median"]
        same = int(curves[peer]["cost"][int(np.argmax(hit))])
        to_3 = from_B[peer]["31"]["0.001"]
        warm = stat([r["warm_start"][peer] for r in runs])
        saved = None if warm["median"] is None else to_3 - warm["median"]
        solve = result["facts"]["solve_times"][peer]
        saved_seconds = None
        if saved is not None:
            saved_seconds = solve * saved / to_3 - result["facts"]["solve_times"]["policy"]
        out["peers"][peer] = {
            "to_the_same_error": same,
            "break_even_same_error": _ratio(steps, same - 1),
            "to_1e-3": to_3,
            "to_1e-3_from_policy": warm,
            "break_even_as_start": _ratio(steps, saved),
            "solve_seconds": solve,
            "break_even_seconds": _ratio(out["training_seconds"]["median"], saved_seconds),
        }
    return out


def _ratio(cost: float, saving: float | None) -> float | None:
    """Return the number of solves after which a cost has been saved again, None for never."""
    return cost / saving if saving is not None and saving > 0 else None
