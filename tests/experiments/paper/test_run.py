"""The reproduction of the paper: a quick run, what it writes, and what it does not repeat."""

from __future__ import annotations

import json

import numpy as np
import pytest
from experiment_helpers import keep_paper

from lw_rl.experiments.paper.experiments import RUNS, experiments
from lw_rl.experiments.paper.figures import FIGURES
from lw_rl.experiments.paper.run import PAPER
from lw_rl.slab.slab import paper_slab


def test_quick_run_writes_result_figures_and_report(quick, result):
    out, printed = quick
    assert json.loads(printed) == {**result["summary"], "claims": PAPER.verdicts(result)}
    assert result["quick"]
    assert set(result["sac"]) == set(RUNS)
    text = (out / PAPER.report_name).read_text()
    for name in FIGURES:
        assert (out / f"{name}.png").stat().st_size > 10_000
        assert f"({name}.png)" in text
    assert "A quick run" in text
    assert "None" not in text
    assert "nan" not in text


def test_recorded_errors_are_those_of_the_recorded_source_functions(result):
    slab = paper_slab()
    for runs in result["sac"].values():
        S = np.array(runs[0]["S"])
        error = np.max(np.abs(S / slab.solution - 1.0))
        assert runs[0]["true_error"][-1] == pytest.approx(error, rel=1e-3)


def test_policy_gives_the_same_source_function_on_every_problem(result):
    for runs in result["sac"].values():
        for transfer in runs[0]["transfer"].values():
            assert transfer["differs_from_home"] == 0.0


def test_sac_outcome_has_its_series_and_transfers(quick):
    kept = json.loads((quick[0] / "cells" / "sac-spline-0.json").read_text())["outcome"]
    assert len(kept["true_error"]) == len(kept["residual_mse"]) == 51
    assert len(kept["relative_change"]) == 50
    assert kept["transfer"]["eps=0.0001"]["true_error"] == kept["true_error"][-1]
    assert set(kept["warm_start"]) == {"ali", "anderson"}
    assert kept["settings"]["learning_starts"] == 200


def test_known_answers_are_in_the_result(result):
    v = result["facts"]["verification"]
    assert v["ali_iterations"] == 49
    assert v["ali_iterations_to_paper_mse"] > 25
    assert v["two_stream_plateau"]["5"] == pytest.approx(1.5e-2, rel=0.03)
    assert v["sweep_against_matrix"] < 1e-13
    assert result["facts"]["peers"]["costs"]["anderson"]["31"]["0.001"] == 10
    assert result["facts"]["throughput"]["matrix"] > 20_000


def test_the_published_reward_prefers_a_wrong_solution(result):
    optima = result["facts"]["optima"]
    assert optima["published"]["published_reward"] > 100 * optima["closest"]["published_reward"]
    assert optima["published"]["true_error"] > 0.5
    assert optima["preconditioned"]["true_error"] < 0.08
    low, high = optima["no_worse_than_closest"]["surface_error"]
    assert low < -0.9
    assert high > 1.0


def test_no_reward_beats_the_least_error_and_both_searches_agree(result):
    limits = result["facts"]["expressiveness"]
    for limit in limits.values():
        for family in ("sigmoid", "spline"):
            # Both are upper limits from a short search, so with some margin.
            assert limit[f"{family}_by_reward"] > 0.9 * limit[family]
    prefers = result["facts"]["optima"]["preconditioned"]["true_error"]
    assert limits["eps=0.0001"]["sigmoid_by_reward"] == pytest.approx(prefers, rel=0.05)


@pytest.mark.slow
def test_finished_experiments_are_not_repeated_and_changed_ones_are(quick):
    out, _ = quick
    kept = {p: p.stat().st_mtime_ns for p in (out / "cells").glob("*.json")}
    assert len(kept) == len(experiments(1, True))
    spoiled = out / "cells" / "facts-verification.json"
    spoiled.write_text(spoiled.read_text()[:100])
    stale = out / "cells" / "facts-solve_times.json"
    stale.write_text(stale.read_text().replace('"quick": true', '"quick": false'))
    finished = []
    PAPER.run(out, seeds=1, quick=True, workers=1, progress=lambda *a: finished.append(a[0]))
    assert sorted(finished) == ["facts-solve_times", "facts-verification"]
    unchanged = [p for p in kept if p.stat().st_mtime_ns == kept[p]]
    assert len(unchanged) == len(kept) - 2


def test_gathering_gives_the_committed_result(tmp_path, committed):
    """What figures and report are made from is kept, and nothing else of the outcomes is needed."""
    keep_paper(tmp_path)
    found = json.loads(json.dumps(PAPER.gather(tmp_path, 5, False)))
    same = ("quick", "seeds", "kept", "facts", "greedy", "sac", "summary")
    assert {k: found[k] for k in same} == {k: committed[k] for k in same}


def test_committed_result_is_as_the_command_wrote_it(committed):
    """All experiments are of today's definition, and S has the error it claims."""
    assert not committed["quick"]
    assert committed["seeds"] == 5
    assert committed["kept"]["done"] == committed["kept"]["all"] == len(experiments(5, False))
    exact = paper_slab().solution
    for name, runs in committed["sac"].items():
        for run in runs:
            assert run["options"] == RUNS[name].options
            error = np.max(np.abs(np.array(run["S"]) / exact - 1.0))
            assert run["true_error"][-1] == pytest.approx(error, rel=1e-3)
