"""The commands of cubes: what they print, write and refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from cube_helpers import small_cube
from distributed import Client, LocalCluster

import lw_rl.cube
from lw_rl.cli import main
from lw_rl.cube.experiments import compare_starts
from lw_rl.cube.figure import cube_figure
from lw_rl.cube.scale import scale
from lw_rl.cube.source import Source, write


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


def test_starts_are_compared_on_the_same_columns():
    found = compare_starts(Source(small_cube(4, 4)), block=(2, 2), blocks=2)
    assert found["policy"]["columns"] == found["neighbour"]["columns"] == 6
    assert found["neighbour"]["mean_formal_solutions"] > 0


def test_bench_keeps_what_was_measured_before(run, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "cube_bench.json").write_text(json.dumps({"kills": {"different": []}}))
    done = run("cube-bench", "--part", "start", "--side", "8", "--out", "b")
    assert done.exit_code == 0, done.output
    assert "smooth, start neighbour:" in done.output
    document = json.loads((tmp_path / "b" / "cube_bench.json").read_text())
    assert document["kills"] == {"different": []}
    assert document["start"]["command"] == "lw-rl cube-bench --part start --side 8 --out b"


@pytest.mark.slow
def test_the_whole_measurement_small(run, tmp_path):
    done = run("cube-bench", "--part", "rate", "--side", "8", "--sample", "8", "--out", "b")
    assert done.exit_code == 0, done.output
    rate = json.loads((tmp_path / "b" / "cube_bench.json").read_text())["rate"]
    assert rate["plain"]["worst_true_error"] <= 1e-3 and rate["large"]["failed"] == 0
    assert rate["plain"]["policy_worst_true_error"] <= 1e-3
    assert rate["large"]["columns"] == 64 and rate["small"]["columns"] == 16
    assert rate["times_plain_pool"] > 0 and rate["memory_growth"] > 0
