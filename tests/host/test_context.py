"""``build_context``: a ready context from names or objects, and what it refuses."""

from __future__ import annotations

import lightweaver as lw
import numpy as np
import pytest
from lightweaver.rh_atoms import CaII_atom

from lw_rl import atmospheres, atoms
from lw_rl.errors import AtmosphereError, ContextError, UnknownNameError
from lw_rl.host.context import active_atoms, build_context


def test_names_and_objects_give_the_same_context(make_ctx):
    a = make_ctx("CaII_K", "FALC")
    b = build_context(atoms.CaII_K(), atmospheres.load("FALC"))
    np.testing.assert_array_equal(a.activeAtoms[0].n, b.activeAtoms[0].n)
    np.testing.assert_array_equal(a.spect.wavelength, b.spect.wavelength)


def test_populations_start_in_lte(ctx):
    atom = ctx.activeAtoms[0]
    np.testing.assert_array_equal(atom.n, atom.nStar)
    np.testing.assert_allclose(np.asarray(atom.n).sum(axis=0), atom.nTotal, rtol=1e-12)


@pytest.mark.parametrize("Nrays", [1, 3])
def test_rays_and_threads_reach_the_context(Nrays):
    ctx = build_context("NaI_D1", "FALX", Nrays=Nrays, Nthreads=2)
    assert len(ctx.kwargs["atmos"].muz) == Nrays
    np.testing.assert_allclose(np.sum(ctx.kwargs["atmos"].wmu), 1.0, rtol=1e-12)
    assert ctx.Nthreads == 2


def test_context_keywords_reach_the_context(make_ctx):
    ctx = build_context("CaII_K", "FALC", ngOptions=lw.NgOptions(2, 3, 5))
    assert ctx.kwargs["ngOptions"].Norder == 2


def test_hydrogen_is_passive_unless_it_is_the_active_atom(ctx, make_ctx):
    models = {a.element.name for a in ctx.kwargs["spect"].radSet.passiveAtoms}
    assert models == {"H"}
    lya = make_ctx("H_Lya")
    assert [a.element.name for a in lya.activeAtoms] == ["H"]
    assert not lya.kwargs["spect"].radSet.passiveAtoms


def test_any_model_atom_is_welcome():
    ctx = build_context(CaII_atom(), "FALC", Nrays=1)
    assert ctx.activeAtoms[0].Nlevel == 6


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match="CaII_H, CaII_K"):
        build_context("CaII_J", "FALC")
    with pytest.raises(UnknownNameError, match="FALA, FALC, FALF, FALX"):
        build_context("CaII_K", "FALZ")


@pytest.mark.parametrize("value", [np.nan, -5.0, 0.0, np.inf])
def test_a_bad_temperature_is_refused(value):
    atmos = atmospheres.load("FALC")
    atmos.temperature[17] = value
    with pytest.raises(AtmosphereError, match=r"temperature \[K\].*depth index 17"):
        build_context("CaII_K", atmos)


@pytest.mark.parametrize("several", ["H+CaII", ["H", "CaII"], [atoms.H(), "CaII"], ["H+CaII"]])
def test_several_active_atoms(several):
    ctx = build_context(several, "FALC", Nrays=1)
    assert [a.element.name for a in ctx.activeAtoms] == ["H", "Ca"]
    assert not ctx.kwargs["spect"].radSet.passiveAtoms
    for atom in ctx.activeAtoms:
        np.testing.assert_array_equal(atom.n, atom.nStar)


def test_background_atoms_are_passive_unless_active():
    ctx = build_context("CaII_K", "FALC", Nrays=1, background=["Ca", "Fe", atoms.MgII()])
    radSet = ctx.kwargs["spect"].radSet
    assert sorted(a.element.name for a in radSet.passiveAtoms) == ["Fe", "H", "Mg"]
    assert ctx.activeAtoms[0].Nlevel == 2
    with pytest.raises(UnknownNameError, match="element of the background 'Xe'"):
        build_context("CaII_K", "FALC", background=["Xe"])


def no_lines():
    model = CaII_atom()
    model.lines = []
    return model


@pytest.mark.parametrize(
    ("atom", "error", "says"),
    [
        ("CaII+CaII_K", ContextError, "two active atoms are of Ca"),
        (["H", atoms.H_Lya()], ContextError, "two active atoms are of H"),
        ([], ContextError, "no active atom"),
        (no_lines(), ContextError, "the atom of Ca has no lines"),
        ("H+CaIV", UnknownNameError, "'CaIV'"),
    ],
)
def test_what_cannot_be_active_is_refused_before_anything_is_built(atom, error, says):
    atmos = atmospheres.load("FALC")
    with pytest.raises(error, match=says):
        build_context(atom, atmos)
    assert not hasattr(atmos, "muz") or atmos.muz is None


# ---- models of one's own ------------------------------------------------------------------------


def test_a_level_that_nothing_connects_is_named():
    atom = CaII_atom()
    for kind in ("lines", "continua", "collisions"):
        setattr(atom, kind, [t for t in getattr(atom, kind) if 3 not in (t.i, t.j)])
    with pytest.raises(ContextError, match=r"of the atom of Ca connects level 3 \("):
        build_context(atom, "FALC")


def test_a_transition_without_wavelengths_is_named():
    atom = CaII_atom()
    atom.continua[1].wavelengthGrid = np.array([])
    with pytest.raises(ContextError, match="transition 1-5 of the atom of Ca has 0 wavelengths"):
        build_context(atom, "FALC")


def test_every_atom_that_ships_can_be_active():
    for name in atoms.known():
        active_atoms(name)


def test_quadratures_of_two_dimensions_are_those_that_the_host_has():
    atmos = atmospheres.slab_2d("homogeneous", 5, 4)
    assert build_context("CaII_K", atmos).kwargs["atmos"].Nrays == 12
    with pytest.raises(ContextError, match="3, 6, 7, 10, 11 rays per octant, got Nrays=5"):
        build_context("CaII_K", atmos, Nrays=5)
