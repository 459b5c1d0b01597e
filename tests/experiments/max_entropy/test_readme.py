"""The block on maximum-entropy control in the pages."""

from __future__ import annotations

import copy

from experiment_helpers import EXAMPLES

from lw_rl.benchmark.readme import replace_block
from lw_rl.experiments.max_entropy.readme import BLOCK, block


def test_the_page_follows_the_committed_result(committed):
    text = (EXAMPLES / "docs/entropy.md").read_text()
    assert replace_block(text, BLOCK, block(committed)) == text


def test_the_block_has_no_verdicts_and_says_what_is_missing(made):
    text = block(made[1])
    assert text.startswith("| measured | found: median [quartiles] over the seeds |\n|---|---|\n")
    assert "| Pendulum-v1 better than -200, SAC | 3 of 3 seeds; -155 [-155, -155] |" in text
    assert "Not finished" not in text
    partial = copy.deepcopy(made[1])
    partial["kept"]["done"] = 30
    assert f"Not finished: 30 of {partial['kept']['all']} experiments" in block(partial)
