"""The slab: exact solutions, symmetries, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lw_rl.slab.peers import run_peer
from lw_rl.slab.slab import paper_slab, slab, two_stream_slab


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize(("points", "plateau"), [(5, 1.5e-2), (8, 5.7e-3), (12, 2.5e-3)])
def test_two_stream_solution_to_its_truncation_error(points, plateau):
    two_stream, exact = two_stream_slab(points)
    error = np.max(np.abs(two_stream.solution / exact - 1.0))
    assert error == pytest.approx(plateau, rel=0.03)


@pytest.mark.parametrize(("n", "ratio"), [(31, 1.054), (46, 1.017), (91, 1.0025)])
def test_surface_value_is_the_root_of_eps(n, ratio):
    assert paper_slab(n).solution[0] / np.sqrt(1e-4) == pytest.approx(ratio, abs=6e-4)


def test_surface_law_holds_for_any_eps_as_the_grid_is_refined():
    # At 1e-5 the grid ends before the thermalisation depth and the slab is not semi-infinite.
    for eps in (1e-1, 1e-2, 1e-3):
        errors = [abs(paper_slab(n, eps).solution[0] / np.sqrt(eps) - 1.0) for n in (31, 61, 121)]
        assert errors[0] > errors[1] > errors[2]
        assert errors[2] < 5e-3


def test_ali_takes_the_papers_49_iterations():
    trace = run_peer("ali", paper_slab(), 60)
    assert np.argmax(trace.relative_change < 1e-4) + 1 == 49
    assert trace.true_error[49] == pytest.approx(3e-4, rel=0.02)


def test_sweep_and_matrix_agree_to_rounding(rng):
    for problem in (paper_slab(), paper_slab(46), two_stream_slab(5)[0]):
        S = rng.uniform(1e-6, 1.5, (7, problem.Nspace))
        np.testing.assert_allclose(problem.sweep(S), problem.mean_intensity(S), rtol=2e-14)


def test_diagonal_operator_is_the_local_response_of_the_sweep():
    # At a point, the source there acts directly (Lambda*) and through its neighbours' parabolas;
    # with a step so thick that nothing arrives from them, only the first is left.
    thick = slab([0.0, 1e3, 2e3, 3e3, 4e3], 0.5, 1.0, [1.0], [1.0], [1.0], [1.0], 1.0)
    np.testing.assert_allclose(np.diag(thick.Lambda)[1:-1], thick.Lambda_star[1:-1], rtol=1e-2)
    problem = paper_slab()
    assert np.all(problem.Lambda_star >= 0.0)
    assert np.all(problem.Lambda_star < 1.0)


def test_isothermal_radiation_field_in_a_thick_slab(rng):
    # A constant source, thick below: Jbar = S deep down and about S / 2 at the top, where only
    # the rays from below carry light.
    problem = paper_slab(91)
    Jbar = problem.sweep(np.ones(91))
    assert Jbar[-1] == pytest.approx(1.0, abs=1e-6)
    assert Jbar[0] == pytest.approx(0.5, abs=1e-6)
    assert np.all(np.diff(Jbar) > -1e-12)


@given(c=st.floats(0.1, 10.0), seed=st.integers(0, 1000))
def test_transfer_is_linear(c, seed):
    problem = paper_slab()
    a, b = np.random.default_rng(seed).random((2, 31))
    left = problem.sweep(c * a + b, incident=0.0)
    right = c * problem.sweep(a, incident=0.0) + problem.sweep(b, incident=0.0)
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-15)


def test_solution_is_an_equilibrium_for_every_member_of_a_batch():
    eps = np.array([1e-2, 1e-4, 1e-6])[:, None]
    B = np.linspace(0.5, 1.0, 31)
    batch = paper_slab(31, eps, B)
    assert batch.solution.shape == (3, 31)
    np.testing.assert_allclose(
        batch.implied_source(batch.solution, batch.sweep(batch.solution)),
        batch.solution,
        rtol=1e-10,
    )
    for k in range(3):
        alone = paper_slab(31, eps[k], B)
        np.testing.assert_allclose(batch.solution[k], alone.solution, rtol=1e-12)


def test_eps_of_one_gives_the_planck_function():
    B = np.linspace(0.2, 1.0, 31)
    np.testing.assert_allclose(paper_slab(31, 1.0, B).solution, B, rtol=1e-14)


def build(**change):
    arguments = {
        "tau": [0.0, 1.0, 2.0, 4.0],
        "eps": 1e-2,
        "B": 1.0,
        "phi": [1.0],
        "w_phi": [1.0],
        "mu": [0.5],
        "w_mu": [1.0],
    }
    return slab(**{**arguments, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": 0.0}, r"eps must be in \(0, 1\]; it has the value 0.0"),
        ({"eps": 1.5}, r"eps must be in \(0, 1\]; it has the value 1.5"),
        ({"eps": np.nan}, r"eps must be in \(0, 1\]; it has the value nan"),
        ({"eps": [0.1, 0.1, -0.1, 0.1]}, "value -0.1"),
        ({"eps": [0.1, 0.1, 0.1]}, "broadcast|shape"),
        ({"tau": [0.0, 2.0, 1.0, 4.0]}, r"tau must increase: tau\[1\] = 2.0, tau\[2\] = 1.0"),
        ({"tau": [0.0, 1.0, 1.0, 4.0]}, "tau must increase"),
        ({"tau": [-1.0, 1.0, 2.0, 4.0]}, ">= 0; it has -1.0"),
        ({"tau": [0.0, 1.0, np.inf, 4.0]}, "finite"),
        ({"tau": [0.0, 1.0]}, ">= 3 points"),
        ({"B": -1.0}, "B must be finite and > 0; it has the value -1.0"),
        ({"phi": [0.9]}, r"must integrate to 1 within 1e-6; sum\(w_phi phi\) = 0.9"),
        ({"phi": [0.0]}, "phi must be > 0"),
        ({"phi": [0.5, 0.5]}, "one weight each"),
        ({"mu": [1.2]}, r"mu must be in \(0, 1\]"),
        ({"w_mu": [0.7]}, "w_mu must sum to 1 within 1e-6; it sums to 0.7"),
        ({"opacity_ratio": 0.0}, "opacity_ratio must be finite and > 0, not 0.0"),
    ],
)
def test_bad_input_is_refused_with_value_and_bound(change, message):
    with pytest.raises(ValueError, match=message):
        build(**change)


def test_source_function_of_another_grid_is_refused():
    with pytest.raises(ValueError, match="S has 30 depth points; the grid has 31"):
        paper_slab().sweep(np.ones(30))
