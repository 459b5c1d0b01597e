"""Streams that cannot overlap, suites, and fresh contexts."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import as_file, files

import numpy as np
import pytest

from lw_rl import problems
from lw_rl.errors import AtmosphereError, UnknownNameError


def test_streams_cannot_overlap():
    # The keys differ by construction; the states that seed the generators must differ as well.
    numbers = [s.number for s in problems.STREAMS.values()]
    assert len(set(numbers)) == len(numbers)
    states, keys = set(), set()
    for stream in problems.STREAMS:
        for k in range(200):
            key = problems.random_problem(stream, k).atmosphere.key
            keys.add(key)
            sequence = np.random.SeedSequence(problems.ENTROPY, spawn_key=key)
            states.add(tuple(sequence.generate_state(4)))
    assert len(keys) == len(states) == 200 * len(problems.STREAMS)


def test_a_problem_is_its_stream_and_number():
    a, b = problems.random_problem("train", 7), problems.random_problem("train", 7)
    assert a == b and hash(a) == hash(b)
    assert a != problems.random_problem("test", 7)
    first, second = a.atmosphere.make(), b.atmosphere.make()
    np.testing.assert_array_equal(first.temperature, second.temperature)


def test_random_problems_cover_the_family():
    drawn = [problems.random_problem("train", k) for k in range(300)]
    assert {p.atom for p in drawn} == set(problems.ATOMS)
    scale = np.log10([p.collision_scale for p in drawn])
    low, high = problems.LOG_COLLISION_SCALE
    assert low <= scale.min() < low + 0.2 and high - 0.2 < scale.max() <= high


@pytest.mark.parametrize("name", problems.known())
def test_the_first_problem_of_every_suite_gives_a_fresh_context(name):
    problem = problems.suite(name, 1)[0]
    a, b = problem.context(), problem.context()
    assert a is not b
    np.testing.assert_array_equal(a.activeAtoms[0].n, b.activeAtoms[0].n)
    np.testing.assert_array_equal(a.activeAtoms[0].n, a.activeAtoms[0].nStar)


def test_suites_are_what_they_say():
    assert len(problems.suite("fal")) == len(problems.suite("prd")) == 8
    assert problems.suite("fal", 3) == problems.suite("fal")[:3]
    assert all(p.prd for p in problems.suite("prd"))
    assert not any(p.prd for p in problems.suite("fal"))
    assert [p.atmosphere.Nspace for p in problems.suite("grid")] == list(problems.GRID_DEPTHS)
    assert all(np.ptp(p.atmosphere.make().vz) > 0.0 for p in problems.suite("moving", 3))
    assert all(p.atmosphere.kind == "photosphere" for p in problems.suite("photosphere", 3))
    assert len(problems.suite("atoms")) == 20
    assert {p.atom for p in problems.suite("atoms")} == set(problems.MULTILEVEL)
    assert len(problems.suite("random", 5)) == 5


def test_suites_of_atoms_are_what_they_say():
    gallery = problems.suite("gallery")
    assert [p.conserve_charge for p in gallery] == [False, True, False, True, True, True]
    assert [len(p.background) for p in gallery] == [12, 12, 12, 0, 0, 0]
    assert [(p.prd, p.hprd) for p in gallery[3:]] == [(False, False), (True, False), (True, True)]
    assert [p.atmosphere.Nspace for p in problems.suite("atoms-grid")] == [41, 82, 164, 328]
    prd = problems.suite("atoms-prd")
    assert len(prd) == 15 and all(p.prd for p in prd)
    assert all(p.hprd == (np.ptp(p.atmosphere.make().vz) > 0.0) for p in prd)
    charge = problems.suite("atoms-charge")
    assert len(charge) == 8 and all(p.conserve_charge and "H" in p.atom for p in charge)
    drawn = problems.suite("atoms-random")
    assert len(drawn) == 100 and {p.atom for p in drawn} == set(problems.RANDOM_ATOMS)
    depths = [p.atmosphere.Nspace for p in drawn]
    assert problems.RANDOM_DEPTHS[0] <= min(depths) < max(depths) <= problems.RANDOM_DEPTHS[1]
    assert drawn[0].atmosphere.make().Nspace == depths[0]


def test_some_random_atoms_are_in_partial_redistribution_or_conserve_charge():
    some = [problems.random_atoms(index) for index in range(16)]
    assert [p.prd for p in some] == [k % 8 == 6 for k in range(16)]
    redistributed = [problems.random_atoms(index) for index in range(6, 800, 8)]
    assert [p.prd for p in redistributed] == [p.atom != "HeI" for p in redistributed]
    assert any(p.atom == "HeI" for p in redistributed), "helium has no such line"
    conserving = [problems.random_atoms(index) for index in range(7, 160, 8)]
    assert [p.conserve_charge for p in conserving] == ["H" in p.atom.split("+") for p in conserving]
    assert any(p.conserve_charge for p in conserving)
    assert not any(p.conserve_charge for k, p in enumerate(some) if k % 8 != 7)
    # The same atoms, on fewer depths and rays.
    assert all(p.atom == problems.random_problem("atoms", k).atom for k, p in enumerate(some))
    low, high = problems.SMALL_DEPTHS
    assert all(low <= p.atmosphere.Nspace <= high for p in some)
    assert len(some[3].context().kwargs["atmos"].muz) == problems.SMALL_RAYS
    assert len(some[3].context(Nrays=3).kwargs["atmos"].muz) == 3


def test_hybrid_redistribution_and_a_flow_are_the_contexts():
    problem = problems.suite("atoms-prd")[-1]
    ctx = problem.context(Nrays=1)
    assert ctx.kwargs["hprd"] and problem.name.endswith("flow hprd")
    vz = np.asarray(ctx.kwargs["atmos"].vz)
    assert vz[0] == pytest.approx(1e4, rel=1e-3) and vz[-1] == pytest.approx(0.0, abs=1.0)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"validation"):
        problems.random_problem("tests", 0)
    with pytest.raises(UnknownNameError, match="photosphere"):
        problems.suite("fall")
    with pytest.raises(UnknownNameError, match="FALC"):
        problems.shipped_problem("CaII_K", "VALC")
    with pytest.raises(UnknownNameError, match="MgII_k"):
        problems.shipped_problem("FeI", "FALC")
    with pytest.raises(ValueError, match="at least 1 problem"):
        problems.suite("random", 0)
    with pytest.raises(ValueError, match="from 0"):
        problems.random_problem("train", -1)


@pytest.mark.parametrize("conserve", [False, True])
def test_the_gallery_is_the_hosts(conserve):
    """H and Ca II active among twelve elements, as the host's gallery script makes them."""
    problem = problems.suite("gallery")[int(conserve)]
    ctx = problem.context(Nrays=1)
    radSet = ctx.kwargs["spect"].radSet
    assert sorted(a.element.name for a in ctx.activeAtoms) == ["Ca", "H"]
    assert len(radSet.atoms) == 12 and len(radSet.passiveAtoms) == 10
    assert ctx.conserveCharge is conserve
    given = problem.atmosphere.make().ne
    assert np.allclose(ctx.kwargs["atmos"].ne, given, rtol=1e-12) is not conserve


@pytest.mark.parametrize("name", problems.known())
def test_a_problem_is_told_whole_by_its_json(name):
    """Every argument of a problem is in its JSON, and its name can be that of a file."""
    for problem in problems.suite(name, 3):
        told = json.loads(json.dumps(asdict(problem)))
        model = told.pop("atmosphere")
        kind = problems.ShippedModel if "name" in model else problems.RandomModel
        kind = problems.PlaneModel if "Nz" in model else kind
        model = {k: tuple(v) if isinstance(v, list) else v for k, v in model.items()}
        told["background"] = tuple(told["background"])
        assert problems.Problem(atmosphere=kind(**model), **told) == problem
        assert not set(problem.name) & set('/\\:*?"<>|')
    names = [p.name for p in problems.suite(name)]
    assert len(set(names)) == len(names)


def test_several_atoms_in_one_problem():
    problem = problems.shipped_problem("H+CaII", "falc", 20)
    assert problem.name == "H+CaII FALC 20" and not problem.two_level
    assert problems.shipped_problem("CaII_K", "FALC").two_level
    assert [a.Nlevel for a in problem.context(Nrays=1).activeAtoms] == [6, 6]
    with pytest.raises(UnknownNameError, match="'CaIII'"):
        problems.shipped_problem("H+CaIII", "FALC")


def test_the_problem_of_an_atmosphere_of_ones_own(tmp_path):
    path = tmp_path / "mine.atmos"
    with as_file(files("lw_rl.atmospheres") / "FALC.atmos") as shipped:
        path.write_bytes(shipped.read_bytes())
    problem = problems.file_problem("h+caii", str(path), 24)
    assert problem.name == "H+CaII mine 24" and problem.atom == "H+CaII"
    assert problem.atmosphere.make().Nspace == 24 and not problem.two_level
    path.write_text("")
    with pytest.raises(AtmosphereError, match=r"mine.atmos cannot be read"):
        problems.file_problem("CaII_K", str(path))


def test_problems_of_two_dimensions():
    problem = problems.plane_problem("caii_k", "slab2d-blobs", 21)
    assert problem.name == "CaII_K slab2d-blobs 21x8" and problem.size == "21 x 8 points"
    assert problem.context(Nrays=3).kwargs["atmos"].Nspace == 21 * 8
    assert [p.name[0] for p in problems.suite("2d")] == list("ABCDEFG")
    assert len(problems.suite("2d-random", 3)) == 3
    assert problems.suite("2d-random", 1) == problems.suite("2d-random", 1)
    sizes = [(p.atmosphere.Nz, p.atmosphere.Nx) for p in problems.suite("2d-grid")]
    assert sizes == [(41, 16), (82, 32), (164, 64)]
    with pytest.raises(UnknownNameError, match="slab2d-threads"):
        problems.plane_problem("CaII_K", "slab3d")
