"""What is read from a context of two dimensions, against the host's own formal solution."""

from types import SimpleNamespace

import lightweaver as lw
import numpy as np
import pytest
from plane_helpers import after_some_steps, plane_context

import lw_rl
from lw_rl import atoms
from lw_rl.errors import AtmosphereError, ContextError, MemoryLimitError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.host.plane import mean_opacity, plane_of
from lw_rl.operator import plane_2d


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


# ---- what is refused -----


def bad_plane(**changes):
    """Return an atmosphere of two dimensions by the host's own constructor."""
    x = np.asarray(changes.pop("x", np.linspace(0.0, 3e5, 4)))
    z = np.asarray(changes.pop("height", np.linspace(1e6, 0.0, 5)))
    given = {"temperature": 6e3, "ne": 1e17, "nHTot": 1e20, "vturb": 1e3}
    values = {name: np.full((len(z), len(x)), value) for name, value in given.items()}
    if changes.pop("seam", False):
        values["temperature"][2, -1] = 7e3
    return lw.Atmosphere.make_2d(z, x, **values, **changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seam": True}, "repeats its first column in the last"),
        ({"x": [0.0, 1e5, 1e5, 3e5]}, r"column x \[m\] must be strictly less than the next"),
        ({"height": [1e6, 5e5, 5e5, 1e5, 0.0]}, r"height z \[m\] must be strictly greater"),
        ({"x": [0.0, 1e5]}, "at least 3 rows and 3 columns, this one has 5 x 2"),
        ({"x": [0.0]}, "at least 3 rows and 3 columns, this one has 5 x 1"),
        (
            {"xLowerBc": lw.ZeroRadiation(), "xUpperBc": lw.ZeroRadiation()},
            "the sides are ZeroRadiation and ZeroRadiation; the host has two in x",
        ),
    ],
)
def test_an_atmosphere_that_the_host_does_not_take_is_refused(changes, message):
    with pytest.raises(AtmosphereError, match=message):
        build_context("CaII_K", bad_plane(**changes), Nrays=3)


class Given(lw.BoundaryCondition):
    """A boundary condition of somebody's own: the same array of any shape, whatever it is for."""

    def __init__(self, shape, value):
        super().__init__()
        self.array = np.full(shape, value)

    def compute_bc(self, atmos, spect):
        """Return the array."""
        return self.array


@pytest.mark.parametrize(
    "shape, value, message",
    [
        ((1, 1, 1), 0.0, r"returns an array of shape \(1, 1, 1\); the host expects intensities of"),
        ((50, 6, 5), np.nan, "returns nan; the host expects intensities that are finite and not"),
        ((50, 6, 5), -1.0, "returns -1.0; the host expects intensities that are finite and not"),
    ],
)
def test_a_boundary_that_the_host_would_not_take_is_refused_before_the_work(shape, value, message):
    sides = {"xLowerBc": Given(shape, value), "xUpperBc": Given(shape, value)}
    ctx = build_context("CaII_K", bad_plane(**sides), Nrays=3)
    with pytest.raises(ContextError, match=message):
        lw_rl.solve(ctx, quiet=True)


def test_so_it_is_where_the_host_made_the_context():
    atmos = bad_plane(seam=True)
    atmos.quadrature(3)
    radset = lw.RadiativeSet([atoms.make("CaII_K"), atoms.background_atom("H")])
    radset.set_active("Ca")
    ctx = lw.Context(atmos, radset.compute_wavelength_grid(), radset.compute_eq_pops(atmos))
    with pytest.raises(ContextError, match="repeats its first column in the last"):
        lw_rl.solve(ctx, quiet=True)


@pytest.mark.parametrize(
    "rays, message",
    [
        ({}, "the weights of the 2 rays add up to 0"),
        ({"mux": [0.0, 0.0], "wmu": [0.5, 0.5]}, "of 2 rays none leaves its column"),
        ({"wmu": [0.5, 0.5]}, "2 rays lean to one side, the mean of mux is 0.66"),
    ],
)
def test_a_quadrature_of_one_dimension_is_refused(rays, message):
    atmos = bad_plane()
    atmos.rays([0.8, 0.7], **rays)
    radset = lw.RadiativeSet([atoms.make("CaII_K"), atoms.background_atom("H")])
    radset.set_active("Ca")
    ctx = lw.Context(atmos, radset.compute_wavelength_grid(), radset.compute_eq_pops(atmos))
    with pytest.raises(ContextError, match=rf"{message}.*atmos.quadrature\(3\), \(6\)"):
        lw_rl.solve(ctx, quiet=True)


def test_memory_that_is_not_there_is_said_before_anything_is_changed(monkeypatch):
    ctx = plane_context()
    n = np.array(ctx.activeAtoms[0].n)
    monkeypatch.setattr(plane_2d, "available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match="use a smaller grid"):
        lw_rl.solve(ctx, quiet=True)
    np.testing.assert_allclose(ctx.activeAtoms[0].n, n, rtol=1e-14)
    assert lw_rl.solve(ctx, scheme="anderson", quiet=True, NmaxIter=2).Nformal == 2
