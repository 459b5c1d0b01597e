"""Sub-iterations of partial redistribution, counted in formal solutions.

In every iteration the host iterates the emission profiles of the lines in partial redistribution
as well (``Context.prd_redistribute``, `maxPrdSubIter` times at most). Each sub-iteration makes a
formal solution at the wavelengths at which such a line is active, and at those only
(``redistribute_prd_lines`` in the host's ``Source/Prd.cpp``), so that it counts as that share of a
formal solution. It also evaluates the redistribution integrals, which take about as long again;
wall times include that.
"""

from __future__ import annotations

from typing import Any

import lightweaver as lw
from lightweaver.atomic_model import LineType

from ..host.names import Named

__all__ = ["made", "share"]


def made(update: Any) -> int:
    """Return how many sub-iterations a report of ``prd_redistribute``, or None, tells of."""
    return 0 if update is None else int(Named(update).Nprd_sub_iter)


def share(ctx: lw.Context) -> float:
    """Return the share of its wavelengths that a sub-iteration sweeps.

    In moving atmospheres with the host's hybrid redistribution it sweeps a few more.

    Parameters
    ----------
    ctx : lightweaver.Context
    """
    swept: set[int] = set()
    for atom in map(Named, Named(ctx).active_atoms):
        for transition, line in zip(atom.trans, atom.atomic_model.lines, strict=False):
            if line.type == LineType.PRD:
                first = transition.Nblue
                swept.update(range(first, first + len(transition.wavelength)))
    return len(swept) / len(ctx.spect.wavelength)
