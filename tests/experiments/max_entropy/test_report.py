"""The entropy report: every verdict follows the numbers."""

from __future__ import annotations

import copy

from experiment_helpers import flat, found

from lw_rl.experiments.claims import render, verdicts
from lw_rl.experiments.max_entropy.figures import FIGURES
from lw_rl.experiments.max_entropy.report import SECTIONS
from lw_rl.experiments.max_entropy.summary import summarise

NAMES = {name: f"{name}.png" for name in FIGURES}


def text_of(result):
    return flat(render(SECTIONS, result, NAMES))


def test_verdicts_of_the_committed_result(committed):
    holds = {c["claim"]: c["holds"] for c in verdicts(SECTIONS, committed)}
    assert holds == {
        "The entropy of what SVGD samples follows in closed form from first derivatives and agrees "
        "with known values.": True,
        "It is robust to the sampler's settings, as long as the step is much smaller than the "
        "kernel.": False,
        "The samplers take the steps that they are set to.": False,
        "At a low temperature a particle stays trapped in one well.": True,
        "At a high one it visits both.": True,
        "The stationary distribution is Boltzmann's.": True,
        "SAC keeps to one side: its median evenness is below 0.5.": True,
        "S2AC (SVGD) spreads over the goals more than SAC.": True,
        "S2AC (SVGD), fixed start spreads over the goals more than SAC.": True,
        "S2AC (Langevin) spreads over the goals more than SAC.": False,
        "A parametrised start helps: a higher return than from a fixed one.": True,
        "S2AC outperforms SAC on MuJoCo tasks: here at equal steps, far fewer than the "
        "paper's.": True,
        "Its deterministic policy after training does, too.": False,
        "SAC solves Pendulum, a mean return better than -200, in every seed.": False,
        "The entropy stays within 10 % of its target, in 95% of the single measurements of every "
        "seed.": True,
        "SigmoidSource-v0: one learner stands out in return at equal steps.": False,
        "SigmoidSource-v0: one learner stands out in return at equal wall time.": False,
        "SigmoidSource-v0: one learner stands out in error at the end.": False,
        "SigmoidSource-v0: that learner solves it, to 10 %.": False,
        "StatEquil-v0, six cosines: one learner stands out in return at equal steps.": None,
        "StatEquil-v0, six cosines: one learner stands out in return at equal wall time.": None,
        "StatEquil-v0, six cosines: one learner stands out in error at the end.": None,
        "StatEquil-v0, six cosines: that learner solves it, to 10 %.": True,
        "The action distribution has several modes somewhere.": False,
        "Shared weights have the higher return while training, at equal steps.": True,
    }


def test_verdicts_follow_the_numbers(made):
    _, result = made
    claims = verdicts(SECTIONS, result)
    assert found(claims, "S2AC (SVGD) spreads")["holds"]
    assert "The learned start is what keeps" not in text_of(result)
    assert found(claims, "It is robust to the sampler's settings")["holds"] is False
    # The seventh needs MuJoCo.
    sampled = sum("contraction" in s for s in result["summary"]["runs"].values())
    assert sampled in (6, 7)
    shorter = found(claims, "The samplers take the steps")
    assert shorter["holds"] and shorter["found"].startswith(
        f"in 0 of {sampled} runs more than half"
    )
    other = copy.deepcopy(result)
    for run in other["runs"]["multigoal-s2ac"]:
        run["goals"] = [20, 0, 0, 0]
    other["summary"] = summarise(other)
    turned = verdicts(SECTIONS, other)
    assert found(turned, "S2AC (SVGD) spreads")["holds"] is False
    assert found(turned, "S2AC (SVGD), fixed start spreads")["holds"]
    assert "The learned start is what keeps S2AC from spreading" in text_of(other)


def test_modes_are_only_denied_where_the_control_has_some(made):
    silent = copy.deepcopy(made[1])
    for runs in silent["runs"].values():
        for run in runs:
            run["modes"] |= {"counts": [1, 1], "boltzmann": 1}
    silent["summary"] = summarise(silent)
    assert found(verdicts(SECTIONS, silent), "The action distribution")["holds"] is False
    assert "count of the draws and of exp(Q / alpha) finds none" in text_of(silent)
    for run in silent["runs"]["multigoal-fixed"]:
        run["modes"]["boltzmann"] = 2
    silent["summary"] = summarise(silent)
    assert "count of the draws finds none on the four goals, the control, either" in text_of(silent)
    assert found(verdicts(SECTIONS, made[1]), "The action distribution")["holds"]


def test_errors_at_the_floor_tell_nothing(made):
    result = copy.deepcopy(made[1])
    assert "tells them apart is the return" not in text_of(result)
    for name, runs in result["runs"].items():
        for run in runs:
            if name.startswith("columns"):
                run["home_error"] = [1e-8]
    result["summary"] = summarise(result)
    assert "tells them apart is the return" in text_of(result)


def test_the_least_error_is_named(made):
    result = copy.deepcopy(made[1])
    for run in result["runs"]["sigmoid-langevin"]:
        run["true_error"] = [0.01]
    result["summary"] = summarise(result)
    claims = verdicts(SECTIONS, result)
    best = found(claims, "SigmoidSource-v0: one learner stands out in error")
    assert best["found"] == "S2AC (Langevin), 1 % [1 %, 1 %]" and best["holds"]
    assert found(claims, "SigmoidSource-v0: that learner solves it")["holds"]


def test_one_seed_that_misses_its_target_is_enough(made):
    result = copy.deepcopy(made[1])
    result["runs"]["temperature-target1"][1]["curve"]["entropy"] = [-1.0, -1.0, -1.0, -2.0]
    result["summary"] = summarise(result)
    claim = found(verdicts(SECTIONS, result), "The entropy stays within 10 %")
    assert claim["found"] == "in 5 of 6 experiments" and claim["holds"] is False


def test_numbers_of_a_table_are_in_the_result(made):
    assert "-155" in text_of(made[1])


def test_what_needs_a_missing_package_is_left_out(committed):
    result = copy.deepcopy(committed)
    for name in ("mujoco-sac", "mujoco-s2ac"):
        del result["runs"][name]
    result["summary"] = summarise(result)
    result["left_out"] = ["mujoco-sac", "mujoco-s2ac"]
    claim = found(verdicts(SECTIONS, result), "S2AC outperforms SAC on MuJoCo")
    assert claim["found"] == "left out" and claim["holds"] is None
    assert "Left out, since a package is missing: mujoco-sac, mujoco-s2ac." in text_of(result)


def test_nothing_is_decided_where_no_episode_ended(committed):
    result = copy.deepcopy(committed)
    for run in result["runs"]["mujoco-sac"]:
        run["curve"]["return"] = [None] * len(run["curve"]["return"])
    result["summary"] = summarise(result)
    claim = found(verdicts(SECTIONS, result), "S2AC outperforms SAC on MuJoCo")
    assert "none" in claim["found"] and claim["holds"] is None
