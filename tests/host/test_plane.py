"""What is read from a context of two dimensions, against the host's own formal solution."""

from types import SimpleNamespace

import numpy as np
import pytest
from plane_helpers import after_some_steps, plane_context

from lw_rl.errors import ContextError
from lw_rl.host.adapter import Adapter
from lw_rl.host.plane import mean_opacity, plane_of


@pytest.mark.parametrize("kind", ["threads", "blobs"])
def test_opacity_and_source_function_are_the_hosts(kind):
    ctx = plane_context(kind)
    ctx.depthData.fill = True
    adapter = after_some_steps(ctx)
    line = adapter.atom(adapter.blocks[0]).source.plane()
    y = adapter.evaluated
    excited = 1.0 / (1.0 + np.exp(-y))
    lower = (1.0 - excited) / (1.0 + line.g_ratio * excited)
    for ray in range(len(line.profile)):
        share = line.profile[ray] * (line.opacity * lower)[:, None] * line.frequency
        chi = np.asarray(ctx.depthData.chi)[line.waves, ray // 2, ray % 2].mean(axis=0).T
        eta = np.asarray(ctx.depthData.eta)[line.waves, ray // 2, ray % 2].mean(axis=0).T
        within = 1e-6 if kind == "threads" else 3e-2
        assert np.allclose(share + line.chi, chi, rtol=within)
        emitted = (share * np.exp(y)[:, None] + line.chi * line.thermal) * line.unit
        assert np.allclose(emitted, eta, rtol=3.0 * within)


def test_weights_make_one():
    for kind in ("threads", "smooth"):
        adapter = Adapter(plane_context(kind))
        line = adapter.atom(adapter.blocks[0]).source.plane()
        plane = adapter.grid.plane
        angles = 0.5 * np.repeat(plane.weight, 2) if len(line.profile) > 1 else [1.0]
        total = np.einsum("rpw,w,r->p", line.profile, line.weight, angles) * line.norm
        assert np.allclose(total, 1.0, rtol=1e-5)


def test_both_sides_of_a_line_at_rest_are_taken_together():
    rest = Adapter(plane_context("smooth"))
    moving = Adapter(plane_context("threads"))
    ours = [a.atom(a.blocks[0]).source.plane() for a in (rest, moving)]
    wavelengths = len(rest.ctx.activeAtoms[0].trans[0].wavelength)
    assert ours[0].waves.shape[1] < 0.7 * wavelengths
    assert ours[1].waves.shape[1] == wavelengths
    assert set(ours[0].waves.ravel()) == set(ours[1].waves.ravel())


def test_the_radiation_field_is_read_and_written_where_it_was():
    adapter = after_some_steps(plane_context())
    light = adapter.atom(adapter.blocks[0]).source.plane().light
    J = adapter.radiation()
    light.write(light.last())
    assert np.allclose(adapter.radiation(), J, rtol=1e-5)
    assert light.of(adapter.evaluated + 1.0) is None


def test_mean_opacity_is_the_hosts():
    ctx = plane_context("threads")
    ctx.depthData.fill = True
    adapter = after_some_steps(ctx)
    weight = np.asarray(ctx.kwargs["atmos"].wmu) / 2.0
    waves = np.array([0, 24, 40])
    host = np.einsum("wmdk,m->wk", np.asarray(ctx.depthData.chi)[waves], weight)
    # The populations of the formal solution are still there.
    assert np.allclose(mean_opacity(ctx, waves), host, rtol=1e-6)
    assert np.allclose(adapter.opacity(waves), host, rtol=1e-6)


def test_incident_light_is_what_the_boundary_says():
    adapter = Adapter(plane_context("prominence"))
    line = adapter.atom(adapter.blocks[0]).source.plane()
    top, bottom, left, right = line.entering
    assert top is None
    assert set(bottom) == {2 * mu + 1 for mu in range(adapter.grid.plane.Nray // 2)}
    assert len(left) == len(right) == adapter.grid.plane.Nray // 2
    sun = line.planck(np.array([5000.0]))[0]
    assert np.allclose(max(light.max() for light in left.values()), sun.max(), rtol=1e-3)


def test_a_formal_solver_of_somebody_else_is_refused():
    ctx = plane_context()
    assert plane_of(ctx).besser and plane_of(ctx).periodic

    other = SimpleNamespace(kwargs={**ctx.kwargs, "formalSolver": "mine_2d"})
    with pytest.raises(ContextError, match="'mine_2d' is not known in two dimensions"):
        plane_of(other)
