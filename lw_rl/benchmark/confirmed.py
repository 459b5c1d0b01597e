"""References that are confirmed: found from two starts, and left alone by the host's own step.

MALI's change per iteration can be 1e-6 while the populations are 2e-3 wrong, so that a small change
proves nothing. The populations of a reference are the end of MALI with the scattering of the
background solved (`lw_rl.benchmark.reference`); another solve, which begins without populations
(those of a thin gas, in the light of the background, are its first), has to end at the same; plain
steps of the host, which lambda-iterates the scattering, have to stay there; and the populations of
an element have to add up to what there is of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from time import perf_counter

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..errors import NoReferenceError
from ..host.adapter import Adapter
from ..iterate import accelerate, solve
from .reference import reference, settle, true_error

__all__ = ["REFERENCE_ERROR", "Reference", "confirmed_reference"]

#: Largest relative error of a reference: a hundredth of the tolerance of the stops.
REFERENCE_ERROR = 1e-5
#: Plain steps of the host that must leave a reference alone.
_PLAIN = 5
#: Tolerance and formal solutions of the solve from the second start.
_SECOND_TOLERANCE, _SECOND_MOST = 1e-7, 500
#: Size and wavenumber [1/depth] of a smooth change of the populations, in the logarithm. It makes
#: the second start where charge is conserved or emission profiles are iterated: neither begins
#: without populations.
_AMPLITUDE, _WAVENUMBER = 0.3, 0.1


@dataclass(frozen=True)
class Reference:
    """Populations in statistical equilibrium, and how well they are known.

    Attributes
    ----------
    n : tuple of Array
        Populations of every active atom [m-3], each [Nlevel, Nspace].
    change : float
        Relative change of the last MALI step.
    starts : float
        Largest relative difference of the populations that two starts led to; 0 for two-level
        atoms, which have one.
    plain : float
        Largest relative change of the populations in five plain steps of the host.
    particles : float
        Largest relative difference of the sum over an atom's levels from what there is of it.
    seconds : float
        Wall time that it took [s].
    """

    n: tuple[Array, ...]
    change: float
    starts: float
    plain: float
    particles: float
    seconds: float


def confirmed_reference(ctx: lw.Context, prd: bool = False) -> Reference:
    """Solve a context to reference populations and confirm them.

    Parameters
    ----------
    ctx : lightweaver.Context
        The start; it is not changed.
    prd : bool, optional
        Iterate the emission profiles of lines in partial redistribution as well (default: False).

    Raises
    ------
    NoReferenceError
        If MALI does not settle, from either start; if the two ends differ although no equilibrium
        but one of them is left alone; or if the host's own steps leave the end by more than
        :data:`REFERENCE_ERROR`.
    """
    began = perf_counter()
    end = copy.deepcopy(ctx)
    n, change = reference(end, prd)
    adapter = Adapter(end)
    starts = 0.0 if adapter.line_sources else _second_start(ctx, n, prd)
    lte = adapter.lte_populations()
    sums = [
        float(np.max(np.abs(a.sum(axis=0) / b.sum(axis=0) - 1.0)))
        for a, b in zip(n, lte, strict=True)
    ]
    plain = _plain_steps(end, n, prd)
    if not plain < REFERENCE_ERROR:
        raise NoReferenceError(
            f"the host's own steps leave the populations that MALI settled at by {plain:.1e}"
        )
    return Reference(tuple(n), change, starts, plain, max(sums), perf_counter() - began)


def _second_start(ctx: lw.Context, n: list[Array], prd: bool) -> float:
    """Return how far from the populations another start ends."""
    other = copy.deepcopy(ctx)
    adapter = Adapter(other)
    start = adapter.snapshot()
    if adapter.conserves_charge or prd:
        y = adapter.read()
        adapter.write(y + _AMPLITUDE * np.sin(_WAVENUMBER * np.arange(y.size)))
    else:
        adapter.restore(replace(start, n=tuple(np.zeros_like(a) for a in start.n)))
    solve(
        other, scheme="anderson", NmaxIter=_SECOND_MOST, prd=prd, JTol=np.inf,
        popsTol=_SECOND_TOLERANCE, quiet=True, bound=False,
    )  # fmt: skip
    away = true_error(adapter.populations(), n)
    if away < REFERENCE_ERROR:
        return away
    # Not there yet, or another solution of the host's equations.
    return true_error(settle(other, prd)[0], n)


def _plain_steps(ctx: lw.Context, n: list[Array], prd: bool) -> float:
    """Return how far plain steps of the host go from where a context is."""
    plain = accelerate(ctx, scheme="mali")
    for _ in range(_PLAIN):
        plain.formal_sol_gamma_matrices()
        plain.stat_equil()
        if prd:
            plain.prd_redistribute(max_iter=3, tol=0.0)
    return true_error(plain.adapter.populations(), n)
