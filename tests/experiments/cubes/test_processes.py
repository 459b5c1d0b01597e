"""Schedulers, workers and commands as processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lw_rl.errors import ClusterError
from lw_rl.experiments.cubes.processes import Processes, kill, start_command


def test_a_killed_process_is_dead_when_kill_returns():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    kill(process)
    assert process.poll() == -9
    kill(process)


def test_a_command_writes_its_log(tmp_path):
    assert start_command(["--help"], tmp_path / "log").wait() == 0
    assert "cube-bench" in (tmp_path / "log").read_text()


def test_a_scheduler_that_does_not_start_is_named_with_its_log(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(3)")
    processes = Processes(tmp_path / "cluster", 1, {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(ClusterError, match="the Dask scheduler did not start; its log is in"):
        processes.start()
    assert processes.scheduler is None and processes.workers == []
    assert (tmp_path / "cluster" / "dask_scheduler_1.log").exists()
