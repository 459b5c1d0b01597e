"""One column: profiles, rays, the solution, the neighbour's start, and what becomes of failures."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from cube_helpers import falc_like_rh, small_cube

from lw_rl import atmospheres, atoms
from lw_rl.benchmark.reference import reference, true_error
from lw_rl.cube import column as column_module
from lw_rl.cube.column import Neighbour, Workshop
from lw_rl.cube.profile import SymmetricVoigtLine, with_symmetric_profiles
from lw_rl.cube.rays import _tau_one, emergent
from lw_rl.cube.settings import Settings, as_plain, differences
from lw_rl.cube.source import Source, Window
from lw_rl.errors import CubeSettingsError, OutOfRangeError, UnknownNameError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context, radiative_set
from lw_rl.schemes import make_policy


@pytest.fixture(scope="module")
def policy():
    return make_policy("default")


@pytest.fixture(scope="module")
def columns():
    return Source(small_cube(2, 2)).read(Window(0, 0, 2, 0, 2))


# ---- profiles -----------------------------------------------------------------------------------


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


# ---- rays ---------------------------------------------------------------------------------------


def test_rays_are_those_of_the_host_and_the_context_is_left_alone(converged):
    ctx = copy.deepcopy(converged)
    before = Adapter(ctx).snapshot()
    found = emergent(ctx, (1.0, 0.3), tau_one=True)
    after = Adapter(ctx).snapshot()
    np.testing.assert_array_equal(before.n[0], after.n[0])
    np.testing.assert_array_equal(before.J, after.J)
    wavelength = np.asarray(ctx.activeAtoms[0].trans[0].wavelength)
    expected = ctx.compute_rays(wavelengths=wavelength, mus=[1.0, 0.3])
    np.testing.assert_allclose(found.intensity, np.asarray(expected).T, rtol=1e-6)
    # The line forms higher at its centre and towards the limb.
    centre = wavelength.size // 2
    assert found.tau_one[0, centre] > found.tau_one[0, 0] + 1e6
    assert np.all(found.tau_one[1] > found.tau_one[0])


def test_height_of_tau_one_in_a_uniform_slab():
    z = np.linspace(1e6, 0.0, 21)
    chi = np.full((2, 2, 21), 4e-6)
    chi[1] = 1e-7
    mus = np.array([1.0, 0.5])
    heights = _tau_one(z, chi, mus)
    np.testing.assert_allclose(heights[0], 1e6 - mus / 4e-6)
    assert np.isnan(heights[1, 0]) and np.isnan(heights[1, 1])


# ---- solutions ----------------------------------------------------------------------------------


def test_falc_is_the_single_column_solution_to_the_error_estimate(tmp_path, policy, converged):
    source = Source(falc_like_rh(tmp_path / "cube.hdf5", side=1))
    shop = Workshop(Settings(keep="populations"))
    solved = shop.solve(source.read(Window(0, 0, 1, 0, 1)).column(0), policy)
    assert solved.outcome == "converged" and solved.attempts == 1 and solved.reason == ""
    assert solved.finisher == "depthwise"
    truth = np.array(converged.activeAtoms[0].n)
    # The file is in single precision.
    assert true_error([solved.kept], [truth]) < solved.estimate + 1e-5 < 1e-3 + 2e-5
    expected = emergent(converged, (1.0,)).intensity
    np.testing.assert_allclose(solved.line.intensity, expected, rtol=2e-3)


def test_departure_coefficients_are_populations_over_lte(columns, policy):
    solved = {
        keep: Workshop(Settings(keep=keep)).solve(columns.column(1), policy).kept
        for keep in ("departure", "populations", "none")
    }
    assert solved["none"] is None
    ctx = Workshop(Settings(start="policy")).context(columns.column(1))
    lte = np.asarray(ctx.activeAtoms[0].nStar)
    np.testing.assert_allclose(solved["departure"] * lte, solved["populations"], rtol=1e-12)


def test_a_column_does_not_depend_on_those_before(columns, policy):
    shop = Workshop(Settings(start="policy"))
    first = shop.solve(columns.column(0), policy)
    shop.solve(columns.column(1), policy)
    shop.solve(columns.column(3), policy)
    again = shop.solve(columns.column(0), policy, record=True)
    np.testing.assert_array_equal(first.kept, again.kept)
    np.testing.assert_array_equal(first.line.intensity, again.line.intensity)
    assert first.Nformal == again.Nformal == len(again.visited.y)


# ---- the neighbour ------------------------------------------------------------------------------


def test_a_neighbours_start_is_closer_and_ends_at_the_same_solution(columns, policy):
    shop = Workshop(Settings(start="neighbour"))
    first = shop.solve(columns.column(0), policy)
    near = shop.solve(columns.column(1), policy, first.neighbour, record=True)
    far = shop.solve(columns.column(1), policy, record=True)
    truth = Adapter(shop.context(columns.column(1)))
    reference(truth.ctx)
    distance = [np.abs(s.visited.y[0] - truth.read()).max() for s in (near, far)]
    assert distance[0] < 0.3 * distance[1]
    np.testing.assert_allclose(near.kept, far.kept, rtol=2e-3)
    assert near.Nformal <= far.Nformal


def test_a_column_that_is_its_own_neighbour_begins_at_the_solution(columns, policy):
    shop = Workshop(Settings(start="neighbour"))
    solved = shop.solve(columns.column(2), policy)
    again = shop.solve(columns.column(2), policy, solved.neighbour, record=True)
    solution = Adapter(shop.context(columns.column(2)))
    reference(solution.ctx)
    assert np.abs(again.visited.y[0] - solution.read()).max() < 2e-3


def test_a_misleading_neighbour_does_no_harm(columns, policy):
    shop = Workshop(Settings(start="neighbour"))
    right = shop.solve(columns.column(0), policy)
    wrong = Neighbour(np.linspace(-20.0, 20.0, 9), np.linspace(40.0, -40.0, 9))
    led = shop.solve(columns.column(0), policy, wrong)
    assert led.outcome == "converged"
    np.testing.assert_allclose(led.kept, right.kept, rtol=2e-3)


# ---- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("temperature", np.nan, r"temperature \[K\] must be positive and finite .* depth index 3"),
        ("ne", -1.0, r"electron density ne \[m-3\] must be positive .*-1.0.* at depth index 3"),
        ("nHTot", 0.0, r"hydrogen density nHTot"),
        ("vlos", np.inf, r"velocity vz"),
        ("height", 1e9, r"height z \[m\] must be strictly greater"),
    ],
)
def test_a_column_that_is_no_atmosphere_fails_with_its_reason(columns, policy, name, value, reason):
    column = columns.column(0)
    column[name][3] = value
    solved = Workshop(Settings(start="policy")).solve(column, policy)
    assert solved.outcome == "invalid_atmosphere" and solved.line is None
    assert re.search(reason, solved.reason), solved.reason


def test_safer_schemes_take_over_from_lte(columns, policy, monkeypatch):
    solved = Workshop(Settings(start="policy", NmaxIter=2)).solve(columns.column(0), policy)
    assert solved.outcome == "converged"
    assert solved.attempts == 3 and solved.finisher == "mali"
    assert "depthwise: max_iterations" in solved.reason and "anderson:" in solved.reason
    expected = Workshop(Settings(start="policy")).solve(columns.column(0), policy)
    assert solved.Nformal > expected.Nformal + 4
    np.testing.assert_allclose(solved.kept, expected.kept, rtol=2e-3)


def test_a_column_that_no_scheme_solves(columns, policy, monkeypatch):
    monkeypatch.setattr(column_module, "_PATIENCE", 3)
    solved = Workshop(Settings(start="policy", NmaxIter=2)).solve(columns.column(0), policy)
    assert solved.outcome == "max_iterations" and solved.attempts == 3 and solved.line is None
    assert solved.reason.count("max_iterations") == 3


def test_whatever_goes_wrong_has_a_reason(columns, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the unforeseen")

    monkeypatch.setattr(column_module, "solve", broken)
    solved = Workshop(Settings(scheme="mali")).solve(columns.column(0))
    assert (
        solved.outcome == "error" and solved.reason == "mali: error: RuntimeError: the unforeseen"
    )


def test_an_interrupt_is_not_a_failure_of_the_column(columns, policy, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(column_module, "solve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Workshop(Settings(start="policy")).solve(columns.column(0), policy)


# ---- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mus": ()}, "mus must lie"),
        ({"mus": (1.0, 0.0)}, r"got \(1.0, 0.0\)"),
        ({"mus": (0.5, 0.5)}, "differ"),
        ({"popsTol": 0.0}, "popsTol must lie between 0 and 1, got 0.0"),
        ({"Nrays": 0}, "Nrays must be at least 1, got 0"),
        ({"mus": "limb"}, "mus and popsTol are numbers.*limb"),
        ({"popsTol": None}, "mus and popsTol are numbers"),
        ({"NmaxIter": 2.5}, "whole ones.*float"),
    ],
)
def test_settings_without_a_meaning(arguments, message):
    with pytest.raises(CubeSettingsError, match=message):
        Settings(**arguments)


@pytest.mark.parametrize("mus", [0.5, [0.5], np.array([0.5])])
def test_angles_as_people_write_them(mus):
    assert Settings(mus=mus) == Settings(mus=(0.5,)) and hash(Settings(mus=mus))


@pytest.mark.parametrize("name", ["line", "scheme", "start", "keep"])
def test_settings_that_nobody_knows(name):
    with pytest.raises(UnknownNameError, match="'nothing of the kind'"):
        Settings(**{name: "nothing of the kind"})


def test_differences_are_named():
    before, now = as_plain(Settings()), as_plain(Settings(popsTol=1e-4, mus=(1.0, 0.2)))
    assert differences(before, before) == []
    assert differences(before, now) == [
        "mus was [1.0], is [1.0, 0.2]",
        "popsTol was 0.001, is 0.0001",
    ]


def test_the_radiative_set_has_hydrogen_in_the_background():
    radSet, spect = radiative_set(atoms.make("CaII_K"))
    assert {a.element.name for a in radSet.passiveAtoms} == {"H"}
    assert spect.wavelength.size >= 49


def test_a_policy_out_of_its_range_leaves_the_column_to_the_operator(policy):
    """Not to schemes without one, which take several times the formal solutions."""

    class Out:
        asked = 0

        def predict(self, observation, deterministic=True):
            self.asked += 1
            raise OutOfRangeError("unlike anything")

    column = Source(small_cube(1, 1, Nspace=None)).read(Window(0, 0, 1, 0, 1)).column(0)
    out = Out()
    solved = Workshop(Settings(start="policy")).solve(column, out)
    alone = Workshop(Settings(start="policy", scheme="nonlocal")).solve(column)
    assert out.asked == 1 and solved.outcome == alone.outcome == "converged"
    assert solved.finisher == "nonlocal" and solved.attempts == 1
    assert solved.Nformal == alone.Nformal
    np.testing.assert_array_equal(solved.kept, alone.kept)
