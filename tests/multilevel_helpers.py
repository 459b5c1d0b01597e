"""Small problems of atoms with more than two levels, and their equilibrium by MALI."""

from __future__ import annotations

import copy
from functools import cache

import lightweaver as lw
import numpy as np
from lightweaver.fal import Falc82
from lightweaver.rh_atoms import CaII_atom, H_3_atom, H_6_atom, MgII_hk_atom

from lw_rl.host.adapter import Adapter
from lw_rl.host.equations import Equations, Rates
from lw_rl.operator.multilevel import CoupledEquilibrium
from lw_rl.operator.scattering import SolvedScattering


def context(active, others=(), speed=0.0, detailed=(), **options) -> lw.Context:
    """Return FAL-C with some atoms, moving by so many m/s at the most, on three rays."""
    atmosphere = Falc82()
    z = np.array(atmosphere.z)
    atmosphere.vz[:] = speed * np.sin((z - z[-1]) / 3e5)
    atmosphere.quadrature(3)
    radiative = lw.RadiativeSet([*active, *others, *detailed])
    radiative.set_active(*[a.element.name for a in active])
    if detailed:
        radiative.set_detailed_static(*[a.element.name for a in detailed])
    populations = (
        radiative.iterate_lte_ne_eq_pops(atmosphere)
        if options.get("conserveCharge")
        else radiative.compute_eq_pops(atmosphere)
    )
    return lw.Context(atmosphere, radiative.compute_wavelength_grid(), populations, **options)


KINDS = {
    "hydrogen": lambda: context([H_3_atom()]),
    "moving": lambda: context([H_3_atom()], speed=2e4),
    "magnesium": lambda: context([MgII_hk_atom()], [H_6_atom()]),
    "detailed": lambda: context([MgII_hk_atom()], detailed=[H_3_atom()]),
    "two atoms": lambda: context([H_3_atom(), MgII_hk_atom()]),
    "calcium": lambda: context([CaII_atom()], [H_6_atom()]),
    "charge": lambda: context([H_3_atom()], [MgII_hk_atom()], conserveCharge=True),
}


@cache
def _made(kind: str) -> lw.Context:
    return KINDS[kind]()


@cache
def _solved(kind: str) -> lw.Context:
    ctx = problem(kind)
    formal = SolvedScattering(Adapter(ctx))
    for _ in range(1500):
        formal.formal_solution()
        if ctx.stat_equil().dPopsMax < 1e-9:
            break
    else:
        raise AssertionError(f"MALI did not settle on {kind}")
    return ctx


def problem(kind: str) -> lw.Context:
    """Return a fresh problem, in LTE."""
    return copy.deepcopy(_made(kind))


def solved(kind: str) -> lw.Context:
    """Return it in equilibrium by MALI with scattering solved."""
    return copy.deepcopy(_solved(kind))


def populations(ctx: lw.Context) -> np.ndarray:
    """Return the populations of all active atoms, one level after the other."""
    return np.concatenate([np.array(a.n) for a in ctx.activeAtoms])


def error(ctx: lw.Context, kind: str) -> float:
    """Return the largest relative error."""
    return float(np.max(np.abs(populations(ctx) / populations(_solved(kind)) - 1.0)))


class Evaluated:
    """A context after a formal solution, with the operator's view of it."""

    def __init__(self, ctx: lw.Context, formal_solutions: int = 1):
        self.ctx = ctx
        self.adapter = Adapter(ctx)
        formal = SolvedScattering(self.adapter)
        before = self.adapter.populations()
        for _ in range(formal_solutions):
            formal.formal_solution()
        self.equations = Equations(self.adapter)
        self.rates: Rates = self.equations.rates(before, 1.0)
        self.operator = CoupledEquilibrium(self.equations.transfer)
