"""The report says what the file says."""

from __future__ import annotations

import copy

from lw_rl.experiments.drive.report import markdown, wins


def test_it_says_who_wins(small):
    result = copy.deepcopy(small[0])
    for name in ("package", "random", "bandit", "tree", "sac", "s2ac"):
        result["tests"][name]["all"] |= {"ratio": 1.1, "p": 0.2}
    assert not wins(result, "sac")
    assert "a fixed setting ships" in markdown(result)
    result["tests"]["sac"]["all"] |= {"ratio": 0.5, "p": 1e-4}
    text = markdown(result)
    assert wins(result, "sac") and "more than chance: Soft Actor-Critic." in text
    assert "0.50" in text and result["command"] in text
    result["tests"]["sac"]["all"]["false or unfinished"] = 9.0
    assert not wins(result, "sac")
