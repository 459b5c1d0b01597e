"""The report on the paper: every number and every verdict follows the result file."""

from __future__ import annotations

import copy
import itertools
import re

from experiment_helpers import flat, found

from lw_rl.experiments.claims import render, verdicts
from lw_rl.experiments.paper.figures import FIGURES
from lw_rl.experiments.paper.report import SECTIONS
from lw_rl.experiments.paper.summary import summarise

NAMES = {name: f"{name}.png" for name in FIGURES}


def test_every_number_of_the_report_follows_the_result_file(committed):
    """Change every number in the file; then no table entry or range of the report may stay."""

    def perturb(value):
        if isinstance(value, dict):
            return {k: perturb(v) for k, v in value.items()}
        if isinstance(value, list):
            return [perturb(v) for v in value]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        return type(value)(value * 3 + 7)

    changed = {**perturb(committed), "versions": committed["versions"]}

    def measured(text):
        # A line may end between a value and its range.
        ranges = re.findall(r"\S+(?: %)? \[[^\]]*\]", flat(text))
        lines = text.splitlines()
        entries = []
        for line, below in itertools.pairwise(lines):
            if line.startswith("| ") and not below.startswith("|---"):
                cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
                # Of a claim, what was found; of other tables the last column.
                entries.append(cells[-2] if cells[-1] in ("yes", "no", "-") else cells[-1])
        return ranges, [e for e in entries if re.search(r"\d", e)]

    before, after = (measured(render(SECTIONS, r, NAMES)) for r in (committed, changed))
    for old, new in zip(before, after, strict=True):
        assert len(old) == len(new) > 10
        assert [a for a, b in zip(old, new, strict=True) if a == b] == []


def test_verdicts_of_the_committed_result(committed):
    """What the paper's set-up gives, and what corrects it."""
    claims = verdicts(SECTIONS, committed)
    holds = {c["claim"].split(",")[0].rstrip("."): c["holds"] for c in claims[8:]}
    assert holds == {
        "The mean reward rises while SAC trains": True,
        "The critic loss falls": True,
        "ALI is at the solution (mean square difference from converged ALI below 1e-6) in more "
        "than 25 iterations": True,
        "Trained SAC is there in about 9": False,
        "A feed-forward network trained on the same residual": True,
        "Hence SAC: it ends nearer to the solution": False,
        "The published reward is largest for the sigmoid nearest to the solution": False,
        "Dividing the residual by 1 - (1 - eps) Lambda* and by S": True,
        "SAC on splines ends below what any sigmoid can reach": True,
        "It ends below the sigmoid that the same reward prefers": True,
        "On the sigmoid the same settings find what the reward asks for": False,
        "With the paper's hyper-parameters the preconditioned reward lowers the error": False,
        "The discount factor decides how near SAC comes": True,
        "How often a reward is given decides it": True,
        "The policy transfers: its error is below twice the best spline's everywhere": False,
        "A trained policy reaches a true error of 1e-3 by itself": False,
        "Training pays off in processor time": False,
    }
    # The engine gives its known answers.
    assert all(c["holds"] for c in claims[:8])


def test_verdicts_follow_the_numbers(committed):
    good = copy.deepcopy(committed)
    for run in good["sac"]["published"]:
        run["mse_to_ali"] = [1.0] * 9 + [1e-8] * 42
        run["true_error"] = [1.0] * 9 + [1e-4] * 42
    good["summary"] = summarise(good)
    claims = verdicts(SECTIONS, good)
    sac = found(claims, "Trained SAC")
    assert sac["holds"] and sac["found"].startswith("within 50 iterations in 5 of 5 seeds")
    assert found(claims, "Hence SAC")["holds"]
    assert found(claims, "A trained policy reaches")["holds"]


def test_the_reason_for_no_transfer_is_given_only_where_it_holds(committed):
    reason = "The reason is exact and needs no statistics"
    assert reason in flat(render(SECTIONS, committed, NAMES))
    other = copy.deepcopy(committed)
    other["summary"]["transfer"]["largest_difference"] = 0.1
    text = flat(render(SECTIONS, other, NAMES))
    assert reason not in text and "over all seeds, steps and depths, is 0.1" in text


def test_a_partial_report_says_so(committed):
    partial = {**committed, "kept": {"done": 20, "all": 62}}
    assert "Not finished: 20 of 62 experiments" in render(SECTIONS, partial, NAMES)
    assert "Not finished" not in render(SECTIONS, committed, NAMES)
