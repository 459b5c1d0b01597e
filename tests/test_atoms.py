"""Ready-made atoms: the host's models, and two-level atoms that are the parent's line."""

from __future__ import annotations

import copy
import pickle

import lightweaver as lw
import numpy as np
import pytest
from conftest import assert_physical, imbalance
from lightweaver.atomic_model import LineType
from lightweaver.rh_atoms import (
    CaII_atom,
    H_6_atom,
    He_9_atom,
    MgII_atom,
    MgII_hk_atom,
    NaI_fine_atom,
)
from lw_rl.atoms.two_level import ParentBroadening

from lw_rl import atmospheres, atoms
from lw_rl.errors import AtomReductionError, LwRlError, UnknownNameError
from lw_rl.iterate import iterate_ctx_rl

PARENTS = {
    "CaII_K": (CaII_atom, 0, 4, 393.48),
    "CaII_H": (CaII_atom, 0, 3, 396.96),
    "MgII_k": (MgII_hk_atom, 0, 2, 279.64),
    "MgII_h": (MgII_hk_atom, 0, 1, 280.35),
    "NaI_D2": (NaI_fine_atom, 0, 2, 589.16),
    "NaI_D1": (NaI_fine_atom, 0, 1, 589.76),
    "H_Lya": (H_6_atom, 0, 1, 121.57),
}

#: The host's model, and how many lines of it are in partial redistribution there.
MULTILEVEL = {
    "CaII": (CaII_atom, 2),
    "MgII": (MgII_atom, 2),
    "H": (H_6_atom, 2),
    "NaI": (NaI_fine_atom, 0),
    "HeI": (He_9_atom, 0),
}


@pytest.fixture(scope="module")
def falc():
    """FAL C and the LTE populations of all the parents in it."""
    atmos = atmospheres.load("FALC")
    atmos.quadrature(1)
    models = [H_6_atom(), CaII_atom(), MgII_hk_atom(), NaI_fine_atom()]
    eqPops = lw.RadiativeSet(models).compute_eq_pops(atmos)
    return atmos, eqPops


def parent_line(name):
    make, i, j, _ = PARENTS[name]
    parent = make()
    return parent, next(ln for ln in parent.lines if (ln.i, ln.j) == (i, j))


def test_every_ready_made_atom_is_tested():
    assert set(PARENTS) == set(atoms.known_lines())
    assert {*PARENTS, *MULTILEVEL} == set(atoms.known())


@pytest.mark.parametrize("name", PARENTS)
def test_damping_is_the_parents(name, falc):
    atmos, eqPops = falc
    _, line = parent_line(name)
    expected, expected_elastic = line.damping(atmos, eqPops)
    got, elastic = atoms.make(name).lines[0].damping(atmos, eqPops)
    assert np.all(expected > 0.0)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(elastic, expected_elastic, rtol=1e-6)


def test_damping_in_a_context_is_the_parents(ctx):
    """As above, but through the host, with the parent as the active atom."""
    atmos = atmospheres.load("FALC")
    atmos.quadrature(5)
    radSet = lw.RadiativeSet([H_6_atom(), CaII_atom()])
    radSet.set_active("Ca")
    spect = radSet.compute_wavelength_grid()
    parent = lw.Context(atmos, spect, radSet.compute_eq_pops(atmos)).activeAtoms[0]
    k_line = next(t for t in parent.trans if (t.i, t.j) == (0, 4))
    damping = np.asarray(ctx.activeAtoms[0].trans[0].aDamp)
    np.testing.assert_allclose(damping, np.asarray(k_line.aDamp), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(ctx.activeAtoms[0].vBroad), np.asarray(parent.vBroad))


def test_damping_has_all_three_contributions(falc):
    """Radiative, van der Waals and Stark broadening each contribute to Ca II K somewhere."""
    atmos, eqPops = falc
    broadening = atoms.CaII_K().lines[0].broadening
    parts = [b.broaden(atmos, eqPops) for b in (*broadening.natural, *broadening.elastic)]
    assert len(parts) == 3
    assert all(np.max(p * np.ones(atmos.Nspace)) > 0.0 for p in parts)


@pytest.mark.parametrize("name", PARENTS)
def test_constants_are_the_parents(name):
    parent, line = parent_line(name)
    atom = atoms.make(name)
    two = atom.lines[0]
    assert len(atom.levels) == 2
    assert len(atom.lines) == 1
    assert not atom.continua
    for k, level in enumerate((parent.levels[line.i], parent.levels[line.j])):
        assert atom.levels[k].E_SI == level.E_SI
        assert atom.levels[k].g == level.g
        assert atom.levels[k].stage == level.stage
    assert two.f == line.f
    for constant in ("lambda0", "Aji", "Bij", "Bji"):
        assert getattr(two, constant) == pytest.approx(getattr(line, constant), rel=1e-14)
    assert two.lambda0 == pytest.approx(PARENTS[name][3], abs=0.01)
    np.testing.assert_allclose(two.wavelength(), line.wavelength(), rtol=1e-14)


@pytest.mark.parametrize("name", PARENTS)
def test_collisions_are_the_parents(name, falc):
    atmos, eqPops = falc
    parent, line = parent_line(name)
    N = len(parent.levels)

    def rates(model, levels, i, j):
        C = np.zeros((levels, levels, atmos.Nspace))
        for rate in model.collisions:
            if {rate.i, rate.j} == {i, j}:
                rate.compute_rates(atmos, eqPops, C)
        return C[i, j], C[j, i]

    # The host takes LTE population ratios by level number, so the two-level atom needs its own.
    two_level_pops = lw.RadiativeSet(
        [atoms.make(name)] + ([] if name == "H_Lya" else [H_6_atom()])
    ).compute_eq_pops(atmos)
    expected = rates(parent, N, line.i, line.j)
    eqPops = two_level_pops
    got = rates(atoms.make(name), 2, 0, 1)
    assert np.all(expected[0] > 0.0)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-10)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-3, 1e-1, 30.0])
def test_collision_scale_scales_the_rates(scale, falc):
    """The table is scaled; the host's weno4 interpolation of it is linear to 1 % only."""
    atmos, _ = falc
    eqPops = lw.RadiativeSet([atoms.CaII_K(), H_6_atom()]).compute_eq_pops(atmos)
    C = np.zeros((2, 2, 2, atmos.Nspace))
    for k, factor in enumerate((1.0, scale)):
        for rate in atoms.two_level_atom(CaII_atom(), 0, 4, collision_scale=factor).collisions:
            rate.compute_rates(atmos, eqPops, C[k])
    np.testing.assert_allclose(C[1], scale * C[0], rtol=1e-2)


@pytest.mark.parametrize("name", PARENTS)
def test_the_parent_is_left_alone(name):
    make, i, j, _ = PARENTS[name]
    parent = make()
    before = repr(parent)
    collisions = [
        (id(c), c.i, c.j, np.array(c.rates)) for c in parent.collisions if hasattr(c, "rates")
    ]
    atom = atoms.two_level_atom(parent, i, j, collision_scale=0.5)
    assert repr(parent) == before
    assert parent == make()
    for rate, (key, ci, cj, values) in zip(
        [c for c in parent.collisions if hasattr(c, "rates")], collisions, strict=True
    ):
        assert (id(rate), rate.i, rate.j) == (key, ci, cj)
        np.testing.assert_array_equal(rate.rates, values)
    assert all(line.atom is parent for line in parent.lines)
    assert atom.lines[0].atom is atom


def test_level_order_does_not_matter():
    assert atoms.two_level_atom(CaII_atom(), 4, 0) == atoms.two_level_atom(CaII_atom(), 0, 4)


@pytest.mark.parametrize(
    ("i", "j", "says"),
    [
        (1, 2, "collisions only"),  # the two 3d levels: forbidden
        (0, 1, "forbidden"),  # 4s - 3d
        (0, 5, "no line"),  # a continuum
        (0, 9, "0..5"),
        (-1, 4, "0..5"),
        (3, 3, "do not make a transition"),
    ],
)
def test_lines_that_are_not_there(i, j, says):
    with pytest.raises(AtomReductionError, match=says) as info:
        atoms.two_level_atom(CaII_atom(), i, j)
    assert isinstance(info.value, LwRlError)


def test_the_error_lists_the_lines_that_are_there():
    with pytest.raises(AtomReductionError, match=r"0-4 \(393\.\d+ nm\)"):
        atoms.two_level_atom(CaII_atom(), 0, 9)


def test_a_line_of_no_strength_is_forbidden():
    parent = CaII_atom()
    parent.lines[0].f = 0.0
    line = parent.lines[0]
    with pytest.raises(AtomReductionError, match="oscillator strength"):
        atoms.two_level_atom(parent, line.i, line.j)


def test_a_line_without_collisions():
    parent = CaII_atom()
    parent.collisions = [c for c in parent.collisions if {c.i, c.j} != {0, 4}]
    with pytest.raises(AtomReductionError, match="no collisions"):
        atoms.two_level_atom(parent, 0, 4)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_bad_collision_scale(scale):
    with pytest.raises(AtomReductionError, match="collision_scale"):
        atoms.two_level_atom(CaII_atom(), 0, 4, collision_scale=scale)


def test_unknown_atom_lists_the_known():
    with pytest.raises(UnknownNameError, match="CaII_K.*H_Lya") as info:
        atoms.make("FeI_6302")
    assert set(info.value.known) == set(atoms.known())


def test_atoms_are_fresh_and_printable():
    a, b = atoms.CaII_K(), atoms.CaII_K()
    assert a is not b
    assert a == b
    assert a != atoms.CaII_H()
    assert "ParentBroadening" in repr(a)
    assert isinstance(a.lines[0].broadening.elastic[0], ParentBroadening)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copied_contexts_iterate_to_the_same_bits(ctx, duplicate):
    other = duplicate(ctx)
    for c in (ctx, other):
        for _ in range(5):
            c.formal_sol_gamma_matrices()
            c.stat_equil()
    np.testing.assert_array_equal(ctx.activeAtoms[0].n, other.activeAtoms[0].n)
    np.testing.assert_array_equal(ctx.spect.J, other.spect.J)


@pytest.mark.parametrize("name", PARENTS)
def test_every_atom_solves(name, make_ctx):
    """The answer is an equilibrium with the right limits at both ends of FAL C."""
    ctx = make_ctx(name)
    iterate_ctx_rl(ctx, scheme="anderson", JTol=1.0, popsTol=1e-6, quiet=True)
    assert_physical(ctx)
    assert imbalance(ctx) < 1e-5
    # Photons escape at the top of a chromosphere: the upper level falls far below LTE there ...
    n, nStar = np.asarray(ctx.activeAtoms[0].n), np.asarray(ctx.activeAtoms[0].nStar)
    assert n[1, 0] / nStar[1, 0] < 0.1
    # ... and is thermalised at the bottom.
    np.testing.assert_allclose(n[1, -1] / nStar[1, -1], 1.0, rtol=1e-2)


def test_prd_is_asked_for_by_a_flag():
    assert atoms.CaII_K().lines[0].type is LineType.CRD
    assert atoms.make("CaII_K", prd=True).lines[0].type is LineType.PRD


@pytest.mark.parametrize("name", MULTILEVEL)
def test_atoms_with_many_levels_are_the_hosts(name):
    atom, model = atoms.make(name), MULTILEVEL[name][0]()
    assert atom is not atoms.make(name)
    assert all(line.type is LineType.CRD for line in atom.lines)
    for ours, theirs in zip(atom.lines, model.lines, strict=True):
        ours.type = theirs.type
    assert repr(atom) == repr(model)


@pytest.mark.parametrize("name", MULTILEVEL)
def test_partial_redistribution_is_that_of_the_hosts_lines(name):
    number = MULTILEVEL[name][1]
    if number:
        lines = atoms.make(name, prd=True).lines
        assert sum(line.type is LineType.PRD for line in lines) == number
    else:
        with pytest.raises(AtomReductionError, match="no line in partial redistribution"):
            atoms.make(name, prd=True)


def test_all_collisions_of_an_atom_are_scaled():
    for ours, theirs in zip(
        atoms.CaII(collision_scale=0.1).collisions, CaII_atom().collisions, strict=True
    ):
        np.testing.assert_allclose(ours.rates, 0.1 * np.asarray(theirs.rates))
    with pytest.raises(AtomReductionError, match="no tabulated rates"):
        atoms.HeI(collision_scale=0.1)
    with pytest.raises(AtomReductionError, match="collision_scale"):
        atoms.CaII(collision_scale=-1.0)


def test_several_atoms_by_name():
    made = atoms.make_all("H+CaII+NaI_D1")
    assert [(a.element.name, len(a.levels)) for a in made] == [("H", 6), ("Ca", 6), ("Na", 2)]
    for bad in ("H+CaIII", "H+", ""):
        with pytest.raises(UnknownNameError, match="CaII, CaII_H"):
            atoms.make_all(bad)


def test_the_background_has_the_elements_that_it_says():
    assert len(atoms.BACKGROUND) == 12
    assert all(atoms.background_atom(e).element.name == e for e in atoms.BACKGROUND)
    with pytest.raises(UnknownNameError, match="Al, C, Ca"):
        atoms.background_atom("Xe")
