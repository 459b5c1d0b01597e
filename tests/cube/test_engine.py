"""Cubes on Dask: an in-process cluster for what goes right, real processes for what dies."""

from __future__ import annotations

import os
import re
import sys
import time
from types import SimpleNamespace

import cloudpickle
import dask
import numpy as np
import pytest
import xarray as xr
from cube_helpers import DEPTHS, small_cube
from distributed import Client, KilledWorker, LocalCluster

import lw_rl.cube
from lw_rl.cube import cluster as cluster_module
from lw_rl.cube import engine
from lw_rl.cube.block import Order, snake, solve_block, versions
from lw_rl.cube.cluster import check_versions, policy_id
from lw_rl.cube.column import OUTCOMES
from lw_rl.cube.settings import Settings
from lw_rl.cube.source import Source, Window
from lw_rl.errors import ClusterError, CubeInputError, CubeSettingsError
from lw_rl.experiments.cubes.endurance import differences, endure
from lw_rl.experiments.cubes.processes import Processes
from lw_rl.policies.observation import CHANNELS
from lw_rl.schemes import make_policy

LOST = OUTCOMES.index("worker_lost")
INVALID = OUTCOMES.index("invalid_atmosphere")


@pytest.fixture(scope="module")
def client():
    """One worker in this process: quick to start, all the same to the engine."""
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(processes=False, **options) as cluster, Client(cluster) as found:
        yield found


@pytest.fixture(scope="module")
def cube():
    return small_cube(4, 3)


@pytest.fixture(scope="module")
def expected(cube, client, tmp_path_factory):
    """What an undisturbed run makes of the cube."""
    out = tmp_path_factory.mktemp("peace") / "out.zarr"
    return solve(cube, out, client=client).load()


def solve(cube, out, **kwargs):
    return lw_rl.cube.solve(cube, out, **{"frozen": True, "block": (2, 2), **kwargs})


# ---- blocks -------------------------------------------------------------------------------------


def test_every_column_of_a_block_is_next_to_the_one_before():
    order = snake((3, 4))
    assert sorted(order) == list(range(12))
    places = np.array([divmod(k, 4) for k in order])
    assert np.all(np.abs(np.diff(places, axis=0)).sum(axis=1) == 1)


def test_a_block_does_not_depend_on_the_blocks_before(cube):
    policy = make_policy("default")
    source = Source(cube)

    def block(x):
        columns = source.read(Window(0, x, x + 2, 0, 2))
        return solve_block(Order(columns, (2, 2), Settings(), 0, versions()), policy)

    first = block(0)
    block(2)
    again = block(0)
    for name in first.keys() - {"seconds"}:
        np.testing.assert_array_equal(first[name], again[name])


def test_a_worker_of_another_version_says_so(cube):
    columns = Source(cube).read(Window(0, 0, 1, 0, 1))
    order = Order(columns, (1, 1), Settings(), 0, {**versions(), "lw-rl": "9.9"})
    with pytest.raises(ClusterError, match=r"has lw-rl \S+, the client lw-rl 9.9"):
        solve_block(order)


# ---- what goes right ----------------------------------------------------------------------------


def test_every_column_is_the_single_column_solution(cube, expected):
    columns = Source(cube).read(Window(0, 0, 4, 0, 3))
    from lw_rl.cube.column import Workshop

    shop = Workshop(Settings(start="policy", popsTol=1e-6))
    policy = make_policy("default")
    assert np.all(expected.outcome == 1)
    for k in range(12):
        alone = shop.solve(columns.column(k), policy)
        x, y = divmod(k, 3)
        error = np.abs(expected.departure.values[0, x, y] / alone.kept - 1.0).max()
        assert error < expected.error_estimate.values[0, x, y] + 2e-6 < 1.1e-3
    assert expected.sizes == {
        "t": 1, "x": 4, "y": 3, "mu": 1, "wavelength": 49, "level": 2, "depth": DEPTHS
    }  # fmt: skip


def test_a_second_run_does_nothing_and_needs_no_cluster(cube, client, tmp_path, monkeypatch):
    solve(cube, tmp_path / "out.zarr", client=client)
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.zarr").rglob("*") if p.is_file()}

    def refused(*args, **kwargs):
        raise AssertionError("a finished output needs no cluster")

    monkeypatch.setattr("lw_rl.cube.engine.connect", refused)
    told = []
    ds = solve(cube, tmp_path / "out.zarr", listener=told.append)
    assert isinstance(ds, xr.Dataset) and told[-1].columns == told[-1].already == 12
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.zarr").rglob("*") if p.is_file()}
    assert after == stamps


def test_an_interrupted_run_repeats_nothing_that_was_written(
    cube, client, tmp_path, expected, monkeypatch
):
    out = tmp_path / "out.zarr"
    reads = []
    read = Source.read

    def watched(self, window):
        if window.shape != (1, 1):  # a fingerprint reads single columns
            reads.append(window)
        return read(self, window)

    monkeypatch.setattr(Source, "read", watched)

    def stop(progress):
        if progress.columns >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(cube, out, client=client, listener=stop)
    with lw_rl.cube.open_output(out) as ds:
        there = ds.outcome.values > 0
    assert 4 <= there.sum() < 12
    reads.clear()
    found = solve(cube, out, client=client)
    assert not any(there[w.slices].any() for w in reads)
    assert differences(expected, found) == ()


def test_no_more_than_a_bounded_number_of_blocks_is_out(client, tmp_path, monkeypatch):
    cube = small_cube(6, 4)
    reads, most = [0], [0]
    read = Source.read

    def counted(self, window):
        reads[0] += window.shape != (1, 1)
        return read(self, window)

    monkeypatch.setattr(Source, "read", counted)

    def look(progress):
        most[0] = max(most[0], progress.in_flight)
        # Two columns to a block: what was read is what came back and what is out.
        assert reads[0] <= progress.columns // 2 + 2

    solve(cube, tmp_path / "out.zarr", client=client, block=(2, 1), listener=look)
    assert most[0] == 2 and reads[0] == 12


def test_failed_columns_have_a_reason_and_the_cube_goes_on(cube, client, tmp_path, expected):
    broken = cube.copy(deep=True)
    broken.temperature[0, 1, 1, 5] = np.nan
    broken.electron_density[0, 3, 2, 7] = -1.0
    ds = solve(broken, tmp_path / "out.zarr", client=client, start="policy")
    outcome = ds.outcome.values[0]
    assert outcome[1, 1] == outcome[3, 2] == INVALID
    assert np.sum(outcome == 1) == 10
    assert "temperature [K] must be positive and finite" in str(ds.reason.values[0, 1, 1])
    assert "electron density" in str(ds.reason.values[0, 3, 2])
    assert np.isnan(ds.intensity.values[0, 1, 1]).all()
    alone = solve(cube, tmp_path / "alone.zarr", client=client, start="policy")
    np.testing.assert_array_equal(
        ds.intensity.values[0][outcome == 1], alone.intensity.values[0][outcome == 1]
    )


def test_a_scheme_without_a_policy(cube, client, tmp_path, expected):
    ds = solve(cube, tmp_path / "out.zarr", client=client, scheme="anderson")
    assert np.all(ds.outcome == 1)
    np.testing.assert_allclose(ds.departure, expected.departure, rtol=2e-3)


def test_what_is_optional_and_both_snapshots(client, tmp_path):
    cube = small_cube(2, 2, nt=2)
    ds = solve(
        cube, tmp_path / "out.zarr", client=client, mus=[1.0, 0.4], tau_one=True, keep="none"
    )
    assert ds.intensity.shape == (2, 2, 2, 2, 49) and "departure" not in ds
    # Towards the limb the line forms higher up and is darker in its wings.
    assert np.all(ds.tau_one[..., 1, 0] > ds.tau_one[..., 0, 0])
    assert np.all(ds.intensity[..., 1, 0] < ds.intensity[..., 0, 0])
    assert not np.array_equal(ds.intensity[0], ds.intensity[1])


def test_a_policy_is_known_by_what_it_does(untrained):
    assert policy_id(None) == "none"
    default = make_policy("default")
    assert policy_id(default) == f"default {default.card['sha256'][:16]}"
    assert policy_id(untrained) != policy_id(replace_gain(untrained))


def replace_gain(actor):
    return type(actor)(actor.network, 2.0 * actor.gain, actor.card)


@pytest.mark.parametrize("how", ["lose", "cancel"])
def test_a_block_that_comes_to_nothing_is_sent_again(
    cube, client, tmp_path, expected, monkeypatch, how
):
    """As when a worker dies after its block ended, or the connection breaks for a moment."""
    receive, spoilt = engine.Run._receive, []

    def spoil(self, future):
        if len(spoilt) < 3:
            spoilt.append(future.key)
            getattr(future._state, how)()
        receive(self, future)

    monkeypatch.setattr(engine.Run, "_receive", spoil)
    found = solve(cube, tmp_path / "out.zarr", client=client)
    assert len(set(spoilt)) == 3 and differences(expected, found) == ()


def test_a_policy_that_is_lost_is_sent_again(cube, client, tmp_path, expected, monkeypatch):
    receive, failed = engine.Run._receive, []

    def spoil(self, future):
        if not failed:
            failed.append(self._policy.key)
            future._state.status = "error"
            worker = SimpleNamespace(address="tcp://worker:1")
            future._state.exception = KilledWorker(self._policy.key, worker, 3)
        receive(self, future)

    monkeypatch.setattr(engine.Run, "_receive", spoil)
    found = solve(cube, tmp_path / "out.zarr", client=client)
    assert failed and differences(expected, found) == ()


def test_a_block_that_comes_to_nothing_for_ever_is_named(cube, client, tmp_path, monkeypatch):
    receive = engine.Run._receive

    def spoil(self, future):
        future._state.cancel()
        receive(self, future)

    monkeypatch.setattr(engine.Run, "_receive", spoil)
    with pytest.raises(ClusterError, match=r"block Window.* was sent to the cluster 11 times"):
        solve(cube, tmp_path / "out.zarr", client=client)


# ---- what is refused ----------------------------------------------------------------------------


def test_a_scheduler_that_is_not_there(cube, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "_TIMEOUT", 1)
    with pytest.raises(ClusterError, match="no Dask scheduler at 'tcp://127.0.0.1:9'"):
        solve(cube, tmp_path / "out.zarr", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("text", ["", '{"address": 1}', "no JSON"])
def test_a_file_that_is_no_schedulers(cube, tmp_path, text):
    file = tmp_path / "scheduler.json"
    file.write_text(text)
    with pytest.raises(ClusterError, match="no Dask scheduler at .*scheduler.json"):
        solve(cube, tmp_path / "out.zarr", scheduler=str(file))


def test_a_client_that_is_of_no_use(cube, client, tmp_path):
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

    monkeypatch.setattr(cluster_module, "LocalCluster", refused)
    with pytest.raises(ClusterError, match="under `if __name__ == '__main__':`"):
        solve(cube, tmp_path / "out.zarr")


def test_bad_input_comes_before_the_cluster(cube, tmp_path, monkeypatch):
    monkeypatch.setattr("lw_rl.cube.engine.connect", None)
    with pytest.raises(CubeInputError, match="lacks temperature"):
        solve(cube.drop_vars("temperature"), tmp_path / "a.zarr")
    with pytest.raises(CubeSettingsError, match="popsTol"):
        solve(cube, tmp_path / "b.zarr", popsTol=2.0)
    with pytest.raises(CubeSettingsError, match="a block is two numbers of columns.*got 2"):
        solve(cube, tmp_path / "c.zarr", block=2)
    with pytest.raises(CubeSettingsError, match=r"got \(0, 2\)"):
        solve(cube, tmp_path / "d.zarr", block=(0, 2))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_without_lw_rl_or_with_another_version_is_named():
    class Workers:
        def __init__(self, answer):
            self.answer = answer

        def run(self, function, on_error):
            return {"tcp://worker:1": versions(), "tcp://worker:2": self.answer}

    check_versions(Workers(versions()))
    with pytest.raises(ClusterError, match=r"tcp://worker:2 cannot import lw_rl.cube"):
        check_versions(Workers(ModuleNotFoundError("No module named 'lw_rl'")))
    with pytest.raises(ClusterError, match=r"tcp://worker:2 has lw-rl 0.0.9, the client lw-rl"):
        check_versions(Workers({**versions(), "lw-rl": "0.0.9"}))


# ---- real processes -----------------------------------------------------------------------------


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


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(cube, tmp_path, expected):
    with Processes(tmp_path / "cluster", 2) as processes:
        killed = []

        def kill(progress):
            if progress.columns >= 2 and not killed:
                killed.append(progress.columns)
                processes.kill_worker()

        found = solve(cube, tmp_path / "out.zarr", scheduler=str(processes.file), listener=kill)
        assert killed and killed[0] < 12
    assert differences(expected, found) == ()


@pytest.mark.slow
def test_a_scheduler_that_is_killed_is_named_and_the_run_goes_on(cube, tmp_path, expected):
    out = tmp_path / "out.zarr"
    with Processes(tmp_path / "cluster", 1) as processes:

        def kill(progress):
            if 2 <= progress.columns < 12 and processes.scheduler is not None:
                processes.stop()

        with pytest.raises(ClusterError, match=r"scheduler at \S+ is gone. The \d+ columns"):
            solve(cube, out, scheduler=str(processes.file), listener=kill)
        with lw_rl.cube.open_output(out) as ds:
            assert 2 <= int((ds.outcome.values > 0).sum()) < 12
        processes.start()
        found = solve(cube, out, scheduler=str(processes.file))
    assert differences(expected, found) == ()


class Deadly:
    """A policy that takes its process with it on columns hotter than all others."""

    def __init__(self, policy, threshold):
        self.policy, self.threshold = policy, threshold

    def predict(self, observation, deterministic=True):
        if observation[CHANNELS.index("planck"), -1] > self.threshold:
            os._exit(1)
        return self.policy.predict(observation, deterministic=deterministic)


@pytest.mark.slow
def test_a_column_that_kills_its_workers_is_found_and_the_others_are_solved(tmp_path):
    # On the model's own depths the operator's first guess is close enough for a policy to be asked.
    cube = small_cube(4, 3, Nspace=None)
    hot = cube.copy(deep=True)
    hot.temperature[0, 1, 2] *= 1.1
    policy = make_policy("default")
    # Workers do not have this module.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
            options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
            with LocalCluster(processes=True, **options) as cluster, Client(cluster) as client:
                ds = solve(
                    hot, tmp_path / "out.zarr", client=client, block=(2, 3), start="policy",
                    policy=Deadly(policy, threshold(cube)),
                )  # fmt: skip
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    outcome = ds.outcome.values[0]
    assert outcome[1, 2] == LOST
    assert np.sum(outcome == 1) == 11
    assert re.search("every worker that was given this column died", str(ds.reason.values[0, 1, 2]))


def threshold(cube):
    """Return what the deepest point's Planck channel never exceeds in a cube, and a bit more."""
    from lw_rl.cube.column import Workshop
    from lw_rl.host.adapter import Adapter
    from lw_rl.policies.observation import make_frame

    shop = Workshop(Settings())
    columns = Source(cube).read(Window(0, 0, 4, 0, 3))
    most = -np.inf
    for k in range(12):
        adapter = Adapter(shop.context(columns.column(k)))
        frame = make_frame(adapter.line_physics(adapter.blocks[0]))
        most = max(most, float(frame.static[CHANNELS.index("planck"), -1]))
    return most + 0.01


@pytest.mark.slow
def test_a_client_that_is_killed_is_taken_up_again_with_an_identical_output(tmp_path):
    endured = endure(tmp_path / "war", kills=1, side=16, victims=("client",))
    assert endured.kills == {"client": 1} and 0 < endured.unfinished[0] < 256
    assert endured.different == ()


@pytest.mark.slow
def test_twenty_kills_leave_the_output_identical(tmp_path):
    endured = endure(tmp_path / "war", kills=20, side=32, seed=0)
    assert sum(endured.kills.values()) == 20
    assert endured.different == ()


def test_differences_are_found(expected):
    other = expected.copy(deep=True)
    assert differences(expected, other) == ()
    other.seconds[:] = time.monotonic()
    assert differences(expected, other) == ()
    other.intensity[0, 0, 0, 0, 0] *= 1.0 + 1e-6
    assert differences(expected, other) == ("intensity",)
    assert "reason" in differences(expected, expected.drop_vars("reason"))


def test_memory_of_a_worker_is_bounded_by_the_blocks_in_flight(tmp_path, client):
    """The engine keeps no block: what it has sent and what came back is let go."""
    import gc
    import weakref

    seen = []
    submit = engine.Run._submit

    def watched(self, window, columns, column=None):
        seen.append(weakref.ref(columns))
        submit(self, window, columns, column)

    alive = []

    def look(progress):
        gc.collect()
        alive.append(sum(ref() is not None for ref in seen))

    engine.Run._submit = watched
    try:
        solve(small_cube(6, 2), tmp_path / "out.zarr", client=client, block=(1, 2), listener=look)
    finally:
        engine.Run._submit = submit
    # Two in flight, and one on its way from the one to the other.
    assert len(seen) == 6 and max(alive) <= 3


def test_a_local_cluster_is_not_watched_while_it_works():
    """Dask's profiler takes a tenth of the workers' time."""
    with cluster_module.connect(workers=1) as client:
        watched = client.run(dask.config.get, "distributed.worker.profile.enabled")
    assert list(watched.values()) == [False]
