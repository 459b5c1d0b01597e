"""The table of the study of policies on atoms with many levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..training.residue import POLICIES
from .lines import DEPTHS, STUDIES, TOLERANCE
from .quartiles import quartiles
from .text import table

__all__ = ["markdown"]

_NAMES = {"mali_scattering": "MALI, scattering solved", "nonlocal": "coupled operator alone"}


def markdown(result: Mapping[str, Any]) -> str:
    """Return the table: formal solutions and processor time, by kind of problem."""
    solves = result["solves"]
    kinds = {f"FAL-C, {N} depths": [s for s in solves if _of(s, N)] for N in DEPTHS}
    kinds["random"] = [s for s in solves if s["problem"].startswith("atoms ")]
    kinds = {kind: found for kind, found in kinds.items() if found}
    head = [""]
    for kind, found in kinds.items():
        atoms = ", ".join(dict.fromkeys(_atom(s["problem"]) for s in found))
        head += [f"{kind} ({atoms}): to 1e-3", "stop", "time"]
    rows = []
    for row in STUDIES[result["study"]].rows:
        of_seeds = (f", {len(result['seeds'])} seeds", result["seeds"])
        trained = [of_seeds] if row.policy in POLICIES else [("", [0])]
        if row.policy == "always":
            trained = [(", ships", [0]), of_seeds]
        for of, seeds in trained:
            cells = []
            for found in kinds.values():
                mine = [s for s in found if s["row"] == row.name]
                number = len({s["problem"] for s in found})
                whole = [k for k in seeds if sum(s["seed"] == k for s in mine) == number]
                cells += [_cell(mine, what, whole) for what in ("to", "stop", "iterations")]
            rows.append([_NAMES.get(row.name, row.name) + of, *cells])
    asked = [s for s in solves if s["policy"] == "card"]
    share = sum(s["answered"] for s in asked), sum(s["asked"] for s in asked)
    lost = [s for s in solves if s["stop"] is not None and not s["stop_error"] < TOLERANCE]
    missing = result["all"] - len(solves)
    return (
        f"{table(head, rows, numbers=True)}\n\n"
        "Formal solutions to a true error of 1e-3 and at the certified stop, and processor time "
        "of the call in iterations of MALI: mean over problems (those that failed, in brackets, "
        "left out); over seeds median and, in square brackets, quartiles of that and their number. "
        + (
            f"Within its limits the policy that ships was asked about lines {share[1]} times and "
            f"had an answer {share[0]} times. "
            if asked
            else ""
        )
        + f"{len(lost)} of {len(solves)} solves stopped above the tolerance."
        + ("" if missing == 0 else f" {missing} of {result['all']} solves are still to be made.")
    )


def _atom(problem: str) -> str:
    return problem.split()[-1 if problem.startswith("atoms ") else 0]


def _of(found: Mapping[str, Any], N: int) -> bool:
    return bool(found["problem"].endswith(f"FALC {N}"))


def _cell(found: Sequence[Mapping[str, Any]], what: str, seeds: Sequence[int]) -> str:
    if not seeds:
        return "-"
    means, failed = [], 0
    for seed in seeds:
        mine = [s for s in found if s["seed"] == seed]
        there = [s[what] for s in mine if s["stop"] is not None and s[what] is not None]
        failed += len(mine) - len(there)
        if there:
            means.append(float(np.mean(there)))
    q = quartiles(means)
    if q["median"] is None:
        return "never"
    text = f"{q['median']:.1f}"
    if len(seeds) > 1:
        text += f" [{q['q25']:.1f}, {q['q75']:.1f}; {len(seeds)}]"
    return text + (f" ({failed})" if failed else "")
