"""Settings of a cube: what is refused, and how they are compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lw_rl.cube.settings import CubeSettings, as_plain, differences
from lw_rl.errors import CubeSettingsError, UnknownNameError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mus": ()}, "mus must lie"),
        ({"mus": (1.0, 0.0)}, r"got \(1.0, 0.0\)"),
        ({"mus": (0.5, 0.5)}, "differ"),
        ({"popsTol": 0.0}, "popsTol must lie between 0 and 1, got 0.0"),
        ({"Nrays": 0}, "Nrays must be at least 1, got 0"),
        ({"mus": "limb"}, "mus and popsTol are numbers.*limb"),
        ({"popsTol": None}, "mus and popsTol are numbers"),
        ({"NmaxIter": 2.5}, "whole ones.*float"),
    ],
)
def test_settings_without_a_meaning(arguments, message):
    with pytest.raises(CubeSettingsError, match=message):
        CubeSettings(**arguments)


@pytest.mark.parametrize("mus", [0.5, [0.5], np.array([0.5])])
def test_angles_as_people_write_them(mus):
    assert CubeSettings(mus=mus) == CubeSettings(mus=(0.5,)) and hash(CubeSettings(mus=mus))


@pytest.mark.parametrize("name", ["line", "scheme", "start", "keep"])
def test_settings_that_nobody_knows(name):
    with pytest.raises(UnknownNameError, match="'nothing of the kind'"):
        CubeSettings(**{name: "nothing of the kind"})


def test_differences_are_named():
    before, now = as_plain(CubeSettings()), as_plain(CubeSettings(popsTol=1e-4, mus=(1.0, 0.2)))
    assert differences(before, before) == []
    assert differences(before, now) == [
        "mus was [1.0], is [1.0, 0.2]",
        "popsTol was 0.001, is 0.0001",
    ]


def test_settings_survive_json():
    settings = CubeSettings(mus=(1.0, 0.2), keep="none")
    assert CubeSettings(**json.loads(settings.to_json())) == settings
