"""The strongest lines: which they are, and that they are those of the host."""

from __future__ import annotations

import numpy as np
import pytest
from lightweaver.constants import CLight, HPlanck, KBoltzmann

from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.host.emergent_lines import strongest_lines


@pytest.fixture(scope="module")
def adapter():
    """H and Ca II in LTE in FAL C."""
    return Adapter(build_context("H+CaII", "FALC", Nrays=1))


def test_each_atom_has_its_strongest_lines_by_wavelength(adapter):
    lines = strongest_lines(adapter, 2)
    assert [line.element for line in lines].count("Ca") == 2
    assert [line.element for line in lines].count("H") == 2
    assert np.all(np.diff([line.lambda0 for line in lines]) > 0.0)
    calcium = [line.lambda0 for line in lines if line.element == "Ca"]
    assert calcium == pytest.approx([393.5, 397.0], abs=0.1), "H and K are the strongest"
    every = strongest_lines(adapter, 99)
    assert max(line.strength for line in every) == max(line.strength for line in lines)
    assert {line.stage for line in every if line.element == "Ca"} == {1}


def test_brightness_is_that_of_the_hosts_rays(adapter):
    for line in strongest_lines(adapter, 1):
        k = line.velocity.size // 2
        assert line.velocity[k] == pytest.approx(0.0, abs=1e-9)
        nu = CLight / (line.lambda0 * 1e-9)
        planck = (
            2.0 * HPlanck * nu**3 / CLight**2
            / np.expm1(HPlanck * nu / (KBoltzmann * line.brightness[k]))
        )  # fmt: skip
        rays = adapter.ctx.compute_rays(wavelengths=np.array([line.lambda0]), mus=1.0)
        # The host's rays depend, to less than 1e-3, on which wavelengths are asked for together.
        assert planck == pytest.approx(float(np.ravel(rays)[0]), rel=1e-3)


def test_the_context_is_left_alone(adapter):
    before = adapter.snapshot()
    strongest_lines(adapter, 1)
    after = adapter.snapshot()
    np.testing.assert_array_equal(before.J, after.J)
    for a, b in zip(before.n, after.n, strict=True):
        np.testing.assert_array_equal(a, b)


def test_lines_within_a_stronger_one_are_left_out():
    lines = strongest_lines(Adapter(build_context("MgII", "FALC", Nrays=1)), 99)
    centres = np.array([line.lambda0 for line in lines])
    assert np.all(np.diff(centres) / centres[1:] * CLight > 200e3)
    assert len(lines) < 15
