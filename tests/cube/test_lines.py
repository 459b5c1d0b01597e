"""Atoms and lines by their names, and the user's own."""

from __future__ import annotations

import numpy as np
import pytest
from lightweaver.rh_atoms import CaII_atom

from lw_rl import atoms
from lw_rl.cube.lines import check_line, choose, line_labels, named_atoms, select_line
from lw_rl.errors import ContextError, CubeSettingsError, UnknownNameError


def levels(chosen):
    return [(k.element, k.i, k.j) for k in chosen.lines]


@pytest.mark.parametrize(
    ("name", "spelled", "nm"),
    [
        ("CaII_K", "CaII_K", 393.478), ("caii k", "CaII_K", 393.478),
        # Angstrom and nanometres, in air and in vacuum.
        ("CaII 8542", "CaII 8542", 854.444), ("CaII_8542.1", "CaII 8542", 854.444),
        ("Ca 854.4", "CaII 8542", 854.444), ("caii 854.2 nm", "CaII 8542", 854.444),
        ("H 6563", "HI 6563", 656.469), ("HI 1216", "HI 1216", 121.568),
        ("HeI 10830", "HeI 10830", 1083.326), ("MgII 2796", "MgII 2796", 279.635),
    ],
)  # fmt: skip
def test_the_line_of_a_two_level_atom(name, spelled, nm):
    chosen = choose(name)
    assert chosen.two_level and check_line(name) == spelled
    (line,) = chosen.lines
    assert line.name == spelled and line.lambda0 == pytest.approx(nm, abs=1e-3)
    assert (line.i, line.j) == (0, 1) and line.blue < line.lambda0 < line.red


def test_lines_of_an_atom_with_many_levels():
    chosen = choose("", ("CaII",), ("CaII 8542", "CaII_K"))
    assert not chosen.two_level and len(chosen.atoms) == 1 and len(chosen.atoms[0].levels) == 6
    # By wavelength.
    assert levels(chosen) == [("Ca", 0, 4), ("Ca", 2, 4)]
    five = [("Ca", 0, 4), ("Ca", 0, 3), ("Ca", 1, 4), ("Ca", 2, 4), ("Ca", 1, 3)]
    assert levels(choose("", ("CaII",))) == five


def test_lines_bring_their_atoms():
    chosen = choose("", (), ("H 6563", "CaII 8542", "H_Lya"))
    assert [a.element.name for a in chosen.atoms] == ["H", "Ca"]
    assert levels(chosen) == [("H", 0, 1), ("H", 1, 2), ("Ca", 2, 4)]


def test_every_label_means_its_line():
    for name in atoms.known():
        atom = atoms.make(name)
        labels = line_labels(atom)
        assert len(set(labels)) == len(labels)
        for label, line in zip(labels, atom.lines, strict=True):
            (found,) = choose("", (name,), (label,)).lines
            assert (found.i, found.j) == (line.i, line.j), label


def test_models_of_ones_own():
    mine, other = CaII_atom(), CaII_atom()
    other.lines[0].f *= 1.1
    names, models = named_atoms(["h", mine])
    assert names[0] == "H" and names[1].startswith("CaII ") and list(models) == [names[1]]
    assert named_atoms([CaII_atom()])[0] == names[1:], "the same definition, the same name"
    assert named_atoms([other])[0] != names[1:]
    chosen = choose("", names, ("CaII 8542",), models)
    assert levels(chosen) == [("Ca", 2, 4)]
    assert chosen.atoms[1] is not mine


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("Halpha",), UnknownNameError, "unknown line 'Halpha'.*CaII_K.*NaI_D2"),
        (("CaII 5000",), UnknownNameError, "unknown line 'CaII 5000'; known: CaII 3934, .*8662$"),
        (("", ("CaII",), ("H 6563",)), CubeSettingsError, "no line 'H 6563'.*CaII 8542"),
        (("", ("CaII",), ("CaII_K", "CaII 3934")), CubeSettingsError, "two of the lines"),
        (("", (), ("CaII 5000",)), UnknownNameError, "CaII 5000"),
        (("", ("Fe",)), UnknownNameError, "unknown atom 'Fe'"),
        (("", ("CaII", "CaII_K")), ContextError, "two active atoms are of Ca"),
    ],
)
def test_what_there_is_not(arguments, error, message):
    with pytest.raises(error, match=message):
        choose(*arguments)


def test_neither_name_nor_model():
    with pytest.raises(CubeSettingsError, match="a name or a lightweaver AtomicModel, got int"):
        named_atoms([3])


def test_the_part_of_an_output_that_is_a_line(expected):
    part = select_line(expected, "caii k")
    np.testing.assert_array_equal(part.wavelength, expected.wavelength)
    assert part.attrs["line_name"] == "CaII_K" and part.line.values.tolist() == ["CaII_K"]
    with pytest.raises(UnknownNameError, match="'CaII 8542'; known: CaII_K"):
        select_line(expected, "CaII 8542")
    old = expected.drop_vars(["line", "line_centre", "line_blue", "line_red"])
    assert select_line(old) is old
