import numpy as np
import pytest
from lightweaver.atomic_model import LineType

from lw_rl.host.adapter import Adapter
from lw_rl.host.equations import Equations
from lw_rl.host.redistribution import line_redistribution
from lw_rl.problems import shipped_problem, suite


def prd(atom, hprd=False):
    names = {p.name: p for p in suite("atoms-prd")}
    return names[f"{atom} FALC flow hprd" if hprd else f"{atom} FALC prd"].context()


def lines(ctx):
    atom = ctx.activeAtoms[0]
    every = zip(atom.trans, atom.atomicModel.lines, strict=False)
    return atom, [t for t, line in every if line.type == LineType.PRD]


@pytest.mark.parametrize("kind", ["CaII", "H"])
def test_emission_profiles_are_the_hosts(kind):
    ctx = prd(kind)
    atom, redistributed = lines(ctx)
    for _ in range(2):
        ctx.formal_sol_gamma_matrices()
        ctx.stat_equil()
        found = []
        for t in redistributed:
            J = ctx.spect.J[t.Nblue : t.Nblue + len(t.wavelength)].T
            line = line_redistribution(t, atom)
            sums = np.add.reduceat(line.weight, line.start[:-1])
            np.testing.assert_allclose(sums, 1.0, rtol=1e-12)
            found.append(line.profile(J, np.array(t.Rij), atom.n[t.i] / atom.n[t.j]))
        ctx.prd_redistribute(maxIter=1)
        for t, rho in zip(redistributed, found, strict=True):
            np.testing.assert_allclose(rho.T, t.rhoPrd, rtol=1e-9, atol=1e-9)


def test_profiles_of_equations_and_what_emits_with_them():
    ctx = prd("CaII")
    adapter = Adapter(ctx)
    ctx.formal_sol_gamma_matrices()
    equations = Equations(adapter)
    # Nothing is redistributed before the host does.
    assert equations.redistribution(equations.rates(adapter.populations(), 1.0)) is None
    ctx.prd_redistribute(maxIter=2)
    rates = equations.rates(adapter.populations(), 1.0)
    found = equations.redistribution(rates)
    assert found is not None
    np.testing.assert_allclose(found.present(equations.transfer), found.formal, rtol=1e-12)
    scaled = found.emitting(found.formal)
    np.testing.assert_allclose(scaled.emission, equations.transfer.emission, rtol=1e-12)
    following = found.profiles(rates.n, np.ascontiguousarray(rates.J.T))
    ctx.prd_redistribute(maxIter=1)
    host = [np.asarray(t.rhoPrd).T.ravel() for t in lines(ctx)[1]]
    np.testing.assert_allclose(following, np.concatenate(host), rtol=1e-9, atol=1e-9)
    sums = found.sums(np.ones_like(following))
    np.testing.assert_allclose(sums, 1.0, rtol=1e-12)


def test_hybrid_redistribution_is_left_to_the_host():
    assert not Equations(Adapter(prd("CaII", hprd=True))).foresees
    assert Equations(Adapter(shipped_problem("CaII", "FALC").context())).foresees
