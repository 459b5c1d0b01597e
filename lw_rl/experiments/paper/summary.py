"""Medians and quartiles of the paper's experiments, computed once from their runs.

What takes the single seeds is decided here; `lw_rl.experiments.paper.report` decides the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...envs.sigmoid_source import PAPER_MSE
from ...files import Json
from ..claims import ResultFile
from ..quartiles import Quartiles, quartiles

__all__ = ["MAIN", "summarise"]

MAIN = ("published", "preconditioned", "sigmoid", "spline")
"""The training runs at full length."""

_PARAMETERS = ("floor", "amplitude", "centre", "width")
_RANGES = np.array([1.0, 1.1, 3.5, 2.1])  # Of these parameters, in the box of actions.
# A parameter that still swings by more than this part of its range has not settled.
_SETTLED = 0.01


def summarise(result: ResultFile) -> Json:
    """Return the summary of a result file without one.

    Parameters
    ----------
    result : dict
        With ``facts``, ``greedy`` and ``sac``, as `lw_rl.experiments.paper.run` collects them.

    Returns
    -------
    dict
        One entry for each figure and each open question.
    """
    sac = result["sac"]
    return {
        "fig3": _fig3(sac["published"]),
        "fig4": _fig4(result),
        "fig6": _fig6(result["greedy"]),
        "experiments": {name: _experiment(runs) for name, runs in sac.items()},
        "gamma": _ablation({g: sac[f"gamma={g}"] for g in ("0", "0.5", "0.9", "0.99")}),
        "sparse": _ablation({"1": sac["gamma=0.99"], **{k: sac[f"every={k}"] for k in ("3", "9")}}),
        "transfer": _transfer(result),
        "cost": {name: _cost(result, name) for name in MAIN},
    }


def _of(runs: list[Json], key: str) -> Quartiles:
    """Return the quartiles of a quantity, of its last value where there are several."""
    values = [r[key] for r in runs]
    return quartiles([v[-1] if isinstance(v, list) else v for v in values])


def _tenths(curve: Sequence[float | None]) -> tuple[float, float]:
    """Return the means over the first and over the last tenth of a training curve."""
    there = [x for x in curve if x is not None]
    n = max(int(len(curve) * 0.1), 1)
    return float(np.mean(there[:n])), float(np.mean(there[-n:]))


def _fig3(runs: list[Json]) -> Json:
    """Return reward and critic loss at the start and at the end of the training."""
    reward, loss, entropy = (
        [_tenths(r["curve"][key]) for r in runs] for key in ("reward", "critic_loss", "entropy")
    )
    return {
        "reward_start": quartiles([a for a, _ in reward]),
        "reward_end": quartiles([b for _, b in reward]),
        "critic_loss_start": quartiles([a for a, _ in loss]),
        "critic_loss_end": quartiles([b for _, b in loss]),
        "entropy_end": quartiles([b for _, b in entropy]),
        "episodes": sum(r["episodes"] for r in runs),
        "terminated": sum(r["terminated"] for r in runs),
        "reward_rises": all(b > a for a, b in reward),
        "critic_loss_falls": all(b < a for a, b in loss),
    }


def _fig4(result: ResultFile) -> Json:
    """Return when ALI and SAC are at the solution by the paper's measure, and when SAC settles."""
    runs = result["sac"]["published"]
    reached = [int(np.argmax(np.array(r["mse_to_ali"]) < PAPER_MSE)) for r in runs]
    settled = [int(np.argmax(np.array(r["relative_change"]) < 1e-3)) + 1 for r in runs]
    return {
        "ali_iterations": result["facts"]["verification"]["ali_iterations_to_paper_mse"],
        "sac_seeds_at_solution": sum(k > 0 for k in reached),
        "sac_iterations": quartiles([k for k in reached if k > 0]),
        "sac_settled": quartiles(settled),
        "sac_mse": _of(runs, "mse_to_ali"),
        "sac_true_error_first": quartiles([r["true_error"][1] for r in runs]),
    }


def _fig6(runs: list[Json]) -> Json:
    """Return how the greedy network's parameters and loss swing in the last quarter."""
    swing = np.array([np.subtract(r["tail_high"], r["tail_low"]) for r in runs])
    return {
        "swing": {n: quartiles(swing[:, k].tolist()) for k, n in enumerate(_PARAMETERS)},
        "tail_loss_spread": quartiles([r["tail_loss"][2] / r["tail_loss"][0] for r in runs]),
        "tail_loss": quartiles([r["tail_loss"][1] for r in runs]),
        "true_error": _of(runs, "true_error"),
        "oscillates": bool(np.all(np.max(swing / _RANGES, axis=1) > _SETTLED)),
        "training_seconds": _of(runs, "cpu_seconds"),
    }


def _experiment(runs: list[Json]) -> Json:
    return {
        "seeds": len(runs),
        "steps": runs[0]["settings"]["steps"],
        "true_error": _of(runs, "true_error"),
        "residual_mse": _of(runs, "residual_mse"),
        "terminated": sum(r["terminated"] for r in runs),
        "episodes": sum(r["episodes"] for r in runs),
        "training_seconds": _of(runs, "training_cpu_seconds"),
    }


def _ablation(members: dict[str, list[Json]]) -> Json:
    """Return the errors of training runs that differ in one thing."""
    by = {}
    for label, runs in members.items():
        half = [r["evaluated_true_error"][len(r["evaluated"]) // 2 - 1] for r in runs]
        by[label] = {
            "true_error": _of(runs, "true_error"),
            "true_error_halfway": quartiles(half),
            "residual_mse": _of(runs, "residual_mse"),
        }
    return {"steps": next(iter(members.values()))[0]["settings"]["steps"], "by": by}


def _transfer(result: ResultFile) -> Json:
    """Return the errors on the test problems, and the largest difference of S from that at home."""

    def of(runs: Iterable[Json], problem: str, key: str) -> list[float]:
        return [r["transfer"][problem][key] for r in runs]

    problems, sac = result["facts"]["expressiveness"], result["sac"]
    differs = [max(of(sac[name], p, "differs_from_home")) for name in MAIN for p in problems]
    return {
        "by": {
            name: {p: quartiles(of(sac[name], p, "true_error")) for p in problems} for name in MAIN
        },
        "largest_difference": max(differs),
    }


def _cost(result: ResultFile, name: str) -> Json:
    """Return training beside what it saves, as numbers of solves; None where it never pays off."""
    runs, facts = result["sac"][name], result["facts"]
    out: Json = {
        "training_formal_solutions": runs[0]["settings"]["steps"],
        "training_seconds": _of(runs, "training_cpu_seconds"),
        "true_error": _of(runs, "true_error"),
        "peers": {},
    }
    steps, seconds = out["training_formal_solutions"], out["training_seconds"]["median"]
    for peer in ("ali", "anderson"):
        curve, solve = facts["peers"]["curves"][peer], facts["solve_times"][peer]
        hit = np.array(curve["Te"]) < out["true_error"]["median"]
        same = int(curve["cost"][int(np.argmax(hit))])
        from_B = facts["peers"]["costs"][peer]["31"]["0.001"]
        warm = quartiles([r["warm_start"][peer] for r in runs])
        saved = None if warm["median"] is None else from_B - warm["median"]
        faster = None if saved is None else solve * saved / from_B - facts["solve_times"]["policy"]
        out["peers"][peer] = {
            "to_the_same_error": same,
            "break_even_same_error": _ratio(steps, same - 1),
            "to_1e-3": from_B,
            "to_1e-3_from_policy": warm,
            "break_even_as_start": _ratio(steps, saved),
            "solve_seconds": solve,
            "break_even_seconds": _ratio(seconds, faster),
        }
    return out


def _ratio(cost: float, saving: float | None) -> float | None:
    """Return the number of solves after which a cost has been saved again, None for never."""
    return cost / saving if saving is not None and saving > 0 else None
