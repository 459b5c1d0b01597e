"""Light that enters at the top and at the bottom is known to a line before any formal solution."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest

import lw_rl
from lw_rl import atmospheres
from lw_rl.benchmark.reference import true_error
from lw_rl.errors import ContextError
from lw_rl.host.adapter import Adapter
from lw_rl.host.boundaries import given_light
from lw_rl.operator.effort import Effort
from lw_rl.operator.lambda_1d import Plane1D
from lw_rl.operator.two_level import TwoLevelOperator

#: A slab of 5 Mm, finer towards both edges.
EDGE = np.geomspace(5e2, 2.5e6, 20)
HEIGHT = np.unique([0.0, 5e6, *EDGE, *(5e6 - EDGE)])[::-1]


class Disk(lw.BoundaryCondition):
    """Light of 5600 K from a part of the sky, brighter at longer wavelengths and steep rays."""

    def __init__(self, part=0.5, slope=0.0):
        self.part, self.slope = part, slope

    def compute_bc(self, atmos, spect):
        wave = np.asarray(spect.wavelength)[:, None, None]
        disk = self.part * lw.planck(np.array([5600.0]), wave)
        x = np.arange(len(wave))[:, None, None] / len(wave)
        return disk * (1.0 + self.slope * x) * (0.5 + 0.5 * np.asarray(self.muz)[:, None])


class Thermal(lw.ThermalisedRadiation):
    """The host's, with a name of its own."""


def slab(bottom, top, vlos=0.0, line="CaII_K"):
    """Return the context of a slab lit from both sides."""
    given = {"ne": 2e16, "nHTot": 4e16, "vturb": 5e3, "vlos": vlos * HEIGHT / HEIGHT[0]}
    return lw_rl.build_context(
        line, atmospheres.from_arrays(HEIGHT, 8e3, bottom=bottom, top=top, **given)
    )


LIT = {
    "both sides": lambda: slab(Disk(), Disk(0.2)),
    "from above": lambda: slab("thermalised", Disk()),
    "from below": lambda: slab(Disk(), "zero"),
    "dark": lambda: slab("zero", "zero"),
    "not symmetric": lambda: slab(Disk(slope=1.0), Disk(0.2, slope=2.0)),
    "the host's, by another name": lambda: slab(Thermal(), "zero"),
    "moving": lambda: slab(Disk(slope=1.0), Disk(0.2, slope=2.0), vlos=3e4),
}


@pytest.mark.parametrize("kind", LIT)
def test_the_first_formal_solution_confirms_the_start(kind):
    ctx = LIT[kind]()
    true = copy.deepcopy(ctx)
    assert lw_rl.solve(true, scheme="mali", popsTol=1e-7, NmaxIter=2000, quiet=True).converged
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal == 1
    error = true_error(Adapter(ctx).populations(), Adapter(true).populations())
    assert error < result.estimate.value
    # Where gas moves the continuum of both sides of the line is not the same.
    assert error < 1e-4 or kind == "moving"


def test_fewer_wavelengths_keep_what_enters():
    """An operator of half the fidelity is rough, not wrong about the boundaries."""
    adapter = Adapter(LIT["both sides"]())
    (line,) = adapter.atom(adapter.blocks[0]).transitions
    physics, profile = line.physics(), line.profile()
    rays = Plane1D(physics.height).rays(physics, profile)
    exact, rough = (
        TwoLevelOperator.first(physics, None, rays, profile, Effort(fidelity=f)).start()
        for f in (1.0, 0.5)
    )
    assert 0.0 < np.abs(rough - exact).max() < 0.1


@pytest.mark.parametrize("wrong, says", [(np.zeros(3), "shape"), (-1.0, "-1.0")])
def test_what_the_host_cannot_take_is_named(wrong, says):
    class Wrong(Disk):
        def compute_bc(self, atmos, spect):
            right = super().compute_bc(atmos, spect)
            return wrong if np.ndim(wrong) else wrong + 0.0 * right

    ctx = slab(Wrong(), "zero")
    with pytest.raises(ContextError, match=says):
        given_light(ctx.kwargs["atmos"].zLowerBc, ctx, 1)
