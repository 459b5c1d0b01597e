"""The problems of the study, those of training and those never seen in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...benchmark.cost_calibration import finer
from ...problems import Problem, random_problem

__all__ = ["GROUPS", "Amounts", "amounts", "group_of", "problems"]

#: Groups of problems, and what they are called in figures.
GROUPS = {
    "coarse": "one line, up to 250 depths",
    "fine": "one line, 300 to 656 depths",
    "redistribution": "one line, partial redistribution",
    "levels": "many levels",
    "plane": "two dimensions",
}
#: First number in its stream of the problems of training and of the others.
_FIRST = {
    "coarse": (3000, 0), "fine": (4000, 1000), "redistribution": (8000, 2000),
    "levels": (5000, 6000), "plane": (500, 600),
}  # fmt: skip
_STREAMS = {"levels": ("atoms", "atoms"), "plane": ("2d", "2d")}


@dataclass(frozen=True)
class Amounts:
    """How many problems there are of every group."""

    coarse: int
    fine: int
    redistribution: int
    levels: int
    plane: int


def amounts(number: int) -> Amounts:
    """Return how so many problems are divided: most are coarse lines, fewest redistribute."""
    fine, redistribution, plane = number // 5, number // 10, number // 5
    levels = max(number // 5, 1)
    coarse = number - fine - redistribution - levels - plane
    return Amounts(max(coarse, 1), fine, redistribution, levels, plane)


def problems(amounts: Amounts, unseen: bool) -> dict[str, list[Problem]]:
    """Return the problems of every group."""
    found: dict[str, list[Problem]] = {}
    for group in GROUPS:
        first = _FIRST[group][unseen]
        stream = _STREAMS.get(group, ("train", "test"))[unseen]
        drawn = []
        for k in range(first, first + getattr(amounts, group)):
            problem = random_problem(stream, k)
            if group == "fine":
                rng = np.random.default_rng(k)
                problem = finer(problem, round(float(np.exp(rng.uniform(*np.log([300, 656]))))))
            if group == "redistribution":
                problem = replace(problem, name=f"{problem.name} prd", prd=True)
            drawn.append(problem)
        found[group] = drawn
    return found


def group_of(groups: dict[str, list[Problem]]) -> dict[str, str]:
    """Return the group of every problem by its name."""
    return {p.name: group for group, members in groups.items() for p in members}
