"""Figures of training runs: from any log of stable-baselines3, by callback and by command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lw_rl.cli import main
from lw_rl.errors import RunFolderError
from lw_rl.training.plots import (
    boltzmann,
    draw_run,
    maps_figure,
    read_log,
    run_figure,
    title_of,
)

LOG = """time/total_timesteps,rollout/ep_rew_mean,train/entropy,train/ent_coef,time/time_elapsed
100,,0.5,,1.0
200,-3.0,0.4,0.2,2.5
300,-2.0,0.3,0.1,4.0
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "progress.csv").write_text(LOG)
    return tmp_path / "run"


def maps(dimensions):
    axis = np.linspace(-0.9, 0.9, 9)
    Q = -(axis**2) if dimensions == 1 else -(axis[:, None] ** 2) - axis**2
    return {
        "dimensions": [0, 1], "axes": [[0.0, 1.0], [0.0, 1.0, 2.0]],
        "value": np.zeros((2, 3)).tolist(), "action": np.zeros((2, 3)).tolist(),
        "alphas": [0.1, 1.0],
        "boltzmann": {
            "axis": axis.tolist(), "Q": Q.tolist(), "alpha": 0.5,
            "draws": np.zeros((5, dimensions)).tolist(),
        },
    }  # fmt: skip


def test_log_with_gaps(run):
    columns = read_log(run)
    assert columns["time/total_timesteps"].tolist() == [100, 200, 300]
    assert np.isnan(columns["rollout/ep_rew_mean"][0])
    assert read_log(run / "progress.csv").keys() == columns.keys()


def test_logs_of_a_resumed_run_are_one(run):
    later = run / "log" / "from_step_300"
    later.mkdir(parents=True)
    (later / "progress.csv").write_text("time/total_timesteps,train/other\n400,1.0\n")
    columns = read_log(run)
    assert columns["time/total_timesteps"].tolist() == [100, 200, 300, 400]
    assert np.isnan(columns["train/entropy"][-1]) and columns["train/other"][-1] == 1.0


def test_the_wall_time_of_a_resumed_run_goes_on(run):
    """The second start did steps 300 and on again; its clock began at zero."""
    later = run / "log" / "from_step_250"
    later.mkdir(parents=True)
    (later / "progress.csv").write_text(
        "time/total_timesteps,train/entropy,time/time_elapsed,time/seconds,validation/mean_1e-03\n"
        "300,0.25,1.0,,\n400,0.2,2.0,,\n400,,,5.0,2.5\n"
    )
    columns = read_log(run)
    assert columns["time/total_timesteps"].tolist() == [100, 200, 300, 400, 400]
    assert columns["train/entropy"].tolist()[:4] == [0.5, 0.4, 0.25, 0.2]
    assert columns["time/time_elapsed"].tolist() == [1.0, 2.5, 3.5, 4.5, 5.0]
    labels = [ax.get_ylabel() for ax in run_figure(columns).axes]
    assert "formal solutions (unseen)" in labels, "the validation is drawn too"


@pytest.mark.parametrize(
    "values", [(0.011, 0.012), (0.01, 0.04), (1e-4, 1.0), (0.0101, 0.0105), (3.0, 3.0)]
)
def test_ticks_of_a_logarithmic_axis_tell_numbers_apart(run, values):
    columns = {"time/total_timesteps": np.arange(5.0), "train/ent_coef": np.geomspace(*values, 5)}
    figure = run_figure(columns)
    figure.draw_without_rendering()
    (ax,) = figure.axes
    low, high = ax.get_ylim()
    shown = [t.get_text() for t in ax.get_yticklabels() if low <= t.get_position()[1] <= high]
    assert len(set(shown)) == len(shown) >= 1


def test_the_scores_of_a_run_are_drawn(run):
    scores = [
        {"environment_steps": k, "seconds": k / 100.0, "mean_1e-03": 3.0, "mean_1e-06": 6.0}
        for k in (150, 250)
    ]
    (run / "scores.json").write_text(json.dumps(scores))
    columns = read_log(run)
    assert columns["time/total_timesteps"].tolist() == [100, 150, 200, 250, 300]
    ax = next(a for a in run_figure(columns).axes if "unseen" in a.get_ylabel())
    assert ax.lines[0].get_xdata().tolist() == [150, 250]
    legend = ax.get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["to 1e-3", "to 1e-6"]
    ax.figure.draw_without_rendering()
    assert legend.get_window_extent().y0 >= ax.get_window_extent().y1 - 1.0


def test_the_title_says_what_was_trained(run):
    assert title_of(run).startswith("training run ") and title_of(run).endswith("/run")
    (run / "arguments.json").write_text('{"steps": 300, "seed": 7}')
    assert title_of(run).endswith("/run: 300 steps, seed 7")


def test_figure_against_steps_and_wall_time_with_labels(run):
    figure = run_figure(read_log(run))
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert labels == ["environment steps"] * 3 + ["wall time [s]"] * 3
    assert "[nat]" in figure.axes[1].get_ylabel()
    returns = figure.axes[3].lines[0]
    assert returns.get_xdata().tolist() == [2.5, 4.0]
    assert returns.get_ydata().tolist() == [-3.0, -2.0]
    assert figure.axes[2].get_yscale() == "log", "temperatures span decades"


@pytest.mark.parametrize("dimensions", [1, 2])
def test_maps_show_the_boltzmann_policy_by_alpha(dimensions):
    figure = maps_figure(maps(dimensions))
    titles = " ".join(ax.get_title() for ax in figure.axes)
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()]
    shown = titles + " ".join(t.get_text() for legend in legends for t in legend.get_texts())
    assert "0.05" in shown and "0.5" in shown


def test_boltzmann_is_a_density_that_sharpens():
    Q = -(np.linspace(-1, 1, 201) ** 2)
    hot, cold = (boltzmann(Q, alpha, 0.01) for alpha in (10.0, 0.01))
    assert hot.sum() * 0.01 == pytest.approx(1.0) == cold.sum() * 0.01
    assert cold.max() > 5 * hot.max()


def test_command_draws_and_prints(run, tmp_path):
    (run / "maps.json").write_text(json.dumps(maps(2)))
    out = tmp_path / "figures"
    done = CliRunner().invoke(main, ["plot", str(run), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["last"]["train/ent_coef"] == 0.1
    assert {f.name for f in out.iterdir()} == {"training.png", "policy.png"}
    assert all(f.stat().st_size > 10_000 for f in out.iterdir())
    assert len(draw_run(run)) == 2 and (run / "training.png").exists()


def test_folders_that_hold_no_run(tmp_path):
    with pytest.raises(RunFolderError, match=r"holds no progress\.csv"):
        read_log(tmp_path)
    (tmp_path / "progress.csv").write_text("time/total_timesteps\n")
    with pytest.raises(RunFolderError, match="no finished row"):
        read_log(tmp_path)
    done = CliRunner().invoke(main, ["plot", str(tmp_path)])
    assert done.exit_code == 2 and "no finished row" in done.stderr


def test_a_log_without_anything_to_draw(tmp_path):
    (tmp_path / "progress.csv").write_text("time/total_timesteps,other\n1,2\n")
    with pytest.raises(RunFolderError, match="only: time/total_timesteps, other"):
        run_figure(read_log(tmp_path))
