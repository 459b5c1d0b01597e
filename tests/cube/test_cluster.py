"""The Dask cluster: what cannot be used is named, and versions are compared."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import dask
import pytest
from cube_helpers import solve
from distributed import Client

from lw_rl.cube import cluster
from lw_rl.cube.block import required_versions
from lw_rl.cube.cluster import check_versions, connect, policy_id
from lw_rl.errors import ClusterError
from lw_rl.experiments.cubes.processes import Processes


def test_a_policy_is_known_by_what_it_does(policy, untrained):
    assert policy_id(None) == "none"
    assert policy_id(policy) == f"default {policy.card['sha256'][:16]}"
    louder = type(untrained)(untrained.network, 2.0 * untrained.gain, untrained.card)
    assert policy_id(untrained) != policy_id(louder)
    assert policy_id(untrained) == policy_id(untrained)


def test_a_scheduler_that_is_not_there():
    with pytest.raises(ClusterError, match=r"no Dask scheduler at 'tcp://127.0.0.1:9', waited 0.2"):
        with connect(scheduler="tcp://127.0.0.1:9", timeout=0.2):
            pass


@pytest.mark.parametrize("text", ["", '{"address": 1}', "no JSON"])
def test_a_file_that_is_no_schedulers(cube, tmp_path, text):
    file = tmp_path / "scheduler.json"
    file.write_text(text)
    with pytest.raises(ClusterError, match="no Dask scheduler at .*scheduler.json"):
        solve(cube, tmp_path / "out.zarr", scheduler=str(file))


def test_a_client_that_cannot_be_used(cube, client, tmp_path):
    other = Client(client.scheduler_info()["address"])
    other.close()
    with pytest.raises(ClusterError, match="the client is closed"):
        solve(cube, tmp_path / "a.zarr", client=other)
    asynchronous = SimpleNamespace(asynchronous=True, status="running")
    with pytest.raises(ClusterError, match="the client is asynchronous"):
        solve(cube, tmp_path / "b.zarr", client=asynchronous)


def test_no_workers_are_too_few(cube, tmp_path):
    with pytest.raises(ClusterError, match="at least one worker, got workers=0"):
        solve(cube, tmp_path / "out.zarr", workers=0)


def test_local_processes_that_cannot_be_started_are_named(cube, tmp_path, monkeypatch):
    def refused(**options):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(cluster, "LocalCluster", refused)
    with pytest.raises(ClusterError, match="under `if __name__ == '__main__':`"):
        solve(cube, tmp_path / "out.zarr")


def test_a_worker_without_lw_rl_or_with_another_version_is_named():
    class Workers:
        def __init__(self, answer):
            self.answer = answer

        def run(self, function, on_error):
            return {"tcp://worker:1": required_versions(), "tcp://worker:2": self.answer}

    check_versions(Workers(required_versions()))
    with pytest.raises(ClusterError, match=r"tcp://worker:2 cannot import lw_rl.cube"):
        check_versions(Workers(ModuleNotFoundError("No module named 'lw_rl'")))
    with pytest.raises(ClusterError, match=r"tcp://worker:2 has lw-rl 0.0.9, the client lw-rl"):
        check_versions(Workers({**required_versions(), "lw-rl": "0.0.9"}))


def test_a_real_worker_of_another_version(cube, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "m.version = lambda name: '0.0.9' if name == 'lw-rl' else real(name)\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with Processes(tmp_path / "cluster", 1, {"PYTHONPATH": path}) as processes:
        with Client(scheduler_file=str(processes.file)) as client:
            client.wait_for_workers(1, timeout=300)
        with pytest.raises(ClusterError, match=r"has lw-rl 0.0.9, the client lw-rl"):
            solve(cube, tmp_path / "out.zarr", scheduler=str(processes.file))


def test_a_local_cluster_is_not_profiled_while_it_works():
    """Dask's profiler takes a tenth of the workers' time."""
    with connect(workers=1) as client:
        profiled = client.run(dask.config.get, "distributed.worker.profile.enabled")
    assert list(profiled.values()) == [False]


def test_ctrl_c_of_a_terminal_does_not_end_the_workers():
    """It goes to every process of the terminal; the client ends them, without their tracebacks."""
    with connect(workers=1) as client:
        pids = client.run(os.getpid)
        for pid in pids.values():
            os.kill(pid, signal.SIGINT)
        assert client.run(os.getpid) == pids
        assert client.submit(sum, [1, 2]).result(timeout=30) == 3
