"""Line profiles: those of the host to rounding."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl import atmospheres, atoms
from lw_rl.cube.profile import SymmetricVoigtLine, with_symmetric_profiles
from lw_rl.host.context import build_context


def profiles(atom, vlos):
    falc = atmospheres.load("FALC")
    falc.vz[:] = vlos
    return build_context(atom, falc).activeAtoms[0].trans[0]


@pytest.mark.parametrize("name", ["CaII_K", "MgII_k"])
@pytest.mark.parametrize("speed", [0.0, 7e3])
def test_profiles_are_those_of_the_host(name, speed):
    vlos = speed * np.sin(np.linspace(0.0, 9.0, 82))
    ours = profiles(with_symmetric_profiles(atoms.make(name)), vlos)
    host = profiles(atoms.make(name), vlos)
    np.testing.assert_allclose(ours.phi, host.phi, rtol=1e-12)
    np.testing.assert_allclose(ours.wphi, host.wphi, rtol=1e-12)
    np.testing.assert_array_equal(ours.aDamp, host.aDamp)


def test_a_grid_that_is_not_symmetric_is_left_to_the_host(monkeypatch):
    atom = with_symmetric_profiles(atoms.make("CaII_K"))
    (line,) = atom.lines
    assert isinstance(line, SymmetricVoigtLine)
    grid = np.asarray(line.wavelength())[:-3]
    monkeypatch.setattr(type(line), "wavelength", lambda self: grid)
    ours = profiles(atom, 3e3)
    host_atom = atoms.make("CaII_K")
    monkeypatch.setattr(type(host_atom.lines[0]), "wavelength", lambda self: grid)
    np.testing.assert_array_equal(ours.phi, profiles(host_atom, 3e3).phi)
