"""Synthetic cubes: seeded, correlated, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl import atmospheres
from lw_rl.cube.source import Source
from lw_rl.cube.synthetic import synthetic_cube
from lw_rl.errors import CubeSettingsError, UnknownNameError


def test_the_seed_decides():
    a, b = synthetic_cube(4, 3, seed=7), synthetic_cube(4, 3, seed=7)
    assert a.identical(b)
    assert not a.temperature.equals(synthetic_cube(4, 3, seed=8).temperature)


def test_without_perturbation_it_is_the_model():
    cube = synthetic_cube(2, 2, amplitude=0.0, velocity=0.0)
    falc = atmospheres.load("FALC")
    np.testing.assert_allclose(cube.temperature.values[0, 1, 1], falc.temperature, rtol=1e-6)
    assert not cube.velocity_z.values.any()
    assert Source(cube).Nspace == falc.Nspace


def test_gas_pressure_does_not_follow_the_temperature():
    cube = synthetic_cube(6, 6, seed=1, amplitude=0.1)
    falc = atmospheres.load("FALC")
    pressure = cube.temperature * cube.electron_density / (falc.temperature * falc.ne)
    # One factor for each column, at all depths.
    np.testing.assert_allclose(pressure.std("depth") / pressure.mean("depth"), 0.0, atol=1e-6)


def test_neighbours_are_alike_and_strangers_are_not():
    T = np.log(synthetic_cube(64, 64, seed=3, correlation=4.0).temperature.values[0, :, :, 40])
    T = (T - T.mean()) / T.std()

    def correlation(shift):
        return float(np.mean(T * np.roll(T, shift, axis=0)))

    # exp(-r^2 / 2 L^2) at r = L is 0.61.
    assert correlation(1) > 0.9
    assert 0.45 < correlation(4) < 0.75
    assert abs(correlation(24)) < 0.35


def test_amplitude_and_velocity_are_standard_deviations():
    cube = synthetic_cube(96, 96, seed=3, amplitude=0.05, velocity=4e3, correlation=3.0)
    falc = atmospheres.load("FALC")
    spread = np.std(np.log(cube.temperature.values[0] / falc.temperature), axis=(0, 1))
    assert np.median(spread) == pytest.approx(0.05, rel=0.2)
    assert cube.velocity_z.values[0, :, :, 0].std() == pytest.approx(4e3, rel=0.25)


def test_shocks_make_jumps():
    smooth, shocked = (synthetic_cube(4, 4, seed=1, shocks=s) for s in (0.0, 0.6))
    jump = [np.abs(np.diff(np.log(c.temperature.values[0, :, :, 40:60]))).max()
            for c in (smooth, shocked)]  # fmt: skip
    assert jump[1] > jump[0] + 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nx": 0}, "nx must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"amplitude": float("nan")}, "amplitude must be finite"),
        ({"velocity": -1.0}, "velocity must be finite and not negative"),
        ({"correlation": 0.0}, "correlation must be positive, got 0.0"),
    ],
)
def test_arguments_without_a_meaning(arguments, message):
    with pytest.raises(CubeSettingsError, match=message):
        synthetic_cube(**{"nx": 2, "ny": 2, **arguments})


def test_a_model_that_does_not_ship():
    with pytest.raises(UnknownNameError, match="FALC"):
        synthetic_cube(2, 2, model="FALZ")
