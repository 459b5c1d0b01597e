"""Calibrated settings: where they come from, and what is no such file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib import resources

import pytest

import lw_rl
from lw_rl.certificate.settings import FORMAT, SettingsFileError, load, shipped


@pytest.fixture
def content():
    source = resources.files("lw_rl.certificate").joinpath("calibrated.json")
    return json.loads(source.read_text())


def test_each_shipped_value_says_what_set_it(content):
    assert content["format"] == FORMAT and content["origin"]["command"]
    assert {n: e["value"] for n, e in content["values"].items()} == asdict(shipped())
    assert all(entry["set by"] for entry in content["values"].values())


def test_a_file_is_read(content, tmp_path):
    content["values"]["step"]["value"] = 7.0
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content))
    assert load(path) == replace(shipped(), step=7.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", 0.9),
        ("rough", float("nan")),
        ("moved", 10.0),
        ("allowance", -1.0),
        ("plain", "1.5"),
        ("defect", True),
    ],
)
def test_values_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be in .*{value!r}"):
        replace(shipped(), **{name: value})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c | {"format": 0}, "of format 0"),
        (lambda c: {}, "format"),
        (lambda c: c | {"values": {}}, "missing"),
        (lambda c: c | {"values": c["values"] | {"other": {"value": 1.0}}}, "other"),
        (lambda c: c | {"values": c["values"] | {"step": {"value": 0.0}}}, "step"),
    ],
)
def test_what_is_no_settings_file_is_refused_by_name(change, says, content, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(change(content)))
    with pytest.raises(SettingsFileError, match=f"other.json.*{says}"):
        load(path)
    assert issubclass(SettingsFileError, lw_rl.LwRlError)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsFileError, match=r"missing\.json"):
        load(tmp_path / "missing.json")
