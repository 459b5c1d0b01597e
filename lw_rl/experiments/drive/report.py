"""The report of the study of drivers: a page of the site, every number from the result file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...benchmark.tables import markdown_table
from ...files import Json
from .problems import GROUPS
from .study import TRANSFERS_FROM, transferred

__all__ = ["markdown", "wins"]

#: Learners in the order of the table.
_NAMES = {
    "package": "as the package ships",
    "fixed": "best fixed setting, by search",
    "random": "random choice",
    "bandit": "contextual bandit",
    "tree": "decision tree",
    "sac": "Soft Actor-Critic",
    "s2ac": "S2AC",
}
#: Those that were trained on one group as well.
_TRANSFERRED = ("fixed", "bandit", "tree", "sac")
#: Level of the paired tests.
_LEVEL = 0.05


def wins(result: Json, name: str) -> bool:
    """Whether a learner beats the best fixed setting by more than chance, and stops as well."""
    mine, base = result["tests"][name]["all"], result["tests"]["fixed"]["all"]
    failed = "false or unfinished"
    better = mine["ratio"] < 1.0 and mine["p"] < _LEVEL
    return bool(better and mine[failed] <= base[failed])


def _cell(test: Json) -> str:
    low, mid, high = test["quartiles"]
    return f"{test['ratio']:.2f} ({low:.2f} {mid:.2f} {high:.2f}), p {test['p']:.2g}"


def _by_group(costs: Sequence[float], groups: Sequence[str]) -> str:
    """Return mean costs by group."""
    cost, of = np.array(costs), np.array(groups)
    return "; ".join(
        f"{label} {cost[of == g].mean():.3f}" for g, label in GROUPS.items() if np.any(of == g)
    )


def _transfer(tests: Json, groups: list[str]) -> list[str]:
    """Return the table of what was trained on one group only, on the others."""
    others = [g for g in groups if g != TRANSFERS_FROM]
    rows = [
        [_NAMES[name], *(_cell(tests[transferred(name)][g]) for g in others)]
        for name in _TRANSFERRED
    ]
    return [
        f"The same, trained on one group only ({GROUPS[TRANSFERS_FROM]}), on the others:",
        "",
        markdown_table(["", *(GROUPS[g] for g in others)], rows),
        "",
    ]


def markdown(result: Json) -> str:
    """Return the report."""
    tests, groups = result["tests"], [g for g in GROUPS if g in result["tests"]["fixed"]]
    head = ["", *(GROUPS[g] for g in groups), "all", "false or unfinished"]
    rows = [
        [
            label,
            *(_cell(tests[name][g]) for g in groups),
            _cell(tests[name]["all"]),
            f"{tests[name]['all']['false or unfinished']:.1f} of {tests[name]['all']['problems']}",
        ]
        for name, label in _NAMES.items()
    ]
    winners = [label for name, label in _NAMES.items() if name != "fixed" and wins(result, name)]
    s = result["settings"]
    package = tests["fixed"]["all"]["package"]
    verdict = (
        f"Better than the best fixed setting by more than chance: {', '.join(winners)}."
        if winners
        else "No learner beats the best fixed setting by more than chance: a fixed setting ships."
    )
    saved = 1.0 - tests["sac"]["all"]["ratio"]
    cost = np.mean([r["cost"] for r in result["results"]["fixed"][0]])
    even = (
        f"{result['solves of training'] / saved:.0f} solves like those of the test"
        if saved > 0.0
        else "never: it saves nothing"
    )
    arms = result["arms"]
    chosen = [
        f"- {kind}: fidelity {arms[a][0][0]:g}, tolerance {arms[a][0][1]:g} before the first "
        f"formal solution, tolerance {arms[a][1][1]:g} and renew {arms[a][1][4]:g} after it"
        for kind, a in zip(
            ("one line", "many levels", "two dimensions"), result["fixed"], strict=True
        )
    ]
    return "\n".join(
        [
            verdict,
            "",
            f"Cost over that of the best fixed setting on {len(result['problems'])} unseen "
            f"problems: mean, quartiles, and p of Wilcoxon's signed-rank test of the pairs; "
            f"learners that draw: mean over {s['seeds']} seeds.",
            "",
            markdown_table(head, rows),
            "",
            *_transfer(tests, groups),
            f"The best fixed setting costs {package:.3f} of the package's own, "
            f"{cost:.1f} formal solutions' time on average. Its actions, of which zeros are "
            "the package's:",
            "",
            *chosen,
            "",
            "What perfect choice among the settings searched would cost on the problems of "
            "training, of the package's own: "
            f"{_by_group(result['train']['best'], result['train']['groups'])}.",
            "",
            "What a perfect correction would cost on the unseen problems, one that costs nothing "
            "and knows the solution after the cheapest start and its formal solution, of the "
            "package's own: "
            f"{_by_group(result['corrected'], [p['group'] for p in result['problems']])}.",
            "",
            f"Training: {sum(s['train'].values())} problems, {result['solves of training']} solves "
            f"in all, {s['steps']} decisions for each of {s['seeds']} seeds, "
            f"{np.median(result['seconds']):.0f} s of processor time each (median). It pays after: "
            f"{even}.",
            "",
            f"Command: `{result['command']}`.",
        ]
    )
