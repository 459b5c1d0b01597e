"""The coupled equilibrium of all active atoms as a step of an iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..certificate.history import History
from ..certificate.settings import shipped
from ..extrapolation import anderson_mix
from ..host.adapter import Adapter
from ..host.equations import Equations
from ..host.state import Evaluation
from ..norms import largest, limit_step
from ..operator.multilevel import CoupledEquilibrium

__all__ = ["CoupledStep", "coupled_step"]


@dataclass
class CoupledStep:
    """Steps of the non-local operator of all active atoms.

    Where they are within what the operator is taken to be linear in (`Settings.moved`) they are
    combined by Anderson acceleration (Anderson 1965, J. ACM 12,
    547) in the logarithm of the populations, which removes what the operator leaves.

    Attributes
    ----------
    adapter : Adapter
        Access to the context.
    equations : Equations
        Its rates.
    operator : CoupledEquilibrium
        The operator.
    history : History
        The states visited.
    """

    adapter: Adapter
    equations: Equations
    operator: CoupledEquilibrium
    history: History

    def propose(self, evaluation: Evaluation) -> tuple[Array, Array] | None:
        """Return the next unknown and what the operator alone makes of the present one.

        None where no equilibrium is found, as from LTE where that is another ionisation stage
        altogether: a plain step or two help. The mean intensity at the next unknown is written to
        the context, for scattered light follows it.
        """
        adapter, y = self.adapter, evaluation.y
        rates = self.equations.rates(adapter.populations(y), adapter.switched)
        self.operator.transfer = transfer = self.equations.transfer
        solved = self.operator.solve(rates)
        if solved is None:
            return None
        n, J = solved
        image = adapter.unknown(np.split(n, transfer.first_level[1:]))
        adapter.write_radiation_ahead(transfer.waves, J)
        within = shipped().moved
        ys, images = self.history.images(within)
        if not ys or largest(image - y) > within:
            return image, image
        return limit_step(y, anderson_mix([*ys, y], [*images, image]), within), image


def coupled_step(adapter: Adapter, history: History) -> CoupledStep | None:
    """Return the steps of the coupled operator, None where it does not apply.

    It is at home in one dimension.
    """
    if adapter.grid.Ndim != 1:
        return None
    equations = Equations(adapter)
    return CoupledStep(adapter, equations, CoupledEquilibrium(equations.transfer), history)
