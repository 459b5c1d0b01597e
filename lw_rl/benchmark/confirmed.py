"""References that are confirmed: found from two starts, and left alone by the host's own step.

MALI's change per iteration can be 1e-6 while the populations are 2e-3 wrong, so that a small change
proves nothing. The populations of a reference are the end of MALI with the scattering of the
background solved (`lw_rl.benchmark.reference`), from LTE; another solve, which begins on the other
side of it, has to end at the same, because what converges slowly would leave the two apart; plain
steps of the host, which lambda-iterates the scattering, have to stay there; and the populations of
an element have to add up to what there is of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from time import perf_counter

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..errors import NoReferenceError
from ..host.adapter import Adapter
from ..iterate import accelerate, iterate_ctx_rl
from .peers import anderson_scattering
from .reference import reference, settle, true_error

__all__ = ["REFERENCE_ERROR", "Reference", "confirmed_reference"]

#: Largest relative error of a reference: a hundredth of the tolerance of the stops.
REFERENCE_ERROR = 1e-5
#: Plain steps of the host that must leave a reference alone.
_PLAIN = 5
#: Change of the populations and formal solutions of the solve from the second start.
_SECOND_TOLERANCE, _SECOND_MOST = 1e-8, 300
#: Furthest that the second start is from the first end, in the logarithm of the populations, and
#: the factor on its mean intensity.
_FURTHEST, _BRIGHTER = 0.5, 1.5


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
        If MALI does not settle, from either start, or if the host's own steps leave the end by more
        than :data:`REFERENCE_ERROR`. Two ends that differ are both solutions of its equations.
    """
    began = perf_counter()
    end = copy.deepcopy(ctx)
    try:
        return _confirmed(ctx, end, prd, began)
    except (lw.ExplodingMatrixError, ArithmeticError) as err:
        raise NoReferenceError(f"the host's equations could not be solved: {err}") from err


def _confirmed(ctx: lw.Context, end: lw.Context, prd: bool, began: float) -> Reference:
    n, change = reference(end, prd)
    adapter = Adapter(end)
    starts = 0.0 if adapter.line_sources else second_start(ctx, end, prd)
    lte = adapter.lte_populations()
    sums = [
        float(np.max(np.abs(a.sum(axis=0) / b.sum(axis=0) - 1.0)))
        for a, b in zip(n, lte, strict=True)
    ]
    plain = plain_steps(end, n, prd)
    if not plain < REFERENCE_ERROR:
        raise NoReferenceError(
            f"the host's own steps leave the populations that MALI settled at by {plain:.1e}"
        )
    return Reference(tuple(n), change, starts, plain, max(sums), perf_counter() - began)


def second_start(ctx: lw.Context, end: lw.Context, prd: bool) -> float:
    """Return how far from the end of a solve one from its other side ends.

    Seen from LTE, where the first began: there the radiation is too weak, and here too strong.
    """
    n = Adapter(end).populations()
    other = copy.deepcopy(end)
    adapter = Adapter(other)
    away = Adapter(end).read() - Adapter(ctx).read()
    adapter.write(adapter.read() + np.clip(away, -_FURTHEST, _FURTHEST))
    waves = np.arange(len(adapter.radiation()))
    adapter.write_radiation(waves, _BRIGHTER * adapter.radiation())
    iterate_ctx_rl(
        other, scheme=anderson_scattering(), popsTol=_SECOND_TOLERANCE, JTol=np.inf,
        NmaxIter=_SECOND_MOST, quiet=True, convergence=lw.DefaultConvergenceCriteria, prd=prd,
    )  # fmt: skip
    found = true_error(adapter.populations(), n)
    if found < REFERENCE_ERROR:
        return found
    # Not there yet, or another solution of the host's equations.
    return true_error(settle(other, prd)[0], n)


def plain_steps(ctx: lw.Context, n: list[Array], prd: bool) -> float:
    """Return how far plain steps of the host go from where a context is."""
    plain = accelerate(ctx, scheme="mali")
    for _ in range(_PLAIN):
        plain.formal_sol_gamma_matrices()
        plain.stat_equil()
        if prd:
            plain.prd_redistribute(max_iter=3, tol=0.0)
    return true_error(plain.adapter.populations(), n)
