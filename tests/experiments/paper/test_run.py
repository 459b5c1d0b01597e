"""The command `lw-rl paper`: its quick run, and what its report may and may not say."""

from __future__ import annotations

import copy
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lw_rl.cli.paper import paper
from lw_rl.envs.sigmoid_source import SourceStep
from lw_rl.experiments.paper import facts as paper_facts
from lw_rl.experiments.paper.cells import EXPERIMENTS, cells
from lw_rl.experiments.paper.figures import FIGURES
from lw_rl.experiments.paper.report import report
from lw_rl.experiments.paper.run import REPORT, RESULT, gather, run_paper
from lw_rl.experiments.paper.summary import stat, summarise
from lw_rl.slab import source_shapes
from lw_rl.slab.slab import paper_slab
from lw_rl.slab.source_shapes import Sigmoid

pytest.importorskip("stable_baselines3")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One quick run through the command, and what it printed."""
    out = tmp_path_factory.mktemp("paper")
    arguments = ["--quick", "--seeds", "1", "--out", str(out), "--json", "--quiet"]
    run = CliRunner().invoke(paper, arguments)
    assert run.exit_code == 0, run.output
    return out, run


@pytest.fixture
def result(quick):
    return json.loads((quick[0] / RESULT).read_text())


def test_quick_run_writes_result_figures_and_report(quick, result):
    out, run = quick
    assert json.loads(run.stdout) == result["summary"]
    assert result["quick"]
    assert set(result["sac"]) == set(EXPERIMENTS)
    text = (out / REPORT).read_text()
    for name in FIGURES:
        assert (out / f"{name}.png").stat().st_size > 10_000
        assert f"({name}.png)" in text
    assert "A quick run" in text
    assert "None" not in text
    assert "nan" not in text


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


def test_finished_cells_are_not_repeated_and_changed_ones_are(quick):
    out, _ = quick
    kept = {p: p.stat().st_mtime_ns for p in (out / "cells").glob("*.json")}
    assert len(kept) == len(cells(1, True))
    spoiled = out / "cells" / "facts-verification.json"
    spoiled.write_text(spoiled.read_text()[:100])
    stale = out / "cells" / "facts-solve_times.json"
    stale.write_text(stale.read_text().replace('"quick": true', '"quick": false'))
    finished = []
    run_paper(out, seeds=1, quick=True, workers=1, progress=lambda *a: finished.append(a[0]))
    assert sorted(finished) == ["facts-solve_times", "facts-verification"]
    unchanged = [p for p in kept if p.stat().st_mtime_ns == kept[p]]
    assert len(unchanged) == len(kept) - 2


def test_another_spline_is_another_cell(monkeypatch):
    """A cell names its family of source functions; the family's parameters decide it too."""

    def configs():
        return {c.key: c.config for c in cells(1, True)}

    before = configs()
    monkeypatch.setitem(source_shapes.SHAPES, "spline", CoarserSpline)
    after = configs()
    changed = {key for key in before if before[key] != after[key]}
    splines = {name for name, e in EXPERIMENTS.items() if e.options.get("shape") == "spline"}
    assert changed == {"facts-expressiveness"} | {
        c.key for c in cells(1, True) if c.kind == "sac" and c.name in splines
    }


@dataclass(frozen=True, eq=False)
class CoarserSpline(source_shapes.MonotoneSpline):
    Ncoef: int = 8


def test_missing_cell_is_named_and_a_partial_report_says_so(quick):
    with pytest.raises(FileNotFoundError, match="greedy-greedy-1"):
        gather(quick[0], 2, True)
    result = gather(quick[0], 2, True, partial=True)
    assert result["cells"]["done"] < result["cells"]["all"] == len(cells(2, True))
    text = report(result, {name: f"{name}.png" for name in FIGURES})
    assert f"Not finished: {result['cells']['done']} of {result['cells']['all']} cells" in text


def test_report_only_runs_nothing_and_needs_the_first_seed(quick, tmp_path):
    arguments = ["--quick", "--seeds", "1", "--report-only", "--out"]
    before = (quick[0] / REPORT).read_text()
    assert CliRunner().invoke(paper, [*arguments, str(quick[0]), "--quiet"]).exit_code == 0
    assert (quick[0] / REPORT).read_text() == before
    run = CliRunner().invoke(paper, [*arguments, str(tmp_path)])
    assert run.exit_code == 1
    assert "too little is finished" in run.output
    assert not list(tmp_path.iterdir())


def test_every_number_of_the_report_follows_the_result_file(result):
    """Change every number in the file; then no table entry or range of the report may stay."""
    figures = {name: f"{name}.png" for name in FIGURES}

    def perturb(value):
        if isinstance(value, dict):
            return {k: perturb(v) for k, v in value.items()}
        if isinstance(value, list):
            return [perturb(v) for v in value]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        return type(value)(value * 3 + 7)

    changed = {**perturb(result), "versions": result["versions"]}

    def measured(text):
        # A line may end between a value and its range.
        ranges = re.findall(r"\S+(?: %)? \[[^\]]*\]", " ".join(text.split()))
        lines = text.splitlines()
        last_cells = [
            line.split("|")[-2].strip()
            for line, below in itertools.pairwise(lines)
            if line.startswith("| ") and not below.startswith("|---")
        ]
        return ranges, [c for c in last_cells if re.search(r"\d", c)]

    before, after = (measured(report(r, figures)) for r in (result, changed))
    for old, new in zip(before, after, strict=True):
        assert len(old) == len(new) > 10
        assert [a for a, b in zip(old, new, strict=True) if a == b] == []


@pytest.fixture(scope="module")
def committed():
    return json.loads((Path(__file__).parents[3] / "examples" / RESULT).read_text())


def test_committed_result_is_whole(committed):
    assert committed["cells"]["done"] == committed["cells"]["all"]


def test_committed_result_is_as_the_command_wrote_it(committed):
    """All cells are of today's definition, the summary follows, and S has the error it claims."""
    assert not committed["quick"]
    assert committed["seeds"] == 5
    assert committed["cells"]["all"] == len(cells(5, False))
    assert json.loads(json.dumps(summarise(committed))) == committed["summary"]
    exact = paper_slab().solution
    for name, runs in committed["sac"].items():
        for run in runs:
            assert run["options"] == EXPERIMENTS[name].options
            error = np.max(np.abs(np.array(run["S"]) / exact - 1.0))
            assert run["true_error"][-1] == pytest.approx(error, rel=1e-3)


def test_committed_result_has_trained_splines_below_what_any_sigmoid_can_do(committed):
    errors = [run["true_error"][-1] for run in committed["sac"]["spline"]]
    assert np.median(errors) < committed["facts"]["expressiveness"]["eps=0.0001"]["sigmoid"]
    text = " ".join(report(committed, dict.fromkeys(FIGURES, "")).split())
    assert "below what any sigmoid can reach" in text


def test_verdicts_follow_the_numbers(result):
    good = copy.deepcopy(result)
    for run in good["sac"]["published"]:
        run["mse_to_ali"] = [1.0] * 9 + [1e-8] * 42
        run["true_error"] = [1.0] * 9 + [1e-4] * 42
    good["summary"] = summarise(good)
    assert good["summary"]["fig4"]["sac_agrees"]
    assert good["summary"]["fig4"]["sac_iterations"]["median"] == 9
    assert good["summary"]["fig6"]["sac_is_better"]
    figures = {name: "" for name in FIGURES}
    assert "SAC agrees with the paper" in report(good, figures)
    assert "SAC does not agree with the paper" in report(result, figures)


def test_statistics():
    s = stat([1.0, 2.0, None, 3.0, 4.0, 5.0])
    assert (s["median"], s["q25"], s["q75"], s["n"]) == (3.0, 2.0, 4.0, 5)
    assert stat([None])["median"] is None


def test_search_finds_a_known_minimum():
    target = np.array([0.3, -0.8])
    found = paper_facts.search(lambda a: np.sum((a - target) ** 2, axis=-1), 2, seeds=1)
    np.testing.assert_allclose(found, target, atol=1e-6)


def test_greedy_network_follows_the_gradient_with_the_radiation_held_fixed():
    from lw_rl.experiments.paper.greedy import train_greedy

    run = train_greedy(paper_slab(), seed=0, steps=400)
    assert run.loss[-1] < 0.05 * run.loss[0]
    S = Sigmoid(np.log10(paper_slab().tau)).of_parameters(run.parameters[-1])
    np.testing.assert_allclose(run.S, S, rtol=1e-4)
    residual = paper_slab().implied_source(S) - S
    assert run.loss[-1] == pytest.approx(np.mean(residual**2), rel=1e-3)


def test_sac_improves_on_its_start_and_is_reproducible():
    from lw_rl.training.paper import SACSettings, train_sac

    step = SourceStep(paper_slab(), shape="spline", reward="preconditioned")
    settings = SACSettings(
        steps=1600, learning_starts=400, gamma=0.0, entropy="auto_0.01", learning_rate=3e-3
    )
    (_, one), (_, other) = (train_sac(step, settings, seed=1, evaluations=2) for _ in range(2))
    np.testing.assert_array_equal(one.S[-1], other.S[-1])
    assert np.mean(one.reward[-20:]) > np.mean(one.reward[:15]) + 0.3
    assert one.steps[-1] == 1600
    assert one.episodes >= 1600 // 50


def test_vectorised_environment_restarts_and_reports_the_end_of_an_episode():
    from lw_rl.training.paper import SlabVecEnv

    env = SlabVecEnv(SourceStep(paper_slab(), max_steps=3), 2)
    start = env.reset()
    for _ in range(2):
        _, _, done, _ = env.step(np.zeros((2, 4)))
        assert not done.any()
    observation, reward, done, infos = env.step(np.zeros((2, 4)))
    assert done.all()
    np.testing.assert_array_equal(observation, start)
    assert infos[0]["TimeLimit.truncated"]
    assert infos[0]["episode"]["r"] == pytest.approx(3 * reward[0], rel=1e-5)
    assert not np.array_equal(infos[0]["terminal_observation"], start[0])


@pytest.mark.parametrize("option", ["seeds", "workers"])
def test_bad_numbers(option, tmp_path):
    with pytest.raises(ValueError, match=f"{option} must be >= 1, not 0"):
        run_paper(tmp_path, **{option: 0})
    run = CliRunner().invoke(paper, [f"--{option}", "0"])
    assert run.exit_code == 2
    assert "x>=1" in run.output


def test_help_has_examples():
    text = CliRunner().invoke(paper, ["--help"]).output
    assert "lw-rl paper --seeds 5 --out paper" in text
