"""Reference populations, and the error against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightweaver as lw
import numpy as np

from ..errors import NoReferenceError
from ..host.adapter import Adapter
from ..host.state import Snapshot
from ..iterate import iterate_ctx_rl
from ..norms import (
    largest,
)
from ..schemes import Anderson

Array = np.ndarray

_REFERENCE_CHANGE = 1e-12
#: Above this change at the end the reference is no reference.
_REFERENCE_LIMIT = 1e-10
#: Of the logarithm of an unknown.
_DIFFERENCE = 1e-6


class Never(lw.ConvergenceCriteria):
    """Iterate until the number of iterations is used up."""

    def __init__(self, ctx: Any, JTol: float, popsTol: float, rhoTol: float | None):
        pass

    def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
        """Say no."""
        return False


def reference(ctx: lw.Context, prd: bool = False) -> tuple[list[Array], float]:
    """Solve a context to the reference populations, in place.

    Anderson acceleration finds the neighbourhood; MALI finishes, to a relative change below
    1e-12 or, where rounding is above that, to the end of its decrease.

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
        If MALI does not get below a relative change of 1e-10.
    """
    iterate_ctx_rl(
        ctx, scheme=Anderson(), popsTol=1e-10, JTol=np.inf, NmaxIter=500, quiet=True,
        convergence=lw.DefaultConvergenceCriteria, prd=prd,
    )  # fmt: skip
    return settle(ctx, prd)


def settle(ctx: lw.Context, prd: bool = False) -> tuple[list[Array], float]:
    """Iterate a context by MALI to the equilibrium that it leads to, in place.

    Takes, returns and raises what :func:`reference` does.
    """
    changes: list[float] = []

    class Settled(Never):
        def is_converged(self, JUpdate: Any, popsUpdate: Any, prdUpdate: Any) -> bool:
            changes.append(popsUpdate.dPopsMax)
            if changes[-1] < _REFERENCE_CHANGE:
                return True
            # At the level of rounding the change no longer falls.
            old = changes[:-100]
            return bool(old) and min(changes[-100:]) > 0.5 * min(old) and old[-1] < 1e-10

    adapter = Adapter(ctx)
    # With the host's tolerance on the profile an iteration can end in a cycle.
    lw.iterate_ctx_se(
        ctx, Nscatter=0, NmaxIter=20000, quiet=True, convergence=Settled, prd=prd, prdIterTol=0.0
    )
    change = changes[-1]
    if not change < _REFERENCE_LIMIT:
        raise NoReferenceError(
            f"MALI ends at a relative change of {change:.1e} after {len(changes)} iterations, "
            f"not below {_REFERENCE_LIMIT:.0e}: there is no reference to measure against"
        )
    return adapter.populations(), change


def newton_correction(ctx: lw.Context) -> float:
    """Return how far a Newton step of the host's own equations would go, in the logarithm.

    It tells an equilibrium of which MALI itself leads away from a state that only looks like one.
    The derivatives are one-sided differences of the plain residual, and the larger step of the two
    sides counts: the host's limiter makes kinks. The scattered background light is that of the
    populations. Takes two formal solutions for each unknown, and two; the context is left as it
    was. Infinite where there is no such step.

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
            sizes.append(largest(np.linalg.solve(np.stack(moved, axis=1) - r[:, None], -h * r)))
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
