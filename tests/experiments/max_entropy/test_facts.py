"""The samplers against exact entropies; their densities are tested in tests/training."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from lw_rl.experiments.max_entropy.facts import SWEEPS, TARGETS, accuracy, sampler


@pytest.mark.parametrize("name", TARGETS)
def test_exact_entropies_add_up_over_dimensions(name):
    """All axes but the first are independent normal distributions of the same width."""
    of_one = 0.5 * np.log(2.0 * np.pi * np.e * 0.8**2)
    one, two, ten = (TARGETS[name](d).entropy for d in (1, 2, 10))
    assert two - one == pytest.approx(of_one) and ten - one == pytest.approx(9 * of_one)


def test_a_quick_accuracy_has_every_sweep():
    found = accuracy("gaussian", 1, quick=True)
    assert set(found["sweeps"]) == set(SWEEPS)
    assert "langevin" not in found["sweeps"]["bandwidth"]
    for setting, kinds in found["sweeps"].items():
        for kind, swept in kinds.items():
            assert list(swept["values"]) == list(SWEEPS[setting][1:3])
            assert len(swept["error"]) == len(swept["spread"]) == 2
            assert (swept["contraction"][0] is None) == (kind == "langevin")


def test_a_longer_step_takes_fewer_of_them():
    common, longer = sampler("langevin", 1), sampler("langevin", 1, step_size=0.5)
    assert (common.steps, longer.steps) == (100, 10)
    assert sampler("tracers", 2, particles=8).particles == 8
