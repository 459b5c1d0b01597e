"""The certified stop: iterate until the *error* of the populations is small, and say how small.

The change per iteration, which ``lightweaver.iterate_ctx_se`` looks at, is many times smaller than
the error where convergence is slow. What the error is, `lw_rl.certificate` estimates.
"""

from __future__ import annotations

from typing import Any

import lightweaver as lw
import numpy as np

from ..host.adapter import Adapter
from ..host.names import Named
from ..host.state import Evaluation
from ..result import UNKNOWN
from .certificate import Certificate

__all__ = ["Certified", "HasCertificate"]


class HasCertificate:
    """A context that knows the error along its own solve.

    Attributes
    ----------
    certificate : Certificate
        What is known of the error.
    """

    certificate: Certificate


class Certified(lw.ConvergenceCriteria):  # type: ignore[misc]
    """Stop when the error of the populations, and the change of J, are below their tolerances.

    For ``lightweaver.iterate_ctx_se`` and for this package's drivers alike, where it is the
    default: ``lw.iterate_ctx_se(ctx, convergence=lw_rl.Certified, popsTol=1e-3)`` ends, on any
    context, when the populations are within 1e-3 of statistical equilibrium, not when they change
    by less.

    Where every active atom has an operator (`lw_rl.operator`), J need not be within `JTol` of the
    one before if the error of the populations that it belongs to is: the relative error of J is no
    larger than that of the source function. Otherwise the background's scattered light, which the
    host iterates, can be slower than the populations: J has to be within `JTol`, and what is left
    of it by its contraction counts as an error of the populations.

    A tolerance that rounding does not allow ends the iteration where residuals no longer fall, with
    the state of the smallest one, and the outcome ``"rounding"`` (`lw_rl.solve`).

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
        certified = isinstance(ctx, HasCertificate)
        self.certificate = ctx.certificate if certified else Certificate(Adapter(ctx))
        self._before = None if certified else self.certificate.adapter.read()

    def is_converged(
        self,
        JUpdate: lw.IterationUpdate,
        popsUpdate: lw.IterationUpdate,
        prdUpdate: lw.IterationUpdate | None,
    ) -> bool:
        """Return whether the context is converged; if so it holds the certified state."""
        certificate = self.certificate
        if self._before is not None:
            certificate.history.radiated(Named(JUpdate).dJ_max)
            self._watch(popsUpdate)
            if prdUpdate is not None and Named(prdUpdate).drho:
                certificate.redistribute(Named(prdUpdate).drho_max)
        if not certificate.adapter.settled:
            return False
        residual = certificate.residual
        if not (residual < self.popsTol and self._within_tolerance()):
            if not certificate.floor_reached:
                return False
            certificate.settle_at_floor()
            return True
        within = self.value.value + residual
        settled = within < self.JTol and not certificate.radiation_settles
        if not (settled or Named(JUpdate).dJ_max < self.JTol):
            return False
        if prdUpdate is not None and not self._redistributed(prdUpdate):
            return False
        certificate.settle()
        return True

    def _within_tolerance(self) -> bool:
        self.value = self.certificate.estimate(within=self.popsTol)
        return self.value.value < self.popsTol

    def _redistributed(self, update: lw.IterationUpdate) -> bool:
        report = Named(update)
        settled = report.dJ_max < self.JTol and report.dpops_max < self.popsTol
        return bool(settled and (self.rhoTol is None or report.drho_max < self.rhoTol))

    def _watch(self, update: lw.IterationUpdate) -> None:
        """Follow a context of the host's, whose update of the populations is the plain one."""
        adapter = self.certificate.adapter
        before, now = self._before, adapter.read()
        assert before is not None
        self._before = now
        if any(Named(update).ng_accelerated):
            self.certificate.history.skip()
            return
        r = now - before
        valid = bool(np.isfinite(r.sum()))
        self.certificate.add(Evaluation(before, r, adapter.blocks, valid), None)
