"""The certified stop: iterate until the *error* of the populations is small, and say how small.

The change per iteration, which ``lightweaver.iterate_ctx_se`` looks at, is many times smaller than
the error where convergence is slow. What the error is, `lw_rl.certificate` estimates.
"""

from __future__ import annotations

from typing import Any

import lightweaver as lw
import numpy as np

from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..result import UNKNOWN
from .certificate import Certificate


class Certified(lw.ConvergenceCriteria):
    """Stop when the error of the populations, and the change of J, are below their tolerances.

    For ``lightweaver.iterate_ctx_se`` and for this package's drivers alike, where it is the
    default: ``lw.iterate_ctx_se(ctx, convergence=lw_rl.Certified, popsTol=1e-3)`` ends, on any
    context, when the populations are within 1e-3 of statistical equilibrium, not when they change
    by less.

    J need not be within `JTol` of the one before where the error of the populations that it
    belongs to is: the relative error of J is no larger than that of the source function.

    Parameters
    ----------
    ctx : lightweaver.Context or AcceleratedContext
        The context that is iterated.
    JTol, popsTol, rhoTol
        As for ``lightweaver.iterate_ctx_se``; `popsTol` is a tolerance on the error.

    Attributes
    ----------
    value : ErrorEstimate
        The estimate at the last call that made one.
    """

    def __init__(self, ctx: Any, JTol: float, popsTol: float, rhoTol: float | None):
        self.ctx, self.JTol, self.popsTol, self.rhoTol = ctx, JTol, popsTol, rhoTol
        self.value = UNKNOWN
        own = getattr(ctx, "certificate", None)
        self.certificate: Certificate = Certificate(Adapter(ctx)) if own is None else own
        self._before = None if own is not None else self.certificate.adapter.read()

    def is_converged(
        self,
        JUpdate: lw.IterationUpdate,
        popsUpdate: lw.IterationUpdate,
        prdUpdate: lw.IterationUpdate | None,
    ) -> bool:
        """Return whether the context is converged; if so it holds the certified state."""
        certificate = self.certificate
        if self._before is not None:
            self._watch(popsUpdate)
            if prdUpdate is not None and prdUpdate.dRho:
                certificate.redistribute(prdUpdate.dRhoMax)
        if not certificate.residual < self.popsTol or not self.ctx.crswDone:
            return False
        self.value = certificate.estimate(within=self.popsTol)
        if not self.value.value < self.popsTol:
            return False
        if not min(JUpdate.dJMax, self.value.value + certificate.residual) < self.JTol:
            return False
        if prdUpdate is not None and not self._redistributed(prdUpdate):
            return False
        certificate.settle()
        return True

    def _redistributed(self, update: lw.IterationUpdate) -> bool:
        settled = update.dJMax < self.JTol and update.dPopsMax < self.popsTol
        return settled and (self.rhoTol is None or update.dRhoMax < self.rhoTol)

    def _watch(self, update: lw.IterationUpdate) -> None:
        """Follow a context of the host's, whose update of the populations is the plain one."""
        adapter = self.certificate.adapter
        before, now = self._before, adapter.read()
        assert before is not None
        self._before = now
        if any(update.ngAccelerated):
            self.certificate.skip()
            return
        r = now - before
        valid = bool(np.isfinite(r.sum()))
        self.certificate.add(Evaluation(before, r, adapter.blocks, valid), None)
