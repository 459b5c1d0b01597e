"""Medians and quartiles of the entropy experiments, computed once from their runs.

What takes the single seeds is decided here; `lw_rl.experiments.max_entropy.report` decides the
rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...files import Json
from ..claims import ResultFile
from ..quartiles import Quartiles, apart_from_all, quartiles
from .deviation import target_deviation
from .experiments import RUNS
from .modes import evenness

__all__ = ["AGREES", "COVERED", "FEW", "IN_TRANSFER", "KINDS", "SOLVED", "summarise"]

Runs = list[Json]

#: The samplers whose entropy is compared with exact values.
KINDS = ("tracers", "particles", "langevin")
#: Largest error of an entropy that counts as agreement, in nats for each dimension.
AGREES = 0.1
#: Particles of the samplers that the policies here use, at most.
FEW = 16
#: Part of each seed's measurements that must be within 10 % of the target entropy.
COVERED = 0.95
#: The groups of runs in radiative transfer, and the error that each ends at.
IN_TRANSFER = {"sigmoid": "true_error", "columns": "home_error"}
#: Return that counts as Pendulum solved.
SOLVED = -200.0


def summarise(result: ResultFile) -> Json:
    """Return the summary of a result file without one.

    Parameters
    ----------
    result : dict
        With ``facts`` and ``runs``, as `lw_rl.experiments.max_entropy.run` collects them.
    """
    runs = result["runs"]
    facts = {k: v for k, v in result["facts"].items() if k != "well"}
    accuracy = {k: _accuracy(k, v) for k, v in facts.items()}
    by_group: dict[str, dict[str, Runs]] = {}
    for name, found in runs.items():
        by_group.setdefault(RUNS[name].group, {})[name] = found
    control = by_group["pendulum"] | by_group["temperature"]

    def all_of(group: str) -> Runs:
        return [run for found in by_group[group].values() for run in found]

    summary = {name: _run(found) for name, found in runs.items()}
    targets = {k: _target_entropy(v) for k, v in runs.items() if "deviation" in v[0]}
    checked = [s for s in summary.values() if "shortened" in s]
    return {
        "accuracy": accuracy,
        "robustness": _robustness(accuracy, next(iter(facts.values()))["sweeps"]),
        "runs": summary,
        "invertibility": {
            "runs": len(checked), "shortened": sum(s["shortened"]["median"] > 0.5 for s in checked),
        },
        "compared": {group: _compare(members) for group, members in by_group.items()},
        "least_error": {
            group: _first({k: summary[k][error] for k in by_group[group]}, largest=False)
            for group, error in IN_TRANSFER.items()
        },
        "s2ac_over_sac": {
            group: summary[f"{group}-s2ac"]["per_step"]["median"]
            / summary[f"{group}-sac"]["per_step"]["median"]
            for group in IN_TRANSFER
        },
        "multigoal": {name: _multigoal(found) for name, found in by_group["multigoal"].items()},
        "target_entropy": targets,
        "covered": {
            "experiments": sum(v["covered"] for v in targets.values()),
            "of": len(targets),
            "runs": sum(v["seeds"] for v in targets.values()),
        },
        "pendulum_solved": {
            name: [float(np.mean(r["evaluation"])) > SOLVED for r in found]
            for name, found in control.items()
        },
        "transfer": {name: _transfer(found) for name, found in by_group["shared"].items()},
        "modes": {name: _modes(found) for name, found in runs.items()},
        "modes_in_transfer": _modes([r for g in IN_TRANSFER for r in all_of(g)]),
        "modes_on_goals": _modes(all_of("multigoal")),
    }  # fmt: skip


def _accuracy(name: str, fact: Json) -> Json:
    """Return the error at the common settings, and the values of each setting that agree."""
    tolerance = AGREES * int(name.split("-")[1])
    entry: Json = {"exact": fact["exact"], "trace": fact["trace"]}
    for kind in KINDS:
        agree = {
            setting: [
                v for v, e in zip(kinds[kind]["values"], kinds[kind]["error"], strict=True)
                if e is not None and abs(e) <= tolerance
            ]
            for setting, kinds in fact["sweeps"].items()
            if kind in kinds
        }  # fmt: skip
        last = fact["sweeps"]["particles"][kind]
        error, particles = last["error"][-1], last["values"][-1]
        agrees = particles in agree["particles"]
        entry[kind] = {"error": error, "particles": particles, "agrees": agrees, "agree": agree}
    return entry


def _robustness(accuracy: Json, sweeps: Json) -> Json:
    """Return for how many distributions, and for how many numbers of steps, an entropy agrees."""
    counts: Json = {
        "of": len(accuracy),
        "particles": sweeps["particles"]["tracers"]["values"][-1],
        "cases": len(accuracy) * len(sweeps["steps"]["tracers"]["values"]),
    }
    for kind, name in (("tracers", "tracers"), ("particles", "published")):
        found = [v[kind] for v in accuracy.values()]
        counts[name] = {
            "many": sum(v["agrees"] for v in found),
            "few": sum(FEW in v["agree"]["particles"] for v in found),
            "steps": sum(len(v["agree"]["steps"]) for v in found),
        }
    return counts


def _run(found: Runs) -> Json:
    steps = float(found[0]["settings"]["steps"])
    entry: Json = {
        "seeds": len(found),
        "steps": found[0]["settings"]["steps"],
        "return": _mean(found, "evaluation"),
        "cpu": _end(found, "cpu"),
        "per_step": quartiles([1e3 * (_last(r["curve"]["cpu"]) or 0.0) / steps for r in found]),
        "entropy": _end(found, "entropy"),
        "alpha": _end(found, "alpha"),
    }
    for name in ("true_error", "home_error", "unseen_error", "fine_error"):
        if name in found[0]:
            entry[name] = _median(found, name)
    if found[0]["curve"]["contraction"][-1] is not None:
        entry |= {name: _end(found, name) for name in ("contraction", "shortened")}
    return entry


def _compare(members: dict[str, Runs]) -> Json:
    """Return the return while training of runs that are compared, at equal steps and equal time.

    Every learner runs on one thread, so its processor time is the wall time on an idle core; the
    wall time that was recorded has in it whatever else the machine did.
    """
    curves = [r["curve"] for found in members.values() for r in found]
    ends = {clock: min(_last(c[clock]) or np.inf for c in curves) for clock in ("steps", "cpu")}
    at = {
        name: {
            clock: quartiles([_until(r["curve"], clock, end) for r in found])
            for clock, end in ends.items()
        }
        for name, found in members.items()
    }
    return {
        "at_steps": ends["steps"],
        "at_seconds": ends["cpu"],
        "members": at,
        "best_at_steps": _first({k: v["steps"] for k, v in at.items()}, largest=True),
        "best_at_seconds": _first({k: v["cpu"] for k, v in at.items()}, largest=True),
    }


def _first(found: dict[str, Quartiles], largest: bool) -> Json:
    """Return the run of the largest or least median, and whether it is apart from all others."""
    there = {k: v for k, v in found.items() if v["median"] is not None}
    if not there:
        return {"name": None, "label": "none", "found": quartiles([]), "told_apart": None}
    name = (max if largest else min)(there, key=lambda k: float(there[k]["median"]))
    first = there.pop(name)
    return {
        "name": name,
        "label": RUNS[name].label,
        "found": first,
        "told_apart": apart_from_all(first, there.values()),
    }


def _until(curve: dict[str, list[Any]], clock: str, end: float) -> float | None:
    """Return the last return that was recorded by then."""
    pairs = zip(curve[clock], curve["return"], strict=True)
    return _last([y for x, y in pairs if x is not None and x <= end])


def _multigoal(found: Runs) -> Json:
    return {
        "evenness": quartiles([evenness(r["goals"]) for r in found]),
        "reached": quartiles([sum(k > 0 for k in r["goals"]) for r in found]),
        "missed": quartiles([r["missed"] / max(len(r["stochastic"]), 1) for r in found]),
        "modes": quartiles([r["modes_at_start"] for r in found]),
    }


def _target_entropy(found: Runs) -> Json:
    """Return how near the entropy is to its target, by single measurements."""
    curves = [r["curve"] for r in found]
    kept = [target_deviation(c["steps"], c["entropy"], c["target"]) for c in curves]
    reached = [d["response"] is not None for d in kept]
    within = [d["within"] or 0.0 for d in kept]
    return {
        **{k: quartiles([d[k] for d in kept]) for k in ("response", "later", "within", "worst")},
        "seeds": len(found),
        "learning_starts": found[0]["settings"]["learning_starts"],
        "least": min(within),
        "never_reached": reached.count(False),
        "covered": all(reached) and min(within) >= COVERED,
    }


def _transfer(found: Runs) -> Json:
    return {
        "weights": found[0]["weights"],
        **{name: _median(found, name) for name in ("home_error", "unseen_error", "fine_error")},
        "return": _mean(found, "evaluation"),
        "fine_return": _mean(found, "fine_return"),
    }


def _modes(found: Runs) -> Json:
    """Return in how many states the draws, and in how many seeds exp(Q / alpha) has modes."""
    counts = [k for r in found for k in r["modes"]["counts"]]
    return {
        "states": len(counts),
        "multimodal": sum(k > 1 for k in counts),
        "boltzmann": sum(r["modes"]["boltzmann"] > 1 for r in found),
        "seeds": len(found),
    }


def _mean(found: Runs, key: str) -> Quartiles:
    return quartiles([float(np.mean(r[key])) for r in found])


def _median(found: Runs, key: str) -> Quartiles:
    return quartiles([float(np.median(r[key])) for r in found])


def _end(found: Runs, column: str) -> Quartiles:
    return quartiles([_last(r["curve"][column]) for r in found])


def _last(values: Iterable[float | None]) -> float | None:
    there: Sequence[float] = [v for v in values if v is not None]
    return there[-1] if there else None
