"""`lw-rl cube` and `lw-rl cube-synthetic`: what they print, write and refuse."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cube_helpers import client, small_cube

from lw_rl.cli.cube import status
from lw_rl.cube.progress import Progress
from lw_rl.cube.source import Source, write

__all__ = ["client"]


@pytest.fixture
def address(client):
    return client.scheduler_info()["address"]


def test_a_cube_from_the_command_line(command, tmp_path, address):
    made = command("cube-synthetic", "cube.hdf5", "--nx", 3, "--ny", 2, "--depths", 32, "--seed", 4)
    assert made.exit_code == 0, made.output
    assert "cube: cube.hdf5 (snapshot_number 1, x 3, y 2, depth 32, nhydr 1)" in made.output
    assert (
        Source("cube.hdf5").fingerprint()
        == Source(small_cube(3, 2, seed=4, correlation=6.0)).fingerprint()
    )

    words = ("cube", "cube.hdf5", "out.zarr", "--frozen", "--scheduler", address)
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert "6 columns, 0 failed; formal solutions per column: mean" in done.output
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"

    again = command(*words, "--json", "--quiet")
    found = json.loads(again.stdout)
    assert found["columns"] == 6 and found["failed"] == 0 and found["policy_versions"] == [0]
    assert found["command"].startswith("lw-rl cube cube.hdf5 out.zarr --frozen")

    other = command(*words, "--tol", "1e-4")
    assert other.exit_code == 2
    assert other.stderr.splitlines()[-1] == (
        "lw-rl: error: out.zarr was begun with other settings: popsTol was 0.001, is 0.0001. Take "
        "these settings, or another output"
    )


def test_failures_are_counted_with_their_reasons(command, tmp_path, address):
    cube = small_cube(2, 2)
    cube.temperature[0, 1, 0, 3] = -1.0
    write(cube, tmp_path / "cube.hdf5")
    done = command(
        "cube", "cube.hdf5", "out.zarr", "--frozen", "--scheduler", address, "--no-figure"
    )
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
def test_what_is_refused_takes_one_line(command, arguments, message):
    done = command(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_picture_that_cannot_be_drawn_is_named_before_any_work(command, tmp_path, monkeypatch):
    write(small_cube(2, 2), tmp_path / "cube.hdf5")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("lw_rl.cube.engine.connect", None)
    done = command("cube", "cube.hdf5", "out.zarr", "--figure", "file/map.png")
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


def test_what_the_progress_bar_says():
    assert status(Progress(), None) == "-/s, - FS, 0 failed"
    progress = Progress(columns=9, failed=1, Nformal=24, version=2)
    assert status(progress, 12.345) == "12.3/s, 3.0 FS, 1 failed, policy 2"
