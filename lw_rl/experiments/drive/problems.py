"""The problems of the study, those of training and those never seen in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...benchmark.cost_calibration import finer
from ...problems import Problem, random_problem

__all__ = ["GROUPS", "Amounts", "amounts", "group_of", "problems"]

#: Groups of problems, and what they are called in figures.
GROUPS = {
    "coarse": "one line, up to 250 depths",
    "fine": "one line, 300 to 656 depths",
    "levels": "many levels",
    "plane": "two dimensions",
}
#: First number in its stream of the problems of training and of the others.
_FIRST = {"coarse": (3000, 0), "fine": (4000, 1000), "levels": (5000, 6000), "plane": (500, 600)}
_STREAMS = {"coarse": ("train", "test"), "fine": ("train", "test")}


@dataclass(frozen=True)
class Amounts:
    """How many problems there are of every group."""

    coarse: int
    fine: int
    levels: int
    plane: int


def amounts(number: int) -> Amounts:
    """Return how so many problems are divided: half of them are one line in one dimension."""
    fine, levels = number // 5, number // 4
    plane = max(number // 4, 1)
    return Amounts(max(number - fine - levels - plane, 1), fine, levels, plane)


def problems(amounts: Amounts, unseen: bool) -> dict[str, list[Problem]]:
    """Return the problems of every group."""
    found: dict[str, list[Problem]] = {}
    for group in GROUPS:
        first = _FIRST[group][unseen]
        stream = {"levels": "atoms", "plane": "2d"}.get(group) or _STREAMS[group][unseen]
        drawn = []
        for k in range(first, first + getattr(amounts, group)):
            problem = random_problem(stream, k)
            if group == "fine":
                rng = np.random.default_rng(k)
                problem = finer(problem, round(float(np.exp(rng.uniform(*np.log([300, 656]))))))
            drawn.append(problem)
        found[group] = drawn
    return found


def group_of(groups: dict[str, list[Problem]]) -> dict[str, str]:
    """Return the group of every problem by its name."""
    return {p.name: group for group, members in groups.items() for p in members}
