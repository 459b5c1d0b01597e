"""Reference populations, and the error against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightweaver as lw
import numpy as np

from .adapter import Adapter
from .errors import NoReferenceError
from .iterate import iterate_ctx_rl
from .schemes import Anderson

Array = np.ndarray

_REFERENCE_CHANGE = 1e-12
#: Above this change at the end the reference is no reference.
_REFERENCE_LIMIT = 1e-10


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


def true_error(n: Sequence[Array], n_ref: Sequence[Array]) -> float:
    """Return max |n / n_ref - 1| over atoms, levels and depths."""
    return max(float(np.max(np.abs(a / b - 1.0))) for a, b in zip(n, n_ref, strict=True))
