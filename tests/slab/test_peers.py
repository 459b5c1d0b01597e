from __future__ import annotations

import numpy as np
import pytest

from lw_rl.errors import UnknownNameError
from lw_rl.slab.peers import PEERS, ali_spectral_radius, best_omega, run_peer, sor, spectral_radius
from lw_rl.slab.slab import paper_slab

FAST = [name for name in PEERS if name != "lambda"]


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("eps", [1e-2, 1e-4])
def test_every_peer_reaches_the_solution_of_the_linear_system(name, eps):
    slab = paper_slab(31, eps)
    trace = run_peer(name, slab, 31 if name == "gmres" else 120)
    assert trace.true_error.min() < 1e-8
    # The definition itself, by the sweep and not by the matrix that the peers use.
    S = trace.S[np.argmin(trace.true_error)]
    np.testing.assert_allclose(slab.implied_source(S, slab.sweep(S)), S, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "coarse", "fine"),
    # Measured independently; GMRES has one more here, for the residual of its start.
    [("ali", 44, 149), ("gauss_seidel", 22, 76), ("anderson", 10, 16), ("gmres", 11, 16)],
)
def test_formal_solutions_to_a_true_error_of_1e_3(name, coarse, fine):
    for n, expected in ((31, coarse), (91, fine)):
        Niterate = 40 if name == "gmres" else 160
        assert run_peer(name, paper_slab(n), Niterate).cost_to(1e-3) == expected


def test_ng_and_sor_are_faster_than_what_they_accelerate():
    slab = paper_slab()
    cost = {name: run_peer(name, slab, 60).cost_to(1e-3) for name in PEERS}
    assert cost["ng"] < cost["ali"] / 2
    assert cost["sor"] < cost["gauss_seidel"] / 1.5
    assert cost["lambda"] is None


def test_omega_of_sor_is_near_the_best():
    slab = paper_slab()

    def radius(omega):
        errors = [
            np.max(np.abs(S / slab.solution - 1))
            for S, _ in zip(sor(slab, slab.B, omega), range(30), strict=False)
        ]
        return (errors[-1] / errors[10]) ** (1 / 19)

    best = radius(best_omega(slab))
    assert best < radius(1.0)
    assert best < radius(1.7)
    with pytest.raises(ValueError, match=r"omega must be in \(0, 2\), not 2.0"):
        next(sor(slab, slab.B, 2.0))


def test_last_change_and_true_error_are_related_by_the_convergence_factor():
    # Auer, Fabiani Bendicho & Trujillo Bueno 1994: Te = Re rho / (1 - rho) in the asymptotic range.
    slab = paper_slab()
    rho = ali_spectral_radius(slab)
    assert rho == pytest.approx(0.788, abs=5e-4)
    assert ali_spectral_radius(paper_slab(91)) == pytest.approx(0.936, abs=5e-4)
    trace = run_peer("ali", slab, 60)
    Re, Te = trace.relative_change, trace.true_error[1:]
    np.testing.assert_allclose(Te[45:], Re[45:] * rho / (1 - rho), rtol=0.25)


def test_spectral_radius_of_a_known_matrix():
    assert spectral_radius(np.array([[0.0, 2.0], [-2.0, 0.0]])) == pytest.approx(2.0)


def test_solution_is_a_fixed_point_of_every_peer():
    slab = paper_slab()
    for name in PEERS:
        trace = run_peer(name, slab, 3, start=slab.solution)
        assert trace.true_error.max() < 1e-10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("newton", paper_slab(), 3), "unknown peer 'newton'"),
        (("ali", paper_slab(), 0), "Niterate must be >= 1, not 0"),
        (("ali", paper_slab(31, np.full((2, 31), 0.1)), 3), r"batch has shape \(2, 31\)"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        run_peer(*arguments)
    assert issubclass(UnknownNameError, ValueError)
