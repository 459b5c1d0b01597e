"""Whatever drives: the fixed setting is the package, and no driver does harm."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_physical

import lw_rl
from lw_rl.benchmark.adversarial import ADVERSARIAL_DRIVERS
from lw_rl.errors import OutOfRangeError
from lw_rl.policies.drive import FIXED, Decision, FixedDriver
from lw_rl.problems import shipped_problem, suite
from lw_rl.schemes import Depthwise

PROBLEMS = {
    "line": shipped_problem("CaII_K", "FALC", 41),
    "fine": shipped_problem("MgII_k", "FALC", 300),
    "levels": shipped_problem("CaII", "FALC", 20),
    "plane": suite("2d-grid")[0],
}


class Same:
    """The fixed setting from a driver that looks."""

    def __init__(self):
        self.situations = []

    def decide(self, situation):
        self.situations.append(situation)
        return FIXED


def solved(problem, driver=None, **keywords):
    ctx = problem.context()
    asked = {} if driver is None else {"driver": driver}
    scheme = Depthwise(None, **asked)
    result = lw_rl.solve(ctx, scheme=scheme, quiet=True, bound=False, **keywords)
    return result, ctx.activeAtoms[0].n.copy(), ctx


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_fixed_setting_is_the_package_bit_by_bit(name):
    same = Same()
    plain, n, _ = solved(PROBLEMS[name])
    driven, m, _ = solved(PROBLEMS[name], same)
    assert plain.Nformal == driven.Nformal
    np.testing.assert_array_equal(n, m)
    assert len(same.situations) == driven.Nformal + 1
    assert [s.made for s in same.situations] == list(range(driven.Nformal + 1))
    assert same.situations[-1].cost > driven.Nformal
    kind = same.situations[0].kind
    assert kind.one_line == (name != "levels") and kind.Ndim == 1 + (name == "plane")


def test_decisions_are_obeyed():
    line = PROBLEMS["line"]
    plain, *_ = solved(line, FixedDriver(Decision(plain=True)), NmaxIter=5)
    assert {r.by for r in plain.records} == {"mali"}
    over, *_ = solved(line, FixedDriver(Decision(hand_over=True)))
    assert "the driver decided so" in over.records[0].note
    half, *_ = solved(line, FixedDriver(Decision(relaxation=0.5)), popsTol=1e-6)
    assert half.Nformal > solved(line, popsTol=1e-6)[0].Nformal
    # The second step is that of complete linearisation: it leads elsewhere, and to the same end.
    fixed = solved(PROBLEMS["levels"])[0]
    renewed = solved(PROBLEMS["levels"], FixedDriver(Decision(renew=True)))[0]
    assert renewed.converged and renewed.Nformal <= fixed.Nformal + 3
    assert renewed.records[2].residual != fixed.records[2].residual


@pytest.mark.parametrize("name", ADVERSARIAL_DRIVERS)
def test_adversarial_drivers_do_no_harm(name):
    mali = lw_rl.solve(PROBLEMS["line"].context(), scheme="mali", quiet=True, bound=False)
    reference = solved(PROBLEMS["line"], popsTol=1e-8)[1]
    result, n, ctx = solved(PROBLEMS["line"], ADVERSARIAL_DRIVERS[name])
    assert_physical(ctx)
    assert result.converged
    assert np.max(np.abs(n / reference - 1.0)) < 1e-3
    assert result.Nformal <= 1.1 * mali.Nformal + 3


@pytest.mark.parametrize("name", ["driver nan", "driver out of range", "driver of another kind"])
def test_a_driver_that_fails_leaves_it_to_the_fixed_setting(name):
    result, n, _ = solved(PROBLEMS["line"], ADVERSARIAL_DRIVERS[name])
    assert "left to the fixed setting: PolicyOutputError" in result.records[0].note
    np.testing.assert_array_equal(n, solved(PROBLEMS["line"])[1])


def test_outside_of_its_range_the_fixed_setting_drives():
    class Lost:
        def decide(self, situation):
            raise OutOfRangeError("never seen")

    result, n, _ = solved(PROBLEMS["line"], Lost())
    assert "never seen" in result.records[0].note
    np.testing.assert_array_equal(n, solved(PROBLEMS["line"])[1])


def test_what_is_no_driver_is_refused():
    with pytest.raises(TypeError, match="a driver needs a method decide"):
        Depthwise(None, driver=object())
