"""`lw-rl entropy-report`: its cells, what its report may say, and its quick run."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from workers import failing

from lw_rl.benchmark.readme import replace_block
from lw_rl.cli import main
from lw_rl.experiments.max_entropy import cells as entropy_cells
from lw_rl.experiments.max_entropy.cells import FACTS, RUNS, Cell, cells
from lw_rl.experiments.max_entropy.figures import FIGURES
from lw_rl.experiments.max_entropy.modes import boltzmann_modes, count_modes, evenness, held_within
from lw_rl.experiments.max_entropy.readme import BLOCK, block
from lw_rl.experiments.max_entropy.report import report
from lw_rl.experiments.max_entropy.run import (
    REPORT,
    RESULT,
    gather,
    run_entropy_report,
    write_outputs,
)
from lw_rl.experiments.max_entropy.summary import summarise
from lw_rl.experiments.store import (
    finished,
    run_cells,
)
from lw_rl.files import (
    write_json,
)

ROOT = Path(__file__).parents[3]


def sweep(values, error):
    return {"values": values, "error": error, "spread": error, "contraction": [0.5, 2.0]}


def fact():
    kinds = {"tracers": sweep([5, 80], [0.05, 0.01]), "particles": sweep([5, 80], [0.05, -3.0])}
    full = {**kinds, "langevin": {**sweep([5, 80], [0.2, 0.05]), "contraction": [None, None]}}
    return {
        "exact": 1.2, "trace": 0.02,
        "sweeps": {"step_size": full, "steps": full, "bandwidth": kinds, "particles": full},
    }  # fmt: skip


def well():
    density = {"density": [0.5, 0.5], "right": 0.5, "distance": 0.02, "free_energy": 1.0}
    entry = {"exact": [0.5, 0.5], "free_energy": 1.0, "svgd": density, "langevin": density}
    cold = {**entry, "langevin": {**density, "right": 0.0, "distance": 0.5}}
    return {"x": [-1.0, 1.0], "temperatures": {"0.1": cold, "0.5": entry, "2": entry}}


def trained(name):
    run = RUNS[name]
    held = (
        isinstance(run.settings.get("temperature"), dict) and "held" in run.settings["temperature"]
    )
    s2ac = run.settings.get("algorithm", "sac") != "sac"
    stein = run.settings.get("algorithm") == "s2ac"
    level = -1.0 if held else None
    d = 1 if run.group in ("pendulum", "temperature") else 2
    axis = np.linspace(-1, 1, 5)
    Q = -(axis**2) if d == 1 else -(axis[:, None] ** 2) - axis**2
    outcome = {
        "curve": {
            "steps": [10, 20, 30, 40], "wall": [9.0, 18.0, 27.0, 36.0],
            "cpu": [1.0, 2.0, 3.0, 4.0 + s2ac], "return": [None, -9.0, -5.0, -3.0 + s2ac],
            "entropy": [-0.2, -0.95, -1.0, -1.02], "target": [level] * 4,
            "alpha": [None, 0.1, 0.2, 0.3], "critic_loss": [None, 1.0, 1.0, 1.0],
            "actor_loss": [None, 1.0, 1.0, 1.0], "contraction": [0.5 if stein else None] * 4,
            "shortened": [0.1 if stein else None] * 4,
        },
        "weights": {"actor": 1000, "critic": 2000},
        "modes": {
            "counts": [1, 2 if s2ac else 1],
            "example": {
                "axis": axis.tolist(), "Q": Q.tolist(), "alpha": 0.3,
                "draws": np.zeros((4, d)).tolist(),
            },
        },
        "evaluation": [-150.0 + s2ac, -160.0],
    }  # fmt: skip
    if held:
        outcome["held"] = held_within([10, 20, 30, 40], [-0.2, -0.95, -1.0, -1.02], [level] * 4)
    if run.group == "multigoal":
        outcome |= {
            "goals": [5, 5, 5, 5] if s2ac else [20, 0, 0, 0], "missed": 0,
            "stochastic": [1.0] * 20, "first_steps": [[0.1, 0.2]], "modes_at_start": 1 + s2ac,
        }  # fmt: skip
    if run.group == "sigmoid":
        outcome |= {"true_error": [0.2, 0.2], "correction": [0.1, 0.1]}
    if run.group in ("columns", "shared"):
        outcome |= {"home_error": [0.5, 0.6], "unseen_error": [0.7]}
    if run.group == "shared":
        outcome |= {"fine_error": [0.8], "fine_return": [1.0]}
    return outcome


def keep(directory, cell, outcome):
    kept = {"config": cell.config, "outcome": outcome, "seconds": 1.0, "cpu_seconds": 1.0}
    write_json(directory / "cells" / f"{cell.key}.json", kept)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An output directory as it is when every cell is done, and its result."""
    out = tmp_path_factory.mktemp("entropy")
    for cell in cells(3, False):
        if cell.kind == "train":
            keep(out, cell, trained(cell.name))
        else:
            keep(out, cell, well() if cell.name == "well" else fact())
    return out, write_outputs(out, gather(out, 3, False))


def test_report_and_figures_come_from_the_result_file(made):
    out, result = made
    text = (out / REPORT).read_text()
    assert json.loads((out / RESULT).read_text()) == result
    for name in FIGURES:
        assert (out / f"{name}.png").stat().st_size > 10_000
        assert f"({name}.png)" in text
    assert "None" not in text and "nan" not in text
    assert "quick run" not in text and "Not finished" not in text


def test_verdicts_follow_the_numbers(made):
    _, result = made
    text = " ".join(report(result, {name: f"{name}.png" for name in FIGURES}).split())
    assert "S2AC (SVGD) spreads more than SAC agrees with the paper" in text
    assert "The learned start is what keeps" not in text
    assert "robust to the settings does not agree" in text
    # The seventh needs MuJoCo.
    sampled = sum("contraction" in s for s in result["summary"]["runs"].values())
    assert sampled in (6, 7)
    assert f"In 0 of {sampled} experiments it is more than half" in text
    other = copy.deepcopy(result)
    for run in other["runs"]["multigoal-s2ac"]:
        run["goals"] = [20, 0, 0, 0]
    other["summary"] = summarise(other)
    turned = report(other, {name: f"{name}.png" for name in FIGURES})
    turned = " ".join(turned.split())
    assert "S2AC (SVGD) spreads more than SAC does not agree with the paper" in turned
    assert "S2AC (SVGD), fixed start spreads more than SAC agrees with the paper" in turned
    assert "The learned start is what keeps S2AC from spreading" in turned


def test_modes_are_only_denied_where_the_control_has_some(made):
    _, result = made
    figures = {name: "x" for name in FIGURES}
    silent = copy.deepcopy(result)
    for runs in silent["runs"].values():
        for run in runs:
            run["modes"] |= {"counts": [1, 1], "boltzmann": 1}
    silent["summary"] = summarise(silent)
    text = " ".join(report(silent, figures).split())
    assert "No: of the policies" in text and "draws and of exp(Q / alpha) finds none" in text
    for run in silent["runs"]["multigoal-fixed"]:
        run["modes"]["boltzmann"] = 2
    silent["summary"] = summarise(silent)
    text = " ".join(report(silent, figures).split())
    assert "count of the draws finds none on the control either" in text


def test_errors_at_the_floor_tell_nothing(made):
    result = copy.deepcopy(made[1])
    figures = {name: "x" for name in FIGURES}
    assert "tells them apart is the return" not in " ".join(report(result, figures).split())
    for name, runs in result["runs"].items():
        for run in runs:
            if name.startswith("columns"):
                run["home_error"] = [1e-8]
    result["summary"] = summarise(result)
    assert "tells them apart is the return" in " ".join(report(result, figures).split())


def test_the_best_learner_is_the_one_of_the_least_error(made):
    result = copy.deepcopy(made[1])
    for run in result["runs"]["sigmoid-langevin"]:
        run["true_error"] = [0.01]
    result["summary"] = summarise(result)
    text = " ".join(report(result, {name: "x" for name in FIGURES}).split())
    assert "the least median error is that of S2AC (Langevin), 1 % [1 %, 1 %], and" in text


def test_every_number_in_a_table_is_in_the_result(made):
    _, result = made
    assert result["summary"]["runs"]["pendulum-sac"]["return"]["median"] == -155.0
    assert "-155" in report(result, {name: "x" for name in FIGURES})
    assert result["summary"]["pendulum_solved"]["pendulum-sac"] == [True] * 3
    assert result["summary"]["compared"]["pendulum"]["at_seconds"] == 4.0
    # At four seconds of its core S2AC has not yet recorded its last return; what else the machine
    # did, which the column "wall" has in it, does not count.
    assert (
        result["summary"]["compared"]["pendulum"]["members"]["pendulum-s2ac"]["cpu"]["median"]
        == -5.0
    )


def test_readme_and_summary_follow_the_committed_result():
    committed = json.loads((ROOT / "examples" / RESULT).read_text())
    assert not committed["quick"] and committed["seeds"] == 5
    assert json.loads(json.dumps(summarise(committed))) == committed["summary"]
    text = (ROOT / "README.md").read_text()
    assert replace_block(text, BLOCK, block(committed)) == text
    for cell in cells(1, False):
        if cell.kind == "train":
            settings = committed["runs"][cell.name][0]["settings"]
            assert settings == json.loads(json.dumps(cell.settings)), "of today's definition"


def test_command_renews_the_readme(made, tmp_path):
    readme = tmp_path / "README.md"
    arguments = ["--out", str(made[0]), "--seeds", "3", "--report-only", "--readme", str(readme)]
    readme.write_text("nothing")
    done = CliRunner().invoke(main, ["entropy-report", *arguments])
    assert done.exit_code == 2 and "begin entropy" in done.stderr
    readme.write_text("<!-- begin entropy -->\n<!-- end entropy -->\nrest\n")
    done = CliRunner().invoke(main, ["entropy-report", *arguments])
    assert done.exit_code == 0, done.output
    assert "3 of 3 seeds; -155 [-155, -155]" in readme.read_text()


def test_partial_results_need_the_first_seed(made, tmp_path):
    for cell in cells(1, False):
        kept = finished(made[0], cell)
        write_json(tmp_path / "cells" / f"{cell.key}.json", kept)
    content = gather(tmp_path, 3, False, partial=True)
    assert content["cells"]["done"] == len(cells(1, False)) < content["cells"]["all"]
    assert "Not finished" in report(content, {name: "x" for name in FIGURES})
    with pytest.raises(FileNotFoundError, match="missing or of other settings"):
        gather(tmp_path, 3, False)
    (tmp_path / "cells" / "facts-well.json").unlink()
    done = CliRunner().invoke(
        main, ["entropy-report", "--out", str(tmp_path), "--report-only", "--seeds", "3"]
    )
    assert done.exit_code == 1 and "too little is finished" in done.stderr


def test_changed_settings_are_run_again(made, monkeypatch):
    cell = next(c for c in cells(1, False) if c.name == "pendulum-sac")
    assert finished(made[0], cell)
    monkeypatch.setitem(RUNS[cell.name].settings, "gamma", 0.5)
    assert finished(made[0], cell) is None


def test_cells_are_capped_and_left_out(monkeypatch):
    five = [c.name for c in cells(5, False)]
    assert five.count("multigoal-sac") == 5 and five.count("pendulum-fixed") == 2
    assert five[: len(FACTS)] == list(FACTS)
    monkeypatch.setattr(entropy_cells, "missing", bool)
    assert not any(c.name.startswith("mujoco") for c in cells(5, False))
    assert entropy_cells.left_out() == ["mujoco-sac", "mujoco-s2ac"]


def test_a_run_cut_short_goes_on_where_it_was(tmp_path):
    work = [Cell("facts", name, 0, True) for name in ("gaussian-1", "mixture-1")]
    with pytest.raises(RuntimeError, match="stopped here"):
        run_cells(tmp_path, work, failing, 1)
    assert finished(tmp_path, work[0]) and finished(tmp_path, work[1]) is None
    seen = []
    run_cells(tmp_path, work[:1], failing, 1, lambda *a: seen.append(a))
    assert seen == [], "what is finished is not repeated"


@pytest.mark.parametrize("name", ["seeds", "workers"])
def test_counts_below_one(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1, not 0"):
        run_entropy_report(tmp_path, **{name: 0})


def test_modes_are_counted_where_a_squashed_normal_has_one():
    rng = np.random.default_rng(0)
    one = np.tanh(2.0 * rng.standard_normal((500, 2)))
    assert np.histogram(one[:, 0], 9)[0].argmax() != 4, "in the action itself it has two"
    assert count_modes(one) == 1
    sides = np.where(rng.random(500) < 0.5, 0.7, -0.7)[:, None]
    two = np.hstack((one[:, :1], sides + 0.1 * rng.standard_normal((500, 1))))
    assert count_modes(two) == 2
    assert count_modes(np.zeros((10, 3))) == 1


def test_modes_of_a_boltzmann_policy():
    x = np.linspace(-1.0, 1.0, 41)
    hill = -(x**2)
    assert boltzmann_modes(hill, 0.1) == boltzmann_modes(-hill, 10.0) == 1
    assert boltzmann_modes(-hill, 0.1) == 2, "both ends"
    assert boltzmann_modes(hill[:, None] + hill, 0.1) == 1
    assert boltzmann_modes(-hill[:, None] - hill, 0.1) == 4, "the corners"
    assert boltzmann_modes(np.zeros((9, 9)), 0.1) == 1, "a plateau is one"
    assert boltzmann_modes(-hill + 0.5 * x, 0.1) == 1, "the other end is too low to count"


def test_evenness():
    assert evenness([5, 5, 5, 5]) == pytest.approx(1.0)
    assert evenness([9, 0, 0, 0]) == 0.0
    assert evenness([5, 5, 0, 0]) == pytest.approx(math.log(2) / math.log(4))
    assert evenness([0, 0]) == 0.0


def test_held_within():
    steps, target = [0, 10, 20, 30, 40, 50], [-1.0] * 6
    good = held_within(steps, [0.0, -0.95, -1.05, -1.0, -1.2, -1.0], target)
    assert good == {"response": 10, "later": None, "within": 0.8, "worst": pytest.approx(0.2)}
    never = held_within(steps, [0.0] * 6, target)
    assert never["response"] is None and never["within"] == 0.0
    stairs = held_within(steps, [-1, -1, -1, -1, -2, -2], [-1.0] * 3 + [-2.0] * 3)
    assert stairs["response"] == stairs["later"] == 20 and stairs["within"] == 1.0
    assert held_within([0], [None], [-1.0])["response"] is None
    noisy = held_within(list(range(12)), [-1.0, -1.15, -0.85] * 4, [-1.0] * 12)
    assert noisy["response"] is None, "a mean that is right is not enough"


def test_one_seed_that_does_not_hold_is_enough(made):
    result = copy.deepcopy(made[1])
    assert result["summary"]["held"]["temperature-held1"]["holds"]
    result["runs"]["temperature-held1"][1]["curve"]["entropy"] = [-1.0, -1.0, -1.0, -2.0]
    found = summarise(result)["held"]["temperature-held1"]
    assert not found["holds"] and found["least"] == 0.75
    result["summary"] = summarise(result)
    text = " ".join(report(result, {name: "x" for name in FIGURES}).split())
    assert "by single measurements in 5 of 6 experiments" in text


def test_one_training_cell_runs(tmp_path):
    pytest.importorskip("stable_baselines3")
    from lw_rl.experiments.max_entropy.runs import run_cell

    cell = Cell("train", "sigmoid-held", 0, True)
    kept = run_cell(cell, tmp_path)
    assert kept["config"] == json.loads(json.dumps(cell.config))
    outcome = json.loads(json.dumps(kept["outcome"]))
    assert len(outcome["true_error"]) == 2 and outcome["curve"]["target"][-1] == -8.0
    assert (tmp_path / "runs" / "sigmoid-held-0" / "training.png").exists()


def test_shared_weights_and_perceptron_have_about_as_many():
    pytest.importorskip("stable_baselines3")
    from stable_baselines3 import SAC

    from lw_rl.experiments.max_entropy.runs import _equal_weights, environment
    from lw_rl.training.control import ControlSettings
    from lw_rl.training.shared_weights import weights

    env = environment("shared-shared", problems=1)
    sizes = {}
    for name in ("shared-shared", "shared-monolith"):
        settings = _equal_weights(Cell("train", name, 0, True), ControlSettings(), env)
        model = SAC(settings.policy, env, buffer_size=1, policy_kwargs=settings.policy_kwargs)
        sizes[name] = np.array([weights(model.actor), weights(model.critic)])
    assert np.allclose(sizes["shared-shared"], sizes["shared-monolith"], rtol=0.1)


def test_shared_weights_move_with_the_depths():
    torch = pytest.importorskip("torch")
    from lw_rl.training.shared_weights import DepthNet

    net = DepthNet(3, 8, 2)
    x = torch.zeros(1, 3, 40)
    x[:, :, 18:22] = torch.randn(3, 4)
    moved = torch.roll(x, 5, 2)
    assert torch.allclose(torch.roll(net(x), 5, 2)[..., 10:30], net(moved)[..., 10:30], atol=1e-5)
    assert net(torch.zeros(1, 3, 80)).shape == (1, 2, 80)


@pytest.mark.parametrize(
    ("arguments", "seeds"),
    [([], 5), (["--quick"], 1), (["--quick", "--seeds", "3"], 3), (["--seeds", "2"], 2)],
)
def test_a_quick_run_has_one_seed_unless_more_are_asked_for(made, monkeypatch, arguments, seeds):
    asked = []

    def run(out, seeds, quick, workers, progress):
        asked.append((seeds, quick))
        return made[1]

    monkeypatch.setattr("lw_rl.experiments.max_entropy.run.run_entropy_report", run)
    done = CliRunner().invoke(main, ["entropy-report", *arguments, "--quiet"])
    assert done.exit_code == 0, done.output
    assert asked == [(seeds, "--quick" in arguments)]


@pytest.mark.slow
def test_quick_run(tmp_path):
    pytest.importorskip("stable_baselines3")
    arguments = ["--quick", "--out", str(tmp_path), "--json", "--quiet"]
    done = CliRunner().invoke(main, ["entropy-report", *arguments])
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / RESULT).read_text())
    assert json.loads(done.stdout) == result["summary"]
    text = (tmp_path / REPORT).read_text()
    assert "A quick run" in text and "nan" not in text
