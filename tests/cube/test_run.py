"""Runs over a cube: what is sent and kept, and what becomes of workers that die."""

from __future__ import annotations

import gc
import re
import weakref
from types import SimpleNamespace

import dask
import numpy as np
import pytest
from cube_helpers import Deadly, small_cube, solve
from distributed import Client, KilledWorker, LocalCluster

import lw_rl.cube
from lw_rl.cube.column import OUTCOMES, Workshop
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.errors import ClusterError
from lw_rl.experiments.cubes.endurance import differences
from lw_rl.experiments.cubes.processes import Processes
from lw_rl.host.adapter import Adapter
from lw_rl.policies.observation import CHANNELS, make_frame

LOST = OUTCOMES.index("worker_lost")


class WatchedClient:
    """A Dask client that shows a test what is sent, and what has come back before the run sees it.

    Parameters
    ----------
    client : Client
    sent, done : callable, optional
        Called with the order of every block, and with its future when it has ended.
    """

    def __init__(self, client, sent=lambda order: None, done=lambda future: None):
        self._client, self._sent, self._done = client, sent, done
        self.policies = []

    def __getattr__(self, name):
        return getattr(self._client, name)

    def submit(self, function, *args, key):
        future = self._client.submit(function, *args, key=key)
        if "-block-" in key:
            self._sent(args[0])
            future.add_done_callback(self._done)
        else:
            self.policies.append(key)
        return future


def test_an_interrupted_run_repeats_nothing_that_was_written(cube, client, tmp_path, expected):
    out = tmp_path / "out.zarr"

    def stop(progress):
        if progress.columns >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(cube, out, client=client, start="measured", listener=stop)
    with lw_rl.cube.open_output(out) as ds:
        there = ds.outcome.values[0] > 0
    assert 4 <= there.sum() < 12
    orders = []
    watched = WatchedClient(client, orders.append)
    found = solve(cube, out, client=watched, start="measured")
    done = [T.tobytes() for T in cube.temperature.values[0][there]]
    again = [T.tobytes() for order in orders for T in order.columns.temperature]
    assert len(again) == 12 - there.sum() and not set(done) & set(again)
    assert differences(expected, found) == ()


def test_no_more_than_a_bounded_number_of_blocks_is_out(client, tmp_path, monkeypatch):
    reads, most = [], [0]
    read = Source.read

    def counted(self, window):
        if window.shape != (1, 1):  # a fingerprint reads single columns
            reads.append(window)
        return read(self, window)

    monkeypatch.setattr(Source, "read", counted)

    def look(progress):
        most[0] = max(most[0], progress.in_flight)
        # Two columns to a block: what was read is what came back and what is out.
        assert len(reads) <= progress.columns // 2 + 2

    cube = small_cube(6, 4)
    solve(cube, tmp_path / "out.zarr", client=client, block=(2, 1), listener=look)
    assert most[0] == 2 and len(reads) == 12


def test_the_run_keeps_no_block_that_came_back(tmp_path, client):
    """Or the memory of the client would grow with the cube."""
    seen, alive = [], []

    def look(progress):
        gc.collect()
        alive.append(sum(ref() is not None for ref in seen))

    watched = WatchedClient(client, lambda order: seen.append(weakref.ref(order.columns)))
    solve(small_cube(6, 2), tmp_path / "out.zarr", client=watched, block=(1, 2), listener=look)
    # Two in flight, and one on its way from the one to the other.
    assert len(seen) == 6 and max(alive) <= 3


@pytest.mark.parametrize("how", ["lose", "cancel"])
def test_a_block_whose_result_is_lost_is_sent_again(cube, client, tmp_path, expected, how):
    """As when a worker dies after its block ended, or the connection breaks for a moment."""
    spoilt = []

    def spoil(future):
        if len(spoilt) < 3:
            spoilt.append(future.key)
            getattr(future._state, how)()

    watched = WatchedClient(client, done=spoil)
    found = solve(cube, tmp_path / "out.zarr", client=watched, start="measured")
    assert len(set(spoilt)) == 3 and differences(expected, found) == ()


def test_a_policy_that_is_lost_is_sent_again(cube, client, tmp_path, expected):
    failed = []

    def spoil(future):
        if not failed:
            failed.append(future.key)
            worker = SimpleNamespace(address="tcp://worker:1")
            future._state.exception = KilledWorker(watched.policies[-1], worker, 3)
            future._state.status = "error"

    watched = WatchedClient(client, done=spoil)
    found = solve(cube, tmp_path / "out.zarr", client=watched, start="measured")
    assert failed and len(watched.policies) == 2 and differences(expected, found) == ()


def test_a_block_whose_result_is_always_lost_is_named(cube, client, tmp_path):
    watched = WatchedClient(client, done=lambda future: future._state.cancel())
    with pytest.raises(ClusterError, match=r"block Window.* was sent to the cluster 11 times"):
        solve(cube, tmp_path / "out.zarr", client=watched)


# ---- real processes -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(cube, tmp_path, expected):
    with Processes(tmp_path / "cluster", 2) as processes:
        killed = []

        def kill(progress):
            if progress.columns >= 2 and not killed:
                killed.append(progress.columns)
                processes.kill_worker()

        given = {"scheduler": str(processes.file), "start": "measured"}
        found = solve(cube, tmp_path / "out.zarr", listener=kill, **given)
        assert killed and killed[0] < 12
    assert differences(expected, found) == ()


@pytest.mark.slow
def test_a_scheduler_that_is_killed_is_named_and_the_run_goes_on(cube, tmp_path, expected):
    out = tmp_path / "out.zarr"
    with Processes(tmp_path / "cluster", 1) as processes:
        given = {"scheduler": str(processes.file), "start": "measured"}

        def kill(progress):
            if 2 <= progress.columns < 12 and processes.scheduler is not None:
                processes.stop()

        with pytest.raises(ClusterError, match=r"scheduler at \S+ is gone. The \d+ columns"):
            solve(cube, out, listener=kill, **given)
        with lw_rl.cube.open_output(out) as ds:
            assert 2 <= int((ds.outcome.values > 0).sum()) < 12
        processes.start()
        found = solve(cube, out, **given)
    assert differences(expected, found) == ()


@pytest.mark.slow
def test_a_column_that_kills_its_workers_is_found_and_the_others_are_solved(tmp_path, policy):
    # On the model's own depths the operator's first guess is close enough for a policy to be used.
    cube = small_cube(4, 3, Nspace=None)
    hot = cube.copy(deep=True)
    hot.temperature[0, 1, 2] *= 1.1
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
        with LocalCluster(processes=True, **options) as cluster, Client(cluster) as client:
            ds = solve(
                hot, tmp_path / "out.zarr", client=client, block=(2, 3), start="policy",
                policy=Deadly(policy, threshold(cube)),
            )  # fmt: skip
    outcome = ds.outcome.values[0]
    assert outcome[1, 2] == LOST
    assert np.sum(outcome == 1) == 11
    assert re.search("every worker that was given this column died", str(ds.reason.values[0, 1, 2]))


def threshold(cube):
    """Return what the deepest point's Planck channel never exceeds in a cube, and a bit more."""
    shop = Workshop(CubeSettings())
    columns = Source(cube).read(Window(0, 0, 4, 0, 3))
    most = -np.inf
    for k in range(12):
        adapter = Adapter(shop.context(columns.column(k)))
        frame = make_frame(adapter.line_physics(adapter.blocks[0]))
        most = max(most, float(frame.static[CHANNELS.index("planck"), -1]))
    return most + 0.01
