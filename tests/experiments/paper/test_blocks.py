"""Claims and tables of the report on the paper that take more than a template."""

from __future__ import annotations

import copy

import pytest

from lw_rl.experiments.claims import content
from lw_rl.experiments.paper import blocks


def test_a_known_answer_may_be_off_by_three_per_cent(committed):
    claim = blocks.check("radius", "ali_spectral_radius", "/.3f", 0.788, 0.94)
    assert claim.found(content(committed)) == ("radius: 0.788 / 0.94", "0.788 / 0.936", True)
    off = blocks.check("radius", "ali_spectral_radius", "/.3f", 0.788, 0.9)
    assert off.found(content(committed))[-1] is False


@pytest.mark.parametrize(
    ("q25", "n", "holds"), [(0.09, 5, True), (0.07, 5, False), (0.09, 2, None)]
)
def test_a_setting_counts_if_the_quartiles_do_not_overlap(committed, q25, n, holds):
    result = copy.deepcopy(committed)
    by = result["summary"]["gamma"]["by"]
    for k, median in zip(by, (0.05, 0.06, 0.07, 0.1), strict=True):
        by[k]["true_error"] = {"median": median, "q25": median, "q75": 0.08, "n": n}
    by["0.99"]["true_error"] |= {"q25": q25, "q75": 0.2}
    _, claim = blocks.ablation("gamma", "gamma", "It counts.")
    text, found, decided = claim.found(content(result))
    assert text == "It counts." and decided is holds
    assert found == (
        "after 20,000 steps the least median error is 5 % (gamma 0), the largest 10 % (gamma 0.99)"
    )


def test_settings_are_those_that_differ_from_the_papers(committed):
    runs = blocks.training_runs(content(committed))
    assert runs["as published"]["settings"] == ""
    assert runs["preconditioned reward, SAC as published"]["settings"] == "reward = preconditioned"
    assert "gradient_steps = 2" in runs["preconditioned reward, tuned SAC, splines"]["settings"]


def test_training_pays_off_where_one_peer_is_slower(committed):
    assert blocks.soonest(content(committed)) is None
    result = copy.deepcopy(committed)
    result["summary"]["cost"]["spline"]["peers"]["ali"]["break_even_seconds"] = 7.0
    assert blocks.soonest(content(result)) == 7.0


def test_a_policy_transfers_if_it_is_near_the_best_spline_everywhere(committed):
    assert not blocks.transfers(content(committed))
    result = copy.deepcopy(committed)
    for problem, s in result["summary"]["transfer"]["by"]["spline"].items():
        s["median"] = 1.9 * result["facts"]["expressiveness"][problem]["spline"]
    assert blocks.transfers(content(result))
