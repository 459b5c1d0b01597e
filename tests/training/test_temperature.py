"""What a temperature is: settings, plain data, and what is refused."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.errors import ActionSpaceError, TemperatureError
from lw_rl.training import temperature
from lw_rl.training.temperature import (
    TargetEntropy,
    check_action_space,
    check_target,
    check_temperature,
    described,
)
from lw_rl.training.tempered_sac import TemperedSAC


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"integral": 0.0}, "integral must be positive"),
        ({"proportional": -1.0}, "proportional must be positive"),
        ({"smoothing": 1.0}, "smoothing must be at least 0 and below 1"),
        ({"initial": 0.0}, "temperature must be positive"),
        ({"correction": 0.0}, "correction must be positive"),
    ],
)
def test_controllers_that_are_none(setting, message):
    with pytest.raises(TemperatureError, match=message):
        TargetEntropy(-1.0, **setting)


def test_a_described_staircase_and_schedule():
    stairs = described({"target": [-1.0, -2.0], "initial": 0.5})
    assert isinstance(stairs, TargetEntropy) and stairs.initial == 0.5
    assert [stairs.at(p) for p in (1.0, 0.6, 0.4, 0.0)] == [-1.0, -1.0, -2.0, -2.0]
    fall = described({"schedule": [1.0, 0.01]})
    assert [fall(p) for p in (1.0, 0.5, 0.0)] == pytest.approx([1.0, 0.1, 0.01])
    assert described("auto_0.1") == "auto_0.1"


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.inf, math.nan])
def test_what_is_no_temperature(alpha):
    assert check_temperature(1) == 1.0
    with pytest.raises(TemperatureError, match="positive and finite"):
        check_temperature(alpha)


def test_a_target_is_below_the_uniform_policys_entropy():
    plane = spaces.Box(-3.0, 3.0, (2,))
    assert check_target(1.38, plane) == 1.38
    with pytest.raises(TemperatureError, match=r"below that of the uniform policy, 1\.39 nat"):
        check_target(1.39, plane)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("CartPole-v1", "must be a Box"),
        (spaces.Discrete(2), "must be a Box"),
        (spaces.Box(-np.inf, np.inf, (2,)), "must be bounded on both sides"),
    ],
)
def test_action_spaces_without_a_uniform_policy(space, message):
    check_action_space("lw_rl/MultiGoal-v0")
    check_action_space(gym.make("Pendulum-v1").action_space)
    with pytest.raises(ActionSpaceError, match=message):
        check_action_space(space)


def test_old_spellings_warn():
    with pytest.warns(DeprecationWarning, match="now spelled"):
        old = described({"held": [-1.0, -2.0], "initial": 0.5})
    assert isinstance(old, TargetEntropy) and old.initial == 0.5
    assert [old.at(p) for p in (1.0, 0.0)] == [-1.0, -2.0]
    with pytest.warns(DeprecationWarning, match="now lw_rl.training.temperature.TargetEntropy"):
        assert temperature.HeldEntropy is TargetEntropy
    with pytest.warns(DeprecationWarning, match="now lw_rl.training.tempered_sac.TemperedSAC"):
        assert temperature.TemperedSAC is TemperedSAC
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = temperature.Nothing
