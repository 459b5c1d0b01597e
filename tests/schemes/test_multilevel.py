"""The coupled equilibrium as a step of an iteration."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from lightweaver.rh_atoms import CaII_3D_atom, H_3_atom, H_6_atom, He_9_atom, MgII_atom
from multilevel_helpers import context, error, populations, problem, solved

import lw_rl
from lw_rl import atmospheres, atoms
from lw_rl.certificate.history import History
from lw_rl.host.adapter import Adapter
from lw_rl.norms import largest
from lw_rl.operator.multilevel import CoupledEquilibrium
from lw_rl.operator.scattering import SolvedScattering
from lw_rl.policies.drive import FIXED
from lw_rl.problems import random_atoms, random_problem, shipped_problem
from lw_rl.schemes.multilevel import coupled_step


@pytest.mark.parametrize("kind", ["hydrogen", "moving", "magnesium", "detailed", "two atoms"])
def test_a_certified_answer_after_a_handful_of_formal_solutions(kind):
    ctx = problem(kind)
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal <= 8
    assert error(ctx, kind) < result.estimate.value < 1e-3
    assert set(result.steps_by) == {"nonlocal"}


@pytest.mark.parametrize(
    ("active", "others"),
    [
        pytest.param([H_3_atom], [], id="H, 3 levels"),
        pytest.param([H_3_atom, atoms.CaII_K], [], id="Ca II K beside H, 3 levels"),
        pytest.param([CaII_3D_atom], [H_6_atom], id="Ca II, 4", marks=pytest.mark.slow),
        pytest.param([He_9_atom], [H_6_atom], id="He, 9", marks=pytest.mark.slow),
    ],
)
def test_in_falc_the_host_s_atoms_cost_no_more_than_mali(active, others):
    ctx = context([model() for model in active], [model() for model in others])
    mali = lw_rl.solve(copy.deepcopy(ctx), scheme="mali", NmaxIter=300, quiet=True, bound=False)
    result = lw_rl.solve(ctx, quiet=True, bound=False)
    # Of a MALI that has not ended after 300 they are a lower limit.
    assert result.converged and result.Nformal <= 1.1 * mali.Nformal + 3


def test_the_host_s_own_driver_takes_the_same_steps():
    ctx = problem("hydrogen")
    proxy = lw_rl.accelerate(ctx)
    lw.iterate_ctx_se(proxy, quiet=True, Nscatter=0)
    assert error(ctx, "hydrogen") < 1e-3 and proxy.report.Nformal <= 8


def test_tolerances_close_to_rounding_are_met():
    ctx = problem("hydrogen")
    result = lw_rl.solve(ctx, popsTol=1e-7, quiet=True)
    assert result.converged and result.Nformal <= 12
    assert error(ctx, "hydrogen") < 1e-6


def test_partial_redistribution():
    reference = problem("magnesium")
    formal = SolvedScattering(Adapter(reference))
    for _ in range(500):
        formal.formal_solution()
        change = reference.stat_equil().dPopsMax
        reference.prd_redistribute(maxIter=3, tol=0.0)
        if change < 1e-7:
            break
    assert change < 1e-7
    # With the rates of the formal solution before, two sub-iterations take 16.
    for maxPrdSubIter, most in ((3, 11), (2, 13)):
        ctx = problem("magnesium")
        result = lw_rl.solve(ctx, prd=True, maxPrdSubIter=maxPrdSubIter, NmaxIter=40, quiet=True)
        assert result.converged and result.Nformal <= most
        assert set(result.steps_by) == {"nonlocal"}
        away = np.max(np.abs(populations(ctx) / populations(reference) - 1.0))
        assert away < result.estimate.value < 1e-3


def test_profiles_that_run_away_in_the_operator_are_held_and_left_to_the_host(monkeypatch):
    """As in random_atoms(31062), a fast flow on a coarse grid, where they do without a patch."""
    solve, made = CoupledEquilibrium.solve, []

    def runs_away(self, rates, redistribution=None):
        made.append(redistribution is not None)
        return None if redistribution is not None else solve(self, rates)

    monkeypatch.setattr(CoupledEquilibrium, "solve", runs_away)
    ctx, proxies = problem("magnesium"), []
    result = lw_rl.solve(ctx, prd=True, NmaxIter=60, quiet=True, callback=proxies.append)
    assert result.converged and any(made) and set(result.steps_by) <= {"nonlocal", "mali"}
    assert result.steps_by["nonlocal"] > 5
    assert not proxies[-1]._scheme.foresees(proxies[-1]._running.state)


def test_another_ionisation_stage_is_found_from_lte():
    result = lw_rl.solve(context([He_9_atom()], [H_6_atom()]), quiet=True, NmaxIter=40)
    assert result.converged and result.Nformal <= 10


def test_a_plain_step_is_taken_where_no_equilibrium_is_found(monkeypatch):
    solve, made = CoupledEquilibrium.solve, []

    def not_at_first(self, *args):
        made.append(self)
        return None if len(made) == 1 else solve(self, *args)

    monkeypatch.setattr(CoupledEquilibrium, "solve", not_at_first)
    result = lw_rl.solve(problem("hydrogen"), quiet=True, NmaxIter=40)
    assert result.converged and result.Nformal <= 8
    assert result.records[0].by == "mali" and result.records[-1].by == "nonlocal"


def test_scattered_light_that_goes_out_in_a_step_does_not_hold_up_a_solve():
    # Linearised around the light of a formal solution that is negative, and this takes 22.
    ctx = shipped_problem("CaII", "FALC", 32).context()
    result = lw_rl.solve(ctx, quiet=True)
    assert result.converged and result.Nformal <= 5
    assert np.asarray(ctx.spect.J).min() > 0.0


def test_complete_linearisation_takes_over_where_steps_shrink_slowly():
    # Without it this problem takes more than ten.
    result = lw_rl.solve(random_problem("atoms", 3002).context(), quiet=True)
    assert result.converged
    assert result.Nformal <= 7


@pytest.mark.parametrize("number", [100440, 100387])
def test_a_stop_is_right_where_light_was_a_quarter_off(number):
    """At one wavelength and depth, and the residual did not show it."""
    problem, ends = random_atoms(number), []
    for tolerance in (1e-3, 1e-7):
        ctx = problem.context()
        assert lw_rl.solve(ctx, quiet=True, popsTol=tolerance, NmaxIter=40).converged
        ends.append(np.concatenate(Adapter(ctx).populations()))
    assert largest(ends[0] / ends[1] - 1.0) < 1e-3


@pytest.mark.parametrize("follows", [True, False])
def test_a_step_is_taken_for_no_less_than_its_light_does_to_rates(monkeypatch, follows):
    """After a step light is off where the residual does not show it: the estimate would be low."""
    problem = random_atoms(120395)
    if not follows:
        monkeypatch.setattr(CoupledEquilibrium, "change_of_rates", lambda self, before, after: 0.0)
    ends = []
    for tolerance in (1e-3, 1e-7):
        ctx = problem.context()
        result = lw_rl.solve(ctx, quiet=True, popsTol=tolerance, NmaxIter=40)
        ends.append((result, np.concatenate(Adapter(ctx).populations())))
    (result, found), (_, exact) = ends
    assert result.converged
    assert (largest(found / exact - 1.0) < result.estimate.value) == follows


@pytest.mark.parametrize(("atom", "factor"), [("H", 1.8), ("MgII", 1.75)])
def test_complete_linearisation_is_believed_where_the_operator_cannot_be(atom, factor):
    """Nearly all is ionised: steps are small and the host's residual is not, or there are none."""
    atmosphere = shipped_problem(atom, "FALC", {"H": 41, "MgII": 24}[atom]).atmosphere.make()
    atmosphere.temperature[:] *= factor
    result = lw_rl.solve(lw_rl.build_context(atom, atmosphere, Nrays=1), quiet=True)
    # Without it these take 18 and 31.
    assert result.converged and result.Nformal <= 14


def test_a_newton_step_that_does_not_shrink_is_not_taken():
    adapter = Adapter(problem("hydrogen"))
    step = coupled_step(adapter, History())
    evaluation = adapter.evaluate()
    asked = []

    class Newton:
        def propose(self, y):
            asked.append(y)
            return y + 1.0, 0.9, (np.array([0]), adapter.radiation(np.array([0])))

    step.newton, step.slow = Newton(), True
    proposed, size, image = step.propose(evaluation, FIXED)
    assert size == 0.9 and image is None
    np.testing.assert_array_equal(proposed, evaluation.y + 1.0)
    _, size, _ = step.propose(evaluation, FIXED)
    assert len(asked) == 2
    assert size != 0.9
    # The operator has to be slow again before it is asked once more.
    assert not step.slow


def test_states_are_combined_close_to_the_solution_only():
    steps = []
    for ctx in (problem("hydrogen"), solved("hydrogen")):
        adapter, history = Adapter(ctx), History()
        step = coupled_step(adapter, history)
        for _ in range(2):
            evaluation = adapter.evaluate()
            y, _, image = step.propose(evaluation, FIXED)
            history.add(evaluation, False, image=image)
            adapter.write(y)
        steps.append((largest(image - evaluation.y), np.array_equal(y, image)))
    (far, alone), (near, also_alone) = steps
    assert far > 0.3 and alone and near < 1e-3 and not also_alone


def test_the_radiation_field_of_the_certified_state_is_put_back():
    ctx = problem("hydrogen")
    lw_rl.solve(ctx, quiet=True)
    J = np.array(ctx.spect.J)
    ctx.formal_sol_gamma_matrices()
    change = np.abs(np.asarray(ctx.spect.J) / J - 1.0)
    assert np.median(change) < 1e-6


def test_not_at_home_where_the_host_interpolates_otherwise():
    class Flat:
        plane = type("Plane", (), {"between": False})
        grid = type("Grid", (), {"Ndim": 2, "plane": plane})

    assert coupled_step(Flat(), History()) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["H 3", "He 9", "Ca II K beside H 3", "Mg II"])
@pytest.mark.parametrize("scheme", ["depthwise", "anderson"])
def test_the_hosts_model_atoms_cost_no_more_than_mali(kind, scheme):
    active = {
        "H 3": [H_3_atom()],
        "He 9": [He_9_atom()],
        "Ca II K beside H 3": [atoms.make("CaII_K"), H_3_atom()],
        "Mg II": [MgII_atom()],
    }[kind]
    start = lw_rl.build_context(active, atmospheres.load("FALC", 42), Nrays=3)
    mali = lw_rl.solve(copy.deepcopy(start), scheme="mali_scattering", NmaxIter=600, quiet=True)
    result = lw_rl.solve(start, scheme=scheme, NmaxIter=600, quiet=True)
    assert result.converged and mali.converged
    assert result.Nformal <= 1.1 * mali.Nformal + 3
