"""One column: its solution, the neighbour's start, and what becomes of failures."""

from __future__ import annotations

import re

import numpy as np
import pytest
from cube_helpers import falc_like_rh, small_cube

from lw_rl import atmospheres, atoms, schemes
from lw_rl.benchmark.reference import reference, true_error
from lw_rl.cube.column import Neighbour, Workshop, workshop
from lw_rl.cube.rays import emergent
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.errors import OutOfRangeError
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import radiative_set
from lw_rl.schemes import make_scheme


def test_falc_is_the_single_column_solution_to_the_error_estimate(tmp_path, policy, converged):
    source = Source(falc_like_rh(tmp_path / "cube.hdf5", side=1))
    shop = Workshop(CubeSettings(keep="populations"))
    solved = shop.solve(source.read(Window(0, 0, 1, 0, 1)).column(0), policy)
    assert solved.outcome == "converged" and solved.attempts == 1 and solved.reason == ""
    assert solved.finisher == "nonlocal", "the operator leaves little for the policy to do"
    truth = np.array(converged.activeAtoms[0].n)
    # The file is in single precision.
    assert true_error([solved.kept], [truth]) < solved.estimate + 1e-5 < 1e-3 + 2e-5
    expected = emergent(converged, (1.0,)).intensity
    np.testing.assert_allclose(solved.line.intensity, expected, rtol=2e-3)


def test_the_scheme_is_made_once_for_a_policy(columns, policy, untrained, monkeypatch):
    made = []

    def counted(name, policy):
        made.append((name, policy))
        return make_scheme(name, policy)

    monkeypatch.setattr(schemes, "make_scheme", counted)
    shop = Workshop(CubeSettings(start="policy"))
    for asked in (policy, policy, untrained, policy):
        assert shop.solve(columns.column(0), asked).outcome == "converged"
    assert made == [("depthwise", p) for p in (policy, untrained, policy)]


def test_departure_coefficients_are_populations_over_lte(columns, policy):
    solved = {
        keep: Workshop(CubeSettings(keep=keep)).solve(columns.column(1), policy).kept
        for keep in ("departure", "populations", "none")
    }
    assert solved["none"] is None
    ctx = Workshop(CubeSettings(start="policy")).context(columns.column(1))
    lte = np.asarray(ctx.activeAtoms[0].nStar)
    np.testing.assert_allclose(solved["departure"] * lte, solved["populations"], rtol=1e-12)


def test_a_column_does_not_depend_on_those_before(columns, policy):
    shop = Workshop(CubeSettings(start="policy"))
    first = shop.solve(columns.column(0), policy)
    shop.solve(columns.column(1), policy)
    shop.solve(columns.column(3), policy)
    again = shop.solve(columns.column(0), policy, record=True)
    np.testing.assert_array_equal(first.kept, again.kept)
    np.testing.assert_array_equal(first.line.intensity, again.line.intensity)
    assert first.Nformal == again.Nformal == len(again.visited.y)


# ---- the neighbour ------------------------------------------------------------------------------


def test_a_neighbours_start_is_close_and_ends_at_the_same_solution(columns, policy):
    shop = Workshop(CubeSettings(start="neighbour"))
    first = shop.solve(columns.column(0), policy)
    near = shop.solve(columns.column(1), policy, first.neighbour, record=True)
    far = shop.solve(columns.column(1), policy, record=True)
    truth = Adapter(shop.context(columns.column(1)))
    reference(truth.ctx)
    distance = [np.abs(s.visited.y[0] - truth.read()).max() for s in (near, far)]
    assert max(distance) < 1e-3
    np.testing.assert_allclose(near.kept, far.kept, rtol=2e-3)
    # The radiation field is known with the operator's own solution only.
    assert near.Nformal <= far.Nformal + 2


def test_a_column_that_is_its_own_neighbour_begins_at_the_solution(columns, policy):
    shop = Workshop(CubeSettings(start="neighbour"))
    solved = shop.solve(columns.column(2), policy)
    again = shop.solve(columns.column(2), policy, solved.neighbour, record=True)
    solution = Adapter(shop.context(columns.column(2)))
    reference(solution.ctx)
    assert np.abs(again.visited.y[0] - solution.read()).max() < 2e-3


def test_a_misleading_neighbour_does_no_harm(columns, policy):
    shop = Workshop(CubeSettings(start="neighbour"))
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
    solved = Workshop(CubeSettings(start="policy")).solve(column, policy)
    assert solved.outcome == "invalid_atmosphere" and solved.line is None
    assert re.search(reason, solved.reason), solved.reason


@pytest.mark.parametrize("name", ["temperature", "ne", "nHTot", "vturb", "vlos", "height"])
def test_a_value_that_was_never_written_is_no_atmosphere(columns, policy, name):
    column = columns.column(0)
    column[name][0] = 9.969209968386869e36
    solved = Workshop(CubeSettings(start="policy")).solve(column, policy)
    assert solved.outcome == "invalid_atmosphere" and "index 0" in solved.reason


def test_without_electron_density_it_is_that_of_lte(columns, policy):
    column = columns.column(0)
    del column["ne"]
    shop = Workshop(CubeSettings(start="policy"))
    expected = atmospheres.lte_electron_density(column["temperature"], column["nHTot"])
    np.testing.assert_array_equal(shop.context(column).kwargs["atmos"].ne, expected)
    assert shop.solve(column, policy).outcome == "converged"
    column["temperature"][4] = np.nan
    solved = shop.solve(column, policy)
    assert solved.outcome == "invalid_atmosphere" and "temperature" in solved.reason


def test_no_radiation_from_below(columns, policy):
    """A column that is thin in the continuum shows its boundary: by factors, not per cent."""
    column = {name: values[:26] for name, values in columns.column(0).items()}
    shop = Workshop(CubeSettings(start="policy"))
    bright, dark = (
        shop.solve({**column, "bottom": bottom}, policy) for bottom in ("thermalised", "zero")
    )
    assert bright.outcome == dark.outcome == "converged"
    assert dark.line.intensity[0, 0] < 0.1 * bright.line.intensity[0, 0]
    ctx = shop.context({**column, "bottom": "zero"})
    reference(ctx)
    expected = emergent(ctx, (1.0,)).intensity
    np.testing.assert_allclose(dark.line.intensity, expected, rtol=5e-3)


def test_safer_schemes_take_over_from_lte(columns, policy):
    tight = CubeSettings(start="policy", popsTol=1e-6, NmaxIter=1)
    solved = Workshop(tight).solve(columns.column(0), policy)
    assert solved.outcome == "converged"
    assert solved.attempts == 3 and solved.finisher == "mali"
    assert "depthwise: max_iterations" in solved.reason and "anderson:" in solved.reason
    expected = Workshop(CubeSettings(start="policy")).solve(columns.column(0), policy)
    assert solved.Nformal > expected.Nformal + 3
    np.testing.assert_allclose(solved.kept, expected.kept, rtol=2e-3)


def test_on_many_levels_scattering_is_solved_where_the_first_attempt_fails(columns):
    settings = CubeSettings(atoms=("CaII",), scheme="mali", NmaxIter=3)
    solved = Workshop(settings).solve(columns.column(0))
    assert solved.outcome == "converged" and solved.finisher == "mali_scattering"
    assert solved.attempts == 2 and solved.Nformal < 200
    assert solved.kept.shape[0] == 6 and solved.neighbour is None


def test_a_column_that_no_scheme_solves(columns, policy):
    shop = Workshop(CubeSettings(start="policy", popsTol=1e-6, NmaxIter=1), patience=3)
    solved = shop.solve(columns.column(0), policy)
    assert solved.outcome == "max_iterations" and solved.attempts == 3 and solved.line is None
    assert solved.reason.count("max_iterations") == 3


def test_whatever_goes_wrong_has_a_reason(columns, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the unforeseen")

    monkeypatch.setattr("lw_rl.cube.column.solve", broken)
    solved = Workshop(CubeSettings(scheme="mali")).solve(columns.column(0))
    assert (
        solved.outcome == "error" and solved.reason == "mali: error: RuntimeError: the unforeseen"
    )


def test_an_interrupt_is_not_a_failure_of_the_column(columns, policy, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("lw_rl.cube.column.solve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Workshop(CubeSettings(start="policy")).solve(columns.column(0), policy)


def test_a_policy_out_of_its_range_leaves_the_column_to_the_operator(policy):
    """And not to schemes without one, which take several times the formal solutions."""

    class Out:
        used = 0

        def predict(self, observation, deterministic=True):
            self.used += 1
            raise OutOfRangeError("unlike anything")

    column = Source(small_cube(1, 1, Nspace=None)).read(Window(0, 0, 1, 0, 1)).column(0)
    out = Out()
    solved = Workshop(CubeSettings(start="policy")).solve(column, out)
    alone = Workshop(CubeSettings(start="policy", scheme="nonlocal")).solve(column)
    assert out.used == 1 and solved.outcome == alone.outcome == "converged"
    assert solved.finisher == "nonlocal" and solved.attempts == 1
    assert solved.Nformal == alone.Nformal
    np.testing.assert_array_equal(solved.kept, alone.kept)


def test_the_radiative_set_has_hydrogen_in_the_background():
    radSet, spect = radiative_set(atoms.make("CaII_K"))
    assert {a.element.name for a in radSet.passiveAtoms} == {"H"}
    assert spect.wavelength.size >= 49


def test_a_thread_has_one_workshop():
    settings = CubeSettings()
    assert workshop(settings, 1) is workshop(CubeSettings(), 1) is not workshop(settings, 2)
