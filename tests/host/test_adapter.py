"""The adapter: unknown, residual, snapshots and line physics against the host."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from conftest import assert_physical, error
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lightweaver.rh_atoms import CaII_atom, H_6_atom, MgII_hk_atom
from scipy.integrate import cumulative_trapezoid
from solver_helpers import flaky

from lw_rl import atmospheres, atoms
from lw_rl.errors import ContextError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.host.state import Continuum, Line


def several(
    active: tuple[str, ...], models: list, atmosphere: str = "FALC", **kwargs
) -> lw.Context:
    """Return a context with several active atoms."""
    atmos = atmospheres.load(atmosphere)
    atmos.quadrature(3)
    radSet = lw.RadiativeSet(models)
    radSet.set_active(*active)
    spect = radSet.compute_wavelength_grid()
    return lw.Context(atmos, spect, radSet.compute_eq_pops(atmos), **kwargs)


@pytest.fixture(scope="module")
def two_atoms_base():
    return several(("Ca", "Mg"), [H_6_atom(), atoms.CaII_K(), MgII_hk_atom()])


@pytest.fixture
def two_atoms(two_atoms_base):
    """Ca II K as a two-level atom beside the four levels of Mg II."""
    return copy.deepcopy(two_atoms_base)


@pytest.fixture(scope="module")
def small():
    """A context that hypothesis may write to."""
    return build_context("CaII_K", atmospheres.load("FALC", 12), Nrays=1)


def planck_log(ctx: lw.Context, lambda0: float) -> np.ndarray:
    """Return ln(c^2 B / 2 h nu^3) from the host's Planck function."""
    B = lw.planck(np.asarray(ctx.kwargs["atmos"].temperature), lambda0)  # [W m-2 Hz-1 sr-1]
    nu = lw.CLight / (lambda0 * 1e-9)
    return np.log(B * lw.CLight**2 / (2.0 * lw.HPlanck * nu**3))


# ---- the unknown -----


def test_lte_means_that_the_source_function_is_the_planck_function(ctx):
    line = ctx.activeAtoms[0].atomicModel.lines[0]
    y = Adapter(ctx).read()
    np.testing.assert_allclose(y, planck_log(ctx, line.lambda0), rtol=0.0, atol=2e-5)


def test_the_unknown_is_the_source_function_of_the_host(converged):
    """S = eta / chi of the line alone, from the host's own emissivity and opacity coefficients."""
    ctx = copy.deepcopy(converged)
    atom = ctx.activeAtoms[0]
    n, line = np.asarray(atom.n), atom.atomicModel.lines[0]
    S = line.Aji * n[1] / (line.Bij * n[0] - line.Bji * n[1])
    nu = lw.CLight / line.lambda0_m
    np.testing.assert_allclose(
        Adapter(ctx).read(), np.log(S * lw.CLight**2 / (2.0 * lw.HPlanck * nu**3)), atol=1e-6
    )


@given(y=arrays(float, 12, elements=st.floats(-300.0, 30.0)))
def test_what_is_written_is_read(y, small):
    adapter = Adapter(small)
    adapter.write(y)
    # ln(g n_l / n_u - 1) loses what exp(-y) has lost to rounding in 1 + exp(-y).
    np.testing.assert_allclose(adapter.read(), y, rtol=1e-9, atol=1e-13 * np.exp(max(y.max(), 0.0)))


@given(y=arrays(float, 12, elements=st.floats(allow_nan=False, allow_infinity=True)))
def test_any_real_unknown_gives_physical_populations(y, small):
    adapter = Adapter(small)
    adapter.write(y)
    assert adapter.valid()
    assert_physical(small, tol=1e-14)
    n = np.asarray(small.activeAtoms[0].n)
    assert np.all(2.0 * n[0] >= n[1] * (1.0 - 1e-15)), "never inverted (g = 2, 4)"


@given(data=st.data())
def test_any_real_unknown_gives_physical_populations_of_many_levels(data, two_atoms_base):
    adapter = Adapter(two_atoms_base)
    block = adapter.blocks[0]
    assert adapter.line(block) is None
    assert block.shape == (4, 82)
    y = data.draw(arrays(float, 4, elements=st.floats(-1e300, 1e300)))
    full = np.zeros(adapter.blocks[1].stop)
    full[block.span] = np.repeat(y, 82)
    adapter.write(full)
    assert adapter.valid()
    assert_physical(two_atoms_base, tol=1e-12)


def test_blocks_cover_the_unknown(two_atoms):
    adapter = Adapter(two_atoms)
    first, second = adapter.blocks  # the host sorts its atoms by mass: Mg, Ca
    assert (first.start, first.stop, first.shape) == (0, 4 * 82, (4, 82))
    assert (second.start, second.stop, second.shape) == (4 * 82, 5 * 82, (82,))
    y = adapter.read()
    assert y.shape == (82 * 5,)
    n = np.asarray(two_atoms.activeAtoms[0].n)
    expected = np.log(n / np.asarray(two_atoms.activeAtoms[0].nTotal))
    np.testing.assert_allclose(y[first.span].reshape(4, 82), expected, rtol=1e-13)
    before = adapter.populations()
    adapter.write(y)
    for old, new in zip(before, adapter.populations(), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-10)


def test_a_shift_common_to_all_levels_changes_nothing(two_atoms):
    """Only ratios count: nTotal fixes the rest."""
    adapter = Adapter(two_atoms)
    y = adapter.read()
    before = adapter.populations()[0]
    y[adapter.blocks[0].span] += 3.0
    adapter.write(y)
    np.testing.assert_allclose(adapter.populations()[0], before, rtol=1e-12)


def test_renormalise(ctx):
    adapter = Adapter(ctx)
    ctx.activeAtoms[0].n[:] *= 1.5
    adapter.renormalise()
    assert_physical(ctx, tol=1e-14)


# ---- residuals -----


def test_formal_solutions_are_counted(ctx):
    calls = 0
    adapter = Adapter(ctx)
    for _ in range(3):
        adapter.evaluate()
        calls += 1
        assert adapter.Nformal == calls
    adapter.formal_solution()
    assert adapter.Nformal == 4


def test_the_plain_update_is_the_hosts(ctx):
    other = copy.deepcopy(ctx)
    adapter = Adapter(ctx)
    y = adapter.read()
    evaluation = adapter.evaluate()
    other.formal_sol_gamma_matrices()
    other.stat_equil()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)
    np.testing.assert_array_equal(evaluation.y, y)
    np.testing.assert_allclose(evaluation.y_plain, Adapter(other).read(), rtol=1e-13)
    assert evaluation.residual_norm == np.max(np.abs(evaluation.r)) > 0.0


def test_lambda_iteration_is_the_hosts(ctx):
    other = copy.deepcopy(ctx)
    Adapter(ctx).evaluate(lambdaIterate=True)
    other.formal_sol_gamma_matrices(lambdaIterate=True)
    other.stat_equil()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)


def test_the_residuals_vanish_at_equilibrium(converged):
    evaluation = Adapter(copy.deepcopy(converged)).evaluate()
    assert evaluation.valid
    assert evaluation.residual_norm < 1e-11
    assert np.max(np.abs(evaluation.lambda_residual)) < 1e-11


def test_the_lambda_residual_is_that_of_lambda_iteration(ctx):
    evaluation = Adapter(ctx).evaluate(lambdaIterate=True)
    assert evaluation.residual_norm > 1.0
    np.testing.assert_allclose(evaluation.lambda_residual, evaluation.r, atol=1e-12)


def test_the_lambda_residual_knows_of_collisional_radiative_switching():
    ctx = build_context("CaII_K", "FALC", crswCallback=lw.CrswIterator(initVal=1e2))
    adapter = Adapter(ctx)
    adapter.evaluate()
    evaluation = adapter.evaluate(lambdaIterate=True)
    assert ctx.crswCallback.val > 10.0
    np.testing.assert_allclose(evaluation.lambda_residual, evaluation.r, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 4])
def test_the_lambda_residual_is_scattered_and_created_light(ctx, iterations):
    """(1 - eps) J + eps B, with J from the host's rate of absorptions."""
    adapter = Adapter(ctx)
    for _ in range(iterations):
        evaluation = adapter.evaluate()
    physics = adapter.line_physics(adapter.blocks[0])
    trans, line = ctx.activeAtoms[0].trans[0], ctx.activeAtoms[0].atomicModel.lines[0]
    nu = lw.CLight / line.lambda0_m
    J = np.asarray(trans.Rij) / line.Bij * lw.CLight**2 / (2.0 * lw.HPlanck * nu**3)
    S = (1.0 - physics.epsilon) * J + physics.epsilon * np.exp(physics.log_B)
    np.testing.assert_allclose(evaluation.y + evaluation.lambda_residual, np.log(S), atol=1e-4)


def test_malis_residual_is_the_lambda_residual_preconditioned(ctx):
    """Divided by 1 - (1 - eps) Lambda*, which lies between eps and one, at every depth."""
    adapter = Adapter(ctx)
    for _ in range(5):
        evaluation = adapter.evaluate()
    eps = adapter.line_physics(adapter.blocks[0]).epsilon
    told = np.abs(evaluation.r) > 1e-8
    assert told.sum() > 50
    divisor = np.expm1(evaluation.lambda_residual[told]) / np.expm1(evaluation.r[told])
    assert np.all(divisor > 0.99 * eps[told])
    assert np.all(divisor < 1.0 + 1e-6)
    assert divisor.min() < 0.01, "deep inside it is what makes MALI fast"


def test_there_is_no_lambda_residual_of_atoms_with_more_levels(two_atoms):
    adapter = Adapter(two_atoms)
    many, two = adapter.blocks
    evaluation = adapter.evaluate()
    assert not np.any(evaluation.lambda_residual[many.span])
    assert np.all(evaluation.lambda_residual[two.span] != 0.0)


def test_populations_in_lte_are_known(two_atoms, ctx):
    adapter = Adapter(two_atoms)
    many, two = adapter.blocks
    for atom in two_atoms.activeAtoms:
        atom.n[:] = atom.nStar
    assert adapter.in_lte(many) and adapter.in_lte(two)
    y = adapter.read()
    y[two.span] += 1e-4
    adapter.write(y)
    assert adapter.in_lte(many) and not adapter.in_lte(two)
    single = Adapter(ctx)
    single.evaluate()
    assert not single.in_lte(single.blocks[0])


def test_the_image_is_the_two_level_formula(ctx):
    """Without the preconditioning, n_u / n_l = (R_lu + C_lu) / (R_ul + C_ul)."""
    adapter = Adapter(ctx)
    evaluation = adapter.evaluate(lambdaIterate=True)
    atom = ctx.activeAtoms[0]
    t, C = atom.trans[0], np.asarray(atom.C)
    ratio = (np.asarray(t.Rij) + C[1, 0]) / (np.asarray(t.Rji) + C[0, 1])
    levels = atom.atomicModel.levels
    y = -np.log(levels[1].g / levels[0].g / ratio - 1.0)
    np.testing.assert_allclose(evaluation.y_plain, y, rtol=1e-9)


@pytest.mark.parametrize(("amplitude", "tol"), [(0.5, 2e-3), (0.1, 5e-5)])
def test_the_map_is_linear_in_the_source_function(amplitude, tol, ctx):
    """Affine at fixed opacity: the image of a mixture is the mixture of the images.

    J of the background's scattering has to be the same at each. What is left is of second order:
    the opacity follows the populations by up to n_u / n_l = 2 %, and the limiter of the host's
    formal solver is not linear.
    """
    adapter = Adapter(ctx)
    for _ in range(3):
        adapter.evaluate()
    start = adapter.snapshot()
    y0 = adapter.read()
    rng = np.random.default_rng(1)
    depth = np.linspace(0.0, 1.0, y0.size)
    y1 = y0 + amplitude * np.sin(2.0 * np.pi * (2.0 * depth + rng.random()))
    weight = 0.3
    y2 = np.log(weight * np.exp(y0) + (1.0 - weight) * np.exp(y1))

    def residual(y):
        adapter.restore(start)
        evaluation = adapter.evaluate(y)
        return np.exp(evaluation.y_plain) - np.exp(y)

    R0, R1, R2 = residual(y0), residual(y1), residual(y2)
    assert np.max(np.abs(R1 - R0) / np.exp(y0)) > amplitude, "the states differ enough to tell"
    mixed = weight * R0 + (1.0 - weight) * R1
    np.testing.assert_allclose((R2 - mixed) / np.exp(y2), 0.0, atol=tol)


def test_an_exploding_matrix_gives_an_evaluation_that_is_not_valid(ctx):
    update, evaluation = Adapter(flaky(ctx, lambda k: True)).plain_update()
    assert update is None
    assert not evaluation.valid
    assert evaluation.residual_norm == np.inf


def test_net_rates_are_those_of_transitions_and_collisions(two_atoms):
    adapter = Adapter(two_atoms)
    adapter.write(adapter.unknown(adapter.lte_populations()))
    adapter.formal_solution()
    y, found, scale = adapter.read(), [], []
    for atom in two_atoms.activeAtoms:
        n = np.array(atom.n)
        flow = np.asarray(atom.C) * n
        # The host writes no rates from a level to itself.
        flow[np.arange(len(n)), np.arange(len(n))] = 0.0
        for t in atom.trans:
            flow[t.j, t.i] += np.asarray(t.Rij) * n[t.i]
            flow[t.i, t.j] += np.asarray(t.Rji) * n[t.j]
        found.append(flow.sum(axis=1) - flow.sum(axis=0))
        scale.append(np.maximum(flow.sum(axis=1), flow.sum(axis=0)))
    left = np.abs(adapter.net_rates(y) - np.concatenate(found)) / np.concatenate(scale)
    # What thick lines take and give back cancels to all but some digits.
    assert left.max() < 1e-5


# ---- atoms and their transitions -----


def test_an_atom_has_levels_and_transitions(two_atoms):
    adapter = Adapter(two_atoms)
    many, two = (adapter.atom(block) for block in adapter.blocks)
    assert many.element.startswith("Mg") and many.Nlevel == 4
    kinds = [(type(t), t.lower, t.upper) for t in many.transitions]
    assert kinds[:2] == [(Line, 0, 1), (Line, 0, 2)]
    assert set(kinds[2:]) == {(Continuum, i, 3) for i in range(3)}
    assert many.source is None and adapter.line(adapter.blocks[0]) is None
    assert two.Nlevel == 2 and two.transitions == (two.source,)
    assert not adapter.line_sources and adapter.blocks[1].shape == (82,)


def test_every_line_knows_its_physics(two_atoms):
    adapter = Adapter(two_atoms)
    block = adapter.blocks[0]
    k, h = (t.physics() for t in adapter.atom(block).transitions[:2])
    lines = two_atoms.activeAtoms[0].atomicModel.lines
    for physics, line in ((k, lines[0]), (h, lines[1])):
        assert physics.height.shape == (82,)
        np.testing.assert_allclose(physics.log_B, planck_log(two_atoms, line.lambda0), atol=2e-5)
    # Found once.
    line = adapter.atom(block).transitions[0]
    assert line.physics() is line.physics()


def test_the_unknown_of_a_two_level_atom_is_its_line_source(ctx):
    adapter = Adapter(ctx)
    (block,) = adapter.blocks
    assert adapter.line_sources
    for name, values in vars(adapter.line(block)).items():
        np.testing.assert_array_equal(getattr(adapter.line_physics(block), name), values)


# ---- what a solve takes for given -----


def test_circumstances_change_with_the_atmosphere_and_not_with_a_solve(ctx):
    adapter = Adapter(ctx)

    def same(other):
        return all(map(np.array_equal, before, other))

    before = adapter.circumstances()
    adapter.evaluate()
    assert same(adapter.circumstances())
    atmos = ctx.kwargs["atmos"]
    for name in ("temperature", "vz", "vturb", "nHTot", "ne"):
        values = getattr(atmos, name)
        kept = values[3]
        values[3] += 1.0 + abs(kept)
        assert not same(adapter.circumstances()), name
        values[3] = kept
        assert same(adapter.circumstances())


def test_electrons_are_not_given_where_charge_is_conserved():
    ctx = several(("H",), [H_6_atom()], "FALC", conserveCharge=True)
    adapter = Adapter(ctx)
    assert adapter.conserves_charge
    before = adapter.circumstances()
    ctx.kwargs["atmos"].ne[:] *= 2.0
    assert all(map(np.array_equal, before, adapter.circumstances()))


# ---- the background's scattering -----


def test_radiation_is_read_as_a_copy_and_written_in_place(ctx):
    adapter = Adapter(ctx)
    adapter.formal_solution()
    waves = np.array([3, 5])
    J = adapter.radiation(waves)
    np.testing.assert_array_equal(J, np.asarray(ctx.spect.J)[waves])
    adapter.write_radiation(waves, 2.0 * J)
    np.testing.assert_array_equal(np.asarray(ctx.spect.J)[waves], 2.0 * J)
    assert adapter.radiation().shape == np.asarray(ctx.spect.J).shape


def test_opacity_is_asked_for_and_not_kept_on(ctx):
    adapter = Adapter(ctx)
    assert not ctx.depthData.fill
    adapter.formal_solution_with_opacity()
    assert not ctx.depthData.fill and adapter.Nformal == 1
    chi, sca = adapter.opacity(), adapter.scattering()
    assert chi.shape == sca.shape == np.asarray(ctx.background.chi).shape
    # Background and line are in it; far from the line it is the background alone.
    background = np.asarray(ctx.background.chi)
    assert np.all(chi > 0.999 * background) and np.all(sca <= background)
    far = np.argmax(np.abs(np.asarray(ctx.spect.wavelength) - 393.5))
    np.testing.assert_allclose(chi[far], background[far], rtol=1e-3)
    np.testing.assert_array_equal(adapter.opacity(np.array([far])), chi[[far]])


# ---- snapshots -----


def everything(ctx: lw.Context) -> dict[str, np.ndarray]:
    """Copy every array of a context that an iteration may change."""
    state = {"J": np.array(ctx.spect.J), "ne": np.array(ctx.atmos.ne)}
    for k, atom in enumerate(ctx.activeAtoms):
        state[f"n{k}"], state[f"nStar{k}"] = np.array(atom.n), np.array(atom.nStar)
        for j, t in enumerate(atom.trans):
            if hasattr(t, "rhoPrd"):
                state[f"rho{k},{j}"] = np.array(t.rhoPrd)
    for pops in ctx.kwargs["eqPops"].atomicPops:
        state[f"pops {pops.element.name}"] = np.array(pops.n)
        state[f"lte {pops.element.name}"] = np.array(pops.nStar)
    state["H-"] = np.array(ctx.kwargs["eqPops"].HminPops)
    return state


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("kind", ["two-level", "two atoms", "prd", "charge", "ng"])
def test_restore_is_exact(kind, ctx, two_atoms):
    if kind == "two atoms":
        ctx = two_atoms
    elif kind == "prd":
        ctx = build_context(atoms.CaII_K(prd=True), atmospheres.load("FALC", 20), Nrays=2)
    elif kind == "charge":
        ctx = several(("H",), [H_6_atom(), CaII_atom()], conserveCharge=True)
    elif kind == "ng":
        ctx = build_context("CaII_K", "FALC", ngOptions=lw.NgOptions(1, 2, 3))
    adapter = Adapter(ctx)
    for _ in range(2):
        adapter.evaluate()
        if kind == "prd":
            ctx.prd_redistribute(maxIter=1)
    before, snapshot = everything(ctx), adapter.snapshot()

    for _ in range(2):
        adapter.evaluate()
        if kind == "prd":
            ctx.prd_redistribute(maxIter=1)
    after = everything(ctx)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert {"J", "n0"} <= changed
    if kind == "prd":
        assert any(name.startswith("rho") for name in changed)
    if kind == "charge":
        assert {"ne", "nStar0", "H-", "lte Ca"} <= changed

    for _ in range(3):  # restoring must not set off the host's own Ng acceleration either
        adapter.restore(snapshot)
        assert_same(everything(ctx), before)

    # What follows is what followed before, to the bit.
    for _ in range(2):
        adapter.evaluate()
        if kind == "prd":
            ctx.prd_redistribute(maxIter=1)
    assert_same(everything(ctx), after)


def test_a_snapshot_is_a_copy(ctx):
    adapter = Adapter(ctx)
    snapshot = adapter.snapshot()
    n = snapshot.n[0].copy()
    adapter.evaluate()
    np.testing.assert_array_equal(snapshot.n[0], n)


def test_restore_cures_a_poisoned_context(ctx, reference):
    """After wild populations J is wild too; the host would not recover with n alone put back."""
    adapter = Adapter(ctx)
    adapter.evaluate()
    snapshot = adapter.snapshot()
    ctx.activeAtoms[0].n[:] = np.nan
    ctx.formal_sol_gamma_matrices()
    assert not np.all(np.isfinite(ctx.spect.J))
    adapter.restore(snapshot)
    lw.iterate_ctx_se(ctx, Nscatter=0, JTol=1.0, popsTol=1e-10, quiet=True)
    assert error(ctx, reference) < 1e-7


# ---- what a context must have -----


def test_no_active_atoms():
    atmos = atmospheres.load("FALC", 10)
    atmos.quadrature(1)
    radSet = lw.RadiativeSet([H_6_atom(), atoms.CaII_K()])
    radSet.set_detailed_static("Ca")
    ctx = lw.Context(atmos, radSet.compute_wavelength_grid(), radSet.compute_eq_pops(atmos))
    with pytest.raises(ContextError, match="no active atoms.*set_active"):
        Adapter(ctx)


def test_not_a_context():
    with pytest.raises(ContextError, match=r"expected a lightweaver\.Context, got int"):
        Adapter(3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_bad_populations(ctx, bad):
    ctx.activeAtoms[0].n[1, 40] = bad
    before = everything(ctx)
    with pytest.raises(ContextError, match=f"populations of .*Ca.* hold {bad}.*set_n_to_lte"):
        Adapter(ctx)
    assert_same(everything(ctx), before)


@pytest.mark.parametrize(
    ("name", "bad"),
    [("temperature", np.nan), ("temperature", -10.0), ("ne", 0.0), ("nHTot", np.nan)],
)
def test_bad_atmospheres(ctx, name, bad):
    getattr(ctx.kwargs["atmos"], name)[33] = bad
    before = everything(ctx)
    with pytest.raises(ContextError, match=f"atmosphere is not valid: .*{name}.*depth index 33"):
        Adapter(ctx)
    assert_same(everything(ctx), before)


# ---- the line's physics -----


@pytest.mark.parametrize("atom", ["CaII_K", "MgII_h", "NaI_D2"])
def test_opacity_and_optical_depth_are_the_hosts(atom, make_ctx):
    ctx = make_ctx(atom)
    adapter = Adapter(ctx)
    physics = adapter.line_physics(adapter.blocks[0])
    line = ctx.activeAtoms[0].atomicModel.lines[0]
    # The host's grid holds the line centre.
    k = int(np.argmin(np.abs(np.asarray(ctx.spect.wavelength) - line.lambda0)))
    assert abs(ctx.spect.wavelength[k] / line.lambda0 - 1.0) < 1e-7

    ctx.depthData.fill = True
    ctx.formal_sol_gamma_matrices()
    chi = np.asarray(ctx.depthData.chi)[k, -1, 1]
    background = np.asarray(ctx.background.chi)[k]
    # Ours is that of atoms in the lower level.
    n, nTotal = np.asarray(ctx.activeAtoms[0].n), np.asarray(ctx.activeAtoms[0].nTotal)
    saturation = (n[0] - n[1] * line.Bji / line.Bij) / nTotal
    assert saturation.min() < 0.9 < saturation.max()
    np.testing.assert_allclose(physics.opacity * saturation, chi - background, rtol=2e-3)
    np.testing.assert_allclose(physics.background * physics.opacity, background, rtol=1e-12)

    # The host's depth begins with zero at the top point, ours with the half layer above it.
    z = np.asarray(ctx.kwargs["atmos"].z)
    np.testing.assert_array_equal(physics.height, z)
    host = cumulative_trapezoid((chi - background) / saturation, -z, initial=0.0)
    ours = np.exp(physics.log_tau)
    np.testing.assert_allclose(ours[1:] - ours[0], host[1:], rtol=2e-3)
    assert np.all(np.diff(physics.log_tau) > 0.0)
    # With the atoms that are not, and with the background, it is the host's own.
    total = physics.opacity * (saturation + physics.background)
    tau = cumulative_trapezoid(total, -z, initial=0.0)
    np.testing.assert_allclose(tau[1:], lw.compute_tau(ctx)[k][1:], rtol=1e-2)


def test_line_physics_does_not_depend_on_the_populations(ctx):
    adapter = Adapter(ctx)
    before = adapter.line_physics(adapter.blocks[0])
    rng = np.random.default_rng(0)
    adapter.write(adapter.read() + rng.normal(0.0, 3.0, 82))
    after = adapter.line_physics(adapter.blocks[0])
    for name, values in vars(before).items():
        np.testing.assert_array_equal(getattr(after, name), values, err_msg=name)


def test_weights_and_extent_of_a_line(ctx):
    adapter = Adapter(ctx)
    physics = adapter.line_physics(adapter.blocks[0])
    assert physics.g_ratio == 2.0, "Ca II K: 2 and 4"
    trans = ctx.activeAtoms[0].trans[0]
    reach = np.max(np.abs(np.asarray(trans.wavelength) - trans.lambda0))
    assert physics.extent == pytest.approx(reach / trans.lambda0 * lw.CLight, rel=1e-9)


def test_epsilon_planck_and_profile(ctx):
    adapter = Adapter(ctx)
    block = adapter.blocks[0]
    before = adapter.line_physics(block)
    ctx.formal_sol_gamma_matrices()
    physics = adapter.line_physics(block)
    atom = ctx.activeAtoms[0]
    line = atom.atomicModel.lines[0]
    T = np.asarray(ctx.kwargs["atmos"].temperature)

    C_ul, C_lu = np.asarray(atom.C)[0, 1], np.asarray(atom.C)[1, 0]
    # With detailed balance, C_lu / C_ul = (g_u / g_l) exp(-h nu / kT).
    levels = atom.atomicModel.levels
    boltzmann = C_lu / C_ul * levels[0].g / levels[1].g
    destruction = C_ul * (1.0 - boltzmann)
    np.testing.assert_allclose(physics.epsilon, destruction / (line.Aji + destruction), rtol=1e-4)
    assert np.all((physics.epsilon > 0.0) & (physics.epsilon < 1.0))
    np.testing.assert_allclose(physics.log_B, planck_log(ctx, line.lambda0), atol=2e-5)
    np.testing.assert_array_equal(physics.damping, atom.trans[0].aDamp)
    np.testing.assert_array_equal(physics.broadening, atom.vBroad)
    np.testing.assert_array_equal(physics.temperature, T)
    for name in ("epsilon", "log_tau", "background"):
        np.testing.assert_allclose(
            getattr(before, name), getattr(physics, name), rtol=1e-10, err_msg="before the first"
        )


def test_velocity_is_in_doppler_widths():
    atmos = atmospheres.random(3, kind="photosphere", moving=True, Nspace=20)
    ctx = build_context("NaI_D1", atmos, Nrays=1)
    adapter = Adapter(ctx)
    physics = adapter.line_physics(adapter.blocks[0])
    np.testing.assert_allclose(physics.velocity * physics.broadening, atmos.vz, rtol=1e-12)


def test_line_physics_is_of_two_level_atoms_only(two_atoms):
    adapter = Adapter(two_atoms)
    with pytest.raises(ContextError, match="two-level"):
        adapter.line_physics(adapter.blocks[0])
    assert adapter.line_physics(adapter.blocks[1]).log_tau.shape == (82,)


def test_the_square_root_law():
    """A semi-infinite isothermal medium has S(0) = sqrt(eps) B (Avrett and Hummer 1965).

    eps is constant because the electrons' density is. The hydrogen density, and with it the
    optical depth, rises by many decades; the background stays weak against eps where S is formed.
    """
    N = 150
    z = -2e5 * np.arange(N)
    atmos = atmospheres.from_arrays(z, 6000.0, 1e17, np.geomspace(1e14, 1e23, N), vturb=2e3)
    ctx = build_context(atoms.two_level_atom(CaII_atom(), 0, 4, collision_scale=100.0), atmos)
    adapter = Adapter(ctx)
    physics = adapter.line_physics(adapter.blocks[0])
    np.testing.assert_allclose(physics.epsilon, physics.epsilon[0], rtol=1e-10)
    eps, tau = physics.epsilon[0], np.exp(physics.log_tau)
    assert tau[0] < 1e-2
    assert tau[-1] > 1e3 / eps, "effectively thick"
    assert np.all(physics.background[(tau > 1.0) & (tau < 1.0 / eps)] < 0.1 * eps)
    lw.iterate_ctx_se(ctx, Nscatter=0, JTol=1.0, popsTol=1e-9, quiet=True)
    y = adapter.read()
    assert np.exp(y[0] - physics.log_B[0]) == pytest.approx(np.sqrt(eps), rel=0.05)
    np.testing.assert_allclose(np.exp(y[-5:] - physics.log_B[-5:]), 1.0, rtol=1e-2)
    assert np.all(np.diff(y) > -1e-6), "S rises inwards"


def test_active_atoms_are_named_by_line_or_levels():
    """What a result says was accelerated."""
    ctx = build_context("H+CaII", "FALC")
    assert Adapter(ctx).labels == ("H (6 levels)", "Ca (6 levels)")
    assert Adapter(build_context("CaII_K", "FALC")).labels == ("Ca 393.5 nm",)
