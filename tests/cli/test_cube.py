"""`lw-rl cube` and `lw-rl cube-synthetic`: what they print, write and refuse."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cube_helpers import client, small_cube

from lw_rl.cli.cube import in_words, status
from lw_rl.cube.progress import Progress
from lw_rl.cube.source import Source, write
from lw_rl.cube.store import Output, open_output

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

    missing = command(*words[:2], "other.zarr", "--start", "neighbor")
    assert missing.exit_code == 2
    assert "unknown start 'neighbor'" in missing.stderr
    started = command(*words[:2], "other.zarr", *words[3:], "--start", "out.zarr")
    assert started.exit_code == 0, started.output

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


@pytest.mark.parametrize("name", ["map.xyz", "map"])
def test_a_picture_of_no_format_is_named_before_any_work(command, tmp_path, name):
    write(small_cube(2, 2), tmp_path / "cube.hdf5")
    done = command("cube", "cube.hdf5", "out.zarr", "--figure", name)
    assert done.exit_code == 2 and "no format of a figure" in done.stderr
    assert not (tmp_path / "out.zarr").exists() and not (tmp_path / name).exists()


def test_atoms_lines_and_wavelengths(command, tmp_path, address):
    write(small_cube(1, 1), tmp_path / "cube.hdf5")
    (tmp_path / "grid.txt").write_text("854.4, 854.45\n854.5 393.4\n")
    done = command(
        "cube", "cube.hdf5", "out.zarr", "--atom", "caii", "--line", "CaII_K", "--line",
        "CaII 8542", "--wavelengths", "grid.txt", "--figure", "map.pdf", "--scheduler", address,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ds = open_output("out.zarr")
    assert ds.line.values.tolist() == ["CaII_K", "CaII 8542"] and ds.sizes["level"] == 6
    assert ds.wavelength.values.tolist() == [393.4, 854.4, 854.45, 854.5]
    assert (tmp_path / "map.pdf").read_bytes()[:4] == b"%PDF"
    assert "learning" not in done.output, "on atoms of many levels there is nothing to say of it"


def test_one_line_alone_is_a_two_level_atom(command, tmp_path, address):
    write(small_cube(1, 1), tmp_path / "cube.hdf5")
    words = ("cube", "cube.hdf5", "--scheduler", address, "--no-figure")
    done = command(*words, "out.zarr", "--line", "CaII 8542", "--scheme", "MALI", "--tol", "0.1")
    assert done.exit_code == 0, done.output
    ds = open_output("out.zarr")
    assert ds.line.values.tolist() == ["CaII 8542"] and ds.sizes["level"] == 2
    assert "policy" not in done.output and "NoneType" not in done.output


@pytest.mark.parametrize(("text", "message"), [("", "no wavelengths"), ("39O.0", "'39O.0'")])
def test_wavelengths_that_are_none(command, tmp_path, text, message):
    write(small_cube(1, 1), tmp_path / "cube.hdf5")
    (tmp_path / "grid.txt").write_text(text)
    done = command("cube", "cube.hdf5", "out.zarr", "--wavelengths", "grid.txt")
    assert done.exit_code == 2 and message in done.stderr
    assert not (tmp_path / "out.zarr").exists()


def test_a_cube_is_not_written_over_unasked(command, tmp_path):
    (tmp_path / "cube.hdf5").write_text("mine")
    small = ("cube-synthetic", "cube.hdf5", "--nx", "1", "--ny", "1", "--depths", "8")
    done = command(*small)
    assert done.exit_code == 2 and "--overwrite" in done.stderr
    assert (tmp_path / "cube.hdf5").read_text() == "mine"
    assert command(*small, "--overwrite").exit_code == 0
    assert Source("cube.hdf5").shape == (1, 1, 1)


def without_the_extra(*words):
    code = (
        "import sys; sys.modules['zarr'] = None; sys.modules['distributed'] = None\n"
        f"from lw_rl.cli import main; main({list(words)!r}, prog_name='lw-rl')"
    )
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("words", [("cube", "a", "b"), ("cube-synthetic", "a"), ("cube-bench",)])
def test_without_the_extra_it_says_what_to_install(words):
    done = without_the_extra(*words)
    assert done.returncode == 2
    assert "cubes need distributed, zarr, which are not installed" in done.stderr
    # Packages, not an extra of a distribution that may be on no registry.
    assert "python -m pip install 'dask>=" in done.stderr and "'zarr>=" in done.stderr


@pytest.mark.parametrize("name", ["cube", "cube-synthetic", "cube-bench"])
def test_help_needs_no_extra(name):
    done = without_the_extra(name, "--help")
    assert done.returncode == 0 and "Examples:" in done.stdout


def test_what_the_progress_bar_says():
    assert status(Progress()) == "waiting for workers"
    assert status(Progress(workers=2)) == "first block under way"
    progress = Progress(
        columns=29, already=20, failed=1, Nformal=84, version=2, workers=2, total=2000, seconds=3.0
    )
    assert status(progress) == ("11 min left, 3/s, 3.0 FS each, 1 failed, policy 2")
    assert [in_words(s) for s in (40.2, 95.0, 9000.0)] == ["40 s", "2 min", "2.5 h"]


def test_without_a_terminal_there_is_a_line_now_and_then(command, tmp_path, address, monkeypatch):
    monkeypatch.setattr("lw_rl.cli.cube.EVERY", 0.0)
    write(small_cube(2, 1), tmp_path / "cube.hdf5")
    words = ("cube", "cube.hdf5", "out.zarr", "--frozen", "--scheduler", address, "--no-figure")
    done = command(*words, "--block", "1", "1")
    assert "1 of 2 columns, " in done.stderr and " left, " in done.stderr
    assert "columns, waiting" not in command(*words, "--quiet").stderr


def test_an_interrupt_says_how_to_go_on(command, tmp_path, address, monkeypatch):
    write(small_cube(2, 2), tmp_path / "cube.hdf5")
    words = ("cube", "cube.hdf5", "out.zarr", "--frozen", "--scheduler", address, "--no-figure")
    commit, committed = Output.commit, []

    def interrupted(self, *args):
        if committed:
            raise KeyboardInterrupt
        committed.append(commit(self, *args))

    monkeypatch.setattr(Output, "commit", interrupted)
    done = command(*words, "--block", "1", "1", "--quiet")
    assert done.exit_code == 130 and done.stderr.count("\n") == 1
    assert "interrupted after 1 of 4 columns; the same command goes on from there" in done.stderr
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    again = command(*words, "--block", "1", "1", "--json", "--quiet")
    assert json.loads(again.stdout)["columns"] == 4 and again.exit_code == 0
