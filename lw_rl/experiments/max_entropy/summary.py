"""Medians, ranges and verdicts of the entropy experiments, computed once from their cells.

What the report says in words is decided here, by comparing numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..paper.summary import stat
from .cells import RUNS
from .modes import evenness, held_within

#: Largest error of an entropy that counts as agreement, in nats for each dimension.
AGREES = 0.1
#: Particles of the samplers that the policies here use, at most.
FEW = 16
#: Error below which ten steps have ended at the solution, whatever the learner did.
FLOOR = 1e-4
#: Evenness over the goals from which on a policy counts as spread.
SPREAD = 0.5
#: Part of the measurements of each seed that must be within 10 % for an entropy to count as held.
HELD = 0.95
#: Return that counts as Pendulum solved.
SOLVED = -200.0


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a result file without one.

    Parameters
    ----------
    result : dict
        With ``facts`` and ``runs`` as `lw_rl.experiments.max_entropy.run.gather` makes them.
    """
    runs = result["runs"]
    return {
        "accuracy": {k: _accuracy(k, v) for k, v in result["facts"].items() if k != "well"},
        "well": _well(result["facts"]["well"]),
        "runs": {name: _run(found) for name, found in runs.items()},
        "compared": {group: _compare(group, runs) for group in dict.fromkeys(map(_group, runs))},
        "multigoal": _multigoal(runs),
        "held": {k: _held(v) for k, v in runs.items() if "held" in v[0]},
        "pendulum_solved": _solved(runs),
        "transfer": {k: _transfer(v) for k, v in runs.items() if _group(k) == "shared"},
        "modes": _modes(runs),
    }


def _group(name: str) -> str:
    return RUNS[name].group


def _accuracy(name: str, fact: dict[str, Any]) -> dict[str, Any]:
    """Return the error at the common settings, and the range of each setting that agrees."""
    d = int(name.split("-")[1])
    entry: dict[str, Any] = {"exact": fact["exact"], "trace": fact["trace"]}
    for kind in ("tracers", "particles", "langevin"):
        agree = {}
        for setting, kinds in fact["sweeps"].items():
            if kind in kinds:
                sweep = kinds[kind]
                agree[setting] = [
                    v for v, e in zip(sweep["values"], sweep["error"], strict=True)
                    if e is not None and abs(e) <= AGREES * d
                ]  # fmt: skip
        last = fact["sweeps"]["particles"][kind]
        error = last["error"][-1]
        entry[kind] = {
            "error": error,
            "particles": last["values"][-1],
            "agrees": error is not None and abs(error) <= AGREES * d,
            "agree": agree,
        }
    return entry


def _well(fact: dict[str, Any]) -> dict[str, Any]:
    temperatures = fact["temperatures"]
    cold, hot = (temperatures[k]["langevin"] for k in (min(temperatures, key=float),
                                                     max(temperatures, key=float)))  # fmt: skip
    return {
        "trapped": bool(cold["right"] < 0.1),
        "explores": bool(0.35 < hot["right"] < 0.65),
        "boltzmann": bool(hot["distance"] < 0.1),
    }


def _run(found: list[dict[str, Any]]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "seeds": len(found),
        "steps": found[0]["settings"]["steps"],
        "return": stat([float(np.mean(r["evaluation"])) for r in found]),
        "cpu": stat([_last(r["curve"]["cpu"]) for r in found]),
        "per_step": stat([1e3 * (_last(r["curve"]["cpu"]) or 0.0) / _steps(r) for r in found]),
        "entropy": stat([_last(r["curve"]["entropy"]) for r in found]),
        "alpha": stat([_last(r["curve"]["alpha"]) for r in found]),
    }
    for name in ("true_error", "home_error", "unseen_error", "fine_error"):
        if name in found[0]:
            entry[name] = stat([float(np.median(r[name])) for r in found])
    if found[0]["curve"]["contraction"][-1] is not None:
        entry["contraction"] = stat([_last(r["curve"]["contraction"]) for r in found])
        entry["shortened"] = stat([_last(r["curve"]["shortened"]) for r in found])
    return entry


def _compare(group: str, runs: dict[str, Any]) -> dict[str, Any]:
    """Return the return while training of a group's members at equal steps and at equal time.

    Every learner runs on one thread, so its processor time is the wall time on an idle core; the
    wall time that was recorded has in it whatever else the machine did.
    """
    members = {name: found for name, found in runs.items() if _group(name) == group}
    seconds = min(_last(r["curve"]["cpu"]) or np.inf for f in members.values() for r in f)
    steps = min(_last(r["curve"]["steps"]) or np.inf for f in members.values() for r in f)
    at = {
        name: {
            "steps": stat([_until(r["curve"], "steps", steps) for r in found]),
            "cpu": stat([_until(r["curve"], "cpu", seconds) for r in found]),
        }
        for name, found in members.items()
    }
    return {
        "at_steps": steps,
        "at_seconds": seconds,
        "members": at,
        "best_at_steps": _best(at, "steps"),
        "best_at_seconds": _best(at, "cpu"),
    }


def _best(at: dict[str, Any], clock: str) -> dict[str, Any]:
    """Return the member of the largest median, and whether its quartiles tell it apart."""
    there = {k: v[clock] for k, v in at.items() if v[clock]["median"] is not None}
    if not there:
        return {"name": None, "told_apart": False}
    name = max(there, key=lambda k: there[k]["median"])
    others = [v for k, v in there.items() if k != name]
    apart = bool(others) and min(v["n"] for v in there.values()) >= 3
    return {
        "name": name,
        "told_apart": apart and all(there[name]["q25"] > v["q75"] for v in others),
    }


def _until(curve: dict[str, list[Any]], clock: str, end: float) -> float | None:
    """Return the last return that was recorded by then."""
    kept = [
        y for x, y in zip(curve[clock], curve["return"], strict=True)
        if x is not None and y is not None and x <= end
    ]  # fmt: skip
    return kept[-1] if kept else None


def _multigoal(runs: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for name, found in runs.items():
        if "goals" in found[0]:
            entry[name] = {
                "evenness": stat([evenness(r["goals"]) for r in found]),
                "reached": stat([sum(k > 0 for k in r["goals"]) for r in found]),
                "missed": stat([r["missed"] / max(len(r["stochastic"]), 1) for r in found]),
                "modes": stat([r["modes_at_start"] for r in found]),
            }
    sac = entry["multigoal-sac"]["evenness"]
    spreads = {
        name: {
            "more": found["evenness"]["median"] > sac["median"],
            "told_apart": found["evenness"]["n"] >= 3 and found["evenness"]["q25"] > sac["q75"],
        }
        for name, found in entry.items()
        if name != "multigoal-sac"
    }
    returns = {
        name: stat([float(np.mean(r["evaluation"])) for r in runs[name]])
        for name in ("multigoal-s2ac", "multigoal-fixed")
    }
    learned, fixed = returns.values()
    return {
        "members": entry,
        "spreads": spreads,
        "sac_collapses": sac["median"] < SPREAD,
        "start_helps": learned["median"] > fixed["median"],
        "start_told_apart": learned["n"] >= 3 and learned["q25"] > fixed["q75"],
    }


def _held(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how well the entropy is held, by single measurements."""
    kept = [held_within(c["steps"], c["entropy"], c["target"]) for c in (r["curve"] for r in found)]
    met = [h["response"] is not None for h in kept]
    return {
        **{k: stat([h[k] for h in kept]) for k in ("response", "later", "within", "worst")},
        "seeds": len(found),
        "least": min(h["within"] or 0.0 for h in kept),
        "unmet": met.count(False),
        "holds": all(met) and all((h["within"] or 0.0) >= HELD for h in kept),
    }


def _solved(runs: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [float(np.mean(r["evaluation"])) > SOLVED for r in found]
        for name, found in runs.items()
        if _group(name) in ("pendulum", "temperature")
    }


def _transfer(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "weights": found[0]["weights"],
        **{
            name: stat([float(np.median(r[name])) for r in found])
            for name in ("home_error", "unseen_error", "fine_error")
        },
        "return": stat([float(np.mean(r["evaluation"])) for r in found]),
        "fine_return": stat([float(np.mean(r["fine_return"])) for r in found]),
    }


def _modes(runs: dict[str, Any]) -> dict[str, Any]:
    """Return in how many states the draws, and in how many seeds exp(Q / alpha) has modes."""
    return {
        name: {
            "states": sum(len(r["modes"]["counts"]) for r in found),
            "multimodal": sum(k > 1 for r in found for k in r["modes"]["counts"]),
            "boltzmann": sum(r["modes"]["boltzmann"] > 1 for r in found),
            "seeds": len(found),
        }
        for name, found in runs.items()
    }


def _steps(run: dict[str, Any]) -> float:
    return float(run["settings"]["steps"])


def _last(values: Sequence[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    return there[-1] if there else None
