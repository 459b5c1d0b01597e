"""The commands of cubes: what they print, write and refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from cube_helpers import small_cube
from distributed import Client, LocalCluster

import lw_rl.cube
from lw_rl.cli import main
from lw_rl.cube.figure import cube_figure
from lw_rl.cube.source import Source, Window, write
from lw_rl.experiments.cubes import bench, truth
from lw_rl.experiments.cubes.figure import bench_figure
from lw_rl.experiments.cubes.parts import compare_starts, curve
from lw_rl.experiments.cubes.scale import scale
from lw_rl.experiments.cubes.text import sentences


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `lw-rl` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*args):
        return CliRunner().invoke(main, [str(a) for a in args], prog_name="lw-rl")

    return invoke


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(processes=False, **options) as cluster, Client(cluster) as found:
        yield found


@pytest.fixture
def address(client):
    return client.scheduler_info()["address"]


def test_a_cube_from_the_command_line(run, tmp_path, address):
    made = run("cube-synthetic", "cube.hdf5", "--nx", 3, "--ny", 2, "--depths", 32, "--seed", 4)
    assert made.exit_code == 0, made.output
    assert "cube: cube.hdf5 (snapshot_number 1, x 3, y 2, depth 32, nhydr 1)" in made.output
    assert Source("cube.hdf5").fingerprint() == Source(small_cube_of_the_command()).fingerprint()

    command = ("cube", "cube.hdf5", "out.zarr", "--frozen", "--scheduler", address)
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "6 columns, 0 failed; formal solutions per column: mean" in done.output
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"

    again = run(*command, "--json", "--quiet")
    found = json.loads(again.stdout)
    assert found["columns"] == 6 and found["failed"] == 0 and found["policy_versions"] == [0]
    assert found["command"].startswith("lw-rl cube cube.hdf5 out.zarr --frozen")

    other = run(*command, "--tol", "1e-4")
    assert other.exit_code == 2
    assert other.stderr.splitlines()[-1] == (
        "lw-rl: error: out.zarr was begun with other settings: popsTol was 0.001, is 0.0001. Take "
        "these settings, or another output"
    )


def small_cube_of_the_command():
    return small_cube(3, 2, seed=4, correlation=6.0)


def test_failures_are_counted_with_their_reasons(run, tmp_path, address):
    cube = small_cube(2, 2)
    cube.temperature[0, 1, 0, 3] = -1.0
    write(cube, tmp_path / "cube.hdf5")
    done = run("cube", "cube.hdf5", "out.zarr", "--frozen", "--scheduler", address, "--no-figure")
    assert done.exit_code == 0, done.output
    assert "4 columns, 1 failed" in done.output
    assert "1 x invalid_atmosphere: temperature [K] must be positive" in done.output
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cube", "none.hdf5", "out.zarr"), "none.hdf5 is not there"),
        (("cube-synthetic", "cube.hdf5", "--nx", "0"), "nx must be at least 1, got 0"),
        (("cube-synthetic", "cube.hdf5", "--model", "VAL"), "unknown atmosphere 'VAL'"),
    ],
)
def test_what_is_refused_takes_one_line(run, arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_picture_that_cannot_be_drawn_is_named_before_any_work(run, tmp_path, monkeypatch):
    write(small_cube(2, 2), tmp_path / "cube.hdf5")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("lw_rl.cube.engine.connect", None)
    done = run("cube", "cube.hdf5", "out.zarr", "--figure", "file/map.png")
    assert done.exit_code == 2 and "file/map.png cannot be written" in done.stderr
    assert not (tmp_path / "out.zarr").exists()


def test_without_the_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['zarr'] = None; sys.modules['distributed'] = None\n"
        "from lw_rl.cli import main; main(['cube', 'a', 'b'])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "cubes need distributed, zarr, which is not installed" in done.stderr
    assert "pip install 'lw-rl[cube]'" in done.stderr


def test_the_package_itself_imports_nothing_of_dask():
    code = (
        "import sys, lw_rl, lw_rl.cube; dir(lw_rl.cube)\n"
        "print({'dask', 'distributed', 'xarray', 'zarr', 'h5netcdf'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_workers_import_no_torch():
    code = "import sys, lw_rl.cube.block, lw_rl.cube.engine; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code], capture_output=True, text=True,
        env={**os.environ},
    )  # fmt: skip
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("name", lw_rl.cube.__all__)
def test_every_public_name_is_there(name):
    assert getattr(lw_rl.cube, name) is not None and name in dir(lw_rl.cube)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'sovle'"):
        lw_rl.cube.sovle  # noqa: B018


# ---- figure and measurements --------------------------------------------------------------------


def test_the_figure_shows_what_is_there_and_what_is_not(client, tmp_path):
    cube = small_cube(3, 2)
    cube.temperature[0, 1, 1, 3] = -1.0

    def stop(progress):
        if progress.columns >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lw_rl.cube.solve(
            cube, tmp_path / "out.zarr", client=client, block=(1, 1), frozen=True, listener=stop
        )
    ds = lw_rl.cube.open_output(tmp_path / "out.zarr")
    figure = cube_figure(ds)
    centre, wing, cost, failed = figure.axes[:4]
    assert centre.get_title(loc="left").startswith("line centre, +0.000 nm")
    assert wing.get_title(loc="left").startswith("wing, +0.0")
    assert "mean" in cost.get_title(loc="left")
    assert failed.get_title(loc="left") == "failed: 1 of 6"
    shown = failed.images[0].get_array()
    assert shown[1, 1] == 2 and (shown == 1).sum() == 2
    assert centre.get_xlabel() == "x [Mm]"


def test_nothing_solved_yet_can_be_drawn_too(client, tmp_path):
    cube = small_cube(2, 2).assign_coords(x=("x", [0, 1], {"units": "m"}))
    cube.temperature[:] = -1.0
    ds = lw_rl.cube.solve(cube, tmp_path / "out.zarr", client=client, frozen=True)
    figure = cube_figure(ds)
    assert figure.axes[2].get_title(loc="left") == "cost, mean none"
    # Coordinates that number the columns are no heights and widths.
    assert figure.axes[0].get_xlabel() == "x"


def case(columns, blocks, per_block, per_column):
    cpu = per_block * blocks + per_column * columns
    return {
        "columns": columns, "blocks": blocks, "worker_seconds": 0.02 * columns,
        "client_cpu": cpu, "scheduler_cpu": 0.1 * cpu, "transitions": 6 * blocks,
        "sent_bytes": 3000, "returned_bytes": 1000, "output_bytes": 900 * columns,
        "output_files": 11 * blocks,
    }  # fmt: skip


def test_scale_on_paper_when_all_blocks_are_of_one_size():
    found = scale(case(16, 16, 0.02, 0.0), case(64, 64, 0.02, 0.0))
    assert found["per_block"]["client_seconds"] == pytest.approx(0.02)
    assert found["per_column"]["client_seconds"] == 0.0


def test_scale_on_paper_from_costs_that_are_known():
    found = scale(case(256, 64, 0.02, 1e-5), case(4096, 64, 0.02, 1e-5), columns=256_000)
    assert found["per_block"]["client_seconds"] == pytest.approx(0.02)
    assert found["per_column"]["client_seconds"] == pytest.approx(1e-5)
    assert found["worker_hours"] == pytest.approx(0.02 * 256_000 / 3600)
    client = 0.02 * 1000 + 1e-5 * 256_000
    assert found["workers_fed_by"]["client"] == pytest.approx(0.02 * 256_000 / client)
    assert found["workers_fed_by"]["scheduler"] == pytest.approx(0.2 * 256_000 / client)
    assert found["gives_way_first"] == "client"
    assert found["hours_at_that_many_workers"] == pytest.approx(client / 3600)
    assert found["files"] == 11_000


_STARTS = {
    start: {"mean_formal_solutions": 3.0, "worst_formal_solutions": 4, "median_ms": 9.0}
    for start in ("policy", "neighbour", "measured")
}
#: What the parts of the bench return, made up.
BENCH = {
    "truth": {
        "cube": "FALC.hdf5", "columns": 25, "failed": 0, "within_estimate": 24,
        "worst_true_error": 1e-4, "worst_estimate": 9e-4, "mean_formal_solutions": 3.0,
    },
    "column": {
        "columns": 9, "columns_per_second": 40.0, "columns_per_cpu_second": 41.0, "column_ms": 25.0,
        "context_ms": 4.0, "rays_ms": 3.0, "mean_formal_solutions": 3.0,
    },
    "start": {"smooth": _STARTS, "shocks": _STARTS},
    "rate": {
        "plain": {
            "popsTol": 1e-4, "worst_true_error": 9e-4, "policy_worst_true_error": 5e-4,
            "columns": 12, "columns_per_second": 8.0,
        },
        **{
            name: {
                "columns": n, "workers": 2, "columns_per_second": 50.0, "failed": 0,
                "mean_formal_solutions": 3.0, "worker_peak_bytes": [2e8, 3e8],
            }
            for name, n in (("small", 4), ("middle", 16), ("large", 64), ("one_worker", 64))
        },
        "times_plain_pool": 6.2, "times_one_worker": 1.9,
        "rounds": [{"plain": 8.0, "large": 50.0, "one_worker": 26.0}],
        "scale": {
            "per_column": {
                "bytes_sent": 1000, "bytes_returned": 2000, "bytes_on_disk": 900.0,
                "scheduler_transitions": 0.1,
            },
            "columns": 10**7, "worker_hours": 55.0, "terabytes_on_disk": 0.01, "files": 400000,
            "workers_fed_by": {"client": 90.0, "scheduler": 900.0}, "gives_way_first": "client",
            "hours_at_that_many_workers": 0.6,
        },
    },
    "kills": {"kills": {"worker": 3, "client": 1}, "different": ["intensity"], "columns": 64},
    "learn": {
        "columns": 64,
        "learning": [
            {
                "version": 1, "accepted": False, "columns": 32, "before": 3.0, "after": 3.1,
                "formal_solutions": 120,
            }
        ],
        "by_version": [
            {
                "version": 0, "columns": 64, "mean_formal_solutions": 3.0,
                "frozen_mean_formal_solutions": 3.0,
            }
        ],
        "curve": [{"columns": 64, "learning": 3.0, "frozen": 3.0, "version": 0}],
    },
}  # fmt: skip


def test_the_figure_of_the_bench_shows_the_parts_that_there_are():
    assert bench_figure({}) is None and bench_figure({"kills": BENCH["kills"]}) is None
    titles = [ax.get_title(loc="left") for ax in bench_figure(BENCH).axes]
    assert titles == [
        "rate, 64 columns", "peak memory of a worker", "where a column begins",
        "learning, cube with shocks",
    ]  # fmt: skip
    assert len(bench_figure({"start": BENCH["start"]}).axes) == 1


def test_what_learning_cost_is_told_with_what_it_brought():
    refused = BENCH["learn"]
    assert sentences({"learn": refused})[-1] == (
        "Learning itself took 120 formal solutions, comparisons included"
    )
    taken = {
        **refused,
        "learning": [{**refused["learning"][0], "accepted": True, "after": 2.6}],
        "by_version": [
            *refused["by_version"],
            {
                "version": 1, "columns": 32, "mean_formal_solutions": 2.6,
                "frozen_mean_formal_solutions": 3.0,
            },
        ],
    }  # fmt: skip
    version, cost = sentences({"learn": taken})[-2:]
    assert version.endswith("a frozen policy 3.00 on the same: fewer")
    assert cost.endswith("120 formal solutions, comparisons included, which 300 columns pay back")


def test_cost_along_a_run_is_in_the_order_of_the_blocks(client, tmp_path):
    ds = lw_rl.cube.solve(
        small_cube(4, 2), tmp_path / "out.zarr", client=client, block=(2, 1), frozen=True
    )
    ds.load()
    ds.formal_solutions[0] = [[1, 2], [1, 2], [3, 4], [3, 4]]
    ds.policy_version[0, 2:] = 1
    ds.outcome[0, 3, 1] = 3
    found = curve(ds, ds, points=4)
    assert [p["learning"] for p in found] == [1.0, 2.0, 3.0, 4.0]
    assert [p["columns"] for p in found] == [2, 4, 6, 8]
    assert [p["version"] for p in found] == [0, 0, 1, 1]
    assert [p["columns"] for p in curve(ds, ds, points=2)] == [4, 8]


def test_every_column_is_held_against_its_reference(tmp_path, monkeypatch, client):
    def here(data, out, workers, **settings):
        return lw_rl.cube.solve(data, out, client=client, **settings)

    monkeypatch.setattr(truth, "solve", here)
    cube = small_cube(2, 2)
    found = truth.against_references(tmp_path, Source(cube), cube)
    assert found["columns"] == found["within_estimate"] == 4 and found["failed"] == 0
    assert 0.0 < found["worst_true_error"] < found["worst_estimate"] < 1e-3
    # Another solution than the one that it says it is.
    spoilt = np.array(truth.reference(truth.plain_context("CaII_K", column_of(cube)))[0]) * 1.01
    monkeypatch.setattr(truth, "reference", lambda ctx: (list(spoilt), 0.0))
    found = truth.against_references(tmp_path / "b", Source(cube), cube)
    assert found["within_estimate"] == 0 and found["worst_true_error"] > 5e-3


def column_of(cube):
    return Source(cube).read(Window(0, 0, 1, 0, 1)).column(0)


def test_stages_of_a_column():
    found = truth.stages([column_of(small_cube(1, 1))])
    assert found["columns"] == 1 and found["mean_formal_solutions"] > 1
    assert all(found[k] > 0.0 for k in ("column_ms", "context_ms", "rays_ms"))


def test_starts_are_compared_on_the_same_columns():
    found = compare_starts(Source(small_cube(4, 4)), block=(2, 2), blocks=2)
    assert found["policy"]["columns"] == found["neighbour"]["columns"] == 6
    assert found["neighbour"]["mean_formal_solutions"] > 0


def test_bench_keeps_what_was_measured_before(run, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "cube_bench.json").write_text(json.dumps({"kills": {"different": []}}))
    command = ("cube-bench", "--part", "start", "--side", "8", "--out", "b")
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "from the neighbour's departure coefficients" in done.output
    document = json.loads((tmp_path / "b" / "cube_bench.json").read_text())
    assert document["kills"] == {"different": []}
    assert document["start"]["command"] == "lw-rl cube-bench --part start --side 8 --out b"
    assert (tmp_path / "b" / "cube_bench.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture
def stub(monkeypatch):
    """Parts of the bench that measure nothing, and a list of those that were run."""
    ran = []

    def part(name, depends):
        def measured(plan, work, tell):
            ran.append(name)
            if name == "kills" and len(ran) == 2:
                raise KeyboardInterrupt
            return BENCH[name]

        return measured, depends

    parts = {name: part(name, depends) for name, (_, depends) in bench.PARTS.items()}
    monkeypatch.setattr(bench, "PARTS", parts)
    return ran


def test_bench_goes_on_with_the_parts_that_are_missing(run, stub):
    command = ("cube-bench", "--part", "truth", "--part", "kills", "--out", "b", "--side", "8")
    assert run(*command).exit_code != 0 and stub == ["truth", "kills"]
    assert run(*command).exit_code == 0 and stub == ["truth", "kills", "kills"]
    assert run(*command).exit_code == 0 and len(stub) == 3
    # What a part does not depend on is no reason to measure it again.
    assert run(*command, "--kills", "3").exit_code == 0 and stub[3:] == ["kills"]
    assert run(*command, "--kills", "3", "--again").exit_code == 0 and len(stub) == 6


def test_bench_measures_again_with_another_policy(run, stub, monkeypatch):
    command = ("cube-bench", "--part", "truth", "--out", "b")
    run(*command)
    monkeypatch.setattr(bench, "policy_id", lambda policy: "another")
    run(*command)
    assert stub == ["truth", "truth"]


def test_the_readme_is_written_from_the_result_file(run, tmp_path, stub):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- begin cubes -->\nold\n<!-- end cubes -->\nafter\n")
    stub.append("so that kills do not stop it")
    done = run("cube-bench", "--out", "b", "--readme", "README.md")
    assert done.exit_code == 0, done.output
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    for said in (
        "- FALC.hdf5: the true error is not above the estimate in 24 of 25 columns",
        "- 64 columns on 2 workers: 50.0 columns/s",
        "1000 bytes",
        "4 kills on 64 columns (worker 3, client 1): the output is different in intensity.",
        "version 1 refused at 3.00 to 3.10 formal solutions on held-back columns",
        "Measured by `lw-rl cube-bench --out b --readme README.md`.",
    ):
        assert said in text, text
    assert run("cube-bench", "--out", "b", "--readme", "b/cube_bench.json").exit_code == 2


@pytest.mark.slow
def test_the_whole_measurement_small(run, tmp_path):
    done = run("cube-bench", "--part", "rate", "--side", "8", "--sample", "8", "--out", "b")
    assert done.exit_code == 0, done.output
    rate = json.loads((tmp_path / "b" / "cube_bench.json").read_text())["rate"]
    assert rate["plain"]["worst_true_error"] <= 1e-3 and rate["large"]["failed"] == 0
    assert rate["plain"]["policy_worst_true_error"] <= 1e-3
    assert rate["large"]["columns"] == 64 and rate["small"]["columns"] == 16
    assert rate["times_plain_pool"] > 0 and rate["memory_growth"] > 0
    # One round of three is in the middle, for each of the three by itself.
    for name in ("plain", "large", "one_worker"):
        rates = sorted(turn[name] for turn in rate["rounds"])
        assert len(rates) == 3 and rate[name]["columns_per_second"] == rates[1]
