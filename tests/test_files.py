"""Files that are whole or not there, and plain data."""

from __future__ import annotations

import json
import os
import platform
import stat
from importlib.metadata import version

import numpy as np
import pytest

import lw_rl
from lw_rl.errors import FigureFormatError
from lw_rl.files import figure_format, plain, versions, write_atomically, write_json


def test_a_file_is_written_into_folders_that_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"one")
    write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_json_is_written_whole(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, None]})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"x": [1, None]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (1.23456789, 1.23457),
        (float("inf"), None),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        ({1: (np.float64(2.0), "a", None, True)}, {"1": [2.0, "a", None, True]}),
    ],
)
def test_plain_data_is_jsons(value, expected):
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


def test_digits():
    assert plain(1.23456789, digits=3) == 1.23
    assert plain([1.23456789], digits=None) == [1.23456789]
    assert plain({"a": float("nan")}, digits=None) == {"a": None}


def test_versions_are_those_installed():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["lightweaver"] == version("lightweaver")
    assert found["lw-rl"] == lw_rl.__version__ == version("lw-rl")
    assert set(found) == {"python", "lw-rl", "lightweaver", "numpy", "scipy"}


def test_a_package_that_is_not_installed_has_an_unknown_version(monkeypatch):
    monkeypatch.setattr(
        "lw_rl.files.version", lambda package: version(f"no-such-package-{package}")
    )
    assert set(versions().values()) == {platform.python_version(), "unknown"}


@pytest.mark.parametrize(
    ("name", "kind"), [("a.pdf", "pdf"), ("b/a.SVG", "svg"), ("a.jpg", "jpeg"), ("a.b.png", "png")]
)
def test_a_figures_suffix_is_its_format(name, kind):
    assert figure_format(name) == kind


@pytest.mark.parametrize("name", ["a.xyz", "a", "pdf", "a.pdf.", ".png"])
def test_a_suffix_that_is_no_format_of_figures(name):
    with pytest.raises(FigureFormatError, match=r"no format of a figure; those are \.pdf, \.svg"):
        figure_format(name)
