"""A plane and a line in it, as arrays."""

import numpy as np
import pytest
from plane_helpers import plane_context

from lw_rl.host.adapter import Adapter


def test_points_and_rays_are_counted():
    plane = Adapter(plane_context(Nz=31, Nx=8, Nrays=3)).grid.plane
    assert plane.Nspace == 31 * 8
    # Two octants of three rays, each inward and outward.
    assert plane.Nray == 12
    assert plane.weight.sum() == pytest.approx(1.0)


def test_the_planck_function_is_that_of_line_centre_there():
    adapter = Adapter(plane_context())
    line = adapter.atom(adapter.blocks[0]).source.plane()
    centre = int(np.argmin(np.abs(line.frequency - 1.0)))
    assert np.allclose(
        np.log(line.planck(line.temperature)[:, centre]), line.log_B, rtol=1e-6, atol=1e-3
    )
