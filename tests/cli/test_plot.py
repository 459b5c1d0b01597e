"""`lw-rl plot`: figures of a run, from its log."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

LOG = "time/total_timesteps,time/time_elapsed,rollout/ep_rew_mean,train/ent_coef\n"


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    rows = "".join(f"{100 * k},{k},{-100 + k},{0.9**k}\n" for k in range(1, 6))
    (folder / "progress.csv").write_text(LOG + rows)
    return folder


def test_the_figures_of_a_run_are_listed(command, run):
    done = command("plot", run)
    assert done.exit_code == 0, done.output
    for file in done.stdout.split():
        assert (run / file).stat().st_size > 0


def test_json_holds_files_and_the_last_row(command, run):
    fields = json.loads(command("plot", run, "--out", "figures", "--json").stdout)
    assert fields["last"]["time/total_timesteps"] == 500.0
    assert fields["last"]["rollout/ep_rew_mean"] == -95.0
    assert all(file.startswith("figures") for file in fields["files"])
    assert command("plot", run, "--quiet").output == ""


def test_a_folder_without_a_log_is_refused(command, tmp_path):
    (tmp_path / "empty").mkdir()
    done = command("plot", "empty")
    assert done.exit_code == 2 and done.stderr.startswith("lw-rl: error: ")
