"""Reference populations, and the error against them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..errors import ContextError, NoReferenceError
from ..host.adapter import Adapter
from ..host.names import Named, iterate_ctx_se
from ..host.state import Snapshot
from ..iterate import accelerate, iterate_ctx_rl, solve
from ..norms import largest
from ..schemes import Anderson
from .peers import anderson_scattering

__all__ = [
    "Never",
    "confirmed_equilibrium",
    "mali_equilibrium",
    "newton_correction",
    "reference",
    "repelling_equilibrium",
    "settle",
    "true_error",
]

#: Relative change of the populations at which MALI counts as settled.
_REFERENCE_CHANGE = 1e-12
#: With a last change above this there is no reference.
_REFERENCE_LIMIT = 1e-10
#: The same two where scattering is solved: MALI then contracts ten times faster, and the change
#: ends at the rounding of the scattered light, some 1e-10; that of the electron density is 1e-8.
#: The first serves in two dimensions as well, where the last two decades are half of the time.
_SCATTERING_CHANGE, _SCATTERING_LIMIT, _CHARGE_LIMIT = 1e-10, 1e-8, 1e-7
#: Iterations in which MALI has to settle, and where scattering is solved.
_MOST, _SCATTERING_MOST = 20000, 4000
#: Formal solutions to a tighter solution, and plain steps that confirm it.
_TIGHTEN, _PLAIN_LEAST, _PLAIN_MOST = 300, 10, 30
#: MALI's change per iteration over the tolerance at which it counts as at its equilibrium, and the
#: iterations over which its contraction is measured.
_MALI_CHANGE, _CONTRACTION_OVER = 1e-3, 10
#: Step of the difference quotients in :func:`newton_correction`, in the logarithm of the unknown.
_DIFFERENCE = 1e-6


class Never(lw.ConvergenceCriteria):
    """Iterate until the number of iterations is used up."""

    def __init__(self, ctx: Any, JTol: float, popsTol: float, rhoTol: float | None):
        pass

    def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
        """Return False."""
        return False


def reference(ctx: lw.Context, prd: bool = False) -> tuple[list[Array], float]:
    """Solve a context to the reference populations, in place.

    Anderson acceleration finds the neighbourhood; MALI finishes, to a relative change below
    1e-12 (in two dimensions 1e-10; atoms other than those of one line: 1e-10, with the scattering
    solved) or, where rounding is above that, until the change no longer decreases.

    Parameters
    ----------
    ctx : lightweaver.Context
    prd : bool, optional
        Iterate the emission profiles of lines in partial redistribution as well (default: False).

    Returns
    -------
    n : list of Array
        Populations of every active atom [m-3], each [Nlevel, Nspace].
    change : float
        Relative change of the last MALI step.

    Raises
    ------
    NoReferenceError
        If MALI does not get below a relative change of 1e-10 (1e-8 with the scattering
        solved, 1e-7 with charge conserved as well).
    """
    scheme = Anderson() if Adapter(ctx).line_sources else anderson_scattering()
    iterate_ctx_rl(
        ctx, scheme=scheme, popsTol=1e-10, JTol=np.inf, NmaxIter=500, quiet=True,
        convergence=lw.DefaultConvergenceCriteria, prd=prd,
    )  # fmt: skip
    return settle(ctx, prd)


def settle(ctx: lw.Context, prd: bool = False) -> tuple[list[Array], float]:
    """Iterate a context by MALI to the nearest equilibrium, in place.

    For atoms other than those of one line the background's scattering is solved as well, because
    MALI alone is still 2e-3 wrong when its change is 1e-6. Parameters, return values and errors
    are those of :func:`reference`.
    """
    adapter = Adapter(ctx)
    target, limit, most = _REFERENCE_CHANGE, _REFERENCE_LIMIT, _MOST
    if adapter.grid.plane is not None:
        target = _SCATTERING_CHANGE
    if not adapter.line_sources:
        ctx = accelerate(ctx, scheme="mali_scattering")
        target, most = _SCATTERING_CHANGE, _SCATTERING_MOST
        limit = _CHARGE_LIMIT if adapter.conserves_charge else _SCATTERING_LIMIT
    changes: list[float] = []

    class Settled(Never):
        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            changes.append(Named(popsUpdate).dpops_max)
            if changes[-1] < target:
                return True
            # At the level of rounding the change no longer falls.
            old = changes[:-100]
            return bool(old) and min(changes[-100:]) > 0.5 * min(old) and old[-1] < limit

    # With the host's tolerance on the profile an iteration can end in a cycle.
    iterate_ctx_se(
        ctx, Nscatter=0, max_iter=most, quiet=True, convergence=Settled, prd=prd, prd_iter_tol=0.0
    )
    change = changes[-1]
    if not change < limit:
        raise NoReferenceError(
            f"MALI ends at a relative change of {change:.1e} after {len(changes)} iterations, "
            f"not below {limit:.0e}: there is no reference to measure against"
        )
    return adapter.populations(), change


def mali_equilibrium(
    ctx: lw.Context,
    tolerance: float,
    prd: bool = False,
    NmaxIter: int = 1500,
    solve_scattering: bool = False,
) -> list[Array] | None:
    """Go on from the end of a solve by the host's own MALI to its equilibrium.

    No accelerated scheme and no estimate of this package has a part in it. It ends where the change
    c of an iteration is below a thousandth of the tolerance, and where what is left at the
    contraction q of the last iterations, c q / (1 - q), is below the tolerance.

    Parameters
    ----------
    ctx, tolerance, prd
        As for :func:`confirmed_equilibrium`.
    NmaxIter : int, optional
        Formal solutions that MALI is given (default: 1500).
    solve_scattering : bool, optional
        MALI with the background's scattering solved (default: False).

    Returns
    -------
    n : list of Array or None
        As of :func:`reference`; None if MALI does not get there, or where populations are not
        positive.
    """
    ctx = copy.deepcopy(ctx)
    iterated = accelerate(ctx, scheme="mali_scattering") if solve_scattering else ctx
    changes: list[float] = []
    there = False

    class AtEquilibrium(Never):
        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            nonlocal there
            changes.append(Named(popsUpdate).dpops_max)
            there = _is_left_less_than(tolerance, changes)
            return there

    try:
        iterate_ctx_se(
            iterated, Nscatter=0, max_iter=NmaxIter, quiet=True, convergence=AtEquilibrium, prd=prd,
            prd_iter_tol=0.0,
        )  # fmt: skip
        return Adapter(ctx).populations() if there else None
    except (lw.ExplodingMatrixError, ArithmeticError, RuntimeError, ContextError):
        # The last of them: where the host has left populations that are not positive.
        return None


def _is_left_less_than(tolerance: float, changes: Sequence[float]) -> bool:
    """Return whether a linear iteration with these changes is within a tolerance of its end."""
    if len(changes) <= _CONTRACTION_OVER or not changes[-1] < _MALI_CHANGE * tolerance:
        return False
    if changes[-1] < _REFERENCE_CHANGE:
        return True  # at the level of rounding the change need not fall
    q = (changes[-1] / changes[-1 - _CONTRACTION_OVER]) ** (1.0 / _CONTRACTION_OVER)
    return q < 1.0 and changes[-1] * q < tolerance * (1.0 - q)


def confirmed_equilibrium(
    ctx: lw.Context, tolerance: float, prd: bool = False
) -> list[Array] | None:
    """Go on from the end of a solve until an independent MALI iteration confirms the equilibrium.

    Much cheaper than :func:`settle` where MALI is slow.

    Parameters
    ----------
    ctx : lightweaver.Context
        It is not changed.
    tolerance : float
        Relative error to which the populations must be known.
    prd : bool, optional
        As for :func:`reference`.

    Returns
    -------
    n : list of Array or None
        As of :func:`reference`; None if the equilibrium is not confirmed.
    """
    ctx = copy.deepcopy(ctx)
    for scheme in ("depthwise", "anderson"):
        _tighten(ctx, scheme, tolerance, prd)
        # Plain steps are independent of the scheme that led here. Where the host's limiter makes
        # the last digits jitter it takes more than ten to see that they contract.
        proxy = accelerate(ctx, scheme="mali")
        try:
            for k in range(_PLAIN_MOST):
                proxy.formal_sol_gamma_matrices()
                proxy.stat_equil()
                if prd:
                    # With the default tolerance the host's iteration can end in a cycle.
                    proxy.prd_redistribute(max_iter=3, tol=0.0)
                if k + 1 >= _PLAIN_LEAST and proxy.certificate.estimate().value < tolerance:
                    return proxy.adapter.populations()
        except lw.ExplodingMatrixError:
            # A state in which the host's own equations cannot be solved is no reference.
            continue
    return None


def repelling_equilibrium(ctx: lw.Context, tolerance: float) -> list[Array] | None:
    """Return the equilibrium that a solve ended at, confirmed by a Newton step alone.

    MALI leaves some equilibria, which :func:`confirmed_equilibrium` cannot confirm.

    Parameters
    ----------
    ctx, tolerance
        As for :func:`confirmed_equilibrium`, in complete redistribution.
    """
    ctx = copy.deepcopy(ctx)
    _tighten(ctx, "depthwise", tolerance)
    return Adapter(ctx).populations() if newton_correction(ctx) < tolerance else None


def _tighten(ctx: lw.Context, scheme: str, tolerance: float, prd: bool = False) -> None:
    """Solve a context well below a tolerance, in place."""
    solve(
        ctx, scheme=scheme, NmaxIter=_TIGHTEN, prd=prd, JTol=np.inf, popsTol=0.1 * tolerance,
        quiet=True, bound=False,
    )  # fmt: skip


def newton_correction(ctx: lw.Context) -> float:
    """Return the size of a Newton step of the host's own equations, in the logarithm.

    It distinguishes an equilibrium that MALI itself leaves from a state that only resembles one.
    The derivatives are one-sided differences of MALI's residual, and the larger step of the two
    sides counts, because the host's limiter is not differentiable where it switches. The scattered
    background light is that of the populations. It takes two formal solutions for each unknown, and
    two; the context is left unchanged. Infinite where there is no such step.

    Parameters
    ----------
    ctx : lightweaver.Context
    """
    adapter = Adapter(ctx)
    before, y = adapter.snapshot(), adapter.read()
    try:
        adapter.evaluate(y)
        start = adapter.snapshot()
        r = _residual(adapter, start, y)
        sizes = []
        for h in (_DIFFERENCE, -_DIFFERENCE):
            moved = [_residual(adapter, start, y + h * e) for e in np.eye(y.size)]
            step = np.linalg.solve(np.stack(moved, axis=1) - r[:, None], -h * r)
            sizes.append(largest(step.astype(np.float64)))
        return max(sizes) if np.all(np.isfinite(sizes)) else float("inf")
    except np.linalg.LinAlgError:
        return float("inf")
    finally:
        adapter.restore(before)


def _residual(adapter: Adapter, start: Snapshot, y: Array) -> Array:
    adapter.restore(start)
    evaluation = adapter.evaluate(y)
    return evaluation.r if evaluation.valid else np.full(y.size, np.nan)


def true_error(n: Sequence[Array], n_ref: Sequence[Array]) -> float:
    """Return max |n / n_ref - 1| over atoms, levels and depths."""
    return max(float(np.max(np.abs(a / b - 1.0))) for a, b in zip(n, n_ref, strict=True))
